"""Requests that wait for a worker of a real pool."""

from typing import Any

import pytest
from gevent import socket
from gevent.event import Event

from gpool import ConnState, WorkerPool
from gpool.wsgi.connection import HTTPConnection
from gpool.wsgi.queueing import RequestQueue
from gpool.wsgi.server import WSGIServer
from tests.support import in_hub, settle
from tests.wsgi.parts import GET, exchange


class Site:
    """A pool whose workers block, and the queue before it."""

    def __init__(self, workers=1, bound=3):
        self.gates: dict[Any, Event] = {}
        self.pool = WorkerPool(self.work, max_workers=workers)
        self.queue = RequestQueue(self.pool, bound, self.run)
        self.begun: list[Any] = []
        self.ran: list[Any] = []

    def work(self, item):
        self.begun.append(item)
        self.gates.setdefault(item, Event()).wait()

    def run(self, conn, request):
        self.ran.append((conn, request))
        assert self.pool.serve(conn)

    def serve(self, item):
        return in_hub(self.pool.serve, item)

    def add(self, conn):
        return in_hub(self.queue.add, conn, f"request of {conn}")

    def end(self, *items):
        for item in items:
            self.gates[item].set()
        settle()

    def close(self):
        for gate in self.gates.values():
            gate.set()
        self.pool.stop()
        self.pool.kill()


@pytest.fixture
def make():
    sites = []

    def make(*args):
        sites.append(Site(*args))
        return sites[-1]

    yield make
    for site in sites:
        site.close()


def test_who_came_first_is_served_first(make):
    site = make()
    site.serve("busy")
    assert [site.add(conn) for conn in "abc"] == [True] * 3
    settle()
    assert not site.ran
    for ended in ["busy", *"ab"]:
        site.end(ended)
    assert site.ran == [(conn, f"request of {conn}") for conn in "abc"]
    assert site.begun == ["busy", *"abc"] and len(site.queue) == 0


def test_no_more_wait_than_there_is_room_for(make):
    site = make(1, 2)
    site.serve("busy")
    assert [site.add(conn) for conn in "abc"] == [True, True, False]
    assert len(site.queue) == 2 and repr(site.queue) == "<RequestQueue 2/2>"
    site.end("busy")
    assert len(site.queue) == 1
    assert site.add("d") and not site.add("e")


def test_without_room_nobody_waits(make):
    site = make(1, 0)
    site.serve("busy")
    assert not site.add("a") and len(site.queue) == 0


def test_as_many_are_served_as_there_are_workers(make):
    site = make(2, 5)
    for item in ("busy", "busier"):
        site.serve(item)
    for conn in "abc":
        site.add(conn)
    site.end("busy", "busier")
    assert site.begun[2:] == ["a", "b"] and len(site.queue) == 1
    site.end("b")
    assert site.begun[2:] == ["a", "b", "c"]


def test_one_that_is_dropped_is_not_run_and_the_others_are_in_order(make):
    site = make()
    site.serve("busy")
    for conn in "abc":
        site.add(conn)
    assert in_hub(site.queue.drop, "b") == "request of b"
    assert in_hub(site.queue.drop, "b") is None
    assert len(site.queue) == 2 and site.add("d") and not site.add("e")
    site.end("busy")
    site.end("a")
    site.end("c")
    assert [conn for conn, _ in site.ran] == ["a", "c", "d"]


def test_one_that_was_run_cannot_be_dropped(make):
    site = make()
    site.serve("busy")
    site.add("a")
    site.end("busy")
    assert in_hub(site.queue.drop, "a") is None


def test_when_all_are_dropped_a_free_worker_finds_nothing(make, no_hub_errors):
    site = make()
    site.serve("busy")
    site.add("a")
    in_hub(site.queue.drop, "a")
    site.end("busy")
    assert not site.ran and not site.pool.full()
    site.serve("next")
    assert site.add("b") and len(site.queue) == 1


def test_one_whose_client_is_gone_takes_no_worker_from_the_others(make):
    site = make()
    run = site.run
    site.queue = RequestQueue(
        site.pool, 3, lambda conn, request: run(conn, request) if conn != "gone" else None
    )
    site.serve("busy")
    for conn in ("gone", "a"):
        site.add(conn)
    site.end("busy")
    assert site.begun == ["busy", "a"]


def test_one_is_not_served_when_another_was_faster(make):
    """A worker is free, and before the queue hears of it somebody else has it."""
    site = make()
    site.serve("busy")
    site.add("a")
    site.gates["busy"].set()

    def overtake():
        if site.pool.full():
            site.pool._hub.loop.run_callback(overtake)
        else:
            site.pool.serve("other")

    in_hub(overtake)
    settle()
    assert len(site.begun) == 2
    site.end(*site.gates)
    assert site.begun.count("a") == 1


def test_one_that_cannot_be_run_does_not_leave_the_others_waiting(make):
    site = make()
    run = site.run

    def run_all_but_the_first(conn, request):
        if conn == "bad":
            raise LookupError("on purpose")
        run(conn, request)

    site.queue = RequestQueue(site.pool, 3, run_all_but_the_first)
    site.serve("busy")
    for conn in ("bad", "a"):
        site.add(conn)
    site.end("busy")
    assert site.begun == ["busy", "a"]


# ---------------------------------------------------------------------- with its server


@pytest.mark.parametrize("count", [2, 3])
def test_requests_that_waited_are_served_in_their_order(count):
    """With overflow="wait", as soon as two wait: the Hub never comes out of the queue's loop."""
    order = []
    gate = Event()

    def application(environ, start_response):
        order.append(environ["PATH_INFO"])
        gate.wait()
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]

    server = WSGIServer(("127.0.0.1", 0), application, max_workers=1, overflow="wait")
    no_worker = server.site.no_worker
    refusals = []

    def not_for_ever(conn, request):
        refusals.append(conn)
        if len(refusals) > 50:
            raise RecursionError("it goes round in circles")
        no_worker(conn, request)

    server.site.no_worker = not_for_ever
    pairs = [socket.socketpair() for _ in range(count + 1)]

    def give():
        for number, (ours, _) in enumerate(pairs):
            ours._sock.setblocking(False)
            conn = HTTPConnection(ours._sock, ("", 0), server.site)
            conn.move(ConnState.ACTIVE)  # as when a request is taken out of the buffer
            request = exchange(conn, GET.replace(b"/ ", b"/%d " % number))
            if not server.site.serve(request):
                server.site.no_worker(conn, request)

    in_hub(give)
    settle()
    gate.set()
    try:
        for _ in range(3):
            settle()
        assert order == [f"/{number}" for number in range(count + 1)]
    finally:
        server.pool.kill()
        for ours, theirs in pairs:
            ours.close()
            theirs.close()
