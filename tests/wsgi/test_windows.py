"""heed_window, on real connections of either kind."""

import socket
from contextlib import ExitStack

import pytest

from gpool.wsgi.windows import SMALL_WINDOW, TCP_NOTSENT_LOWAT, UNSENT, heed_window

NO_LIMIT = 0xFFFF_FFFF


@pytest.fixture
def connect():
    """A function that gives the server's end of a connection whose client has such a buffer."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

        def connected(buffer=None):
            client = stack.enter_context(socket.socket())
            if buffer is not None:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            client.connect(listener.getsockname())
            return stack.enter_context(listener.accept()[0])

        yield connected


def limit(sock):
    return sock.getsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT) % (NO_LIMIT + 1)


def taken(sock):
    """How many bytes the kernel takes for a client that does not read."""
    sock.setblocking(False)
    total = 0
    try:
        while total < 1 << 26:
            total += sock.send(bytes(1 << 20))
    except BlockingIOError:
        pass
    return total


def test_a_client_with_a_small_window_gets_little_into_the_kernel(connect):
    sock = connect(buffer=1)
    heed_window(sock)
    assert limit(sock) == UNSENT
    assert taken(sock) < 2 * UNSENT + SMALL_WINDOW


def test_a_client_with_a_usual_window_has_no_limit(connect):
    sock = connect()
    before = limit(sock)
    heed_window(sock)
    assert limit(sock) == before != UNSENT
    assert taken(sock) > 4 * UNSENT


def test_what_is_no_tcp_or_is_closed_is_left_alone():
    ours, theirs = socket.socketpair()
    with theirs:
        heed_window(ours)
        assert ours.send(b"a") == 1
        ours.close()
        heed_window(ours)
