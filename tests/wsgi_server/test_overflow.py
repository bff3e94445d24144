"""All workers busy: requests are refused, or wait their turn."""

import pytest

from gpool import ConnState, Refusal, WorkerPool
from tests.wsgi_server.clients import lapse, request, until

pytestmark = pytest.mark.limit(3)

MANY = 500  # hand-offs, more than any test here needs


@pytest.fixture
def queueing(serve, monkeypatch):
    """A server with ``overflow="wait"``, and a bound on its hand-offs.

    A queue that hands off for ever would keep the Hub, and no timeout could end the test.
    """

    def start(**settings):
        server = serve(**{"max_workers": 1, "overflow": "wait", **settings})
        run, runs = server._queue._run, []

        def bounded(*args):
            runs.append(1)
            if len(runs) > MANY:
                server._queue._waiting.clear()
                raise AssertionError("the queue hands off for ever")
            run(*args)

        server._queue._run = bounded
        return server

    return start


def hold(server, site, visit, path="/hold"):
    """A client that holds a worker until the gate is open."""
    before = len(site.calls)
    client = visit(server).send(request(path))
    until(lambda: len(site.calls) > before)
    return client


def wait_in_turn(server, visit, paths):
    """A client a path, each in the queue before the next comes."""
    clients = []
    for path in paths:
        waiting = len(server._queue)
        clients.append(visit(server).send(request(path)))
        until(lambda waiting=waiting: len(server._queue) > waiting)
    return clients


# ---------------------------------------------------------------------- reject


def test_each_request_above_the_limit_gets_a_whole_503_and_served_ones_are_undisturbed(
    serve, site, visit
):
    server = serve(max_workers=2, overflow_pause=0)
    held = [hold(server, site, visit) for _ in range(2)]
    for _ in range(20):
        refused = visit(server)
        answer = refused.ask("/refused")
        assert answer.status == 503
        assert (answer.headers["retry-after"], answer.headers["connection"]) == ("1", "close")
        assert b"max_workers limit exceeded" in answer.body
        assert refused.rest() == b""
    site.gate.set()
    assert [client.answer().body for client in held] == [b"/hold"] * 2
    assert [client.ask("/again").body for client in held] == [b"/again"] * 2
    assert server.stats().refused[Refusal.FULL] == 20
    assert "/refused" not in site.calls


def test_a_request_on_an_idle_connection_is_refused_and_the_connection_closed(serve, site, visit):
    server = serve(max_workers=1, overflow_pause=0)
    idle = visit(server)
    assert idle.ask("/first").body == b"/first"
    held = hold(server, site, visit)
    assert idle.ask("/second").status == 503
    assert idle.rest() == b""
    site.gate.set()
    assert held.answer().status == 200


def test_nothing_of_a_refused_batch_is_served(serve, site, visit):
    server = serve(max_workers=1, overflow_pause=0)
    hold(server, site, visit)
    batch = visit(server).send(request("/1") + request("/2") + request("/3"))
    assert batch.answer().status == 503
    assert batch.rest() == b""
    assert site.calls == ["/hold"]


def test_a_refused_head_request_has_no_body(serve, site, visit):
    server = serve(max_workers=1, overflow_pause=0)
    hold(server, site, visit)
    client = visit(server).send(request("/", method="HEAD"))
    assert client.answer(head_only=True).status == 503
    assert client.rest() == b""


def test_idle_connections_and_beginnings_of_requests_hold_no_worker(serve, visit):
    server = serve(max_workers=1)
    idle = [visit(server) for _ in range(10)]
    for client in idle:
        assert client.ask("/x").status == 200
        client.send(request("/y")[:8])
    until(lambda: sum(conn.state is ConnState.READING for conn in server._connections) == 10)
    assert (server.pool.stats().running, server.pool.stats().busy) == (1, 0)
    for client in idle:
        assert client.send(request("/y")[8:]).answer().body == b"/y"
    assert server.pool.stats().created == 1


def test_one_worker_serves_pipelined_requests_of_many_clients_in_order(serve, site, visit):
    server = serve(max_workers=1)
    paths = [f"/{number}" for number in range(16)]
    clients = [visit(server).send(b"".join(map(request, paths))) for _ in range(5)]
    for client in clients:
        assert [client.answer().body.decode() for _ in paths] == paths
    assert server.pool.stats().created == 1


# ---------------------------------------------------------------------- wait


def test_one_request_waits_for_the_worker(queueing, site, visit):
    server = queueing()
    held = hold(server, site, visit)
    [waiting] = wait_in_turn(server, visit, ["/next"])
    site.gate.set()
    assert held.answer().body == b"/hold"
    assert waiting.answer().body == b"/next"
    assert waiting.ask("/keeps-alive").body == b"/keeps-alive"


def test_requests_that_wait_are_served_first_come_first_served(queueing, site, visit):
    server = queueing()
    hold(server, site, visit)
    paths = [f"/{number}" for number in range(6)]
    clients = wait_in_turn(server, visit, paths)
    site.gate.set()
    assert [client.answer().body.decode() for client in clients] == paths
    assert site.calls == ["/hold", *paths]


def test_nobody_overtakes_those_who_wait(queueing, site, visit):
    """The worker's own client, whose next request is there already, waits behind the others."""
    server = queueing()
    first = hold(server, site, visit)
    waiting = wait_in_turn(server, visit, ["/a", "/b"])
    first.send(request("/again"))
    until(lambda: any(conn.buffer for conn in server._connections))
    site.gate.set()
    for client in (first, *waiting, first):
        assert client.answer().status == 200
    assert site.calls == ["/hold", "/a", "/b", "/again"]


def test_more_than_max_queue_is_refused_and_the_others_still_wait(queueing, site, visit):
    server = queueing(max_queue=2)
    hold(server, site, visit)
    waiting = wait_in_turn(server, visit, ["/a", "/b"])
    refused = visit(server).send(request("/c"))
    assert refused.answer().status == 503
    assert refused.rest() == b""
    site.gate.set()
    assert [client.answer().body for client in waiting] == [b"/a", b"/b"]


def test_without_a_queue_waiting_is_refusing(queueing, site, visit):
    server = queueing(max_queue=0)
    hold(server, site, visit)
    assert visit(server).ask().status == 503


def test_who_waited_for_queue_timeout_is_refused(queueing, site, visit):
    server = queueing(queue_timeout=5)
    held = hold(server, site, visit)
    [waiting] = wait_in_turn(server, visit, ["/late"])
    lapse(server, 5)
    answer = waiting.answer()
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert waiting.rest() == b"" and len(server._queue) == 0
    site.gate.set()
    assert held.answer().status == 200
    assert "/late" not in site.calls


@pytest.mark.limit(1)
def test_a_queued_client_that_resets_leaves_the_queue(queueing, site, visit):
    server = queueing(max_queue=1)
    hold(server, site, visit)
    [gone] = wait_in_turn(server, visit, ["/gone"])
    gone.reset()
    until(lambda: server.stats().open == 1)
    [waiting] = wait_in_turn(server, visit, ["/next"])
    site.gate.set()
    assert waiting.answer().body == b"/next"
    assert "/gone" not in site.calls


def test_a_queued_client_that_sends_no_more_is_served(queueing, site, visit):
    server = queueing()
    hold(server, site, visit)
    [ended] = wait_in_turn(server, visit, ["/ended"])
    ended.end()
    until(lambda: any(conn() for conn in server._connections))
    site.gate.set()
    assert ended.answer().body == b"/ended"
    assert ended.rest() == b""


def test_a_batch_whose_first_request_waited_is_served_in_order(queueing, site, visit):
    server = queueing()
    hold(server, site, visit)
    batch = visit(server).send(request("/1") + request("/2") + request("/3"))
    until(lambda: len(server._queue) == 1)
    site.gate.set()
    assert [batch.answer().body for _ in range(3)] == [b"/1", b"/2", b"/3"]


@pytest.mark.limit(1)
def test_a_request_that_was_queued_is_interrupted_after_request_timeout(queueing, site, visit):
    """Its deadline in the queue must not be the last that it has."""
    server = queueing(queue_timeout=10, request_timeout=30)
    site.more["short"] = lambda environ, start_response: (
        short.wait(),
        site.do_hello(environ, start_response),
    )[1]
    short = type(site.gate)()
    first = hold(server, site, visit, "/short")
    [waiting] = wait_in_turn(server, visit, ["/hold"])
    short.set()
    assert first.answer().status == 200
    until(lambda: site.calls == ["/short", "/hold"])
    lapse(server, 12)  # queue_timeout is over, and no matter any more
    assert not site.raised
    lapse(server, 30)
    assert waiting.answer().status == 504


# ---------------------------------------------------------------------- a pool of two servers


def test_two_servers_share_a_pool(serve, site, visit):
    pool = WorkerPool(max_workers=1)
    one, other = (serve(spawn=pool, overflow_pause=0) for _ in range(2))
    held = hold(one, site, visit)
    refused = visit(other)
    assert refused.ask().status == 503
    refused.close()
    site.gate.set()
    assert held.answer().status == 200
    assert visit(other).ask("/other").body == b"/other"
    one.stop()
    assert visit(other).ask("/on").body == b"/on"  # the pool is not its server's to stop
    other.stop()
    pool.stop()
    pool.join()


def test_the_queues_of_two_servers_are_served_from_one_pool(queueing, site, visit):
    pool = WorkerPool(max_workers=1)
    one, other = (queueing(spawn=pool) for _ in range(2))
    held = hold(one, site, visit)
    waiting = [wait_in_turn(server, visit, [f"/{n}"])[0] for n in (1, 2) for server in (one, other)]
    site.gate.set()
    assert held.answer().status == 200
    assert sorted(client.answer().body for client in waiting) == [b"/1", b"/1", b"/2", b"/2"]
    pool.stop()
    pool.join()


def test_when_the_pool_of_a_server_is_stopped_its_clients_are_told(serve, visit, no_hub_errors):
    pool = WorkerPool(max_workers=1)
    server = serve(spawn=pool)
    client = visit(server)
    assert [client.ask().status for _ in range(3)] == [200] * 3  # known from now on
    pool.stop()
    assert client.ask().status == 503
    assert visit(server).ask("/another").status == 503
    pool.join()
