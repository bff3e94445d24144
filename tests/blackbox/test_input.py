"""wsgi.input: PEP 3333, "Input and Error Streams"; and what is left of a body that is not read."""

import ast

import pytest

from tests.blackbox.client import chunked, planned, request

LINES = b"one\ntwo\n\nthree\r\nfour"
REST = LINES[4:].splitlines(keepends=True)
LARGE = b"".join(b"line %d\n" % number for number in range(30_000))  # more than 64 KiB
KINDS = ["length", "chunks", "bytes"]


def framed(kind, body, calls):
    """A request for these calls, whose body is framed in one of three ways."""
    lines = [f"X-Calls: {calls!r}"]
    if kind == "length":
        return request("/read", *lines, method="POST", body=body)
    size = 1 if kind == "bytes" and len(body) < 1_000 else 7_001
    blocks = [body[start : start + size] for start in range(0, len(body), size)]
    lines.append("Transfer-Encoding: chunked")
    return request("/read", *lines, method="POST") + chunked(*blocks)


def results(server, data):
    """What the calls returned; and the connection goes on behind the body."""
    with server.connect() as client:
        client.send_aside(data + request("/hello"))
        response = client.response()
        assert response.status == 200, response
        assert client.response().body == b"hello"
    found = ast.literal_eval(response.body.decode())
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ([("read",)], [LINES]),
        ([("read", -1)], [LINES]),
        ([("read", 0)], [b""]),
        ([("read", 0), ("read",)], [b"", LINES]),
        ([("read", 3), ("read", 3)], [b"one", b"\ntw"]),
        ([("read", 3), ("read",)], [b"one", LINES[3:]]),
        ([("read", len(LINES))], [LINES]),
        ([("read", len(LINES)), ("read",)], [LINES, b""]),
        ([("read", 10_000)], [LINES]),
        ([("read", 10_000), ("read", 10_000)], [LINES, b""]),
        ([("read",), ("read",), ("read", 1)], [LINES, b"", b""]),
        ([("readline",)], [b"one\n"]),
        ([("readline",)] * 6, [b"one\n", b"two\n", b"\n", b"three\r\n", b"four", b""]),
        ([("readline", 2), ("readline", 2), ("readline", 9)], [b"on", b"e\n", b"two\n"]),
        ([("readline", 4), ("read", 1)], [b"one\n", b"t"]),
        ([("readline", 0), ("readline",)], [b"", b"one\n"]),
        ([("readline", -1)], [b"one\n"]),
        ([("readline", 10_000)], [b"one\n"]),
        ([("readlines",)], [[b"one\n", b"two\n", b"\n", b"three\r\n", b"four"]]),
        ([("readlines",), ("readlines",)], [[*LINES.splitlines(keepends=True)], []]),
        ([("readline",), ("readlines",)], [b"one\n", LINES.splitlines(keepends=True)[1:]]),
        ([("iterate",)], [LINES.splitlines(keepends=True)]),
        ([("iterate",), ("iterate",)], [LINES.splitlines(keepends=True), []]),
        ([("next",), ("next",)], [b"one\n", b"two\n"]),
        ([("next",), ("read",)], [b"one\n", LINES[4:]]),
        ([("read", 1), ("readline",), ("iterate",)], [b"o", b"ne\n", REST]),
        ([("read", 2), ("readlines",), ("read",)], [b"on", [b"e\n", *REST], b""]),
    ],
    ids=lambda value: repr(value)[:60] if value and isinstance(value[0], tuple) else "",
)
def test_a_small_body(server, kind, calls, expected):
    assert results(server, framed(kind, LINES, calls)) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_a_hint_for_readlines_may_be_followed(server, kind):
    # PEP 3333: "the hint argument to readlines() is optional for both caller and implementer".
    all_lines = LINES.splitlines(keepends=True)
    some, rest = results(server, framed(kind, LINES, [("readlines", 5), ("read",)]))
    assert some == all_lines[: len(some)]
    assert len(some) >= 2
    assert b"".join(some) + rest == LINES


@pytest.mark.parametrize("hint", [0, -1, 10_000])
def test_a_hint_that_limits_nothing(server, hint):
    calls = [("readlines", hint)]
    assert results(server, framed("length", LINES, calls)) == [LINES.splitlines(keepends=True)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ([("read",)], [LARGE]),
        ([("read", -1), ("read",)], [LARGE, b""]),
        ([("read", len(LARGE)), ("read", 1)], [LARGE, b""]),
        (
            [("read", 70_000), ("read", 70_000), ("read",)],
            [LARGE[:70_000], LARGE[70_000:140_000], LARGE[140_000:]],
        ),
        ([("read", 65_536), ("read",)], [LARGE[:65_536], LARGE[65_536:]]),
        ([("read", 10**9)], [LARGE]),
        ([("readlines",)], [LARGE.splitlines(keepends=True)]),
        ([("iterate",)], [LARGE.splitlines(keepends=True)]),
        (
            [("readline",), ("read", 5), ("readline",), ("read",)],
            [b"line 0\n", b"line ", b"1\n", LARGE[14:]],
        ),
    ],
    ids=lambda value: repr(value)[:50] if isinstance(value[0], tuple) else "",
)
def test_a_large_body(server, kind, calls, expected):
    assert results(server, framed(kind, LARGE, calls)) == expected


@pytest.mark.parametrize("kind", ["length", "chunks"])
@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 131_072])
def test_a_body_of_about_the_size_of_the_buffer(server, kind, size):
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    assert results(server, framed(kind, body, [("read",)])) == [body]


@pytest.mark.parametrize("kind", ["length", "chunks"])
def test_a_very_long_line(server, kind):
    body = b"x" * 200_000 + b"\nend"
    calls = [("readline",), ("readline",)]
    assert results(server, framed(kind, body, calls)) == [b"x" * 200_000 + b"\n", b"end"]
    calls = [("readline", 70_000), ("readline", 200_000)]
    assert results(server, framed(kind, body, calls)) == [b"x" * 70_000, b"x" * 130_000 + b"\n"]


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS"])
@pytest.mark.parametrize(
    "call", [("read",), ("read", 10), ("readline",), ("readlines",), ("iterate",)]
)
def test_no_body_is_an_empty_one(server, method, call):
    # Reading must not wait for what never comes.
    with server.connect() as client:
        response = client.send(request("/read", f"X-Calls: {[call]}", method=method)).response(
            method
        )
        assert response.status == 200
        if method != "HEAD":
            assert ast.literal_eval(response.body.decode()) in ([b""], [[]])
        assert client.send(request("/hello")).response().body == b"hello"


def test_reading_does_not_go_past_the_end(server):
    body = b"body"
    calls = [("read", 4), ("read", 100), ("readline",), ("readlines",), ("iterate",)]
    assert results(server, framed("length", body, calls)) == [b"body", b"", b"", [], []]


@pytest.mark.parametrize("kind", ["length", "chunks"])
@pytest.mark.parametrize("size", [1, 100, 65_000])
@pytest.mark.parametrize("reads", [(), (("read", 1),), (("read", 50),)], ids=["none", "1", "50"])
def test_what_is_left_of_a_small_body_is_no_request(server, kind, size, reads):
    body = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n" * 2_000
    lines = ("Transfer-Encoding: chunked",) if kind == "chunks" else ()
    call = [*reads, ("start", "200 OK", [("Content-Type", "text/plain")])]
    head = planned(call=call, returns=[b"first"], lines=lines, method="POST",
                   body=body[:size] if kind == "length" else None)  # fmt: skip
    data = head + (chunked(body[:size]) if kind == "chunks" else b"")
    with server.connect() as client:
        response = client.send(data + request("/hello")).response()
        assert response.body == b"first"
        if response.persistent:
            assert client.response().body == b"hello"
        else:
            client.ended()


@pytest.mark.parametrize("kind", ["length", "chunks"])
@pytest.mark.parametrize(
    "reads", [(), (("read", 1),), (("read", 100_000),)], ids=["none", "1", "more"]
)
def test_what_is_left_of_a_large_body_is_no_request(server, kind, reads):
    body = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n" * 100_000
    lines = (
        ("Transfer-Encoding: chunked",) if kind == "chunks" else (f"Content-Length: {len(body)}",)
    )
    call = [*reads, ("start", "200 OK", [("Content-Type", "text/plain")])]
    head = planned(call=call, returns=[b"first"], lines=lines, method="POST")
    with server.connect() as client:
        client.send_aside(head + (chunked(body) if kind == "chunks" else body) + request("/hello"))
        response = client.response()
        assert response.body == b"first"
        try:
            assert client.response().body == b"hello"
        except EOFError:
            client.ended()


def test_a_body_that_has_not_come_is_waited_for(server):
    token = server.token()
    iterate = [("note", "reading"), ("read",), ("yield", b"read")]
    data = planned(iterate=iterate, token=token, lines=("Content-Length: 100000",), method="POST")
    with server.connect() as client:
        client.send(data + b"x" * 70_000)
        server.events(token, "reading")
        assert client.send(b"x" * 30_000).response().body == b"read"
    assert "read 100000" in server.events(token)


def test_an_application_that_answers_while_it_reads(server):
    # As an echo that streams would.
    body = b"x" * 1_000_000
    steps = [("read", 100_000), ("yield", b"y" * 100)] * 10
    head = planned(iterate=steps, lines=(f"Content-Length: {len(body)}",), method="POST")
    with server.connect() as client:
        client.send_aside(head + body + request("/hello"))
        response = client.response()
        assert response.body == b"y" * 1_000
        if response.persistent:
            assert client.response().body == b"hello"
        else:  # as below
            client.ended()


def test_reading_after_the_response_has_begun(server):
    iterate = [("yield", b"first "), ("read",), ("yield", b"second")]
    for body in (b"hello", b"x" * 100_000):
        with server.connect() as client:
            client.send(planned(iterate=iterate, method="POST", body=body) + request("/hello"))
            response = client.response()
            assert response.body == b"first second"
            if response.persistent:
                assert client.response().body == b"hello"
            else:  # its head had to say so while it was not known whether all would be read
                client.ended()
