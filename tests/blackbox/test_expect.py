"""Expect: 100-continue, RFC 9110 section 10.1.1; 103 Early Hints, RFC 8297."""

import pytest

from tests.blackbox.client import SMUGGLED, Truncated, case, chunked, planned, request

EXPECT = "Expect: 100-continue"
LENGTH = "Content-Length: 5"


def asked(target="/echo", *lines, version="1.1"):
    return request(target, EXPECT, *lines, method="POST", version=version)


@pytest.mark.parametrize(
    ("line", "body"),
    [
        (LENGTH, b"hello"),
        ("Transfer-Encoding: chunked", chunked(b"hello")),
        ("Content-Length: 100000", b"hello" * 20_000),
    ],
    ids=["length", "chunked", "large"],
)
@pytest.mark.parametrize(
    "value", ["100-continue", "100-Continue", "100-CONTINUE", "\t100-continue "]
)
def test_100_is_sent_once_when_the_application_reads(server, line, body, value):
    with server.connect() as client:
        client.send(request("/echo", f"Expect: {value}", line, method="POST"))
        interim = client.interim()
        assert interim.status == 100
        response = client.send(body).response()
        assert response.status == 200
        assert response.body == body if line.startswith("Content") else b"hello"
        assert response.interim == []
        assert client.send(request("/hello")).response().interim == []


@pytest.mark.parametrize("calls", ["[('read', 2), ('read', 2), ('read',)]", "[('readline',)]"])
def test_100_is_sent_once_however_it_is_read(server, calls):
    with server.connect() as client:
        client.send(asked("/read", LENGTH, f"X-Calls: {calls}"))
        assert client.interim().status == 100
        response = client.send(b"hello").response()
        assert response.interim == []
        assert b"he" in response.body


def test_100_is_not_sent_if_the_application_does_not_read(server):
    # The client may then send the body or not, so the connection may be closed.
    with server.connect() as client:
        response = client.send(asked("/hello", LENGTH)).response()
        assert (response.body, response.interim) == (b"hello", [])
        if response.persistent:
            assert client.send(b"hello" + request("/hello")).response().body == b"hello"
        else:
            client.ended()


def test_what_follows_a_body_that_was_never_asked_for_is_no_request(server):
    # Whether the client sends its body is not known, so it must not be taken for a request.
    with server.connect() as client:
        response = client.send(asked("/hello", f"Content-Length: {len(SMUGGLED)}")).response()
        assert response.body == b"hello"
        client.send(SMUGGLED).half_close()
        client.ended()


def test_100_is_not_sent_to_http_1_0(server):
    # "MUST NOT"; the expectation is ignored.
    with server.connect() as client:
        response = client.send(asked("/echo", LENGTH, version="1.0") + b"hello").response()
        assert (response.body, response.interim) == (b"hello", [])


def test_100_is_not_needed_without_a_body(server):
    with server.connect() as client:
        response = client.send(asked() + request("/hello")).response()
        assert response.status == 200
        assert len(response.interim) <= 1
        assert client.response().body == b"hello"


def test_a_length_of_zero_needs_no_100(server):
    response = server.ask(asked("/echo", "Content-Length: 0"))
    assert (response.status, response.body) == (200, b"")


@pytest.mark.parametrize(
    ("line", "body"),
    [(LENGTH, b"hello"), ("Transfer-Encoding: chunked", chunked(b"hello"))],
    ids=["length", "chunked"],
)
def test_a_client_need_not_wait(server, line, body):
    with server.connect() as client:
        client.send(asked("/echo", line) + body + request("/hello"))
        response = client.response()
        assert response.body == b"hello"
        assert len(response.interim) <= 1
        assert client.response().body == b"hello"


@pytest.mark.parametrize(
    "value",
    [
        case("9110-10.1.1", "unknown", "x"),
        case("9110-10.1.1", "unknown with a value", "x=y"),
        case("9110-10.1.1", "another status", "200-ok"),
        case("9110-10.1.1", "known and unknown", "100-continue, x"),
        case("9110-10.1.1", "parameter", "100-continue;x=y"),
        case("9110-10.1.1", "prefix", "100"),
    ],
)
def test_an_unknown_expectation_is_refused_or_ignored(server, value):
    # "MAY respond with a 417".
    response = server.ask(request("/hello", f"Expect: {value}", method="POST", body=b"x"))
    assert response.status in (417, 200, 400)


def test_an_unknown_expectation_gets_a_417(server):
    server.refuses(request("/", "Expect: the unexpected", method="POST", body=b"x"), 417)


def test_no_100_after_the_final_status(server):
    # An application that starts its response and reads then.
    plan = [("yield", b"first"), ("read",), ("yield", b"second")]
    with server.connect() as client:
        client.send(planned(iterate=plan, lines=(EXPECT, LENGTH), method="POST"))
        client.send(b"hello")
        try:
            response = client.response()
        except Truncated:
            return
        assert response.status in (200, 500)
        assert len(response.interim) <= 1
        assert b"100 Continue" not in response.body


def test_a_refused_expectation_is_no_100(server):
    server.refuses(asked("/echo", "Content-Length: x"), 400)


def test_a_body_above_the_limit_is_no_100(server):
    server.refuses(asked("/echo", f"Content-Length: {(1 << 30) + 1}"), 413, then=b"")


def test_pipelined_expectations_are_each_met(server):
    with server.connect() as client:
        for body in (b"hello", b"world"):
            client.send(asked("/echo", LENGTH))
            assert client.interim().status == 100
            assert client.send(body).response().body == body


def hints(server, version="1.1", **plan):
    if "wsgi.early_hints" not in server.environ(request()):
        pytest.skip("there is no wsgi.early_hints")
    return server.plan(call=[("hints", [("Link", "</a.css>; rel=preload")]), *plan["call"]],
                       returns=[b"x"], version=version)  # fmt: skip


def test_early_hints_come_before_the_response(server):
    response = hints(server, call=[("start", "200 OK", [])])
    assert [interim.status for interim in response.interim] == [103]
    assert response.interim[0].one("Link") == "</a.css>; rel=preload"
    assert (response.status, response.body) == (200, b"x")


def test_early_hints_may_come_more_than_once(server):
    response = hints(server, call=[("hints", [("Link", "<b>")]), ("start", "200 OK", [])])
    assert [interim.one("Link") for interim in response.interim][1] == "<b>"


def test_http_1_0_gets_no_early_hints(server):
    assert hints(server, version="1.0", call=[("start", "200 OK", [])]).interim == []


@pytest.mark.parametrize("headers", [[("A\r\nB", "c")], [("A", "b\r\n\r\nHTTP/1.1 200 OK")]])
def test_early_hints_cannot_be_used_to_inject(server, headers):
    response = hints(server, call=[("caught", "hints", headers), ("start", "200 OK", [])])
    assert (response.status, response.body) == (200, b"x")
    assert not [pair for each in response.interim for pair in each.headers if pair[0] == "B"]
