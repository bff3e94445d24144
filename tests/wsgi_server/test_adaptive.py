"""``overflow="adaptive"``, from the first byte of a request to its answer."""

import logging

import gevent
import pytest

from gpool import Refusal
from gpool.hosting import Hosting
from gpool.wsgi.adapting import AdaptiveQueue
from tests.wsgi_server.clients import request, until

pytestmark = pytest.mark.limit(5)

FOR_EVER = 1_000.0


def limited(server, limit):
    """The server, with the limit where it might have got."""
    server._queue._calls.limit.value = limit
    return server


def hold(server, site, visit):
    """A client whose request runs until the gate is open."""
    before = len(site.calls)
    client = visit(server).send(request("/hold"))
    until(lambda: len(site.calls) > before)
    return client


def test_all_workers_are_used_until_it_is_known_what_is_worth_it(serve, site, visit):
    server = serve(max_workers=3, overflow="adaptive", adaptive_delay=FOR_EVER)
    assert server.limit == 3 and server.has_room()
    held = [hold(server, site, visit) for _ in range(3)]
    visit(server).send(request("/late"))
    until(lambda: len(server._queue) == 1)
    site.gate.set()
    assert [client.answer().body for client in held] == [b"/hold"] * 3


def test_above_the_limit_a_request_waits_and_is_served_in_its_turn(serve, site, visit):
    server = limited(serve(overflow="adaptive", adaptive_delay=FOR_EVER), 1)
    held = hold(server, site, visit)
    waiting = []
    for number in range(3):
        waiting.append(visit(server).send(request(f"/{number}")))
        until(lambda number=number: len(server._queue) == number + 1)
    assert site.calls == ["/hold"]
    site.gate.set()
    assert [client.answer().body for client in [held, *waiting]] == [b"/hold", b"/0", b"/1", b"/2"]
    assert site.calls[1:] == ["/0", "/1", "/2"]
    assert held.ask("/again").body == b"/again"


def test_who_waits_in_vain_gets_a_503_that_says_why(serve, site, visit, caplog):
    caplog.set_level(logging.WARNING)
    server = limited(serve(overflow="adaptive", adaptive_delay=0.01), 1)
    held = hold(server, site, visit)
    refused = visit(server)
    answer = refused.ask("/refused")
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert b"application is overloaded" in answer.body
    assert refused.rest() == b"" and "/refused" not in site.calls
    assert server.stats().refused[Refusal.OVERLOADED] == 1
    assert "the application is overloaded (1)" in caplog.text
    site.gate.set()
    assert held.answer().status == 200


def test_a_batch_keeps_its_order(serve, site, visit):
    server = limited(serve(overflow="adaptive", adaptive_delay=FOR_EVER), 1)
    held = hold(server, site, visit)
    batch = visit(server).send(request("/1") + request("/2") + request("/3"))
    until(lambda: len(server._queue) == 1)
    site.gate.set()
    assert held.answer().status == 200
    assert [batch.answer().body for _ in range(3)] == [b"/1", b"/2", b"/3"]


def test_one_that_hangs_up_while_it_waits_is_not_run(serve, site, visit):
    server = limited(serve(overflow="adaptive", adaptive_delay=FOR_EVER), 1)
    held = hold(server, site, visit)
    gone = visit(server).send(request("/gone"))
    until(lambda: len(server._queue) == 1)
    gone.reset()
    until(lambda: len(server._queue) == 0)
    site.gate.set()
    assert held.answer().status == 200 and "/gone" not in site.calls


def test_a_websocket_takes_no_room_once_it_is_one(serve, site, visit):
    def take(environ, start_response):
        environ["werkzeug.socket"].sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        site.gate.wait()
        return []

    site.more["take"] = take
    server = limited(serve(overflow="adaptive", adaptive_delay=FOR_EVER), 1)
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
    for _ in range(3):
        taken = visit(server).send(f"GET /take HTTP/1.1\r\nHost: x\r\n{upgrade}\r\n".encode())
        assert taken.answer(head_only=True).status == 101
    assert len(server._queue._calls) == 0
    assert visit(server).ask("/x").status == 200
    site.gate.set()


def test_one_that_only_offers_to_be_a_websocket_counts(serve, site, visit):
    server = limited(serve(overflow="adaptive", adaptive_delay=FOR_EVER), 9)
    visit(server).send(
        b"GET /hold HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    )
    until(lambda: site.calls)
    assert len(server._queue._calls) == 1
    site.gate.set()
    until(lambda: len(server._queue._calls) == 0)


def test_a_drain_answers_those_who_wait(serve, site, visit):
    server = limited(serve(overflow="adaptive", adaptive_delay=FOR_EVER), 1)
    clients = [hold(server, site, visit), visit(server).send(request("/waits"))]
    until(lambda: len(server._queue) == 1)
    site.gate.set()
    stopping = gevent.spawn(server.stop, timeout=2)
    assert [client.answer().body for client in clients] == [b"/hold", b"/waits"]
    assert [client.rest() for client in clients] == [b""] * 2
    for client in clients:
        client.close()
    stopping.get()


def test_servers_of_one_process_have_one_limit(site, visit):
    listeners = [("127.0.0.1", 0)] * 2
    hosting = Hosting(listeners, site, overflow="adaptive", adaptive_delay=FOR_EVER, max_workers=9)
    hosting.start()
    one, other = hosting.servers
    limited(one, 1)
    try:
        assert hosting.stats().limit == other.limit == 1
        held = visit(one).send(request("/hold"))
        until(lambda: site.calls)
        waits = visit(other).send(request("/waits"))
        until(lambda: len(other._queue) == 1)
        site.gate.set()
        assert held.answer().body == b"/hold"
        assert waits.answer().body == b"/waits"
    finally:
        hosting.stop(timeout=0)


@pytest.mark.parametrize("policy", ["reject", "wait"])
def test_without_it_nothing_is_counted(serve, site, policy):
    server = serve(overflow=policy, max_workers=5)
    assert server.site.application is site
    assert not isinstance(server._queue, AdaptiveQueue) and server.limit == 5


def test_with_reject_a_request_goes_straight_to_the_pool(serve):
    server = serve(overflow="reject")
    assert server.site.serve == server.pool.serve
