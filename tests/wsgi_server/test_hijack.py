"""The application takes the connection: both ways, counted, drained."""

import pytest
from gevent.event import Event
from gevent.queue import Queue

from tests.wsgi_server.clients import lapse, request, until

pytestmark = pytest.mark.limit(3)


@pytest.fixture
def taken(site):
    """The sockets that were hijacked, with what came with them."""
    sockets = Queue()

    def hijack(environ, start_response):
        sockets.put(environ["gpool.hijack"]())
        return []

    site.more["hijack"] = hijack
    return sockets


def test_a_hijacked_socket_works_both_ways_and_blocks(serve, visit, taken):
    client = visit(serve()).send(request("/hijack"))
    sock, rest = taken.get()
    assert rest == b""
    sock.sendall(b"to the client")
    assert client.exactly(13) == b"to the client"
    client.send(b"to the application")
    assert sock.recv(100) == b"to the application"
    sock.close()
    assert client.rest() == b""


def test_what_came_behind_the_request_is_handed_over(serve, visit, taken):
    client = visit(serve()).send(request("/hijack", "Connection: Upgrade") + b"\x01\x02frames")
    sock, rest = taken.get()
    assert rest == b"\x01\x02frames"
    client.send(b"more")
    assert sock.recv(100) == b"more"
    sock.close()


def test_a_batch_before_it_is_answered_first(serve, visit, taken):
    client = visit(serve()).send(request("/1") + request("/2") + request("/hijack") + b"rest")
    sock, rest = taken.get()
    assert rest == b"rest"
    sock.sendall(b"mine")
    assert [client.answer().body for _ in range(2)] == [b"/1", b"/2"]
    assert client.exactly(4) == b"mine"
    sock.close()


def test_a_hijacked_connection_is_counted_until_its_socket_is_closed(serve, visit, taken):
    server = serve(max_connections=1, overflow_pause=0)
    visit(server).send(request("/hijack"))
    sock, _ = taken.get()
    until(lambda: not server.pool.stats().busy)
    assert (server.stats().open, server.stats().hijacked) == (1, 1)
    assert visit(server).ask().status == 503
    sock.close()
    assert (server.stats().open, server.stats().hijacked) == (0, 0)
    assert visit(server).ask().status == 200


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # that is what it is about
def test_a_hijacked_socket_that_is_forgotten_is_closed_and_no_longer_counted(serve, visit, site):
    def drop(environ, start_response):
        environ["gpool.hijack"]()
        return []

    site.more["drop"] = drop
    server = serve()
    assert visit(server).send(request("/drop")).rest() == b""
    until(lambda: server.stats().open == 0)


def test_after_the_head_is_sent_it_is_too_late(serve, site, visit):
    errors = []

    def late(environ, start_response):
        write = start_response("200 OK", [("Content-Length", "4")])
        write(b"ab")
        with pytest.raises(AssertionError, match="before the response is sent") as caught:
            environ["gpool.hijack"]()
        errors.append(caught.value)
        return [b"cd"]

    site.more["late"] = late
    client = visit(serve())
    assert client.ask("/late").body == b"abcd"
    assert client.ask("/next").body == b"/next"
    assert errors


def test_after_the_response_is_over_it_is_too_late(serve, site, visit):
    kept = []

    def keep(environ, start_response):
        kept.append(environ["gpool.hijack"])
        return site.do_hello(environ, start_response)

    site.more["keep"] = keep
    client = visit(serve())
    assert client.ask("/keep").status == 200
    with pytest.raises(AssertionError, match="before the response is sent"):
        kept.pop()()
    assert client.ask("/next").body == b"/next"


def test_what_an_application_answers_after_it_has_taken_the_connection_is_ignored(
    serve, site, visit, caplog
):
    """As flask-sock: its view returns a response when the WebSocket is over."""

    def websocket(environ, start_response):
        sock, rest = environ["gpool.hijack"]()
        sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        while data := rest or sock.recv(100):
            rest = b""
            sock.sendall(data.upper())
        sock.close()
        write = start_response("200 OK", [("Content-Length", "7")])
        write(b"ignored")
        return [b"ignored"]

    site.more["websocket"] = websocket
    server = serve()
    client = visit(server).send(request("/websocket", "Upgrade: websocket"))
    switching = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
    assert client.exactly(len(switching)) == switching
    for word in (b"one", b"two"):
        assert client.send(word).exactly(3) == word.upper()
    assert client.end().rest() == b""
    until(lambda: not server.pool.stats().busy)
    assert not caplog.records


@pytest.mark.parametrize("error", [StopIteration, ConnectionResetError("websocket")])
def test_stop_iteration_ends_a_hijacked_request_without_a_log_line(
    serve, site, visit, caplog, error
):
    """gevent-websocket and flask-sock end with StopIteration; any other error is news."""

    def end(environ, start_response):
        environ["gpool.hijack"]()[0].close()
        raise error

    site.more["end"] = end
    server = serve()
    assert visit(server).send(request("/end")).rest() == b""
    until(lambda: not server.pool.stats().busy)
    assert bool(caplog.records) is (error is not StopIteration)


def test_a_drain_waits_for_hijacked_connections_then_closes_them(serve, visit, taken):
    server = serve()
    client = visit(server).send(request("/hijack"))
    sock, _ = taken.get()
    server.stop(timeout=0.01)
    assert client.rest() == b"" and sock.fileno() == -1
    assert server.stats().hijacked == 0


def test_a_drain_ends_when_the_hijacked_connection_is_let_go(serve, site, visit):
    over = Event()

    def websocket(environ, start_response):
        sock, _ = environ["gpool.hijack"]()
        sock.recv(1)
        sock.close()
        over.set()
        return []

    site.more["websocket"] = websocket
    server = serve()
    client = visit(server).send(request("/websocket"))
    until(lambda: server.stats().hijacked == 1)
    client.end()
    server.stop(timeout=60)
    assert over.is_set()


def test_a_hijacked_request_has_no_deadline_any_more(serve, site, visit, taken):
    server = serve(request_timeout=5)
    client = visit(server).send(request("/hijack"))
    sock, _ = taken.get()
    lapse(server, 100)
    sock.sendall(b"still here")
    assert client.exactly(10) == b"still here"
    sock.close()


def test_a_hijacked_tls_connection_is_still_tls(serve, visit, taken, tls):
    client = visit(serve(ssl_context=tls[0]), tls=tls[1]).send(request("/hijack"))
    sock, rest = taken.get()
    assert rest == b""
    sock.sendall(b"secret")
    assert client.exactly(6) == b"secret"
    client.send(b"mine")
    assert sock.recv(100) == b"mine"
    sock.close()
    assert client.rest() == b""


def test_bytes_behind_the_request_in_one_tls_record_are_not_lost(serve, visit, taken, tls):
    client = visit(serve(ssl_context=tls[0]), tls=tls[1])
    client.send(request("/hijack") + b"frames")
    sock, rest = taken.get()
    assert rest == b"frames"
    sock.close()
