"""Peers that send garbage, send oddly, stop, or come in numbers; the server serves on.

RFC 9112 section 2.2 lets a server answer what is no request with a 400, or close.
"""

import random
import ssl
from contextlib import ExitStack

import pytest

from tests.blackbox.client import Ended, case, chunked, planned, request

HELLO = request("/hello")


def client_hello():
    """What a TLS client says first."""
    outgoing = ssl.MemoryBIO()
    session = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_bio(
        ssl.MemoryBIO(), outgoing, server_hostname="example.org"
    )
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    return outgoing.read()


def garbage(seed, size):
    return random.Random(seed).randbytes(size)


@pytest.mark.parametrize(
    "data",
    [
        case("9112-2.2", "NUL", b"\0"),
        case("9112-2.2", "NULs", b"\0" * 1_000),
        case("9112-2.2", "NULs and an end", b"\0" * 100 + b"\r\n\r\n"),
        case("9112-2.2", "random bytes", garbage(1, 1_000)),
        case("9112-2.2", "random bytes and an end", garbage(2, 1_000) + b"\r\n\r\n"),
        case("9112-2.2", "many random bytes", garbage(3, 300_000) + b"\r\n\r\n"),
        case("9112-2.2", "high bytes", b"\xff" * 500 + b"\r\n\r\n"),
        case("9112-2.2", "spaces", b" " * 1_000 + b"\r\n\r\n"),
        case("9112-2.2", "colons", b":" * 1_000 + b"\r\n\r\n"),
        case("9112-2.2", "bare LFs", b"\n" * 1_000),
        case("9112-2.2", "bare CRs", b"\r" * 1_000),
        case("9112-2.2", "empty lines", b"\r\n" * 1_000),
        case("9112-2.2", "100 KB of empty lines", b"\r\n" * 50_000),
        case("9112-2.2", "empty lines before a request", b"\r\n" * 50_000 + HELLO),
        case("9112-2.2", "text", b"hello, is there anybody\r\n\r\n"),
        case("9112-2.2", "SSH", b"SSH-2.0-OpenSSH_9.6\r\n"),
        case("9112-2.2", "SMTP", b"EHLO example.org\r\n\r\n"),
        case("9112-2.2", "SIP", b"OPTIONS sip:a@b SIP/2.0\r\n\r\n"),
        case("9112-2.2", "RTSP", b"DESCRIBE rtsp://a/b RTSP/1.0\r\n\r\n"),
        case("9112-2.2", "Redis", b"*1\r\n$4\r\nPING\r\n"),
        case("9112-2.2", "JSON", b'{"method": "GET"}\r\n\r\n'),
        case("9112-2.2", "SSL 2", b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10"),
        case("9112-2.2", "PROXY protocol", b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n" + HELLO),
        case("9112-2.2", "PROXY protocol 2", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + b"\1" * 12),
        case("9112-2.2", "HTTP/0.9", b"GET /\r\n"),
        case("9112-2.2", "HTTP/0.9 with an empty line", b"GET /\r\n\r\n"),
    ],
)
def test_garbage_is_answered_once_or_not_at_all(server, data):
    with server.connect() as client:
        rest = client.send(data).half_close().rest()
    if data.endswith(HELLO) and data.startswith(b"\r\n"):
        allowed = (b"HTTP/1.1 400 ", b"HTTP/1.1 200 ", b"HTTP/1.1 431 ", b"HTTP/1.1 414 ")
        assert not rest or rest.startswith(allowed)
    else:
        assert not rest or rest.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5"))
    assert rest.count(b"HTTP/1.1 ") <= 1


def test_a_tls_client_hello_is_answered_once_or_not_at_all(server):
    with server.connect() as client:
        rest = client.send(client_hello()).half_close().rest()
    assert not rest or rest.startswith((b"HTTP/1.1 400", b"\x15\x03"))


def test_the_preface_of_http_2_is_refused(server):
    # RFC 9113 section 3.4: it is made so that servers of HTTP/1.1 do not take it for a request.
    with server.connect() as client:
        client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
        assert client.response().status in (400, 405, 501, 505)
        client.ended()


@pytest.mark.parametrize("data", [b"", b"G", b"\r\n", HELLO[:20]])
@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_peer_that_says_little_and_goes(server, data, how):
    with server.connect() as client:
        client.send(data)
        if how == "reset":
            client.reset()


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize(
    "data",
    [
        HELLO,
        HELLO * 100,
        request("/echo", "Content-Length: 1000", method="POST") + b"x" * 10,
        request("/echo", "Content-Length: 200000", method="POST") + b"x" * 100_000,
        request("/echo", "Transfer-Encoding: chunked", method="POST") + b"5\r\nhel",
        request("/echo", "Content-Length: 5", "Expect: 100-continue", method="POST"),
        planned(iterate=[("repeat", b"x" * 1_000, 5_000)]),
    ],
    ids=["request", "requests", "body", "large body", "chunk", "expectation", "large response"],
)
def test_a_peer_that_does_not_wait_for_the_answer(server, data, how):
    with server.connect() as client:
        client.send(data)
        if how == "reset":
            client.reset()


def test_every_request_works_a_byte_at_a_time(server):
    data = (
        request("/echo", "X-A: b", method="POST", body=b"body")
        + request("/echo", "Transfer-Encoding: chunked", method="PUT")
        + chunked(b"chu", b"nk", end=b"0;a=b\r\nX-A: b\r\n\r\n")
        + b"\r\n"
        + request("/hello", "Connection: close")
    )
    with server.connect() as client:
        for position in range(len(data)):
            client.send(data[position : position + 1])
        assert [client.response().body for _ in range(3)] == [b"body", b"chunk", b"hello"]
        client.ended()


SPLIT = {
    "length": request("/echo", "X-A: b", method="POST", body=b"hello"),
    "chunks": request("/echo", "Transfer-Encoding: chunked", method="POST")
    + chunked(b"he", b"llo", end=b"0;a=b\r\nX-A: b\r\n\r\n"),
    "empty line": b"\r\n" + request("/echo", method="POST", body=b"hello"),
}


@pytest.mark.parametrize("data", SPLIT.values(), ids=list(SPLIT))
def test_a_request_works_wherever_it_is_split(server, data):
    # On one connection, so each split is also one between two requests; the first half must have
    # been read by itself, which another connection's answer shows.
    with server.connect() as client, server.connect() as other:
        for position in range(1, len(data)):
            client.send(data[:position])
            assert other.send(HELLO).response().body == b"hello"
            assert client.send(data[position:]).response().body == b"hello"


BAD = {
    "line": b"GET / HTTP/1.1\nHost: a\r\n\r\n",
    "field": b"GET / HTTP/1.1\r\nHost: a\r\nX-A : b\r\n\r\n",
    "fold": b"GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n",
    "both": b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
}


@pytest.mark.parametrize("data", BAD.values(), ids=list(BAD))
def test_a_bad_request_is_refused_wherever_it_is_split(server, data):
    for position in range(1, len(data)):
        with server.connect() as client, server.connect() as other:
            client.send(data[:position])
            assert other.send(HELLO).response().body == b"hello"
            client.send(data[position:] + HELLO)
            assert client.response().status == 400
            client.ended()


@pytest.mark.parametrize("data", SPLIT.values(), ids=list(SPLIT))
@pytest.mark.parametrize("how", ["half-close", "reset", "close"])
def test_a_peer_may_go_at_any_byte(server, data, how):
    for position in range(len(data)):
        with server.connect() as client:
            client.send(data[:position])
            if how == "half-close":
                rest = client.half_close().rest()
                # A request that is complete but for the end of its trailers is not.
                assert b" 200 " not in rest
            elif how == "reset":
                client.reset()


def test_a_thousand_header_lines(server):
    server.refuses(request("/", *[f"X-{number}: value" for number in range(1_000)]), 431)


def test_a_megabyte_of_header(server):
    lines = [f"X-{number}: {'v' * 1_000}" for number in range(1_000)]
    server.refuses(request("/", *lines), 431)


def test_fields_without_end_are_refused_in_the_end(server):
    # Never an empty line: what the limit is for.
    with server.connect() as client:
        client.send_aside(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-A: b\r\n" * 200_000)
        assert client.response().status == 431
        client.ended()


def test_deeply_nested_values(server):
    value = "(" * 4_000 + ")" * 4_000
    assert server.get("/hello", f"X-A: {value}", f"Cookie: {value}").body == b"hello"


def test_a_name_of_the_greatest_length(server):
    assert server.get("/hello", f"{'X' * 8_000}: b").body == b"hello"


def test_many_connections_at_the_same_time(server):
    with ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(200)]
        for _ in range(3):
            for client in clients:
                client.send(HELLO)
            assert {client.response().body for client in clients} == {b"hello"}


def test_many_connections_with_half_a_request(server):
    with ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(200)]
        for client in clients:
            client.send(HELLO[:30])
        server.serves_on()
        for client in clients:
            client.send(HELLO[30:])
        assert {client.response().body for client in clients} == {b"hello"}


def test_many_connections_that_do_nothing(server):
    with ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(server.connect())
        server.serves_on()


def test_many_applications_that_wait_at_the_same_time(server):
    token = server.token()
    with ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(50)]
        for client in clients:
            client.send(
                planned(call=[("wait", "go"), ("start", "200 OK", [])], token=token, returns=[b"x"])
            )
        server.events(token, "called")
        server.tell(token, "go")
        assert {client.response().body for client in clients} == {b"x"}


def test_five_hundred_pipelined_requests(server):
    paths = [f"/method/{number}" for number in range(500)]
    with server.connect() as client:
        client.send_aside(b"".join(map(request, paths)))
        answers = [client.response().body.decode() for _ in paths]
    assert answers == [f"GET {path}" for path in paths]


def test_pipelined_requests_whose_answers_are_read_late(server):
    # Their answers fill all buffers long before all are read.
    one = planned(iterate=[("repeat", b"x" * 1_000, 500)])
    with server.connect() as client:
        sender = client.send_aside(one * 20 + request("/hello", "Connection: close"))
        server.serves_on()
        assert [len(client.response().body) for _ in range(20)] == [500_000] * 20
        assert client.response().body == b"hello"
        client.ended()
        sender.join(10)


def test_a_client_that_never_reads_does_not_hold_up_the_others(server):
    with server.connect() as client:
        client.send(planned(iterate=[("repeat", b"x" * 1_000, 5_000)]) + HELLO * 100)
        for _ in range(20):
            server.serves_on()
        assert len(client.response().body) == 5_000_000


@pytest.mark.parametrize("count", [300])
def test_connections_that_come_and_go(server, count):
    for _ in range(count):
        with server.connect() as client:
            assert client.send(request("/hello", "Connection: close")).response().body == b"hello"
            client.ended()


def test_many_peers_that_reset(server):
    for number in range(300):
        with server.connect() as client:
            client.send(HELLO[: number % len(HELLO)] if number % 3 else HELLO)
            client.reset()


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_request_is_answered_properly_or_closed(server, seed):
    # Some bytes of good requests changed, doubled or left out; whatever comes is well-formed.
    rng = random.Random(seed)
    for _ in range(20):
        data = bytearray(rng.choice(list(SPLIT.values())) + HELLO)
        for _ in range(rng.randrange(1, 4)):
            position = rng.randrange(len(data))
            data[position : position + rng.randrange(3)] = rng.randbytes(rng.randrange(3))
        with server.connect() as client:
            client.send(bytes(data)).half_close()
            method = "HEAD" if data.startswith(b"HEAD") else "GET"
            for _ in range(5):
                try:
                    client.response(method)
                except Ended:
                    break
            else:
                pytest.fail("more responses than requests")
