"""A request that offers another protocol, and an application that takes the offer, or not."""

import io
import logging
from selectors import EVENT_READ
from types import SimpleNamespace

import gevent
import pytest
from gevent.event import Event
from gevent.queue import Queue
from gevent.selectors import DefaultSelector

from gpool import ConnState
from tests.support import turn
from tests.wsgi_server.clients import lapse, request, until

pytestmark = pytest.mark.limit(5)

OFFER = ("Connection: keep-alive, Upgrade", "Upgrade: websocket")
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


@pytest.fixture
def taking(site):
    """An application that takes its socket and gives it to the test, until the test is done."""
    taking = SimpleNamespace(socks=Queue(), over=Event())

    def take(environ, start_response):
        environ["werkzeug.socket"].sendall(SWITCHING)
        taking.socks.put(environ["werkzeug.socket"])
        taking.over.wait()
        return []

    site.more["take"] = take
    yield taking
    taking.over.set()


@pytest.fixture
def echoing(site):
    """An application that sends back what comes, until its client sends no more."""

    def echo(environ, start_response):
        with environ["werkzeug.socket"] as sock:
            sock.send(SWITCHING)
            while data := sock.recv(100):
                sock.send(data)
        start_response("200 OK", [])
        return []

    site.more["echo-upgrade"] = echo
    return "/echo-upgrade"


def offered(serve, visit, site, *args, **named):
    """What the environ of a request has in the socket's place."""
    seen = []

    def look(environ, start_response):
        seen.append(environ.get("werkzeug.socket"))
        return site.do_hello(environ, start_response)

    site.more["look"] = look
    assert visit(serve()).ask("/look", *args, **named).status == 200
    return seen.pop()


# ---------------------------------------------------------------------- the offer


def test_a_get_that_offers_an_upgrade_has_a_socket(serve, visit, site):
    assert offered(serve, visit, site, *OFFER) is not None


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ([], {}),
        (["Upgrade: websocket"], {}),
        (["Connection: upgrade"], {}),
        (["Upgrade: websocket", "Connection: keep-alive"], {}),
        (OFFER, {"method": "POST"}),
        (OFFER, {"body": b"a body"}),
        (OFFER, {"version": "1.0"}),
    ],
)
def test_any_other_request_has_none(serve, visit, site, fields, named):
    assert offered(serve, visit, site, *fields, **named) is None


def test_a_post_with_the_same_fields_as_a_get_has_none_when_both_are_remembered(serve, visit, site):
    seen = []

    def look(environ, start_response):
        seen.append((environ["REQUEST_METHOD"], "werkzeug.socket" in environ))
        return site.do_hello(environ, start_response)

    site.more["look"] = look
    client = visit(serve())
    for method in ["GET", "POST"] * 3:
        assert client.ask("/look", *OFFER, method=method).status == 200
    assert seen == [("GET", True), ("POST", False)] * 3


def test_who_declines_answers_as_usual_and_the_connection_goes_on(serve, visit, site):
    client = visit(serve())
    for path in ["/1", "/2"]:
        answer = client.ask(path, *OFFER)
        assert (answer.status, answer.body) == (200, path.encode())
        assert "connection" not in answer.headers
    assert client.ask("/3").body == b"/3"


def test_after_the_response_it_is_too_late(serve, visit, site):
    kept = []

    def keep(environ, start_response):
        kept.append(environ["werkzeug.socket"])
        return site.do_hello(environ, start_response)

    site.more["keep"] = keep
    client = visit(serve())
    assert client.ask("/keep", *OFFER).status == 200
    with pytest.raises(AssertionError, match="before the response is sent"):
        kept.pop().recv(1)
    assert client.ask("/next").body == b"/next"


def test_it_and_gpool_hijack_exclude_each_other(serve, visit, site):
    def both(environ, start_response):
        sock, _ = environ["gpool.hijack"]()
        with pytest.raises(AssertionError, match="before the response is sent"):
            environ["werkzeug.socket"].recv(1)
        sock.sendall(b"done")
        sock.close()
        return []

    site.more["both"] = both
    assert visit(serve()).send(request("/both", *OFFER)).rest() == b"done"


def test_what_comes_behind_the_request_is_not_its_body(serve, visit, site):
    def read(environ, start_response):
        assert environ["wsgi.input_terminated"]
        body = environ["wsgi.input"].read()
        with environ["werkzeug.socket"] as sock:
            sock.sendall(body + b"/" + sock.recv(100))
        return []

    site.more["read"] = read
    assert visit(serve()).send(request("/read", *OFFER) + b"frames").rest() == b"/frames"


# ---------------------------------------------------------------------- bytes


def test_an_upgraded_connection_works_both_ways(serve, visit, echoing):
    client = visit(serve()).send(request(echoing, *OFFER))
    assert client.exactly(len(SWITCHING)) == SWITCHING
    for word in (b"one", b"two"):
        assert client.send(word).exactly(3) == word
    assert client.end().rest() == b""


@pytest.mark.parametrize("cut", range(len(request("/take", *OFFER)) - 4, 100, 3))
def test_what_comes_behind_the_request_is_read_wherever_packets_end(serve, visit, echoing, cut):
    data = request(echoing, *OFFER) + b"frames"
    client = visit(serve()).send(data[:cut])
    turn()
    client.send(data[cut:])
    assert client.exactly(len(SWITCHING) + 6) == SWITCHING + b"frames"


def test_what_comes_while_the_application_makes_up_its_mind_is_read(serve, visit, site):
    def later(environ, start_response):
        site.gate.wait()
        with environ["werkzeug.socket"] as sock:
            sock.sendall(sock.recv(100))
        return []

    site.more["later"] = later
    server = serve()
    client = visit(server).send(request("/later", *OFFER) + b"one")
    until(lambda: "/later" in site.calls)
    (conn,) = server._connections
    client.send(b"two")
    until(lambda: conn.buffer == b"onetwo")
    site.gate.set()
    assert client.rest() == b"onetwo"


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_a_selector_is_told_at_once_of_what_came_behind_the_request(
    serve, visit, site, tls, secure
):
    """As simple-websocket waits with ping_interval; it would go on only at the next ping."""

    def select(environ, start_response):
        sock = environ["werkzeug.socket"]
        sock.send(SWITCHING)
        with DefaultSelector() as selector:
            selector.register(sock, EVENT_READ)
            while selector.select(60) and (data := sock.recv(1_000)):
                sock.send(data)
            selector.unregister(sock)
        sock.close()
        return []

    site.more["select"] = select
    named = {"ssl_context": tls[0]} if secure else {}
    client = visit(serve(**named), tls=tls[1] if secure else None)
    client.send(request("/select", *OFFER) + b"frames")
    assert client.exactly(len(SWITCHING) + 6) == SWITCHING + b"frames"
    for size in (1, 999, 1_000, 1_001, 16_384, 100_000):
        assert client.send(bytes(size)).exactly(size) == bytes(size)
    client.close()


def test_answers_of_a_batch_come_before_what_is_sent_on_the_socket(serve, visit, echoing):
    client = visit(serve()).send(request("/1") + request("/2") + request(echoing, *OFFER) + b"x")
    assert [client.answer().body for _ in range(2)] == [b"/1", b"/2"]
    assert client.exactly(len(SWITCHING) + 1) == SWITCHING + b"x"


# ---------------------------------------------------------------------- the end


def test_a_connection_is_counted_as_hijacked_and_its_slot_is_free_when_the_call_ends(
    serve, visit, taking
):
    server = serve(max_connections=1, overflow_pause=0)
    client = visit(server).send(request("/take", *OFFER))
    sock = taking.socks.get()
    assert (server.stats().open, server.stats().hijacked) == (1, 1)
    assert server.pool.stats().busy == 1  # for as long as the WebSocket is open
    assert visit(server).ask().status == 503
    taking.over.set()
    del sock
    assert client.rest() == SWITCHING
    assert visit(server).ask().status == 200
    assert (server.stats().hijacked, server.pool.stats().busy) == (0, 0)


def test_who_closes_it_and_keeps_it_has_closed_it(serve, visit, taking):
    server = serve()
    client = visit(server).send(request("/take", *OFFER))
    sock = taking.socks.get()
    sock.close()
    assert client.rest() == SWITCHING
    assert server.stats().open == 0


def test_who_has_closed_it_when_the_call_ends_holds_no_slot_by_keeping_it(serve, visit, taking):
    """flask-sock leaves it in a cycle, which only the garbage collector finds."""
    server = serve()
    client = visit(server).send(request("/take", *OFFER))
    sock = taking.socks.get()
    sock.close()
    assert client.rest() == SWITCHING
    (conn,) = server._connections
    taking.over.set()
    until(lambda: conn.state is ConnState.CLOSED)
    assert not server._connections and sock.fileno() == -1


def test_after_the_call_others_may_have_it_for_a_moment(serve, visit, taking):
    """simple-websocket's reader waits for the client's part of the closing handshake."""
    server = serve()
    client = visit(server).send(request("/take", *OFFER))
    sock = taking.socks.get()
    taking.over.set()
    until(lambda: not server.pool.stats().busy)
    client.exactly(len(SWITCHING))
    assert client.send(b"bye").sock.fileno() > 0 and sock.recv(100) == b"bye"
    assert server.stats().hijacked == 1
    lapse(server, 2)
    assert client.rest() == b"" and server.stats().open == 0
    assert sock.fileno() == -1


def test_a_drain_waits_for_it_then_hangs_up(serve, visit, taking):
    server = serve()
    client = visit(server).send(request("/take", *OFFER))
    sock = taking.socks.get()
    reading = gevent.spawn(sock.recv, 100)
    server.stop(timeout=0.01)
    assert client.rest() == SWITCHING
    reading.join()
    assert isinstance(reading.exception, OSError) or reading.value == b""
    assert server.stats().hijacked == 0


def test_a_drain_ends_when_the_last_one_is_closed(serve, visit, echoing):
    server = serve()
    client = visit(server).send(request(echoing, *OFFER))
    client.exactly(len(SWITCHING))
    stopping = gevent.spawn(server.stop, 60)
    until(lambda: server.closed)
    assert client.send(b"still here").exactly(10) == b"still here"
    assert not stopping.ready()
    client.end()
    stopping.get()


def raising(error):
    def end(*_):
        raise error

    return end


@pytest.mark.parametrize(
    "end",
    [
        lambda start_response: [],
        lambda start_response: start_response("200 OK", []) and [b"ignored"],
        raising(StopIteration()),
        raising(ConnectionError()),
    ],
    ids=["nothing", "response", "StopIteration", "ConnectionError"],
)
def test_each_way_to_end_the_call_is_silent(serve, visit, site, caplog, end):
    def websocket(environ, start_response):
        environ["werkzeug.socket"].sendall(SWITCHING)
        environ.clear()
        return end(start_response)

    site.more["websocket"] = websocket
    server = serve()
    assert visit(server).send(request("/websocket", *OFFER)).rest() == SWITCHING
    until(lambda: not server.pool.stats().busy)
    assert not caplog.records and server.stats().errors == 0


def test_an_error_is_logged_once_and_the_socket_closed(serve, visit, site, caplog):
    kept = []

    def websocket(environ, start_response):
        kept.append(environ["werkzeug.socket"])
        kept[0].sendall(SWITCHING)
        raise LookupError("application")

    site.more["websocket"] = websocket
    server = serve()
    assert visit(server).send(request("/websocket", *OFFER)).rest() == SWITCHING
    until(lambda: not server.pool.stats().busy)
    assert kept[0].fileno() == -1 and server.stats().open == 0
    assert [record.getMessage() for record in caplog.records] == [
        "the application raised, for GET /websocket"
    ]
    assert server.stats().errors == 1


def test_that_the_client_has_gone_is_no_news(serve, visit, site, caplog):
    def flood(environ, start_response):
        sock = environ["werkzeug.socket"]
        sock.sendall(SWITCHING)
        while True:
            sock.sendall(bytes(65_536))

    site.more["flood"] = flood
    server = serve()
    client = visit(server).send(request("/flood", *OFFER))
    client.exactly(100_000)
    client.reset()
    until(lambda: "/flood" in site.ended)
    until(lambda: not server.pool.stats().busy)
    assert isinstance(site.raised[0], ConnectionError) and not caplog.records


def test_what_the_end_of_a_drain_looks_like_to_the_application_is_no_news(
    serve, visit, site, caplog
):
    def read(environ, start_response):
        sock = environ["werkzeug.socket"]
        sock.sendall(SWITCHING)
        sock.recv(1)
        raise AssertionError("nobody sends anything")

    site.more["read"] = read
    server = serve()
    visit(server).send(request("/read", *OFFER)).exactly(len(SWITCHING))
    server.stop(timeout=0)
    until(lambda: "/read" in site.ended)
    assert isinstance(site.raised[0], OSError) and not caplog.records


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # that is what it is about
def test_it_has_a_status_of_101_in_the_access_log_and_a_hijack_its_own(serve, visit, site, echoing):
    def hijack(environ, start_response):
        environ["gpool.hijack"]()
        return []

    site.more["hijack"] = hijack
    log = io.StringIO()
    server = serve(log=log)
    client = visit(server).send(request(echoing, *OFFER)).end()
    assert client.rest() == SWITCHING
    assert visit(server).send(request("/hijack", *OFFER)).rest() == b""
    assert visit(server).ask("/declined", *OFFER).status == 200
    until(lambda: not server.pool.stats().busy)
    server.stop()
    statuses = {line.split('"')[1].split()[1]: line.split('"')[2] for line in logged(log)}
    assert statuses == {echoing: " 101 - ", "/hijack": " - - ", "/declined": " 200 9 "}


def logged(log):
    return log.getvalue().splitlines()


def test_tls_is_still_tls(serve, visit, tls, echoing):
    client = visit(serve(ssl_context=tls[0]), tls=tls[1])
    client.send(request(echoing, *OFFER) + b"in the same record")
    assert client.exactly(len(SWITCHING) + 18) == SWITCHING + b"in the same record"
    assert client.send(b"secret").exactly(6) == b"secret"


def test_no_deadline_of_the_request_holds_any_more(serve, visit, echoing, caplog):
    caplog.set_level(logging.INFO, "gpool")
    server = serve(request_timeout=5, header_timeout=5, keepalive_timeout=5)
    client = visit(server).send(request(echoing, *OFFER))
    client.exactly(len(SWITCHING))
    lapse(server, 100)
    assert client.send(b"still here").exactly(10) == b"still here"
    assert not caplog.records
