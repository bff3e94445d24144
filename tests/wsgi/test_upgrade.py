"""What stands in an environ for those who speak WebSocket: what is in front, selectors, sending."""

import selectors
import weakref
from io import UnsupportedOperation
from socket import MSG_PEEK, SHUT_WR

import gevent
import pytest
from gevent import socket
from gevent.selectors import DefaultSelector

from gpool.wsgi.upgrade import TakenSocket, UpgradeSocket
from tests.support import read_all, settle
from tests.wsgi.parts import GET, Conn, running, served

UPGRADE = GET + b"\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket"


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


@pytest.fixture
def selecting():
    """How a library waits for a socket: gevent's selector, as after a monkey-patch."""
    made = []

    def select(sock):
        selector = DefaultSelector()
        made.append(selector)
        selector.register(sock, selectors.EVENT_READ)
        return selector

    yield select
    for selector in made:
        selector.close()


class Encrypted:
    """A socket that has decrypted more than was asked for, as one with TLS does."""

    def __init__(self, sock):
        self._sock = sock
        self._here = b""

    def __getattr__(self, name):
        return getattr(self._sock, name)

    def pending(self):
        return len(self._here)

    def recv(self, size, flags=0):
        self._here = self._here or self._sock.recv(16_384)
        data, self._here = self._here[:size], self._here[size:]
        return data


# ---------------------------------------------------------------------- reading


def test_what_is_in_front_comes_first_and_byte_for_byte(pair):
    sock = TakenSocket(pair[0], b"in front")
    pair[1].sendall(b"behind")
    assert [sock.recv(3), sock.recv(100), sock.recv(100)] == [b"in ", b"front", b"behind"]


def test_what_is_in_front_comes_first_into_a_buffer_too(pair):
    sock = TakenSocket(pair[0], b"in front")
    pair[1].sendall(b"behind")
    into = bytearray(6)
    assert sock.recv_into(into) == 6 and into == b"in fro"
    assert sock.recv_into(into, 1) == 1 and into == b"nn fro"
    assert sock.recv_into(memoryview(into), 100) == 1 and into == b"tn fro"
    assert sock.recv_into(into) == 6 and into == b"behind"


def test_peeking_leaves_what_is_in_front(pair):
    sock = TakenSocket(pair[0], b"in front")
    assert sock.recv(2, MSG_PEEK) == b"in" and sock.recv(100) == b"in front"
    pair[1].sendall(b"behind")
    assert sock.recv(2, MSG_PEEK) == b"be" and sock.recv(100) == b"behind"


def test_asking_for_nothing_is_left_to_the_socket(pair):
    sock = TakenSocket(pair[0], b"in front")
    with pytest.raises(ValueError, match="negative"):
        sock.recv(-1)
    assert sock.recv(100) == b"in front"


@pytest.mark.parametrize("name", ["dup", "detach", "makefile", "recvfrom", "recvmsg"])
def test_nothing_passes_over_what_is_in_front(pair, name):
    sock = TakenSocket(pair[0], b"in front")
    with pytest.raises(UnsupportedOperation, match=name):
        getattr(sock, name)
    sock.recv(100)
    assert getattr(sock, name) == getattr(pair[0], name)


def test_a_file_of_the_socket_reads_on(pair):
    sock = TakenSocket(pair[0], b"in front")
    sock.recv(100)
    pair[1].sendall(b"a line\n")
    with sock.makefile("rb") as file:
        assert file.readline() == b"a line\n"


# ---------------------------------------------------------------------- selectors


def test_without_anything_in_front_a_selector_has_the_sockets_own_descriptor(pair):
    assert TakenSocket(pair[0], b"").pollable() == pair[0].fileno()


def test_a_selector_is_told_of_what_is_in_front_and_then_of_what_comes(pair, selecting):
    sock = UpgradeSocket(lambda wrap: wrap(pair[0], b"in front"))
    selector = selecting(sock)
    assert selector.select(20) and sock.recv(3) == b"in "
    assert selector.select(20) and sock.recv(100) == b"front"
    assert not selector.select(0.01)
    pair[1].sendall(b"behind")
    assert selector.select(20) and sock.recv(100) == b"behind"
    assert not selector.select(0.01)
    pair[1].shutdown(SHUT_WR)
    assert selector.select(20) and sock.recv(100) == b""


def test_a_selector_is_told_of_what_tls_has_decrypted(pair, selecting):
    sock = UpgradeSocket(lambda wrap: wrap(Encrypted(pair[0]), b""))
    selector = selecting(sock)
    assert not selector.select(0.01)
    pair[1].sendall(b"one record")
    pieces = []
    while not pieces or len(b"".join(pieces)) < 10:
        assert selector.select(20), pieces
        pieces.append(sock.recv(4))
    assert pieces == [b"one ", b"reco", b"rd"]
    assert not selector.select(0.01)


def test_who_waits_in_a_selector_wakes_up_when_the_server_closes(pair, selecting):
    taken = TakenSocket(pair[0], b"in front")
    sock = UpgradeSocket(lambda wrap: taken)
    selector = selecting(sock)
    sock.recv(100)
    waiting = gevent.spawn(selector.select, 20)
    settle()
    assert not waiting.ready()
    taken.close()
    assert waiting.get(timeout=10)
    with pytest.raises(OSError, match="Bad file descriptor"):
        sock.recv(100)
    assert sock.fileno() == -1


def test_the_descriptor_for_selectors_is_given_back_by_close(pair):
    taken = TakenSocket(pair[0], b"in front")
    sock = UpgradeSocket(lambda wrap: taken)
    assert sock.fileno() not in (-1, pair[0].fileno())
    poll = taken._poll
    sock.close()
    assert poll.closed and sock.fileno() == -1
    sock.close()


# ---------------------------------------------------------------------- sending


def test_a_blocking_send_sends_all_of_it(pair):
    """simple-websocket does not look at what `send` returns."""
    sock = TakenSocket(pair[0], b"")
    data = bytes(range(256)) * 16_384
    sending = gevent.spawn(sock.send, data)
    received = b""
    while len(received) < len(data):
        received += pair[1].recv(65_536)
    assert received == data and sending.get() == len(data)


def test_a_send_with_a_timeout_says_how_much_it_sent(pair):
    sock = TakenSocket(pair[0], b"")
    sock.settimeout(0.0)
    assert 0 < sock.send(bytes(1 << 22)) < 1 << 22


def test_what_two_greenlets_send_is_not_mixed_up(pair):
    """A broadcast: gevent would raise for the second, and a kernel mix them up."""
    sock = TakenSocket(pair[0], b"")
    size = 1 << 21
    senders = [gevent.spawn(sock.sendall, letter * size) for letter in (b"a", b"b", b"c")]
    settle()
    gevent.spawn(lambda: (gevent.joinall(senders, raise_error=True), sock.shutdown(SHUT_WR)))
    assert read_all(pair[1]) == b"a" * size + b"b" * size + b"c" * size


def test_who_sends_again_waits_for_those_who_wait(pair):
    sock = TakenSocket(pair[0], b"")
    size = 1 << 21

    def twice():
        sock.sendall(b"a" * size)
        sock.sendall(b"c")

    first, second = gevent.spawn(twice), gevent.spawn(sock.sendall, b"b")
    gevent.spawn(lambda: (gevent.joinall([first, second]), sock.shutdown(SHUT_WR)))
    assert read_all(pair[1]) == b"a" * size + b"bc"


def test_who_is_killed_while_it_waits_for_its_turn_holds_nobody_up(pair):
    sock = TakenSocket(pair[0], b"")
    size = 1 << 21
    senders = [gevent.spawn(sock.sendall, data) for data in (b"a" * size, b"b", b"c")]
    settle()
    senders[1].kill()
    gevent.spawn(lambda: (gevent.joinall(senders), sock.shutdown(SHUT_WR)))
    assert read_all(pair[1]) == b"a" * size + b"c"


def test_who_is_killed_while_it_sends_holds_nobody_up(pair):
    sock = TakenSocket(pair[0], b"")
    senders = [gevent.spawn(sock.sendall, data) for data in (b"a" * (1 << 21), b"b", b"c")]
    settle()
    senders[0].kill()
    gevent.spawn(lambda: (gevent.joinall(senders), sock.shutdown(SHUT_WR)))
    assert read_all(pair[1]).lstrip(b"a") == b"bc"


# ---------------------------------------------------------------------- taking


def test_nothing_is_taken_by_who_only_looks(pair):
    def take(wrap):
        raise LookupError("taken")

    sock = UpgradeSocket(take)
    assert repr(sock) == "<UpgradeSocket not used>"
    assert not hasattr(sock, "_sock") and not hasattr(sock, "__len__")
    with pytest.raises(LookupError):
        sock.getpeername()


def test_it_is_taken_once_and_then_has_what_a_socket_has(pair):
    taken = []

    def take(wrap):
        taken.append(wrap)
        return wrap(pair[0], b"in front")

    with UpgradeSocket(take) as sock:
        assert sock.gettimeout() is None
        sock.settimeout(5)
        assert pair[0].gettimeout() == 5
        assert sock.getsockname() == pair[0].getsockname() and sock.family == pair[0].family
        assert "in front" not in repr(sock) and repr(pair[0]) in repr(sock)
        assert sock.recv(100) == b"in front"
    assert taken == [TakenSocket] and pair[0].fileno() == -1


def test_a_socket_that_was_taken_holds_nothing_of_the_request(pair):
    class Request:
        def take(self, wrap):
            return wrap(pair[0], b"")

    request = Request()
    sock, gone = UpgradeSocket(request.take), weakref.ref(request)
    sock.settimeout(1)
    del request
    assert gone() is None and sock.gettimeout() == 1


# ---------------------------------------------------------------------- the exchange


def test_an_exchange_lends_the_connection_until_its_call_is_over():
    def application(environ, start_response):
        socks.append(exchange_of(environ).upgrade(lambda sock, rest: (sock, rest)))
        return []

    socks = []
    conn = served(application, UPGRADE, buffer=b"frames")
    assert conn.calls == ["hijack", "let go after 2 s"] and socks == [(conn, b"frames")]


def answering(environ, start_response):
    """As flask-sock with Werkzeug's key: a response, after the WebSocket is over."""
    start_response("200 OK", [("Content-Length", "1")])(b"a")
    return [b"b"]


def stopping(environ, start_response):
    """As flask-sock with gunicorn's key."""
    raise StopIteration


def erring(environ, start_response):
    """As python-engineio with Werkzeug's key."""
    raise ConnectionError


def iterating(environ, start_response):
    start_response("200 OK", [])
    yield b"not sent"


@pytest.mark.parametrize("end", [answering, stopping, erring, iterating, lambda *_: []])
def test_each_way_to_end_it_is_silent(end, logged):
    def application(environ, start_response):
        exchange_of(environ).upgrade(lambda sock, rest: sock)
        return end(environ, start_response)

    conn = Conn(application)
    assert running(conn, UPGRADE) is None
    assert conn.calls == ["hijack", "let go after 2 s"] and not conn.received
    assert not logged()


@pytest.mark.parametrize("error", [LookupError(), OSError("a file"), ConnectionResetError()])
def test_an_error_is_logged_and_ends_it_at_once(error, logged):
    def application(environ, start_response):
        exchange_of(environ).upgrade(lambda sock, rest: sock)
        raise error

    conn = Conn(application)
    assert running(conn, UPGRADE) is None
    assert conn.calls == ["hijack", "let go after 0 s"] and len(logged()) == 1


def test_it_can_be_taken_while_its_response_is_iterated(logged):
    def application(environ, start_response):
        start_response("200 OK", [])
        exchange_of(environ).upgrade(lambda sock, rest: sock)
        yield b""
        yield b"not sent"

    conn = Conn(application)
    assert running(conn, UPGRADE) is None
    assert conn.calls == ["hijack", "let go after 2 s"] and not conn.received and not logged()


def exchange_of(environ):
    """The exchange itself: that a connection puts its socket into an environ is for the server."""
    return environ["gpool.hijack"]
