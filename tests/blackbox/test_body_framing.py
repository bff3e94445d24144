"""Where a request's body ends: RFC 9112 section 6, Content-Length and Transfer-Encoding."""

import pytest

from tests.blackbox.client import case, chunked, request

BODY = chunked(b"hello")


def post(*lines: str | bytes, version: str = "1.1", body: bytes = b"") -> bytes:
    """A request to the echo with framing of its own."""
    return request("/echo", *lines, method="POST", version=version) + body


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize(
    "value",
    [
        case("9110-8.6", "plus sign", "+5"),
        case("9110-8.6", "minus sign", "-1"),
        case("9110-8.6", "negative zero", "-0"),
        case("9110-8.6", "hexadecimal", "0x5"),
        case("9110-8.6", "hexadecimal digit", "a"),
        case("9110-8.6", "octal prefix", "0o5"),
        case("9110-8.6", "two numbers", "5 5"),
        case("9110-8.6", "space in a number", "1 0"),
        case("9110-8.6", "empty", ""),
        case("9110-8.6", "white space", " \t"),
        case("9110-8.6", "letters behind", "5x"),
        case("9110-8.6", "letters", "five"),
        case("9110-8.6", "fraction", "5.0"),
        case("9110-8.6", "exponent", "5e0"),
        case("9110-8.6", "underscore", "1_0"),
        case("9110-8.6", "quotes", '"5"'),
        case("9110-8.6", "semicolon", "5;"),
        case("9110-8.6", "list of equals", "5,5"),
        case("9110-8.6", "list of equals with a space", "5, 5"),
        case("9110-8.6", "list of differents", "5, 6"),
        case("9110-8.6", "list with an empty element", "5,"),
        case("9110-8.6", "list with an empty element first", ",5"),
        case("9110-8.6", "superscript digit", b"Content-Length: \xb2"),
        case("9110-8.6", "Arabic digit", "Content-Length: \u0665".encode()),
        case("9110-8.6", "fullwidth digit", "Content-Length: \uff15".encode()),
        case("9110-8.6", "no-break space", b"Content-Length: \xa05"),
        case("9110-8.6", "next line", b"Content-Length: 5\x85"),
        case("9110-8.6", "vertical tab", b"Content-Length: \x0b5"),
        case("9110-8.6", "form feed", b"Content-Length: 5\x0c"),
        case("9110-8.6", "NUL", b"Content-Length: 5\0"),
        case("9110-8.6", "more than 64 bits", "18446744073709551621"),
        case("9110-8.6", "more than any", "9" * 5_000),
    ],
)
def test_an_invalid_length_is_refused(server, value, version):
    # RFC 9112 section 6.3: unrecoverable. 413 for what is only too great.
    line = value if isinstance(value, bytes) else f"Content-Length: {value}"
    statuses = (400, 413) if value[:1] in ("9", "1") and len(value) > 10 else (400,)
    server.refuses(post(line, version=version, body=b"hello"), *statuses)


@pytest.mark.parametrize(
    "lines",
    [
        case("9112-6.3", "equal", ("Content-Length: 5", "Content-Length: 5")),
        case("9112-6.3", "different", ("Content-Length: 5", "Content-Length: 6")),
        case("9112-6.3", "second is zero", ("Content-Length: 5", "Content-Length: 0")),
        case("9112-6.3", "in different case", ("Content-Length: 5", "content-length: 6")),
        case("9112-6.3", "apart", ("Content-Length: 5", "X-A: b", "Content-Length: 6")),
        case("9112-6.3", "second is empty", ("Content-Length: 5", "Content-Length:")),
        case("9112-6.3", "equal with zeros", ("Content-Length: 5", "Content-Length: 05")),
    ],
)
def test_two_lengths_are_refused(server, lines):
    # Equal ones might be taken as one; gpool and gunicorn do not.
    server.refuses(post(*lines, body=b"hello"), 400)


@pytest.mark.parametrize(
    ("line", "body"),
    [
        case("9110-8.6", "plain", "Content-Length: 5", b"hello"),
        case("9110-8.6", "zero", "Content-Length: 0", b""),
        case("9110-8.6", "white space around", "Content-Length: \t 5 \t", b"hello"),
        case("9110-8.6", "no space", "Content-Length:5", b"hello"),
        case("9110-5.1", "lower case", "content-length: 5", b"hello"),
        case("9110-5.1", "upper case", "CONTENT-LENGTH: 5", b"hello"),
        case("9110-8.6", "bytes of all kinds", "Content-Length: 256", bytes(range(256))),
        case(
            "9110-8.6", "what looks like a request", "Content-Length: 18", b"GET / HTTP/1.1\r\n\r\n"
        ),
    ],
)
def test_a_length_is_the_bodys(server, line, body):
    with server.connect() as client:
        client.send(post(line, body=body) + request("/hello"))
        assert client.response().body == body
        assert client.response().body == b"hello"


@pytest.mark.parametrize("zeros", ["0005", "0" * 30 + "5"])
def test_zeros_before_a_length_are_nothing_or_refused(server, zeros):
    # 1*DIGIT allows them.
    response = server.ask(post(f"Content-Length: {zeros}", body=b"hello"))
    assert response.status == 400 or response.body == b"hello"


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS", "PUT", "PATCH", "BREW"])
def test_any_method_may_have_a_body(server, method):
    with server.connect() as client:
        client.send(request("/echo", method=method, body=b"hello") + request("/hello"))
        assert client.response().body == b"hello"
        assert client.response().body == b"hello"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_without_a_length_there_is_no_body(server, method, version):
    # RFC 9112 section 6.3, point 7.
    response = server.get("/echo", method=method, version=version)
    assert (response.status, response.body) == (200, b"")


def test_head_may_have_a_body(server):
    with server.connect() as client:
        client.send(request("/echo", method="HEAD", body=b"hello") + request("/hello"))
        assert client.response("HEAD").one("Content-Length") == "5"
        assert client.response().body == b"hello"


@pytest.mark.parametrize(
    "lines",
    [
        case("9112-6.1", "length first", ("Content-Length: 5", "Transfer-Encoding: chunked")),
        case("9112-6.1", "length last", ("Transfer-Encoding: chunked", "Content-Length: 5")),
        case("9112-6.1", "length of zero", ("Content-Length: 0", "Transfer-Encoding: chunked")),
        case("9112-6.1", "length is right", ("Content-Length: 15", "Transfer-Encoding: chunked")),
        case("9112-6.1", "other cases", ("content-length: 5", "TRANSFER-ENCODING: Chunked")),
        case("9112-6.1", "apart", ("Content-Length: 5", "X-A: b", "Transfer-Encoding: chunked")),
        case("9112-6.1", "bad length", ("Content-Length: x", "Transfer-Encoding: chunked")),
        case("9112-6.1", "bad coding", ("Content-Length: 5", "Transfer-Encoding: xchunked")),
        case("9112-6.1", "identity", ("Content-Length: 5", "Transfer-Encoding: identity")),
        case("9112-6.1", "empty coding", ("Content-Length: 5", "Transfer-Encoding:")),
    ],
)
def test_length_and_coding_together_are_refused(server, lines):
    # RFC 9112 section 6.1 would allow the coding to win, if the connection is closed then.
    server.refuses(post(*lines, body=BODY), 400, 501)


@pytest.mark.parametrize(
    "value",
    [
        case("9112-6.1", "unknown", b"xchunked"),
        case("9112-6.1", "unknown behind", b"chunkedx"),
        case("9112-6.1", "prefix", b"chunke"),
        case("9112-6.1", "registered", b"gzip"),
        case("9112-6.1", "registered before", b"gzip, chunked"),
        case("9112-6.1", "not last", b"chunked, gzip"),
        case("9112-6.1", "not last, identity", b"chunked, identity"),
        case("9112-6.1", "twice", b"chunked, chunked"),
        case("9112-6.1", "twice without a space", b"chunked,chunked"),
        case("9112-6.1", "no longer defined", b"identity"),
        case("9112-6.1", "no longer defined, with chunked", b"identity, chunked"),
        case("9112-6.1", "parameter", b"chunked;x"),
        case("9112-6.1", "parameter with a value", b"chunked; q=1"),
        case("9112-6.1", "empty", b""),
        case("9112-6.1", "white space", b" \t "),
        case("9112-6.1", "comma", b","),
        case("9112-6.1", "quotes", b'"chunked"'),
        case("9112-6.1", "single quotes", b"'chunked'"),
        case("9112-6.1", "space inside", b"chun ked"),
        case("9112-6.1", "two words", b"chunked foo"),
        case("9112-6.1", "semicolon", b"chunked;"),
        case("9112-6.1", "vertical tab behind", b"chunked\x0b"),
        case("9112-6.1", "vertical tab before", b"\x0bchunked"),
        case("9112-6.1", "form feed behind", b"chunked\x0c"),
        case("9112-6.1", "NUL behind", b"chunked\0"),
        case("9112-6.1", "bare CR behind", b"chunked\r"),
        case("9112-6.1", "bare CR before", b"\rchunked"),
        case("9112-6.1", "bare LF before", b"\nchunked"),
        case("9112-6.1", "folded", b"\r\n chunked"),
        case("9112-6.1", "no-break space", b"\xa0chunked"),
        case("9112-6.1", "next line", b"chunked\x85"),
        case("9112-6.1", "Kelvin sign", "chun\u212aed".encode()),
        case("9112-6.1", "another separator", b"gzip;chunked"),
    ],
)
def test_any_coding_but_chunked_is_refused(server, value):
    # RFC 9112 section 6.1: 501 for one that is not understood, 6.3: 400 where chunked is not last.
    server.refuses(post(b"Transfer-Encoding: " + value, body=BODY), 400, 501)


@pytest.mark.parametrize(
    "lines",
    [
        case("9112-6.1", "chunked", ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked")),
        case(
            "9112-6.1", "after another", ("Transfer-Encoding: gzip", "Transfer-Encoding: chunked")
        ),
        case(
            "9112-6.1", "before another", ("Transfer-Encoding: chunked", "Transfer-Encoding: gzip")
        ),
        case("9112-6.1", "other case", ("Transfer-Encoding: chunked", "transfer-encoding: x")),
        case("9112-6.1", "unknown", ("Transfer-Encoding: chunked", "Transfer-Encoding: x")),
        case(
            "9112-6.1",
            "identity",
            ("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
        ),
    ],
)
def test_two_codings_are_refused(server, lines):
    server.refuses(post(*lines, body=BODY), 400, 501)


@pytest.mark.parametrize(
    "lines",
    [
        case("9112-6.1", "empty and chunked", ("Transfer-Encoding:", "Transfer-Encoding: chunked")),
        case("9110-5.6.1", "empty element last", ("Transfer-Encoding: chunked,",)),
        case("9110-5.6.1", "empty element first", ("Transfer-Encoding: , chunked",)),
    ],
)
def test_an_empty_element_beside_chunked_is_nothing_or_refused(server, lines):
    # RFC 9110 section 5.6.1.2: "a recipient MUST parse and ignore a reasonable number".
    with server.connect() as client:
        client.send(post(*lines, body=BODY) + request("/hello"))
        response = client.response()
        assert response.status in (200, 400, 501)
        if response.status == 200:
            assert response.body == b"hello"
            assert client.response().body == b"hello"
        else:
            client.ended()


@pytest.mark.parametrize(
    "line",
    [
        case("9112-6.1", "plain", "Transfer-Encoding: chunked"),
        case("9112-7", "upper case", "Transfer-Encoding: CHUNKED"),
        case("9112-7", "mixed case", "transfer-encoding: Chunked"),
        case("9110-5.5", "no space", "Transfer-Encoding:chunked"),
        case("9110-5.5", "white space around", "Transfer-Encoding: \t chunked \t "),
    ],
)
def test_chunked_is_understood(server, line):
    with server.connect() as client:
        client.send(post(line, body=BODY) + request("/hello"))
        assert client.response().body == b"hello"
        assert client.response().body == b"hello"


@pytest.mark.parametrize("line", ["Transfer-Encoding: chunked", "Transfer-Encoding: gzip"])
@pytest.mark.parametrize("more", [(), ("Content-Length: 5",), ("Connection: keep-alive",)])
def test_a_coding_in_http_1_0_is_refused(server, line, more):
    # RFC 9112 section 6.1: "MUST treat the message as if the framing is faulty".
    server.refuses(post(line, *more, version="1.0", body=BODY), 400, 501)


@pytest.mark.parametrize(
    "lines",
    [
        case("9112-5.1", "space before the colon", "Transfer-Encoding : chunked"),
        case("9112-5.1", "tab before the colon", "Transfer-Encoding\t: chunked"),
        case("9112-2.2", "space first", " Transfer-Encoding: chunked"),
        case("9110-5.1", "control character", "Transfer-Encoding\x0b: chunked"),
        case("9110-5.1", "bare CR", "X-A: b\rTransfer-Encoding: chunked"),
        case("9110-5.1", "bare LF", "X-A: b\nTransfer-Encoding: chunked"),
        case("9110-5.1", "soft hyphen", "Transfer\xadEncoding: chunked"),
        case("9110-5.1", "space for a hyphen", "Transfer Encoding: chunked"),
    ],
)
def test_a_coding_in_disguise_is_refused(server, lines):
    server.refuses(post("Content-Length: 5", lines, body=BODY), 400, 501)


def test_a_length_above_the_limit_is_refused_before_the_body_comes(server):
    # RFC 9110 section 15.5.14: 413.
    server.refuses(post(f"Content-Length: {(1 << 30) + 1}"), 413, then=b"")


def test_a_body_ends_where_its_length_says(server):
    # What is behind a body is the next request, whatever it looks like.
    with server.connect() as client:
        client.send(post("Content-Length: 3", body=b"hello" + request("/hello")))
        assert client.response().body == b"hel"
        response = client.response()
        assert response.status in (200, 400, 501)
        if response.status == 200:  # "lo" makes an unknown method
            assert response.body == b"hello"


def test_a_large_body_comes_whole(server):
    body = bytes(range(256)) * 8_192
    with server.connect() as client:
        client.send_aside(post(f"Content-Length: {len(body)}", body=body) + request("/hello"))
        assert client.response().body == body
        assert client.response().body == b"hello"
