"""Requests that take turns on reused workers never see each other's spans.

What makes it so is the fresh Context that each item of a pool has. The check is shown to find
what it looks for: with one Context for all requests it fails.
"""

import logging
import random
from contextvars import Context

import gevent
import pytest
from gevent.event import Event
from greenlet import getcurrent
from opentelemetry import baggage, context, trace
from opentelemetry.trace import SpanKind, format_span_id, format_trace_id

from tests.telemetry.test_spans import TRACE, TRACEPARENT, killed, parent_of, trace_of
from tests.wsgi_server.clients import request

pytestmark = pytest.mark.limit(10)

REQUESTS, WORKERS, CLIENTS = 200, 5, 20


def in_one_context(application):
    """The application, as it would be if workers had one Context for all requests."""
    shared = Context()

    def call(environ, start_response):
        getcurrent().gr_context = shared
        return application(environ, start_response)

    return call


class Turns:
    """An application in which requests take turns, each of them in spans of its own.

    Attributes:
        mixed: which trace was seen instead of which.
    """

    def __init__(self):
        self.mixed = []
        self.tracer = None
        self._random = random.Random(7)

    def __call__(self, environ, start_response):
        own = environ["HTTP_TRACEPARENT"].split("-")[1]
        with self.tracer.start_as_current_span("outer"):
            self._wait(own)
            with self.tracer.start_as_current_span("inner"):
                self._wait(own)
        self._wait(own)
        start_response("200 OK", [])
        return self._blocks(own)

    def _blocks(self, own):
        for _ in range(2):
            self._wait(own)
            yield b"x"

    def _wait(self, own):
        for _ in range(self._random.randrange(1, 4)):
            gevent.sleep(0)
            now = format_trace_id(trace.get_current_span().get_span_context().trace_id)
            if now != own:
                self.mixed.append((now, own))


def run(serve, visit, traced, wrap=lambda one: one):
    """All requests, each of a trace of its own, from clients that ask one after the other."""
    turns = Turns()
    one = traced(turns)
    turns.tracer = one.tracer
    server = serve(wrap(one), max_workers=WORKERS, overflow="wait")

    def ask(number):
        client = visit(server)
        for each in range(number, REQUESTS, CLIENTS):
            own = f"00-{each + 1:032x}-{each + 1:016x}-01"
            assert client.ask("/", f"traceparent: {own}").body == b"xx"

    gevent.joinall([gevent.spawn(ask, number) for number in range(CLIENTS)], raise_error=True)
    return server, turns, one.ended()


def test_requests_that_take_turns_on_few_workers_keep_their_traces(serve, visit, traced):
    server, turns, ended = run(serve, visit, traced)
    stats = server.pool.stats()
    assert stats.created == WORKERS and stats.reused == REQUESTS - WORKERS
    assert not turns.mixed
    by_trace = {}
    for span in ended:
        by_trace.setdefault(int(trace_of(span), 16), {})[span.name] = span
    assert sorted(by_trace) == list(range(1, REQUESTS + 1))
    for number, spans in by_trace.items():
        server_span = spans["GET /"]
        assert len(spans) == 3 and server_span.kind is SpanKind.SERVER
        assert parent_of(server_span) == f"{number:016x}"
        assert parent_of(spans["outer"]) == format_span_id(server_span.context.span_id)
        assert parent_of(spans["inner"]) == format_span_id(spans["outer"].context.span_id)


def test_the_check_finds_traces_that_are_mixed(serve, visit, traced, caplog):
    _, turns, ended = run(serve, visit, traced, in_one_context)
    assert turns.mixed
    assert any(span.kind is not SpanKind.SERVER for span in ended if span.name == "GET /")
    caplog.clear()  # OpenTelemetry complains of tokens that are not the last


# ---------------------------------------------------------------------- what is left behind


class Leaky:
    """Attaches without detaching, where the instrumentation does not undo it: around that."""

    def __init__(self, traced):
        self.traced = traced

    def __call__(self, environ, start_response):
        if environ["PATH_INFO"] == "/leak":
            left = self.traced.tracer.start_span("left behind")
            context.attach(baggage.set_baggage("user", "Ann", trace.set_span_in_context(left)))
        return self.traced(environ, start_response)


@pytest.fixture
def leaky(site, traced):
    def look(environ, start_response):
        body = str(baggage.get_baggage("user")).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    site.more["look"] = look
    return Leaky(traced())


def test_a_context_that_is_left_behind_does_not_reach_the_workers_next_request(serve, visit, leaky):
    server = serve(leaky, max_workers=1)
    client = visit(server)
    client.ask("/leak", TRACEPARENT)
    assert client.ask("/look").body == b"None"
    assert server.pool.stats().created == 1
    last = leaky.traced.ended()[-1]
    assert (last.name, parent_of(last), last.kind) == ("GET /look", None, SpanKind.SERVER)


def test_nor_a_request_that_came_with_it(serve, visit, leaky):
    """Pipelined requests share a hand-off, and no Context."""
    server = serve(leaky, max_workers=1)
    client = visit(server).send(request("/leak", TRACEPARENT) + request("/look"))
    assert [client.answer().body for _ in range(2)] == [b"/leak", b"None"]
    assert server.pool.stats().created == 1
    last = leaky.traced.ended()[-1]
    assert (last.name, parent_of(last)) == ("GET /look", None)


def test_it_would_reach_it_in_a_context_that_is_shared(serve, visit, leaky):
    client = visit(serve(in_one_context(leaky), max_workers=1))
    client.ask("/leak", TRACEPARENT)
    assert client.ask("/look").body == b"Ann"
    assert leaky.traced.ended()[-1].kind is SpanKind.INTERNAL


@pytest.fixture
def after_a_kill(serve, visit, traced, monkeypatch):
    """What is traced of a request on the worker of one that was killed."""
    # Neither may keep the error, through which the worker could be reached: it would be tainted.
    monkeypatch.setattr(logging.getLogger("gpool.wsgi"), "disabled", True)

    def application(environ, start_response):
        if environ["PATH_INFO"] == "/hold":
            Event().wait()
        start_response("200 OK", [("Content-Length", "0")])
        return []

    def run(wrap=lambda one: one):
        one = traced(application)
        server = serve(wrap(one), request_timeout=5, max_workers=1)
        killed(server, visit(server))
        visit(server).ask()
        assert server.pool.stats().created == 1
        (span,) = one.ended()
        return span

    return run


def test_what_the_instrumentation_leaves_of_a_request_that_was_killed_reaches_nobody(after_a_kill):
    """It does not detach then."""
    span = after_a_kill()
    assert trace_of(span) != TRACE and parent_of(span) is None


def test_that_too_would_reach_the_next_in_a_context_that_is_shared(after_a_kill):
    span = after_a_kill(in_one_context)
    assert trace_of(span) == TRACE and span.kind is SpanKind.INTERNAL


# ---------------------------------------------------------------------- what the page warns of


def test_requests_of_a_server_that_was_made_in_a_span_are_within_it(serve, visit, traced, site):
    """Each has a copy of the Context that its pool was made in."""
    one = traced(site)
    with one.tracer.start_as_current_span("start") as start:
        server = serve(one)
    visit(server).ask("/", TRACEPARENT)
    span = one.ended()[-1]
    assert parent_of(span) == format_span_id(start.context.span_id)
    assert span.kind is SpanKind.INTERNAL
