"""A span for each request, with the standard instrumentation and nothing of gpool's."""

import pytest
from opentelemetry import propagate
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id

from tests.support import settle
from tests.telemetry.conftest import from_page
from tests.wsgi_server.clients import lapse, request, until

pytestmark = pytest.mark.limit(5)

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"traceparent: 00-{TRACE}-{CALLER}-01"


def trace_of(span):
    return format_trace_id(span.context.trace_id)


def parent_of(span):
    return span.parent and format_span_id(span.parent.span_id)


def only(traced):
    """The one span that has ended."""
    (span,) = traced.ended()
    return span


# ---------------------------------------------------------------------- traces


def test_a_request_goes_on_with_its_callers_trace(serve, visit, traced):
    one = traced()
    assert visit(serve(one)).ask("/", TRACEPARENT).status == 200
    span = only(one)
    assert (trace_of(span), parent_of(span), span.kind) == (TRACE, CALLER, SpanKind.SERVER)


def test_a_request_without_a_caller_begins_a_trace(serve, visit, traced):
    one = traced()
    client = visit(serve(one))
    for _ in range(2):
        client.ask()
    first, second = one.ended()
    assert parent_of(first) is parent_of(second) is None
    assert trace_of(first) != trace_of(second)


def test_what_the_application_does_is_a_child_and_what_it_asks_for_goes_on(
    serve, visit, traced, site
):
    def work(environ, start_response):
        with one.tracer.start_as_current_span("inside"):
            settle()  # other greenlets run meanwhile
            propagate.inject(outgoing)
        return site.do_hello(environ, start_response)

    outgoing = {}
    site.more["work"] = work
    one = traced()
    visit(serve(one)).ask("/work", TRACEPARENT)
    inside, server = one.ended()
    assert (trace_of(inside), parent_of(inside)) == (TRACE, format_span_id(server.context.span_id))
    assert outgoing["traceparent"] == f"00-{TRACE}-{format_span_id(inside.context.span_id)}-01"
    assert parent_of(server) == CALLER


# ---------------------------------------------------------------------- attributes


def test_a_span_says_what_was_asked_and_answered(serve, visit, traced):
    one = traced()
    client = visit(serve(one))
    client.ask("/a/path?x=y", "User-Agent: a test", body=b"body", method="POST")
    span = only(one)
    assert span.name == "POST /a/path"
    assert dict(span.attributes) == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "url.scheme": "http",
        "url.path": "/a/path",
        "url.query": "x=y",
        "network.protocol.version": "1.1",
        "server.address": "test",
        "server.port": client.sock.getpeername()[1],
        "client.address": "127.0.0.1",
        "client.port": client.port,
        "user_agent.original": "a test",
    }


def test_an_older_protocol_is_told(serve, visit, traced):
    one = traced()
    visit(serve(one)).ask(version="1.0")
    assert only(one).attributes["network.protocol.version"] == "1.0"


def test_the_client_is_the_one_behind_a_proxy_that_is_believed(serve, visit, traced):
    one = traced()
    server = serve(
        one, proxy_protocol=True, forwarded_allow_ips="192.0.2.1", forwarded_headers="forwarded"
    )
    visit(server).send(b"PROXY TCP4 192.0.2.9 192.0.2.3 5000 80\r\n").ask()
    client = visit(server).send(b"PROXY TCP4 192.0.2.1 192.0.2.3 5000 80\r\n")
    client.ask("/", "Forwarded: for=198.51.100.7;proto=https")
    direct, forwarded = (span.attributes for span in one.ended())
    assert (direct["client.address"], direct["client.port"]) == ("192.0.2.9", 5000)
    assert (forwarded["client.address"], forwarded["url.scheme"]) == ("198.51.100.7", "https")


def test_nobody_else_is_believed(serve, visit, traced):
    one = traced()
    visit(serve(one)).ask("/", "X-Forwarded-For: 192.0.2.9", "Forwarded: for=192.0.2.9")
    assert only(one).attributes["client.address"] == "127.0.0.1"


@pytest.mark.parametrize("said", ["100.5", "1.2.3", "t=1", "soon", "-1", None])
def test_what_a_proxy_has_stamped_can_be_told_and_nonsense_costs_nothing(
    serve, visit, traced, said
):
    one = traced(request_hook=from_page("queued"))
    fields = [] if said is None else [f"X-Request-Start: {said}"]
    assert visit(serve(one)).ask("/", *fields).status == 200
    assert ("app.queued_seconds" in only(one).attributes) == (said == "100.5")


def test_durations_are_measured(serve, visit, traced):
    one = traced()
    client = visit(serve(one))
    for _ in range(3):
        client.ask()
    client.ask("/fail")
    counts = {point.attributes.get("error.type"): point.count for point in one.durations()}
    assert counts == {None: 3, "RuntimeError": 1}


# ---------------------------------------------------------------------- the end of a span


def test_the_span_of_a_stream_ends_when_the_iterable_is_closed(serve, visit, traced, site):
    one = traced()
    client = visit(serve(one)).send(request("/stream"))
    assert client.answer_begins() == 200
    settle()
    assert not one.ended() and not site.ended[1:]
    site.gate.set()
    until(one.ended)
    assert site.ended == ["/stream", "close()"]
    assert only(one).attributes["http.response.status_code"] == 200


def test_an_application_that_raises_is_an_error(serve, visit, traced):
    one = traced()
    assert visit(serve(one)).ask("/fail").status == 500
    span = only(one)
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["error.type"] == "RuntimeError"
    assert [event.name for event in span.events] == ["exception"]


def test_an_application_that_answers_with_500_is_an_error(serve, visit, traced, site):
    def broken(environ, start_response):
        start_response("500 Sorry", [("Content-Length", "0")])
        return []

    site.more["broken"] = broken
    one = traced()
    assert visit(serve(one)).ask("/broken").status == 500
    span = only(one)
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["http.response.status_code"] == 500


def test_a_client_that_goes_while_it_is_answered_ends_its_span(serve, visit, traced, site):
    one = traced()
    client = visit(serve(one)).send(request("/flood"))
    assert client.answer_begins() == 200
    client.reset()
    until(one.ended)
    assert "close()" in site.ended
    assert only(one).attributes["http.response.status_code"] == 200


def test_a_client_that_goes_before_its_body_is_there_ends_its_span(serve, visit, traced):
    one = traced()
    server = serve(one, body_buffer=0)
    client = visit(server).send(request("/echo", "Content-Length: 9", method="POST") + b"part")
    until(lambda: server.pool.stats().busy)
    client.reset()
    until(one.ended)
    span = only(one)
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["error.type"] == "ClientDisconnected"


def killed(server, client):
    """A request that takes longer than request_timeout."""
    client.send(request("/hold", TRACEPARENT))
    until(lambda: server.pool.stats().busy)
    lapse(server, 5)
    assert client.answer().status == 504


def test_a_request_that_is_killed_ends_its_span_with_what_the_page_has(serve, visit, traced, site):
    one = traced(from_page("ending")(site))
    server = serve(one, request_timeout=5)
    killed(server, visit(server))
    span = only(one)
    assert (trace_of(span), span.status.status_code) == (TRACE, StatusCode.ERROR)
    assert span.attributes["http.response.status_code"] == 504
    assert "request_timeout" in span.status.description


def test_with_what_the_page_has_others_are_as_without(serve, visit, traced, site):
    one = traced(from_page("ending")(site))
    client = visit(serve(one))
    assert [client.ask(path).status for path in ("/", "/fail")] == [200, 500]
    assert [span.status.status_code.name for span in one.ended()] == ["UNSET", "ERROR"]


def test_a_stream_that_is_killed_ends_its_span(serve, visit, traced, site):
    one = traced()
    server = serve(one, request_timeout=5)
    client = visit(server).send(request("/stream"))
    assert client.answer_begins() == 200
    lapse(server, 5)
    assert client.rest() == b"3\r\none\r\n"
    assert only(one).attributes["http.response.status_code"] == 200


# ---------------------------------------------------------------------- what the page warns of


def test_without_it_a_request_that_is_killed_has_no_span(serve, visit, traced):
    """The instrumentation's limit, not ours: if this fails, `ending` has become needless."""
    one = traced()
    server = serve(one, request_timeout=5)
    killed(server, visit(server))
    assert not one.ended()


@pytest.mark.parametrize("key", ["gpool.hijack", "werkzeug.socket"])
def test_a_connection_that_is_taken_over_has_no_span(serve, visit, traced, site, key):
    """The same of a hijack and a WebSocket: if this fails, the page has to say so."""

    def take(environ, start_response):
        taken = environ[key]
        with taken()[0] if callable(taken) else taken as sock:
            sock.sendall(b"mine")
        return []

    site.more["take"] = take
    one = traced()
    client = visit(serve(one))
    client.send(request("/take", "Connection: Upgrade", "Upgrade: websocket"))
    assert client.rest() == b"mine"
    settle()
    assert not one.ended()


def test_a_list_without_a_length_is_sent_in_chunks(serve, visit, traced, site):
    site.gate.set()
    direct = visit(serve()).ask("/echo", body=b"12345", method="POST")
    through = visit(serve(traced())).ask("/echo", body=b"12345", method="POST")
    assert direct.headers["content-length"] == "5"
    assert through.headers["transfer-encoding"] == "chunked"
    assert direct.body == through.body == b"12345"
