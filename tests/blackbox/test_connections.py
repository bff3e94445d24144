"""How long a connection lasts and in which order it is answered: RFC 9112 section 9."""

import pytest

from tests.blackbox.client import chunked, planned, request

HELLO = request("/hello")


@pytest.mark.parametrize(
    ("version", "lines", "persists"),
    [
        ("1.1", (), True),
        ("1.1", ("Connection: keep-alive",), True),
        ("1.1", ("Connection: close",), False),
        ("1.1", ("Connection: Close",), False),
        ("1.1", ("Connection: CLOSE",), False),
        ("1.1", ("connection: close",), False),
        ("1.1", ("Connection: close, x",), False),
        ("1.1", ("Connection: x, close",), False),
        ("1.1", ("Connection: x,close,y",), False),
        ("1.1", ("Connection: keep-alive, close",), False),
        ("1.1", ("Connection: close, keep-alive",), False),
        ("1.1", ("Connection: keep-alive", "Connection: close"), False),
        ("1.1", ("Connection: close", "Connection: keep-alive"), False),
        ("1.1", ("Connection: x", "X-A: b", "Connection: close"), False),
        ("1.1", ("Connection: \t close \t",), False),
        ("1.1", ("Connection: ,close",), False),
        ("1.1", ("Connection: close,",), False),
        ("1.1", ("Connection: , ,\tclose , x",), False),
        ("1.1", ("Connection: TE, close", "TE: trailers"), False),
        ("1.1", ("Connection:",), True),
        ("1.1", ("Connection: x",), True),
        ("1.1", ("Connection: closed",), True),
        ("1.1", ("Connection: not-close",), True),
        ("1.1", ("Connection: x-close-y",), True),
        ("1.1", ("Connection: upgrade, keep-alive",), True),
        ("1.1", ("X-Connection: close",), True),
        ("1.0", (), False),
        ("1.0", ("Connection: close",), False),
        ("1.0", ("Connection: keep-alive",), True),
        ("1.0", ("Connection: Keep-Alive",), True),
        ("1.0", ("Connection: KEEP-ALIVE",), True),
        ("1.0", ("Connection: x, keep-alive",), True),
        ("1.0", ("Connection: keep-alive, x",), True),
        ("1.0", ("Connection: x", "Connection: keep-alive"), True),
        ("1.0", ("Connection: keep-alive, close",), False),
        ("1.0", ("Connection: close, keep-alive",), False),
        ("1.0", ("Connection: keep-alive", "Connection: close"), False),
        ("1.0", ("Connection: x",), False),
        ("1.0", ("Connection: keep-alived",), False),
        ("1.0", ("Keep-Alive: timeout=5",), False),
    ],
    ids=lambda value: " + ".join(value) or "none" if isinstance(value, tuple) else None,
)
def test_a_connection_persists_as_the_client_asks(server, version, lines, persists):
    # RFC 9112 section 9.3, RFC 9110 section 7.6.1: a list, in any case, over any lines.
    with server.connect() as client:
        response = client.send(request("/hello", *lines, version=version)).response()
        assert response.body == b"hello"
        assert response.persistent == persists, response
        if persists:
            assert version == "1.1" or "keep-alive" in response.tokens("Connection")
            client.send(request("/hello", "Connection: close"))
            assert client.response().body == b"hello"
        else:
            assert version == "1.0" or "close" in response.tokens("Connection")
        client.ended()


def test_what_follows_the_last_request_is_not_answered(server):
    with server.connect() as client:
        client.send(request("/hello", "Connection: close") + HELLO)
        assert client.response().body == b"hello"
        client.ended()


def test_a_kept_connection_of_http_1_0_serves_many(server):
    with server.connect() as client:
        for _ in range(5):
            client.send(request("/hello", "Connection: keep-alive", version="1.0", host=None))
            response = client.response()
            assert response.body == b"hello"
            assert response.framing == "length"
        client.send(request("/hello", version="1.0"))
        assert client.response().body == b"hello"
        client.ended()


def test_the_version_is_each_requests_own(server):
    with server.connect() as client:
        client.send(HELLO + request("/hello", "Connection: keep-alive", version="1.0") + HELLO)
        client.send(request("/hello", version="1.0"))
        assert [client.response().body for _ in range(4)] == [b"hello"] * 4
        client.ended()


def test_pipelined_requests_are_answered_in_order(server):
    paths = [f"/method/{number}" for number in range(20)]
    with server.connect() as client:
        client.send(b"".join(map(request, paths)))
        assert [client.response().body for _ in paths] == [f"GET {p}".encode() for p in paths]


def test_a_slow_request_holds_back_those_behind_it(server):
    token = server.token()
    with server.connect() as client:
        plan = [("wait", "go"), ("yield", b"slow")]
        client.send(planned(iterate=plan, token=token) + HELLO * 3)
        server.events(token, "called")
        server.tell(token, "go")
        assert client.response().body == b"slow"
        assert [client.response().body for _ in range(3)] == [b"hello"] * 3


def test_pipelined_requests_of_all_kinds(server):
    data = [
        request("/echo", method="POST", body=b"one"),
        request("/echo", method="HEAD"),
        request("/echo", "Transfer-Encoding: chunked", method="PUT") + chunked(b"t", b"wo"),
        request("/hello", method="POST", body=b"unread"),
        request("/hello", "Transfer-Encoding: chunked", method="POST") + chunked(b"unread"),
        planned(iterate=[("yield", b"th"), ("yield", b"ree")]),
        planned(call=[("start", "204 No Content", [])]),
        planned(call=[("start", "304 Not Modified", [])]),
        request("/hello", "Connection: keep-alive", version="1.0"),
        request("/hello", method="OPTIONS"),
        request("/echo", method="POST", body=b""),
        request("/echo", method="POST", body=b"four"),
    ]
    with server.connect() as client:
        client.send(b"".join(data))
        answers = [
            client.response("HEAD" if entry.startswith(b"HEAD") else "GET") for entry in data
        ]
    hello = b"hello"
    bodies = [b"one", b"", b"two", hello, hello, b"three", b"", b"", hello, hello, b"", b"four"]
    assert [answer.body for answer in answers] == bodies
    assert [answer.status for answer in answers] == [200] * 6 + [204, 304] + [200] * 4


@pytest.mark.parametrize(
    ("bad", "statuses"),
    [
        (b"GARBAGE\r\n\r\n", (400, 505)),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", (400,)),
        (request(host=None), (400,)),
        (request(version="2.0"), (505, 400)),
        (request("/", "Transfer-Encoding: x"), (501, 400)),
        (request("/", "Content-Length: x"), (400,)),
        (request("/" + "a" * 10_000), (414,)),
        (request("/", *[f"X-{n}: v" for n in range(200)]), (431,)),
    ],
    ids=["garbage", "field", "host", "version", "coding", "length", "line", "fields"],
)
def test_what_came_before_a_bad_request_is_answered_and_nothing_after(server, bad, statuses):
    with server.connect() as client:
        client.send(HELLO + request("/echo", method="POST", body=b"body") + bad + HELLO)
        assert client.response().body == b"hello"
        assert client.response().body == b"body"
        response = client.response()
        assert response.status in statuses
        assert "close" in response.tokens("Connection")
        client.ended()


def test_an_error_of_the_application_does_not_end_a_pipeline_out_of_order(server):
    # After the 500 the connection may go on or be closed.
    with server.connect() as client:
        client.send(HELLO + planned(call=[("raise", "Exception")]) + HELLO)
        assert client.response().body == b"hello"
        response = client.response()
        assert response.status == 500
        if response.persistent:
            assert client.response().body == b"hello"
        else:
            client.ended()


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_a_client_that_half_closes_after_its_request_is_answered(server, version):
    # RFC 9112 section 9.6: a half-closed connection is one that still waits.
    with server.connect() as client:
        client.send(request("/hello", version=version)).half_close()
        assert client.response().body == b"hello"
        client.ended()


def test_a_client_that_half_closes_after_a_body_is_answered(server):
    with server.connect() as client:
        client.send(request("/echo", method="POST", body=b"body")).half_close()
        assert client.response().body == b"body"
        client.ended()


def test_a_client_that_half_closes_after_pipelining_is_answered(server):
    with server.connect() as client:
        client.send(HELLO * 10).half_close()
        assert [client.response().body for _ in range(10)] == [b"hello"] * 10
        client.ended()


def test_a_client_that_half_closes_while_the_application_runs_is_answered(server):
    token = server.token()
    with server.connect() as client:
        plan = [("wait", "go"), ("yield", b"first"), ("yield", b"second")]
        client.send(planned(iterate=plan, token=token))
        server.events(token, "called")
        client.half_close()
        server.tell(token, "go")
        assert client.response().body == b"firstsecond"
        client.ended()


def test_a_client_that_half_closes_an_idle_connection_is_closed(server):
    with server.connect() as client:
        assert client.send(HELLO).response().body == b"hello"
        client.half_close().ended()


def test_a_client_that_half_closes_at_once_is_closed(server):
    with server.connect() as client:
        client.half_close().ended()


@pytest.mark.parametrize(
    "data",
    [b"G", b"GET / HTTP/1.1", HELLO[:-1], HELLO[:-2], HELLO[:-4], HELLO + HELLO[:10]],
    ids=["letter", "line", "last byte", "empty line", "last ends", "second"],
)
def test_half_a_head_is_never_served(server, data):
    # RFC 9112 section 8: an incomplete request; answered with a 400, or not at all.
    with server.connect() as client:
        client.send(data).half_close()
        if data.startswith(HELLO):
            assert client.response().body == b"hello"
        rest = client.rest()
        assert rest == b"" or rest.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 408 "))
        assert rest.count(b"HTTP/1.") <= 1


@pytest.mark.parametrize("half_closed", [True, False], ids=["half-closed", "reset"])
@pytest.mark.parametrize("size", [5, 100_000])
@pytest.mark.parametrize(
    "head",
    [
        request("/echo", "Content-Length: 200000", method="POST"),
        request("/echo", "Transfer-Encoding: chunked", method="POST") + b"30d40\r\n",
    ],
    ids=["length", "chunked"],
)
def test_half_a_body_never_passes_for_a_whole_one(server, head, size, half_closed):
    # RFC 9112 section 8: "closes prematurely" is an error. An application must not see the end.
    with server.connect() as client:
        client.send(head + b"x" * size)
        if half_closed:
            rest = client.half_close().rest()
            assert rest == b"" or rest.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 500 "))
        else:
            client.reset()


@pytest.mark.parametrize("size", [5, 100_000])
@pytest.mark.parametrize(
    ("line", "start"),
    [("Content-Length: 200000", b""), ("Transfer-Encoding: chunked", b"30d40\r\n")],
    ids=["length", "chunked"],
)
def test_reading_half_a_body_raises(server, line, start, size):
    # Or the application is not called at all.
    token = server.token()
    call = [("read",), ("start", "200 OK", [])]
    with server.connect() as client:
        client.send(planned(call=call, token=token, lines=(line,), method="POST"))
        rest = client.send(start + b"x" * size).half_close().rest()
    assert not rest.startswith(b"HTTP/1.1 200")
    assert server.events(token) in ([], ["called", "read failed"])
