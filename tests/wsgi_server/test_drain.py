"""`stop`: what has begun is answered, the rest is closed, and nothing is left."""

import gevent
import pytest
from gevent import socket
from gevent.event import Event
from greenlet import GreenletExit

from gpool import ConnState
from gpool import admission as admission_module
from tests.support import descriptors, settle
from tests.wsgi_server.clients import lapse, request, until

pytestmark = pytest.mark.limit(5)

LONG = 60  # a drain that hangs is ended by the test's own limit


def states(server):
    return sorted(conn.state.name for conn in server._connections)


def drain(server, timeout=LONG):
    """A drain that has begun."""
    stopping = gevent.spawn(server.stop, timeout)
    settle()
    return stopping


# ---------------------------------------------------------------------- what is closed at once


@pytest.mark.parametrize("served", [False, True])
def test_new_and_idle_connections_are_closed_at_once(serve, visit, served):
    server = serve()
    client = visit(server)
    if served:
        assert client.ask().status == 200
    until(lambda: server.stats().open == 1)
    server.stop(LONG)
    assert client.rest() == b""
    assert server.stats().open == 0


def just_there(serve, visit, served):
    """A server, and a client that has just connected, or got an answer."""
    server = serve(keepalive_min_timeout=1)
    client = visit(server)
    if served:
        assert client.ask().status == 200
    until(lambda: server.stats().open == 1)
    return server, client


@pytest.mark.parametrize("served", [False, True])
def test_who_was_just_there_may_send_a_request_although_the_server_stops(serve, visit, served):
    server, client = just_there(serve, visit, served)
    stopping = drain(server)
    answer = client.ask("/last")
    assert (answer.body, answer.headers["connection"]) == (b"/last", "close")
    client.close()
    stopping.get()


@pytest.mark.parametrize("served", [False, True])
def test_who_was_just_there_and_sends_nothing_is_closed_all_the_same(serve, visit, served):
    server, client = just_there(serve, visit, served)
    stopping = drain(server)
    lapse(server, 1)
    assert client.rest() == b""
    stopping.get()


@pytest.mark.parametrize("served", [False, True])
def test_who_was_silent_for_a_while_is_closed_at_once(serve, visit, served):
    server, client = just_there(serve, visit, served)
    lapse(server, 2)
    server.stop(LONG)
    assert client.rest() == b""


def test_who_is_in_the_backlog_when_the_server_stops_is_served(serve, visit):
    server = serve(keepalive_min_timeout=1)
    server.stop_accepting()
    client = visit(server).send(request("/waited"))
    server.start_accepting()
    server.stop(LONG)  # the loop has had no turn to accept
    assert client.answer().body == b"/waited"


def test_who_connects_during_a_drain_is_turned_away(serve, site, visit):
    server = serve()
    client = visit(server).send(request("/hold"))
    until(lambda: site.calls)
    stopping = drain(server)
    with pytest.raises(ConnectionRefusedError):
        visit(server)
    site.gate.set()
    client.rest()
    client.close()
    stopping.get()


def test_who_is_refused_during_a_drain_does_not_have_the_server_accept_again(serve, site, visit):
    """As after other refusals, when a pause is over."""
    server = serve(max_workers=1, overflow_pause=0.001, keepalive_min_timeout=1)
    holding, late = visit(server), visit(server)
    holding.send(request("/hold"))
    until(lambda: site.calls and server.stats().open == 2)
    stopping = drain(server)
    assert late.ask().status == 503
    assert repr(server.overflow) == "<Overflow CALM pause=0.001>"
    site.gate.set()
    assert holding.answer().status == 200
    holding.close()
    late.close()
    stopping.get()


# ---------------------------------------------------------------------- what is answered


def test_a_request_that_has_come_already_is_answered(serve, site, visit):
    """It is in the kernel when the drain begins: the Hub has had no turn since."""
    server = serve()
    client = visit(server)
    assert client.ask().status == 200
    client.sock._sock.send(request("/last"))  # without a turn of the loop
    stopping = gevent.spawn(server.stop, LONG)
    answer = client.answer()
    assert (answer.body, answer.headers["connection"]) == (b"/last", "close")
    assert client.rest() == b""
    client.close()
    stopping.get()


@pytest.mark.parametrize("path", ["/hold", "/stream"])
def test_what_is_served_is_answered_and_the_connection_closed(serve, site, visit, path):
    server = serve()
    client = visit(server).send(request(path))
    until(lambda: site.calls)
    stopping = drain(server)
    assert not stopping.ready()
    site.gate.set()
    answer = client.answer()
    assert answer.status == 200
    if path == "/hold":
        assert answer.headers["connection"] == "close"
    assert client.rest() == b""
    client.close()
    stopping.get()
    assert server.stats().open == 0


@pytest.mark.parametrize("begun", [b"GET /half HTTP/1.1\r\n", None])
def test_half_a_request_may_be_completed(serve, visit, begun):
    server = serve()
    whole = request("/half") if begun else request("/echo", body=b"whole", method="POST")
    begun = begun or whole[:-2]
    client = visit(server).send(begun)
    until(lambda: states(server) == ["READING"])
    stopping = drain(server)
    assert not stopping.ready()
    answer = client.send(whole[len(begun) :]).answer()
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert client.rest() == b""
    client.close()
    stopping.get()


def test_half_a_request_that_does_not_go_on_is_ended_by_its_own_timeout(serve, visit):
    server = serve()
    client = visit(server).send(b"GET / HTTP/1.1\r\n")
    until(lambda: states(server) == ["READING"])
    stopping = drain(server)
    lapse(server, 10)
    assert client.answer().status == 408
    client.close()
    stopping.get()


def test_requests_that_wait_are_served(serve, site, visit):
    server = serve(max_workers=1, overflow="wait")
    clients = [visit(server).send(request("/hold"))]
    until(lambda: site.calls)
    clients.append(visit(server).send(request("/queued")))
    until(lambda: len(server._queue) == 1)
    stopping = drain(server)
    site.gate.set()
    assert [client.answer().status for client in clients] == [200, 200]
    for client in clients:
        client.close()
    stopping.get()


def test_what_the_hub_sends_is_sent_to_its_end(serve, visit):
    server = serve(write_buffer=1 << 24)
    client = visit(server).send(request("/large"))
    until(lambda: states(server) == ["WRITING"])
    stopping = drain(server)
    assert not stopping.ready()
    assert len(client.answer().body) == 8 << 20
    stopping.get()


def test_a_request_behind_a_streamed_answer_is_answered_although_the_drain_has_begun(
    serve, site, visit
):
    """The answer did not say "Connection: close", so the client expects the next."""
    server = serve()
    client = visit(server).send(request("/stream") + request("/next"))
    assert client.answer_begins() == 200
    until(lambda: any(conn.buffer for conn in server._connections))
    site.gate.set()
    stopping = gevent.spawn(server.stop, LONG)
    assert b"/next" in client.rest()
    client.close()
    stopping.get()


# ---------------------------------------------------------------------- when the time is over

KILLED = {
    "half a head": (b"GET / HT", "READING"),
    "half a body": (request("/echo", body=b"body", method="POST")[:-1], "READING"),
    "active": (request("/hold"), "ACTIVE"),
    "streaming": (request("/stream"), "ACTIVE"),
    "blocked": (request("/flood"), "ACTIVE"),
    "slow reader": (request("/large"), "WRITING"),
    "refused": (b"\x00\r\n\r\n", "LINGERING"),
}


@pytest.mark.parametrize("case", KILLED)
@pytest.mark.parametrize("count", [1, 3])
def test_a_drain_without_time_closes_everything(
    serve, site, visit, *, caplog, no_hub_errors, case, count
):
    sent, state = KILLED[case]
    server = serve(write_buffer=1 << 24)
    clients = [visit(server).send(sent) for _ in range(count)]
    until(lambda: states(server) == [state] * count)
    settle()
    server.stop(0)
    stats = server.stats()
    assert (stats.open, stats.lingering) == (0, 0)
    assert server.pool.stats().running == 0
    assert "go on although" not in caplog.text
    for client in clients:
        client.close()


def test_queued_requests_are_closed_when_the_time_is_over(serve, site, visit):
    server = serve(max_workers=1, overflow="wait")
    visit(server).send(request("/hold"))
    until(lambda: site.calls)
    client = visit(server).send(request("/queued"))
    until(lambda: len(server._queue) == 1)
    server.stop(0)
    assert len(server._queue) == 0 and "/queued" not in site.calls
    assert server.stats().open == 0
    client.close()


@pytest.mark.parametrize("path", ["/hold", "/stream", "/flood"])
def test_a_killed_application_gets_greenlet_exit_and_is_closed(serve, site, visit, caplog, path):
    server = serve()
    visit(server).send(request(path))
    until(lambda: site.calls)
    settle()
    server.stop(0)
    if path != "/flood":  # that waits in the server, not in the application
        assert [type(error) for error in site.raised] == [GreenletExit]
    assert site.ended.count("close()") == (path != "/hold")
    assert "Traceback" not in caplog.text


def test_a_killed_application_that_had_sent_nothing_says_so_to_its_client(serve, site, visit):
    server = serve()
    client = visit(server).send(request("/hold"))
    until(lambda: site.calls)
    server.stop(0)
    assert client.answer().status == 500
    assert client.rest() == b""


def test_a_drain_ends_although_an_application_ignores_its_kill(
    serve, site, visit, monkeypatch, caplog
):
    monkeypatch.setattr(admission_module, "KILL_TIMEOUT", 0.01)
    over = Event()

    def stubborn(environ, start_response):
        while not over.is_set():
            try:
                over.wait()
            except BaseException as error:
                site.raised.append(error)
        return site.do_hello(environ, start_response)

    site.more["stubborn"] = stubborn
    server = serve()
    client = visit(server).send(request("/stubborn"))
    until(lambda: site.calls)
    server.stop(0)
    assert client.rest() == b""
    assert "1 handlers go on although they were killed" in caplog.text
    over.set()
    until(lambda: server.stats().open == 0)


def test_a_stubborn_application_with_a_request_timeout_does_not_stop_the_stop(
    serve, site, visit, monkeypatch
):
    """The last sweep of `stop` must not switch to the application from the caller's greenlet."""
    monkeypatch.setattr(admission_module, "KILL_TIMEOUT", 0.01)
    over = Event()

    def stubborn(environ, start_response):
        while not over.is_set():
            try:
                over.wait()
            except BaseException as error:
                site.raised.append(error)
        return site.do_hello(environ, start_response)

    site.more["stubborn"] = stubborn
    server = serve(request_timeout=5)
    visit(server).send(request("/stubborn"))
    until(lambda: site.calls)
    for _ in range(5):
        server.clock.advance(1)
        server.site.tick()
    server.clock.advance(2)  # the sweep that finds it is that of `stop`
    stopping = gevent.spawn(server.stop, 0)
    try:
        gevent.joinall([stopping], timeout=1)
        assert stopping.ready()
    finally:
        over.set()
        until(lambda: server.stats().open == 0)


# ---------------------------------------------------------------------- again


def test_two_drains_at_once_both_return(serve, site, visit):
    server = serve()
    visit(server).send(request("/hold"))
    until(lambda: site.calls)
    drains = [gevent.spawn(server.stop, LONG) for _ in range(2)]
    settle()
    assert not any(one.ready() for one in drains)
    server.stop(0)  # in more of a hurry
    gevent.joinall(drains, raise_error=True)
    server.stop(LONG)  # and when all is over


def test_a_server_can_start_again_and_keeps_its_address_and_connections_again(serve, site, visit):
    server = serve()
    address = server.address
    for number in range(3):
        client = visit(server)
        for _ in range(2):
            answer = client.ask(f"/{number}")
            assert answer.body == b"/%d" % number and "connection" not in answer.headers
        server.stop(LONG)
        assert client.rest() == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
        server.start()
    assert server.address == address


def test_deadlines_are_met_after_a_restart(serve, visit):
    server = serve()
    server.stop()
    server.start()
    client = visit(server)
    assert client.ask().status == 200
    lapse(server, 75)
    assert client.rest() == b""


def test_a_server_leaves_no_descriptor_and_no_timer(serve, site, visit):
    server = serve()
    server.stop()
    before = descriptors()
    server.start()
    for path in ("/hold", "/stream", "/flood", "/large", "/hello", "/fail"):
        visit(server).send(request(path))
    visit(server).send(b"GET / HT")
    visit(server)
    until(lambda: server.stats().open == 8)
    settle()
    server.stop(0)
    assert server._ticking is None and server.stats().open == 0
    assert server.pool.stats().running == 0
    assert descriptors() == before + 8  # the clients' own


def test_serve_forever_returns_when_the_server_is_stopped(serve):
    server = serve()
    forever = gevent.spawn(server.serve_forever)
    settle()
    server.stop()
    forever.get()


def test_serve_forever_does_not_cut_a_drain_short_that_somebody_else_has_begun(serve, site, visit):
    """It stops the server once more, with gevent's second for a timeout."""
    server = serve()
    server.stop_timeout = 0.01
    forever = gevent.spawn(server.serve_forever)
    client = visit(server).send(request("/hold"))
    until(lambda: site.calls)
    stopping = drain(server)
    gevent.sleep(0.1)  # ten times what would end it
    assert not stopping.ready()
    site.gate.set()
    assert client.answer().status == 200
    client.close()
    stopping.get()
    forever.get()


def test_the_states_of_the_cases_are_all_that_a_drain_can_meet():
    assert {state for _, state in KILLED.values()} | {
        "NEW",
        "IDLE",
        "QUEUED",
        "HIJACKED",
        "CLOSED",
    } == set(ConnState.__members__)
