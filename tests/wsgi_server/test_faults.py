"""A system call that fails, at each place where there is one: it costs that connection at most."""

import errno
import os
import resource
from contextlib import suppress

import gevent
import pytest

from tests.support import descriptors, settle
from tests.wsgi_server.clients import request, until

pytestmark = pytest.mark.limit(2)

ERRORS = ("EAGAIN", "ECONNRESET", "EPIPE", "ETIMEDOUT", "EINTR", "ENOMEM", "ENOBUFS")
CALLS = ("recv", "recv_into", "send", "shutdown")


class Faulty:
    """A socket of which one call fails.

    Args:
        sock: the real one.
        plan: counts the calls of a connection, and fails the one that it is to.
    """

    def __init__(self, sock, plan):
        self._sock = sock
        self._plan = plan

    def __getattr__(self, name):
        return getattr(self._sock, name)

    def recv(self, size):
        self._plan.call("recv")
        return self._sock.recv(size)

    def recv_into(self, view):
        self._plan.call("recv_into")
        return self._sock.recv_into(view)

    def send(self, data):
        self._plan.call("send")
        return self._sock.send(data)

    def shutdown(self, how):
        self._plan.call("shutdown")
        self._sock.shutdown(how)

    def setsockopt(self, *args):
        self._plan.call("setsockopt")
        self._sock.setsockopt(*args)

    def close(self):
        self._sock.close()  # as close(2): whatever it says, the descriptor is gone
        self._plan.call("close")


class Plan:
    """Fails call number `index` with `error`; those in `only` are counted."""

    def __init__(self, index, error, only):
        self.left = index
        self.failed = ""
        self._error = error
        self._only = only

    def call(self, name):
        if name in self._only:
            if self.left == 0:
                self.failed = name
                self.left = -1
                number = getattr(errno, self._error)
                raise OSError(number, os.strerror(number))
            self.left -= 1


class Dribble(Faulty):
    """A socket that takes and gives a byte at a time."""

    def recv(self, size):
        return self._sock.recv(1)

    def recv_into(self, view):
        return self._sock.recv_into(view[:1])

    def send(self, data):
        return self._sock.send(memoryview(data)[:1])


def breaks(environ, start_response):
    start_response("200 OK", [])
    yield b"one"
    raise RuntimeError("application")


BAD = b"GET / HTTP/1.1\r\n\r\n"
#: What is sent; the last of each ends the connection.
SCENARIOS = {
    "batch": request("/hello") * 3 + BAD,
    "bodies": request("/echo", body=b"small", method="POST")
    + request("/echo", body=bytes(100), method="POST")
    + BAD,
    "unread": request("/hello", body=bytes(100), method="POST") + BAD,
    "chunks": request("/echo", "Transfer-Encoding: chunked", method="POST")
    + b"5\r\nsmall\r\n0\r\n\r\n"
    + BAD,
    "expect": request("/echo", "Expect: 100-continue", "Content-Length: 2", method="POST"),
    "stream": request("/stream") + request("/stream", "Connection: close"),
    "large": request("/large", "Connection: close"),
    "cut off": request("/breaks"),
    "reset": request("/breaks", version="1.0"),
    "hijack": request("/hijack"),
}


def hijack(environ, start_response):
    sock, _ = environ["gpool.hijack"]()
    sock.sendall(b"mine")
    sock.close()
    return []


@pytest.fixture
def faulty(serve, site, caplog):
    """A server whose next connection has a `Faulty` socket."""
    caplog.set_level(100, "gpool.wsgi")
    site.gate.set()
    site.more |= {"breaks": breaks, "hijack": hijack}
    server = serve(body_buffer=50, write_buffer=1 << 24, max_workers=5)
    accept, wraps = server.accept_one, []

    def accept_one():
        accepted = accept()
        if accepted and wraps:
            sock, address = accepted
            return wraps.pop()(sock), address
        return accepted

    server.accept_one = accept_one
    server.wraps = wraps
    return server


def play(server, visit, name, wrap):
    """One connection of a scenario; returns all that the client got."""
    server.wraps.append(wrap)
    client = visit(server)
    received = b""
    with suppress(ConnectionResetError, BrokenPipeError):
        client.send(SCENARIOS[name])
        if name == "expect":
            client.send(b"ok")
            client.end()
        received = client.rest()
    client.close()
    until(lambda: not server.stats().open)
    until(lambda: not server.stats().lingering)
    return received


def without_dates(received):
    return b"".join(line for line in received.splitlines(True) if not line.startswith(b"Date"))


def every_call(server, visit, name, error, only):
    """Play the scenario once for each of its calls, each time with that one failing."""
    index = 0
    while True:
        plan = Plan(index, error, only)
        received = play(server, visit, name, lambda sock, plan=plan: Faulty(sock, plan))
        if not plan.failed:
            return
        yield received
        index += 1
        assert not server.pool.stats().busy
        assert len(server.site.deadlines) == 0


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_call_that_fails_costs_its_connection_only(faulty, visit, name, error, no_hub_errors):
    play(faulty, visit, name, lambda sock: sock)
    before = descriptors()
    only = ("recv", "recv_into", "send") if error == "EAGAIN" else CALLS
    failures = len(list(every_call(faulty, visit, name, error, only)))
    assert failures
    with visit(faulty) as client:
        assert client.ask("/after").body == b"/after"
    until(lambda: not faulty.stats().open)
    settle()
    assert descriptors() == before
    stats = faulty.pool.stats()
    assert (stats.running, stats.errors) == (stats.ready, 0)


@pytest.mark.parametrize("call", ["setsockopt", "close"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_an_end_that_fails_is_an_end(faulty, visit, name, call):
    """Whatever close(2) says, the descriptor is gone."""
    for _ in every_call(faulty, visit, name, "EIO", (call,)):
        pass
    with visit(faulty) as client:
        assert client.ask("/after").body == b"/after"


@pytest.mark.parametrize("name", [one for one in SCENARIOS if one != "reset"])
def test_a_call_that_would_block_changes_no_answer(faulty, visit, name):
    expected = without_dates(play(faulty, visit, name, lambda sock: sock))
    for received in every_call(faulty, visit, name, "EAGAIN", ("recv", "recv_into", "send")):
        # An interim answer may be needed or not.
        assert (
            without_dates(received)
            .removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
            .endswith(expected.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n"))
        )


@pytest.mark.parametrize("name", [one for one in SCENARIOS if one not in ("reset", "large")])
def test_a_byte_at_a_time_changes_no_answer(faulty, visit, name):
    expected = play(faulty, visit, name, lambda sock: sock)
    received = play(faulty, visit, name, lambda sock: Dribble(sock, Plan(-1, "EIO", ())))
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    assert without_dates(received).removeprefix(interim) == without_dates(expected).removeprefix(
        interim
    )


# ---------------------------------------------------------------------- accept


@pytest.mark.parametrize("secure", [False, True])
def test_without_descriptors_the_server_waits_and_goes_on(serve, visit, tls, secure, caplog):
    server = serve(**({"ssl_context": tls[0]} if secure else {}))
    named = {"tls": tls[1]} if secure else {}
    assert visit(server, **named).ask().status == 200
    client = gevent.socket._socket.socket()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208
    taken = [os.dup(1) for _ in range(highest)]  # no gap below the limit
    highest = max(taken)
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, limits[1]))
    try:
        client.connect(server.address)
        until(lambda: "cannot accept: Too many open files" in caplog.text)
        assert server.started
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for one in taken:
            os.close(one)
    client.close()
    assert visit(server, **named).ask().status == 200


@pytest.mark.parametrize("number", [errno.ECONNABORTED, errno.EPROTO, errno.ENOMEM, errno.EMFILE])
def test_an_accept_that_fails_is_followed_by_the_next(serve, visit, number):
    server = serve()
    accept, failures = server.accept_one, [number] * 3

    def accept_one():
        if failures:
            raise OSError(failures.pop(), "accept")
        return accept()

    server.accept_one = accept_one
    assert visit(server).ask("/after").body == b"/after"
    assert not failures
