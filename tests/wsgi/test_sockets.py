"""Of the two forms of `gpool.wsgi.sockets`, the one that is here is tested."""

import errno
import gc
import os
from contextlib import closing, suppress
from socket import AF_INET, AF_UNIX, IPPROTO_TCP, SHUT_WR, SOCK_STREAM, TCP_NODELAY, socketpair
from socket import socket as plain_socket

import pytest
from gevent import socket

from gpool.wsgi.sockets import accepted

MORE = 8_000_000  # bytes, more than the kernel takes


@pytest.fixture
def ends():
    """An accepted socket, and its peer's; both are plain and blocking when they come."""
    ours, peer = socketpair()
    peer.settimeout(5)
    sock = accepted(ours.detach(), (AF_UNIX, SOCK_STREAM, 0))
    yield sock, peer
    peer.close()
    with suppress(OSError):
        sock.close()


def fill(sock):
    """Send until the kernel takes no more."""
    with suppress(BlockingIOError):
        while True:
            sock.send(b"x" * 65_536)


def test_nothing_to_receive_is_said_as_an_error_and_does_not_block(ends):
    sock, _peer = ends
    with pytest.raises(BlockingIOError) as caught:
        sock.recv(10)
    assert caught.value.errno == errno.EAGAIN and caught.value.strerror
    with pytest.raises(BlockingIOError):
        sock.recv_into(bytearray(10))


def test_what_is_there_is_received_as_far_as_is_asked_for(ends):
    sock, peer = ends
    peer.sendall(b"abc" * 30_000)
    assert sock.recv(4) == b"abca"
    assert 0 < len(sock.recv(80_000)) <= 80_000


def test_the_end_is_an_empty_answer(ends):
    sock, peer = ends
    peer.shutdown(SHUT_WR)
    assert sock.recv(10) == b""
    assert sock.recv_into(bytearray(10)) == 0


def test_receiving_into_a_part_of_a_buffer(ends):
    sock, peer = ends
    peer.sendall(b"abcdef")
    buffer = bytearray(10)
    assert sock.recv_into(memoryview(buffer)[2:5]) == 3
    assert bytes(buffer) == b"\0\0abc\0\0\0\0\0"
    assert sock.recv_into(memoryview(buffer)[:0]) == 0


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: memoryview(data)[1:]])
def test_whatever_holds_bytes_is_sent(ends, kind):
    sock, peer = ends
    data = kind(b"abcdef")
    assert sock.send(data) == len(data)
    assert peer.recv(10) == bytes(data)


def test_a_peer_that_does_not_read_is_said_as_an_error(ends):
    sock, peer = ends
    fill(sock)
    with pytest.raises(BlockingIOError):
        sock.send(b"x" * 65_536)
    peer.settimeout(0)
    with suppress(BlockingIOError):
        while peer.recv(MORE):
            pass
    assert 0 < sock.send(b"x" * MORE) < MORE


def test_a_peer_that_is_gone_is_said_as_an_error_and_raises_no_signal(ends):
    sock, peer = ends
    peer.close()
    with pytest.raises(BrokenPipeError):
        sock.send(b"x")


def test_a_closed_socket_does_nothing_to_whoever_has_its_number(ends):
    sock, _peer = ends
    number = sock.fileno()
    sock.close()
    sock.close()
    opened = os.open(os.devnull, os.O_RDWR)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)
    with closing(os.fdopen(number, "r+b", buffering=0)) as heir:
        calls = (
            lambda: sock.recv(1),
            lambda: sock.recv_into(bytearray(1)),
            lambda: sock.send(b"x"),
            lambda: sock.shutdown(SHUT_WR),
            sock.getpeername,
        )
        for call in calls:
            with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
                call()
        assert sock.fileno() == -1
        assert heir.write(b"still open") == 10


def test_one_that_is_given_away_stays_open(ends):
    sock, peer = ends
    number = sock.detach()
    del sock
    with plain_socket(fileno=number) as heir:
        heir.sendall(b"abc")
        assert peer.recv(10) == b"abc"


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # of the form in Python
def test_one_that_is_forgotten_is_closed():
    ours, peer = socketpair()
    sock = accepted(ours.detach(), (AF_UNIX, SOCK_STREAM, 0))
    del sock
    gc.collect()
    with peer:
        peer.settimeout(5)
        assert peer.recv(1) == b""


def test_the_rare_calls_reach_the_socket():
    with (
        closing(socket.socket()) as listener,
        closing(socket.socket()) as client,
    ):
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client.connect(listener.getsockname())
        descriptor, address = listener._accept()
        sock = accepted(descriptor, (AF_INET, SOCK_STREAM, 0))
        with closing(sock):
            assert (sock.family, sock.type, sock.proto) == (AF_INET, SOCK_STREAM, 0)
            assert sock.getpeername() == address == client.getsockname()
            assert sock.getsockname() == listener.getsockname()
            sock.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
            assert sock.getsockopt(IPPROTO_TCP, TCP_NODELAY)
            assert sock.gettimeout() == 0.0
            sock.settimeout(0.0)
            sock.shutdown(SHUT_WR)
            assert client.recv(1) == b""


def test_a_descriptor_that_is_none_is_refused():
    with pytest.raises(OSError):  # noqa: PT011  # EBADF, or Python's word for a negative one
        accepted(10_000, (AF_UNIX, SOCK_STREAM, 0)).recv(1)
