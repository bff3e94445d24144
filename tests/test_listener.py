"""Addresses of listeners, unix sockets' files, and binding; and `WSGIServer` on each of them."""

import errno
import os
import socket as blocking_socket
from pathlib import Path

import gevent
import pytest
from gevent import socket

from gpool import listener as listener_module
from gpool.listener import bind, is_unix, made, parse, remove
from tests.support import descriptors

pytestmark = pytest.mark.limit(5)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "socket")


def listening(path):
    """Another program that listens on `path`."""
    other = blocking_socket.socket(blocking_socket.AF_UNIX)
    other.bind(path)
    other.listen()
    return other


# ---------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("address", "unix"),
    [
        ("unix:/run/s", True),
        ("localhost:80", False),
        (("h", 1), False),
        (8000, False),
        (b"", False),
    ],
)
def test_a_unix_address_is_told_by_its_beginning(address, unix):
    assert is_unix(address) is unix


@pytest.mark.parametrize(
    ("address", "parsed"),
    [
        ("unix:/run/s", (socket.AF_UNIX, "/run/s")),
        ("unix:relative", (socket.AF_UNIX, "relative")),
        (("127.0.0.1", 80), (socket.AF_INET, ("127.0.0.1", 80))),
        ("127.0.0.1:80", (socket.AF_INET, ("127.0.0.1", 80))),
        ("[::1]:80", (socket.AF_INET6, ("::1", 80))),
        pytest.param(
            ":80",
            (socket.AF_INET6, ("", 80)),
        ),
        ("80", (socket.AF_INET6, ("", 80))),
        (80, (socket.AF_INET6, ("", 80))),
        (("", 0), (socket.AF_INET6, ("", 0))),
    ],
)
def test_addresses_are_read_as_gevent_reads_them(address, parsed):
    assert parse(address) == parsed


@pytest.mark.parametrize("address", ["unix:", "localhost:http"])
def test_a_malformed_address_is_named(address):
    with pytest.raises(ValueError, match=r"Failed to parse|invalid"):
        parse(address)


# ---------------------------------------------------------------------- binding


def test_the_error_names_the_address_and_no_descriptor_is_left():
    before = descriptors()
    with bind(socket.AF_INET, ("127.0.0.1", 0), 1, reuse_port=False) as first:
        address = first.getsockname()
        with pytest.raises(OSError, match=f"in use: .*{address[1]}") as caught:
            bind(socket.AF_INET, address, 1, reuse_port=False)
        assert caught.value.errno == errno.EADDRINUSE
    assert descriptors() == before


def test_with_reuse_port_an_address_can_be_bound_twice():
    with bind(socket.AF_INET, ("127.0.0.1", 0), 1, reuse_port=True) as first:
        bind(socket.AF_INET, first.getsockname(), 1, reuse_port=True).close()


def test_all_interfaces_are_both_families_in_one_socket():
    with bind(socket.AF_INET6, ("", 0), 1, reuse_port=False) as everywhere:
        port = everywhere.getsockname()[1]
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, port)).close()


@pytest.mark.parametrize("number", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
def test_without_ipv6_all_interfaces_are_ipv4(monkeypatch, number):
    listen = listener_module.listen

    def without_ipv6(family, *args, **named):
        if family == socket.AF_INET6:
            raise OSError(number, "no IPv6")
        return listen(family, *args, **named)

    monkeypatch.setattr(listener_module, "listen", without_ipv6)
    with bind(socket.AF_INET6, ("", 0), 1, reuse_port=False) as everywhere:
        assert everywhere.family == socket.AF_INET
    with pytest.raises(OSError, match=r"no IPv6: \('::1', 0\)"):
        bind(socket.AF_INET6, ("::1", 0), 1, reuse_port=False)


# ---------------------------------------------------------------------- files


def test_a_file_that_nobody_listens_on_is_taken_over(path):
    listening(path).close()
    assert Path(path).is_socket()
    with bind(socket.AF_UNIX, path, 1, reuse_port=False), socket.socket(socket.AF_UNIX) as client:
        client.connect(path)


def test_a_file_that_somebody_listens_on_is_not_taken_over(path):
    with listening(path) as other, pytest.raises(OSError, match=f"in use: '{path}'"):
        bind(socket.AF_UNIX, path, 1, reuse_port=False)
    assert Path(path).is_socket() and other.fileno() == -1


def test_a_file_whose_listener_is_overloaded_is_not_taken_over(path):
    """Its backlog is full, so that a connect would wait."""
    with blocking_socket.socket(blocking_socket.AF_UNIX) as other:
        other.bind(path)
        other.listen(0)
        clients = []
        while True:
            clients.append(blocking_socket.socket(blocking_socket.AF_UNIX))
            clients[-1].setblocking(False)
            try:
                clients[-1].connect(path)
            except BlockingIOError:
                break
        try:
            with gevent.Timeout(1), pytest.raises(OSError, match="in use"):
                bind(socket.AF_UNIX, path, 1, reuse_port=False)
        finally:
            for client in clients:
                client.close()


def test_what_is_no_socket_is_not_touched(path):
    Path(path).write_text("precious")
    with pytest.raises(OSError, match="in use"):
        bind(socket.AF_UNIX, path, 1, reuse_port=False)
    assert Path(path).read_text() == "precious"


def test_only_the_file_that_was_made_is_removed(path):
    with bind(socket.AF_UNIX, path, 1, reuse_port=False) as first:
        file = made(socket.AF_UNIX, first.getsockname())
        assert file is not None
        Path(path).rename(path + ".old")  # keeps the first one's inode in use
        with listening(path):
            remove(file)
            assert Path(path).exists()
        Path(path).unlink()
        Path(path + ".old").rename(path)
        remove(file)
        assert not Path(path).exists()
        remove(file)  # gone already


def test_other_sockets_have_no_file():
    assert made(socket.AF_INET, ("127.0.0.1", 1)) is None
    assert made(socket.AF_UNIX, "") is None


@pytest.mark.skipif(not os.path.exists("/proc/net/unix"), reason="Linux")  # noqa: PTH110
def test_an_abstract_address_has_no_file(path):
    with bind(socket.AF_UNIX, f"\0{path}", 1, reuse_port=False) as abstract:
        assert made(socket.AF_UNIX, abstract.getsockname()) is None
