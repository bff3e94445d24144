"""What systemd gives, and what it is told."""

import os
import socket

import pytest

from gpool.command.systemd import listen_fds, notify, watchdog_seconds


@pytest.fixture
def systemd(folder, monkeypatch):
    """A socket that is systemd's."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(folder / "notify"))
        sock.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(folder / "notify"))
        yield sock


def given(**values):
    return {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b"} | values


def test_descriptors_begin_with_3():
    assert listen_fds(given()) == [3, 4]


def test_no_child_takes_them_for_its_own():
    environ = given(OTHER="x")
    listen_fds(environ)
    assert environ == {"OTHER": "x"}
    assert listen_fds(environ) == []


@pytest.mark.parametrize(
    "values", [{"LISTEN_PID": "1"}, {"LISTEN_PID": ""}, {"LISTEN_FDS": "x"}, {"LISTEN_FDS": ""}]
)
def test_those_of_another_process_are_left(values):
    environ = given(**values)
    assert listen_fds(environ) == []
    assert environ == given(**values)


@pytest.mark.parametrize("count", ["-1", "1.5", " 1"])
def test_a_count_that_is_none(count):
    assert listen_fds(given(LISTEN_FDS=count)) == []


def test_no_descriptors():
    assert listen_fds(given(LISTEN_FDS="0")) == []
    assert listen_fds({}) == []


def test_a_message_is_one_datagram(systemd):
    notify("READY=1", "MAINPID=5")
    assert systemd.recv(100) == b"READY=1\nMAINPID=5"


def test_an_abstract_name(monkeypatch):
    name = f"gpool-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("\0" + name)
        sock.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name)
        notify("STOPPING=1")
        assert sock.recv(100) == b"STOPPING=1"


@pytest.mark.parametrize("address", ["", "/nowhere/notify", "/" + "x" * 200])
def test_a_message_that_cannot_be_sent_is_lost(monkeypatch, address):
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify("READY=1")


def test_when_nobody_reads_the_message_is_lost(systemd):
    for _ in range(2_000):
        notify("WATCHDOG=1")  # does not block


@pytest.mark.parametrize(
    ("microseconds", "seconds"),
    [("3000000", 3.0), ("500000", 0.5), ("0", None), ("", None), ("x", None), ("-1", None)],
)
def test_the_watchdogs_time(monkeypatch, microseconds, seconds):
    monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    assert watchdog_seconds() == seconds


def test_the_watchdog_of_another_process_is_not_ours(monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "1000000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert watchdog_seconds() is None
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    assert watchdog_seconds() == 1.0
