"""What an application leaves behind in a worker never reaches another request."""

from contextlib import suppress
from contextvars import ContextVar

import gevent
import pytest
from greenlet import getcurrent

from gpool import WorkerPool
from tests.support import settle
from tests.wsgi_server.clients import request, until

pytestmark = pytest.mark.limit(3)

user = ContextVar("user", default="nobody")

KINDS = {
    "keep-alive": lambda visit, server, paths: one_by_one(visit(server), paths),
    "pipelined": lambda visit, server, paths: in_a_batch(visit(server), paths),
    "connections": lambda visit, server, paths: [visit(server).ask(path).body for path in paths],
}


def one_by_one(client, paths):
    return [client.ask(path).body for path in paths]


def in_a_batch(client, paths):
    client.send(b"".join(map(request, paths)))
    return [client.answer().body for _ in paths]


@pytest.fixture(params=KINDS)
def ask(request, visit):
    return lambda server, paths: KINDS[request.param](visit, server, paths)


@pytest.fixture(params=["own pool", "shared pool"])
def server(request, serve):
    if request.param == "own pool":
        yield serve(max_workers=1)
        return
    pool = WorkerPool(max_workers=1)
    server = serve(spawn=pool)
    yield server
    server.stop(0)
    pool.stop()
    pool.join()


def answering(site, start_response, text):
    start_response("200 OK", [("Content-Length", str(len(text)))])
    return [text.encode()]


def test_context_variables_are_each_requests_own(server, site, ask):
    def login(environ, start_response):
        before = user.get()
        user.set(environ["PATH_INFO"])
        return answering(site, start_response, before)

    site.more["login"] = login
    assert ask(server, [f"/login/{n}" for n in range(10)]) == [b"nobody"] * 10


def test_context_variables_of_an_iterable_are_its_requests(server, site, ask):
    def login(environ, start_response):
        start_response("200 OK", [])
        user.set(environ["PATH_INFO"])
        for _ in range(3):
            gevent.sleep(0)
            yield user.get()[-1].encode()

    site.more["login"] = login
    assert ask(server, [f"/login/{n}" for n in range(5)]) == [b"%d" % n * 3 for n in range(5)]


def test_a_timeout_that_was_never_cancelled_reaches_nobody(server, site, ask):
    """Its worker is tainted: it does not serve the next request, which waits for long."""
    leaked = []

    def leak(environ, start_response):
        leaked.append(gevent.Timeout.start_new(60))
        return site.do_hello(environ, start_response)

    def long(environ, start_response):
        timer = leaked[-1].timer
        gevent.get_hub().loop.run_callback(timer.callback, *timer.args)  # its time is over
        settle()
        leaked[-1].close()
        return site.do_hello(environ, start_response)

    site.more |= {"leak": leak, "long": long}
    paths = ["/leak", "/long"] * 5
    assert ask(server, paths) == [path.encode() for path in paths]
    assert server.pool.stats().tainted == 5
    assert not site.raised


def test_a_switch_that_was_kept_reaches_nobody(server, site, ask):
    kept = []

    def keep(environ, start_response):
        kept.append(getcurrent())
        return site.do_hello(environ, start_response)

    def long(environ, start_response):
        gevent.get_hub().loop.run_callback(kept.pop().switch)
        settle()
        return site.do_hello(environ, start_response)

    site.more |= {"keep": keep, "long": long}
    paths = ["/keep", "/long"] * 5
    assert ask(server, paths) == [path.encode() for path in paths]
    assert not site.raised


def test_a_kept_write_and_input_are_of_no_use_afterwards(server, site, ask):
    kept = []

    def keep(environ, start_response):
        write = start_response("200 OK", [("Content-Length", "4")])
        kept.append((write, start_response, environ))
        return [b"kept"]

    def misuse(environ, start_response):
        write, old_start_response, old_environ = kept.pop()
        for misused in (
            lambda: write(b"smuggled"),
            lambda: old_start_response("200 OK", []),
            old_environ["gpool.hijack"],
            lambda: old_environ["wsgi.early_hints"]([]),
        ):
            with pytest.raises(AssertionError):
                misused()
        return site.do_hello(environ, start_response)

    site.more |= {"keep": keep, "misuse": misuse}
    assert ask(server, ["/keep", "/misuse"] * 3) == [b"kept", b"/misuse"] * 3


def test_a_kept_input_does_not_read_the_next_requests_body(serve, site, visit):
    kept = []

    def keep(environ, start_response):
        kept.append(environ["wsgi.input"])
        assert kept[0].read(7) == b"secret "
        return site.do_hello(environ, start_response)

    def misuse(environ, start_response):
        with suppress(ConnectionError):
            assert b"next" not in kept.pop().read()
        return site.do_echo(environ, start_response)

    site.more |= {"keep": keep, "misuse": misuse}
    client = visit(serve(body_buffer=20))
    client.send(request("/keep", body=b"secret " * 5, method="POST")[:-7])
    until(lambda: kept)
    client.send(b"secret ")
    assert client.answer().status == 200
    assert client.ask("/misuse", body=b"next " * 20, method="POST").body == b"next " * 20


def test_the_environ_is_each_requests_own(server, site, ask):
    def mark(environ, start_response):
        known = "marked" in environ
        environ["marked"] = True
        environ["HTTP_HOST"] = "changed"
        return answering(site, start_response, str(known))

    site.more["mark"] = mark
    assert ask(server, ["/mark"] * 6) == [b"False"] * 6


def test_the_environ_of_the_user_is_in_each(serve, site, visit):
    seen = []

    def look(environ, start_response):
        seen.append((environ["wsgi.multithread"], environ["my.key"]))
        return site.do_hello(environ, start_response)

    site.more["look"] = look
    client = visit(serve(environ={"wsgi.multithread": False, "my.key": 1}))
    for _ in range(3):
        client.ask("/look")
    assert seen == [(False, 1)] * 3


def test_two_greenlets_of_one_request_cannot_wait_for_its_connection(serve, site, visit):
    """The second would take the place of the first, which would wait for ever."""
    raised = []

    def both(environ, start_response):
        write = start_response("200 OK", [])
        reading = gevent.spawn(environ["wsgi.input"].read)
        settle()
        try:
            write(bytes(8 << 20))  # more than the kernel takes
        except RuntimeError as error:
            raised.append(str(error))
        reading.kill()
        return []

    site.more["both"] = both
    server = serve(max_workers=1)
    client = visit(server)
    client.send(request("/both", "Content-Length: 9999999", method="POST"))
    until(lambda: raised)
    assert raised == ["another greenlet waits for this connection"]
    client.close()
    until(lambda: not server.stats().open)
    assert visit(server).ask().status == 200
