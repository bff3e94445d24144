"""Nothing of a request is left when it is over, and the counts add up."""

import gc
import random
import sys
from collections import Counter
from contextlib import contextmanager, suppress
from typing import Any

import gevent
import pytest

from tests.support import descriptors, settle
from tests.wsgi_server.clients import lapse, request, until

pytestmark = pytest.mark.limit(20)


@contextmanager
def collected():
    """What the collector finds that reference counts did not, once the block is over."""
    found: list[Any] = []
    gc.collect()
    gc.freeze()  # what is left of other tests is not looked at
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield found
        gc.collect()
        found.extend(gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.unfreeze()
        gc.enable()


def ours():
    """How many objects of gpool's there are, by type."""
    gc.collect()
    modules = ((type(one).__qualname__, str(type(one).__module__)) for one in gc.get_objects())
    return Counter(name for name, module in modules if module.startswith("gpool"))


def again(environ, start_response):
    """PEP 3333's way to replace a response that has begun too late."""
    write = start_response("200 OK", [])
    write(b"begun")
    try:
        raise RuntimeError("application")
    except RuntimeError:
        start_response("500 Sorry", [], sys.exc_info())
    return []


CASES = {
    "plain": request("/hello"),
    "head": request("/hello", method="HEAD"),
    "small body": request("/echo", body=b"12", method="POST"),
    "streamed body": request("/echo", body=bytes(100_000), method="POST"),
    "unread body": request("/hello", body=bytes(100_000), method="POST"),
    "chunks": request("/echo", "Transfer-Encoding: chunked", method="POST")
    + b"1\r\nx\r\n0\r\n\r\n",
    "stream": request("/stream"),
    "failed": request("/fail"),
    "exc_info": request("/again"),
    "malformed": b"GET / HTTP/1.1\r\n\r\n",
    "close": request("/hello", "Connection: close"),
    "old": request("/hello", version="1.0"),
    "cut off": request("/again", version="1.0"),
    "batch": request("/hello") * 5,
    "half a head": b"GET /",
    "half a body": request("/echo", body=b"12", method="POST")[:-1],
}


@pytest.fixture
def quiet(caplog, site):
    """The errors of these applications are meant; caplog's records would keep them alive."""
    caplog.set_level(100, "gpool.wsgi")
    site.gate.set()
    site.raised = Forgetful()
    site.calls = Forgetful()
    site.ended = Forgetful()
    site.more["again"] = again


class Forgetful(list[Any]):
    """Counts what it is given."""

    appended = 0

    def append(self, one):
        self.appended += 1


def run(client, sent):
    with suppress(ConnectionResetError):
        client.send(sent).end().rest()
    client.close()


@pytest.mark.parametrize("case", CASES)
def test_a_request_leaves_no_reference_cycle(serve, visit, quiet, case):
    server = serve()
    run(visit(server), CASES[case])
    until(lambda: not server.stats().open)
    with collected() as found:
        for _ in range(20):
            run(visit(server), CASES[case])
            until(lambda: not server.stats().open)
    assert not found


def test_a_refused_request_leaves_no_reference_cycle(serve, site, visit, quiet):
    site.gate.clear()
    server = serve(max_workers=1, overflow_pause=0)
    visit(server).send(request("/hold"))
    until(lambda: server.pool.stats().busy)
    run(visit(server), request("/refused"))
    until(lambda: server.stats().open == 1)
    with collected() as found:
        for _ in range(20):
            run(visit(server), request("/refused"))
            until(lambda: server.stats().open == 1)
    assert not found


def test_a_request_whose_client_left_the_queue_leaves_no_reference_cycle(serve, site, visit, quiet):
    site.gate.clear()
    server = serve(max_workers=1, overflow="wait", queue_timeout=5)
    visit(server).send(request("/hold"))
    until(lambda: server.pool.stats().busy)
    with collected() as found:
        for _ in range(5):
            client = visit(server).send(request("/queued"))
            until(lambda: len(server._queue))
            lapse(server, 5)
            client.end().rest()
            client.close()
            until(lambda: server.stats().open == 1)
    assert not found


def test_a_thousand_requests_leave_nothing(serve, visit, quiet):
    server = serve()
    cases = list(CASES.values())
    for sent in cases:
        run(visit(server), sent)
    until(lambda: not server.stats().open)
    before, open_before = ours(), descriptors()
    for sent in cases * (1_000 // len(cases) + 1):
        run(visit(server), sent)
    until(lambda: not server.stats().open)
    settle()
    assert not ours() - before
    assert descriptors() == open_before
    stats = server.pool.stats()
    assert stats.running == stats.ready
    assert (stats.errors, stats.tainted, stats.refused) == (0, 0, 0)


def test_a_body_that_was_not_read_is_not_in_front_of_the_next_one(serve, visit):
    """One that is there as a whole when the application is called, and too large to be kept."""
    client = visit(serve(body_buffer=10))
    client.send(
        request("/hello", "Transfer-Encoding: chunked", method="POST") + b"10\r\n" + b"o" * 16
    ).send(b"\r\n0\r\n\r\n")
    assert client.answer().body == b"/hello"
    assert client.ask("/echo", body=b"n" * 20, method="POST").body == b"n" * 20


def test_errors_of_the_application_are_counted(serve, visit, quiet):
    server = serve()
    assert visit(server).ask("/fail").status == 500
    assert server.stats().errors == 1


# ---------------------------------------------------------------------- many

REQUESTS, CLIENTS = 20_000, 40


def test_twenty_thousand_mixed_requests_end_with_balanced_counts(serve, site, visit, quiet):
    """Keep-alive, closing, pipelined, failing, and reset clients, side by side."""
    server = serve(max_connections=CLIENTS * 2)
    draw = random.Random(1)
    done = Counter()

    def behave(turns):
        client = visit(server)
        while turns > 0:
            kind = draw.choices(["one", "batch", "fail", "close", "reset", "body"], WEIGHTS)[0]
            count = 16 if kind == "batch" else 1
            turns -= count
            done[kind] += count
            if kind == "reset":
                client.send(request("/stream")).reset()
            elif kind == "fail":
                assert client.ask("/fail").status == 500
            elif kind == "close":
                assert client.ask("/", "Connection: close").status == 200
            elif kind == "body":
                assert client.ask("/echo", body=b"body", method="POST").body == b"body"
            else:
                client.send(request("/x") * count)
                assert [client.answer().body for _ in range(count)] == [b"/x"] * count
            if kind in ("reset", "fail", "close"):
                client.close()
                client = visit(server)
        client.close()

    clients = [gevent.spawn(behave, REQUESTS // CLIENTS) for _ in range(CLIENTS)]
    gevent.joinall(clients, raise_error=True)
    until(lambda: not server.stats().open)
    assert sum(done.values()) >= REQUESTS and len(done) == len(WEIGHTS)
    stats = server.pool.stats()
    assert (stats.running, stats.busy, stats.errors) == (stats.ready, 0, 0)
    assert done.total() - done["reset"] <= site.calls.appended <= done.total()
    assert server._limits.open == len(server._connections) == server.stats().lingering == 0


WEIGHTS = (20, 20, 2, 4, 2, 10)


def test_a_worker_that_waits_for_its_client_keeps_no_error(serve, visit, site, tmp_path):
    """An error is not small: it has its traceback, the frames of it, and what those refer to."""
    (tmp_path / "file").write_bytes(bytes(8 << 20))
    site.more["file"] = lambda environ, start_response: (
        start_response("200 OK", [])
        and environ["wsgi.file_wrapper"]((tmp_path / "file").open("rb"))
    )
    server = serve()
    gc.collect()
    gc.freeze()  # what is left of other tests is not looked at
    try:
        visit(server).send(request("/echo", body=bytes(100_000), method="POST")[:-1])
        visit(server).send(request("/file"))
        until(lambda: sum(conn._waiter is not None for conn in server._connections) == 2)
        assert not [one for one in gc.get_objects() if isinstance(one, BlockingIOError)]
    finally:
        gc.unfreeze()
