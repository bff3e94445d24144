"""Clients that go, or send no more, at every stage of a request."""

import pytest
from gevent import socket
from gevent.event import Event

from gpool.errors import ClientDisconnected
from tests.support import turn
from tests.wsgi_server.clients import request, until

pytestmark = pytest.mark.limit(3)


@pytest.fixture
def asked(site):
    """The environ's question of the request that is held."""
    questions = []

    def ask(environ, start_response):
        questions.append(environ["gpool.disconnected"])
        return site.do_hold(environ, start_response)

    site.more["ask"] = ask
    return questions


@pytest.mark.parametrize("go", ["reset", "end", "close"])
def test_the_environ_tells_when_the_client_has_gone(serve, site, visit, asked, go):
    server = serve()
    client = visit(server).send(request("/ask"))
    until(lambda: asked)
    assert asked[0]() is False
    getattr(client, go)()
    until(asked[0])
    site.gate.set()
    until(lambda: server.stats().open == 0)
    assert site.ended == ["/ask"]  # it has finished


def test_the_environ_tells_it_also_behind_the_next_request(serve, site, visit, asked):
    client = visit(serve()).send(request("/ask") + request("/next"))
    until(lambda: asked)
    client.end()
    until(asked[0])
    site.gate.set()
    assert [client.answer().body for _ in range(2)] == [b"/ask", b"/next"]
    assert client.rest() == b""


def test_a_client_that_is_there_is_not_said_to_have_gone(serve, site, visit, asked):
    client = visit(serve()).send(request("/ask") + request("/next"))
    until(lambda: asked)
    turn()
    assert asked[0]() is False
    site.gate.set()
    assert [client.answer().status for _ in range(2)] == [200, 200]


@pytest.mark.parametrize("go", ["reset", "end"])
@pytest.mark.parametrize("path", ["/hold", "/stream"])
def test_cancel_on_disconnect_interrupts_the_application(serve, site, visit, path, go):
    server = serve(cancel_on_disconnect=True)
    client = visit(server).send(request(path))
    until(lambda: site.calls)
    turn()
    getattr(client, go)()
    until(lambda: server.stats().open == 0)
    assert [type(error) for error in site.raised] == [ClientDisconnected]
    assert site.ended == ([path] if path == "/hold" else [path, "close()"])
    assert visit(server).ask("/next").body == b"/next"


def test_cancel_on_disconnect_leaves_other_requests_alone(serve, site, visit):
    server = serve(cancel_on_disconnect=True)
    gone, stays = (visit(server).send(request("/hold")) for _ in range(2))
    until(lambda: len(site.calls) == 2)
    gone.reset()
    until(lambda: site.raised)
    site.gate.set()
    assert stays.answer().body == b"/hold"
    assert len(site.raised) == 1


def test_an_application_may_ignore_that_it_is_cancelled(serve, site, visit):
    def stubborn(environ, start_response):
        with pytest.raises(ClientDisconnected):
            site.gate.wait()
        return site.do_hello(environ, start_response)

    site.more["stubborn"] = stubborn
    server = serve(cancel_on_disconnect=True)
    client = visit(server).send(request("/stubborn"))
    until(lambda: site.calls)
    client.end()
    assert client.answer().body == b"/stubborn"
    assert client.rest() == b""


# ---------------------------------------------------------------------- half-closed clients


@pytest.mark.parametrize("path", ["/hello", "/hold", "/stream", "/large"])
def test_who_has_sent_all_still_gets_all_answers(serve, site, visit, path):
    site.gate.set()
    client = visit(serve()).send(request("/first") + request(path)).end()
    assert client.answer().body == b"/first"
    assert client.answer().status == 200
    assert client.rest() == b""


def test_a_body_before_the_end_is_read(serve, visit):
    for size in (10, 200_000):
        client = visit(serve()).send(request("/echo", body=bytes(size), method="POST")).end()
        assert client.answer().body == bytes(size)
        assert client.rest() == b""


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HT", request("/echo", body=b"12", method="POST")[:-1]]
)
def test_who_ends_in_the_middle_of_a_request_is_closed(serve, site, visit, sent):
    client = visit(serve()).send(sent).end()
    assert client.rest() == b"" and not site.calls


def test_an_application_that_reads_a_body_which_ends_early_gets_an_error(serve, site, visit):
    server = serve(body_buffer=0)
    visit(server).send(request("/echo", body=b"12", method="POST")[:-1]).end()
    until(lambda: site.raised)
    assert [type(error) for error in site.raised] == [ClientDisconnected]
    until(lambda: server.stats().open == 0)


def test_who_sends_more_than_is_answered_still_gets_the_whole_answer(serve, visit):
    server = serve(write_buffer=1 << 24)
    client = visit(server)
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
    client.send(request("/large", "Connection: close"))
    until(lambda: [conn.state.name for conn in server._connections] == ["WRITING"])
    client.send(b"\r\n")  # RFC 9112 section 2.2 knows such clients
    assert len(client.answer().body) == 8 << 20


# ---------------------------------------------------------------------- resets at each stage

STAGES = {
    "new": (b"", "NEW"),
    "mid head": (b"GET / HTTP/1.1\r\n", "READING"),
    "mid body": (request("/echo", body=b"12", method="POST")[:-1], "READING"),
    "active": (request("/hold"), "ACTIVE"),
    "streaming": (request("/stream"), "ACTIVE"),
    "blocked": (request("/flood"), "ACTIVE"),
    "hub writes": (request("/large"), "WRITING"),
    "refused": (b"\x00\r\n\r\n", "LINGERING"),
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_reset_costs_that_connection_only(serve, site, visit, *, stage, no_hub_errors, caplog):
    sent, state = STAGES[stage]
    server = serve(write_buffer=1 << 24)
    other = visit(server)
    assert other.ask("/other").status == 200
    client = visit(server).send(sent)
    until(lambda: state in [conn.state.name for conn in server._connections])
    turn()
    client.reset()
    turn()
    site.gate.set()
    until(lambda: server.stats().open == 1)
    until(lambda: not server.pool.stats().busy)
    assert other.ask("/other").body == b"/other"
    if stage in ("streaming", "blocked"):
        assert site.ended[1:] == [sent.split()[1].decode(), "close()", "/other"]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_a_reset_while_idle_is_noticed(serve, visit):
    server = serve()
    client = visit(server)
    assert client.ask().status == 200
    client.reset()
    until(lambda: server.stats().open == 0)


def test_a_reset_while_the_application_reads_the_body(serve, site, visit, caplog):
    server = serve(body_buffer=0)
    client = visit(server).send(request("/echo", body=b"12", method="POST")[:-1])
    until(lambda: any(conn._waiter for conn in server._connections))
    client.reset()
    until(lambda: server.stats().open == 0)
    assert [type(error) for error in site.raised] == [ClientDisconnected]
    assert not caplog.records


def test_a_stream_to_a_client_that_has_gone_ends(serve, site, visit):
    more = Event()

    def ticks(environ, start_response):
        start_response("200 OK", [])
        while True:
            yield b"tick"
            more.wait()

    site.more["ticks"] = ticks
    server = serve()
    client = visit(server).send(request("/ticks"))
    assert client.answer_begins() == 200
    client.reset()
    until(lambda: any(conn() for conn in server._connections))
    more.set()
    until(lambda: server.stats().open == 0)
    assert not server.pool.stats().busy
