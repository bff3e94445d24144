"""The chunked coding of a request: RFC 9112 section 7.1.

A bad chunk may be found before the application is called (400) or while it reads. In that case
read() raises, and what the server says depends on the application: 400 or 500. Where the
application does not read, it may have answered already. In no case is there a second response.
"""

import pytest

from tests.blackbox.client import SMUGGLED, Truncated, case, chunked, planned, request

CODING = "Transfer-Encoding: chunked"
END = b"0\r\n\r\n"


def post(body: bytes, target: str = "/echo", *lines: str) -> bytes:
    """A request with `body` as it is sent."""
    return request(target, CODING, *lines, method="POST") + body


BAD = [
    case("9112-7.1", "hexadecimal prefix", b"0x5\r\nhello\r\n" + END),
    case("9112-7.1", "plus sign", b"+5\r\nhello\r\n" + END),
    case("9112-7.1", "minus sign", b"-5\r\nhello\r\n" + END),
    case("9112-7.1", "space before", b" 5\r\nhello\r\n" + END),
    case("9112-7.1", "tab before", b"\t5\r\nhello\r\n" + END),
    case("9112-7.1", "space inside", b"0 5\r\nhello\r\n" + END),
    case("9112-7.1", "empty", b"\r\nhello\r\n" + END),
    case("9112-7.1", "empty before an extension", b";a=b\r\nhello\r\n" + END),
    case("9112-7.1", "no hexadecimal digit", b"g\r\nhello\r\n" + END),
    case("9112-7.1", "letter behind", b"5g\r\nhello\r\n" + END),
    case("9112-7.1", "h for hexadecimal", b"5h\r\nhello\r\n" + END),
    case("9112-7.1", "underscore", b"0_5\r\nhello\r\n" + END),
    case("9112-7.1", "fraction", b"5.0\r\nhello\r\n" + END),
    case("9112-7.1", "comma", b"5,5\r\nhello\r\n" + END),
    case("9112-7.1", "quotes", b'"5"\r\nhello\r\n' + END),
    case("9112-7.1", "braces", b"{5}\r\nhello\r\n" + END),
    case("9112-7.1", "superscript digit", b"\xb2\r\nhello\r\n" + END),
    case("9112-7.1", "Arabic digit", "\u0665\r\nhello\r\n".encode() + END),
    case("9112-7.1", "vertical tab before", b"\x0b5\r\nhello\r\n" + END),
    case("9112-7.1", "form feed behind", b"5\x0c\r\nhello\r\n" + END),
    case("9112-7.1", "NUL behind", b"5\0\r\nhello\r\n" + END),
    case("9112-7.1", "NUL before", b"\x005\r\nhello\r\n" + END),
    case("9112-7.1", "DEL behind", b"5\x7f\r\nhello\r\n" + END),
    case("9112-7.1", "17 digits", b"1" + b"0" * 15 + b"5\r\nhello\r\n" + END),
    case("9112-7.1", "more than 64 bits", b"10000000000000005\r\nhello\r\n" + END),
    case("9112-7.1", "very many digits", b"f" * 5_000 + b"\r\nhello\r\n" + END),
    case("9112-7.1", "last one empty", b"5\r\nhello\r\n\r\n\r\n"),
    case("9112-7.1", "last one negative", b"5\r\nhello\r\n-0\r\n\r\n"),
    case("9112-7.1", "last one with a prefix", b"5\r\nhello\r\n0x0\r\n\r\n"),
    case("9112-7.1", "bare LF behind the size", b"5\nhello\r\n" + END),
    case("9112-7.1", "bare CR behind the size", b"5\rhello\r\n" + END),
    case("9112-7.1", "CR twice behind the size", b"5\r\r\nhello\r\n" + END),
    case("9112-7.1", "bare LF behind the data", b"5\r\nhello\n" + END),
    case("9112-7.1", "bare CR behind the data", b"5\r\nhello\r" + END),
    case("9112-7.1", "nothing behind the data", b"5\r\nhello" + END),
    case("9112-7.1", "two bytes behind the data", b"5\r\nhelloXX" + END),
    case("9112-7.1", "one byte and LF behind the data", b"5\r\nhelloX\n" + END),
    case("9112-7.1", "CR and a byte behind the data", b"5\r\nhello\rX" + END),
    case("9112-7.1", "data longer than the size", b"5\r\nhello world\r\n" + END),
    case("9112-7.1", "data shorter than the size", b"5\r\nhel\r\n" + END),
    case("9112-7.1", "bare LF behind the last size", b"5\r\nhello\r\n0\n\r\n"),
    case("9112-7.1", "bare LF at the end", b"5\r\nhello\r\n0\r\n\n"),
    case("9112-7.1", "bare LFs alone", b"5\nhello\n0\n\n"),
    case("9112-7.1.1", "bare LF in an extension", b"5;a\nb\r\nhello\r\n" + END),
    case("9112-7.1.1", "bare LF behind an extension", b"5;a=b\nhello\r\n" + END),
    case("9112-7.1.1", "bare CR in an extension", b"5;a\rb\r\nhello\r\n" + END),
    case("9112-7.1.1", "NUL in an extension", b"5;a\0b\r\nhello\r\n" + END),
    case("9112-7.1.1", "bare LF in a quoted value", b'5;a="\n"\r\nhello\r\n' + END),
    case("9112-7.1.1", "bare CR in a quoted value", b'5;a="\r"\r\nhello\r\n' + END),
    case("9112-7.1.1", "space instead of a semicolon", b"5 a\r\nhello\r\n" + END),
    case("9112-7.1.1", "bare LF behind the last one's", b"5\r\nhello\r\n0;a\n\r\n"),
    case("9112-7.1.2", "trailer without a colon", b"5\r\nhello\r\n0\r\nX-A\r\n\r\n"),
    case("9112-7.1.2", "trailer without a name", b"5\r\nhello\r\n0\r\n: b\r\n\r\n"),
    case("9112-7.1.2", "trailer with a space", b"5\r\nhello\r\n0\r\nX-A : b\r\n\r\n"),
    case("9112-7.1.2", "space in a trailer's name", b"5\r\nhello\r\n0\r\nX A: b\r\n\r\n"),
    case("9112-7.1.2", "trailer folded", b"5\r\nhello\r\n0\r\nX-A: b\r\n c\r\n\r\n"),
    case("9112-7.1.2", "trailer after a space", b"5\r\nhello\r\n0\r\n X-A: b\r\n\r\n"),
    case("9112-7.1.2", "NUL in a trailer", b"5\r\nhello\r\n0\r\nX-A: b\0\r\n\r\n"),
    case("9112-7.1.2", "bare LF behind a trailer", b"5\r\nhello\r\n0\r\nX-A: b\n\r\n"),
    case("9112-7.1.2", "bare CR in a trailer", b"5\r\nhello\r\n0\r\nX-A: b\rc\r\n\r\n"),
    case("9112-7.1.2", "bare LF in a trailer's name", b"5\r\nhello\r\n0\r\nX\n-A: b\r\n\r\n"),
    case("9112-7.1.2", "request as a trailer", b"5\r\nhello\r\n0\r\n" + SMUGGLED),
]


@pytest.mark.parametrize("body", BAD)
def test_a_bad_chunk_is_refused(server, body):
    with server.connect() as client:
        response = client.send(post(body) + SMUGGLED).response()
        assert response.status in (400, 500), response
        client.ended()


@pytest.mark.parametrize("body", BAD)
def test_a_bad_chunk_that_is_not_read_is_the_last_of_its_connection(server, body):
    with server.connect() as client:
        response = client.send(post(body, "/hello") + SMUGGLED).response()
        assert response.status in (200, 400), response
        client.ended()


@pytest.mark.parametrize("body", BAD[::3])
def test_a_bad_chunk_behind_much_good_is_the_last_of_its_connection(server, body):
    # More than a server would read before it calls the application.
    good = chunked(b"x" * 200_000, end=b"")
    with server.connect() as client:
        response = client.send(post(good + body) + SMUGGLED).response()
        assert response.status in (400, 500), response
        client.ended()


@pytest.mark.parametrize("body", BAD[::3])
def test_a_bad_chunk_that_comes_while_a_response_is_sent_ends_the_connection(server, body):
    token = server.token()
    plan = [("yield", b"first"), ("wait", "go"), ("read",), ("yield", b"second")]
    head = planned(iterate=plan, lines=(CODING,), token=token, method="POST")
    with server.connect() as client:
        client.send(head + chunked(b"x" * 200_000, end=b""))
        server.events(token, "called")
        client.send(body + SMUGGLED)
        server.tell(token, "go")
        try:
            response = client.response()
        except Truncated:
            assert server.events(token, "closed").count("closed") == 1
        else:  # found before the first block was sent
            assert response.status in (400, 500), response
        client.ended()
    assert "read 200005" not in server.events(token)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        case("9112-7.1", "one chunk", b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
        case("9112-7.1", "two chunks", b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", b"hello"),
        case("9112-7.1", "chunks of a byte", chunked(*[b"x"] * 500), b"x" * 500),
        case("9112-7.1", "no chunk", b"0\r\n\r\n", b""),
        case("9112-7.1", "lower-case digits", b"a\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
        case("9112-7.1", "upper-case digits", b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
        case("9112-7.1", "zeros before", b"0005\r\nhello\r\n0\r\n\r\n", b"hello"),
        case("9112-7.1", "last one of zeros", b"5\r\nhello\r\n0000\r\n\r\n", b"hello"),
        case("9112-7.1", "line ends as data", b"4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n"),
        case("9112-7.1", "chunk as data", b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n"),
        case("9112-7.1", "binary", chunked(bytes(range(256))), bytes(range(256))),
        case("9112-7.1.1", "extension", b"5;a\r\nhello\r\n0\r\n\r\n", b"hello"),
        case("9112-7.1.1", "value", b"5;a=b\r\nhello\r\n0\r\n\r\n", b"hello"),
        case("9112-7.1.1", "two", b"5;a=b;c\r\nhello\r\n0\r\n\r\n", b"hello"),
        case("9112-7.1.1", "quoted value", b'5;a="b c"\r\nhello\r\n0\r\n\r\n', b"hello"),
        case("9112-7.1.1", "quoted semicolon", b'5;a="b;c"\r\nhello\r\n0\r\n\r\n', b"hello"),
        case("9112-7.1.1", "escape", b'5;a="b\\"c"\r\nhello\r\n0\r\n\r\n', b"hello"),
        case("9112-7.1.1", "of the last one", b"5\r\nhello\r\n0;a=b\r\n\r\n", b"hello"),
        case("9112-7.1.2", "trailer", b"5\r\nhello\r\n0\r\nX-A: b\r\n\r\n", b"hello"),
        case("9112-7.1.2", "two", b"5\r\nhello\r\n0\r\nX-A: b\r\nX-B: c\r\n\r\n", b"hello"),
        case("9112-7.1.2", "empty", b"5\r\nhello\r\n0\r\nX-A:\r\n\r\n", b"hello"),
        case("9112-7.1.2", "without a body", b"0\r\nX-A: b\r\n\r\n", b""),
    ],
)
def test_chunks_are_decoded(server, body, value):
    with server.connect() as client:
        client.send(post(body) + request("/hello"))
        assert client.response().body == value
        assert client.response().body == b"hello"


@pytest.mark.parametrize(
    "body",
    [
        case("9112-7.1.1", "white space around", b"5 ; a = b\r\nhello\r\n" + END),
        case("9112-7.1.1", "space behind the size", b"5 \r\nhello\r\n" + END),
        case("9112-7.1.1", "tab behind the size", b"5\t\r\nhello\r\n" + END),
        case("9112-7.1.1", "no name", b"5;\r\nhello\r\n" + END),
        case("9112-7.1.1", "no name but a value", b"5;=b\r\nhello\r\n" + END),
        case("9112-7.1.1", "no value", b"5;a=\r\nhello\r\n" + END),
        case("9112-7.1.1", "two semicolons", b"5;;a\r\nhello\r\n" + END),
        case("9112-7.1.1", "quotes that do not end", b'5;a="b\r\nhello\r\n' + END),
        case("9112-7.1.1", "control character", b"5;a\x01\r\nhello\r\n" + END),
        case("9112-7.1.1", "latin-1", b"5;a=\xe9\r\nhello\r\n" + END),
        case("9112-7.1.1", "delimiters", b"5;a(b)=<c>\r\nhello\r\n" + END),
        case("9112-7.1.1", "200 bytes", b"5;" + b"a" * 200 + b"\r\nhello\r\n" + END),
        case("9112-7.1", "16 digits", b"0000000000000005\r\nhello\r\n" + END),
        case("9112-7.1", "40 digits", b"5".rjust(40, b"0") + b"\r\nhello\r\n" + END),
        case("9112-7.1.2", "length as a trailer", b"5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n"),
        case(
            "9112-7.1.2",
            "coding as a trailer",
            b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
        case("9112-7.1.2", "host as a trailer", b"5\r\nhello\r\n0\r\nHost: evil.example\r\n\r\n"),
    ],
)
def test_what_is_doubtful_in_a_chunk_is_ignored_or_refused(server, body):
    # Extensions that are not recognised must be ignored, trailers may be.
    with server.connect() as client:
        response = client.send(post(body) + request("/hello")).response()
        assert response.status in (200, 400, 500), response
        if response.status == 200:
            assert response.body == b"hello"
            assert client.response().body == b"hello"
        else:
            client.ended()


@pytest.mark.parametrize("target", ["/echo", "/hello"])
@pytest.mark.parametrize(
    "body",
    [
        case("9112-7.1.1", "extension", b"5;" + b"a" * 100_000 + b"\r\nhello\r\n" + END),
        case("9112-7.1.1", "of the last one", b"5\r\nhello\r\n0;" + b"a" * 100_000 + b"\r\n\r\n"),
        case("9112-7.1.1", "quoted", b'5;a="' + b"a" * 100_000 + b'"\r\nhello\r\n' + END),
        case("9112-7.1", "zeros", b"0" * 100_000 + b"5\r\nhello\r\n" + END),
        case("9112-7.1.2", "trailer", b"0\r\nX-A: " + b"b" * 100_000 + b"\r\n\r\n"),
        case("9112-7.1.2", "trailers", b"0\r\n" + b"X-A: b\r\n" * 20_000 + b"\r\n"),
        case("9112-7.1.2", "name of a trailer", b"0\r\n" + b"X" * 100_000 + b": b\r\n\r\n"),
    ],
)
def test_what_is_too_long_in_a_chunk_is_refused(server, target, body):
    # RFC 9112 section 7.1.1: "ought to limit the total length of chunk extensions".
    with server.connect() as client:
        response = client.send(post(body, target) + SMUGGLED).response()
        assert response.status in (
            (200, 400, 413, 431) if target == "/hello" else (400, 413, 431, 500)
        )
        client.ended()


def test_many_extensions_are_refused_in_the_end(server):
    # Each is short; a megabyte of them with a thousand bytes of data is an attack.
    body = (b"1;" + b"a" * 1_000 + b"\r\nx\r\n") * 1_000
    with server.connect() as client:
        response = client.send(post(body + END) + request("/hello")).response()
        assert response.status in (200, 400, 413, 500), response
        if response.status == 200:
            assert response.body == b"x" * 1_000
            assert client.response().body == b"hello"
        else:
            client.ended()


def test_trailers_are_no_header_fields(server):
    # RFC 9110 section 6.5.1: they must not be merged unless it is known that they may be.
    body = b"5\r\nhello\r\n0\r\nX-A: b\r\nHost: evil.example\r\nCookie: a=b\r\n\r\n"
    environ = server.environ(post(body, "/show"))
    assert environ["HTTP_HOST"] == "example.org"
    assert "HTTP_COOKIE" not in environ
    assert "HTTP_X_A" not in environ


def test_trailers_do_not_begin_the_next_request(server):
    # CVE-2023-41419.
    body = b"0\r\nX-A: b\r\n\r\n"
    with server.connect() as client:
        client.send(post(body, "/hello") + request("/method", method="PUT"))
        assert client.response().body == b"hello"
        assert client.response().body == b"PUT /method"


def test_the_environ_of_a_chunked_request_has_the_length_of_the_body_or_none(server):
    """RFC 3875 section 4.1.2: the length after transfer codings are removed."""
    environ = server.environ(post(chunked(b"hello"), "/show"))
    assert environ.get("CONTENT_LENGTH", "") in {"", "5"}
    assert environ["wsgi.input_terminated"] is True


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS", "PATCH"])
def test_any_method_may_have_chunks(server, method):
    with server.connect() as client:
        client.send(request("/echo", CODING, method=method) + chunked(b"hello"))
        assert client.response().body == b"hello"
        assert client.send(request("/hello")).response().body == b"hello"


def test_very_many_chunks_of_a_byte(server):
    with server.connect() as client:
        client.send_aside(post(chunked(*[b"x"] * 100_000)) + request("/hello"))
        assert client.response().body == b"x" * 100_000
        assert client.response().body == b"hello"


def test_a_large_chunked_body_comes_whole(server):
    block = bytes(range(256)) * 300
    with server.connect() as client:
        client.send_aside(post(chunked(*[block] * 20)) + request("/hello"))
        assert client.response().body == block * 20
        assert client.response().body == b"hello"
