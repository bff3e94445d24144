"""From an address to a listener."""

import os
import socket
from contextlib import closing, suppress

import click
import pytest

from gpool.command.listeners import bound, listener, shown


def refused(call, *args, **named):
    with pytest.raises(click.ClickException) as raised:
        call(*args, **named)
    return raised.value.message


@pytest.mark.parametrize("address", ["127.0.0.1:0", ":0", "[::1]:0", "unix:/x"])
def test_an_address_is_left_to_the_server(address):
    assert listener(address) == address


def test_a_descriptor_becomes_a_socket():
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        closing(listener(f"fd://{os.dup(server.fileno())}")) as sock,
    ):
        assert sock.getsockname() == server.getsockname()
        assert sock.family == server.family


def test_a_descriptor_of_a_unix_socket(folder):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "sock"))
        server.listen()
        with closing(listener(f"fd://{os.dup(server.fileno())}")) as sock:
            assert sock.family == socket.AF_UNIX


@pytest.mark.parametrize("number", ["999", "99999999999999999999"])
def test_a_descriptor_that_is_not_open_is_named(number):
    assert refused(listener, f"fd://{number}") == f"--bind fd://{number}: Bad file descriptor"


def test_a_descriptor_of_a_file_is_named(folder):
    (folder / "f").touch()
    number = os.open(folder / "f", os.O_RDONLY)
    assert "Socket operation on non-socket" in refused(listener, f"fd://{number}")
    with suppress(OSError):
        os.close(number)


def test_a_socket_that_does_not_listen_is_named():
    number = socket.socket().detach()
    message = refused(listener, f"fd://{number}")
    assert message == f"--bind fd://{number}: it is a socket, but does not listen"
    with suppress(OSError):
        os.close(number)


def test_those_of_a_parent_listen_already(folder):
    socks = bound(["127.0.0.1:0", f"unix:{folder / 'sock'}"], 5, reuse_port=False)
    for sock in socks:
        with socket.socket(sock.family) as client, closing(sock):
            client.connect(sock.getsockname())


def test_a_parents_listener_may_be_a_descriptor():
    with socket.create_server(("127.0.0.1", 0)) as server:
        (sock,) = bound([f"fd://{os.dup(server.fileno())}"], 5, reuse_port=False)
        with closing(sock):
            assert sock.getsockname() == server.getsockname()


def test_an_address_in_use_is_named():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        message = refused(bound, [f"127.0.0.1:{port}"], 5, reuse_port=False)
    assert message == f"--bind: Address already in use: ('127.0.0.1', {port})"


def test_a_path_that_is_too_long_is_named(folder):
    message = refused(bound, [f"unix:{folder}/{'x' * 200}"], 5, reuse_port=False)
    assert message.startswith("--bind: AF_UNIX path too long: ")


@pytest.mark.parametrize(
    ("address", "tls", "text"),
    [
        (("127.0.0.1", 80), False, "http://127.0.0.1:80"),
        (("::1", 443, 0, 0), True, "https://[::1]:443"),
        (("::", 80, 0, 0), False, "http://[::]:80"),
        ("/run/a.sock", False, "unix:/run/a.sock"),
        ("unix:/run/a.sock", True, "unix:/run/a.sock"),
    ],
)
def test_an_address_is_shown_as_one_can_use_it(address, tls, text):
    assert shown(address, tls=tls) == text
