"""The request line: RFC 9112 sections 2.2, 2.3 and 3, RFC 9110 section 9."""

import pytest

from tests.blackbox.client import case, request

HOST = b"\r\nHost: example.org\r\n\r\n"
TOO_LONG = 8_191  # bytes of a request line

MALFORMED = [
    case("9112-3", "no version", b"GET /"),
    case("9112-3", "no version but the space before it", b"GET / "),
    case("9112-3", "no target", b"GET HTTP/1.1"),
    case("9112-3", "no target but both spaces", b"GET  HTTP/1.1"),
    case("9112-3", "method alone", b"GET"),
    case("9112-3", "no method", b"/ HTTP/1.1"),
    case("9112-3", "no method but a space", b" / HTTP/1.1"),
    case("9112-3", "space before the method", b" GET / HTTP/1.1"),
    case("9112-3", "tab before the method", b"\tGET / HTTP/1.1"),
    case("9112-3", "tab after the method", b"GET\t/ HTTP/1.1"),
    case("9112-3", "tab before the version", b"GET /\tHTTP/1.1"),
    case("9112-3", "form feed before the version", b"GET /\x0cHTTP/1.1"),
    case("9112-3", "two spaces after the method", b"GET  / HTTP/1.1"),
    case("9112-3", "two spaces before the version", b"GET /  HTTP/1.1"),
    case("9112-3", "space at the end", b"GET / HTTP/1.1 "),
    case("9112-3", "tab at the end", b"GET / HTTP/1.1\t"),
    case("9112-3", "four words", b"GET / HTTP/1.1 HTTP/1.1"),
    case("9112-3.2", "space in the target", b"GET /a b HTTP/1.1"),
    case("9112-3", "response", b"HTTP/1.1 200 OK"),
    case("9112-3", "comma as a separator", b"GET,/,HTTP/1.1"),
]

METHODS = [
    case("9110-5.6.2", "at sign", b"G@T"),
    case("9110-5.6.2", "parenthesis", b"GE(T"),
    case("9110-5.6.2", "quotes", b'"GET"'),
    case("9110-5.6.2", "slash", b"GE/T"),
    case("9110-5.6.2", "colon", b"GET:"),
    case("9110-5.6.2", "equals sign", b"GE=T"),
    case("9110-5.6.2", "brackets", b"[GET]"),
    case("9110-5.6.2", "braces", b"{GET}"),
    case("9110-5.6.2", "less-than sign", b"<GET"),
    case("9110-5.6.2", "comma", b"GET,POST"),
    case("9110-5.6.2", "semicolon", b"GET;"),
    case("9110-5.6.2", "question mark", b"GET?"),
    case("9110-5.6.2", "backslash", b"GE\\T"),
    case("9110-5.6.2", "NUL", b"GE\0T"),
    case("9110-5.6.2", "control character", b"GE\x01T"),
    case("9110-5.6.2", "escape", b"\x1bGET"),
    case("9110-5.6.2", "DEL", b"GET\x7f"),
    case("9110-5.6.2", "non-ASCII", b"G\xc9T"),
    case("9110-5.6.2", "no-break space", b"\xa0GET"),
    case("9110-5.6.2", "byte order mark", b"\xef\xbb\xbfGET"),
]

VERSIONS = [
    case("9112-2.3", "no minor version", b"HTTP/1"),
    case("9112-2.3", "dot without a minor version", b"HTTP/1."),
    case("9112-2.3", "no major version", b"HTTP/.1"),
    case("9112-2.3", "no digits", b"HTTP/"),
    case("9112-2.3", "no slash", b"HTTP1.1"),
    case("9112-2.3", "no name", b"1.1"),
    case("9112-2.3", "minor version of two digits", b"HTTP/1.10"),
    case("9112-2.3", "minor version with a zero", b"HTTP/1.01"),
    case("9112-2.3", "major version of two digits", b"HTTP/11.1"),
    case("9112-2.3", "major version with a zero", b"HTTP/01.1"),
    case("9112-2.3", "three numbers", b"HTTP/1.1.1"),
    case("9112-2.3", "lower case", b"http/1.1"),
    case("9112-2.3", "mixed case", b"Http/1.1"),
    case("9112-2.3", "letter behind", b"HTTP/1.1x"),
    case("9112-2.3", "letter as minor version", b"HTTP/1.x"),
    case("9112-2.3", "sign", b"HTTP/+1.1"),
    case("9112-2.3", "negative", b"HTTP/1.-1"),
    case("9112-2.3", "comma", b"HTTP/1,1"),
    case("9112-2.3", "superscript digit", b"HTTP/1.\xb9"),
    case("9112-2.3", "space inside", b"HTTP/ 1.1"),
    case("9112-2.3", "another protocol", b"HTTPS/1.1"),
    case("9112-2.3", "prefix", b"XHTTP/1.1"),
    case("9112-2.3", "ICY", b"ICY/1.0"),
    case("9112-2.3", "NUL behind", b"HTTP/1.1\0"),
]

UNSUPPORTED = [b"HTTP/0.9", b"HTTP/0.0", b"HTTP/2.0", b"HTTP/2.1", b"HTTP/3.0", b"HTTP/9.9"]


@pytest.mark.parametrize("line", MALFORMED)
def test_a_malformed_request_line_is_refused(server, line):
    # A line that lacks its version may be taken for HTTP/0.9, which is not supported.
    server.refuses(line + HOST, 400, 505)


@pytest.mark.parametrize("method", METHODS)
def test_a_method_that_is_no_token_is_refused(server, method):
    # RFC 9110 section 9.1 has 501 for a method that is not recognised.
    server.refuses(method + b" / HTTP/1.1" + HOST, 400, 501)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_malformed_version_is_refused(server, version):
    server.refuses(b"GET / " + version + HOST, 400, 505)


@pytest.mark.parametrize("version", UNSUPPORTED)
def test_a_major_version_that_is_not_supported_is_refused(server, version):
    # RFC 9110 section 15.6.6 has 505; a server need not tell it from a malformed one.
    server.refuses(b"GET / " + version + HOST, 505, 400)


@pytest.mark.parametrize("minor", range(2, 10))
def test_a_higher_minor_version_is_served_as_1_1_or_refused(server, minor):
    # RFC 9110 section 2.5: "process the message as if it were in the highest minor version".
    with server.connect() as client:
        response = client.send(request("/hello", version=f"1.{minor}")).response()
        assert response.status in (200, 400, 505)
        assert response.version == "HTTP/1.1"
        if response.status == 200:
            assert response.body == b"hello"
            assert response.persistent
            assert client.send(request("/hello")).response().body == b"hello"
        else:
            client.ended()


@pytest.mark.parametrize(
    "method",
    ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "REPORT", "PURGE"],
)
def test_a_known_method_is_the_applications_affair(server, method):
    assert server.get("/method", method=method).body == f"{method} /method".encode()


@pytest.mark.parametrize(
    "method",
    [
        case("9110-9.1", "unregistered", "BREW"),
        case("9110-9.1", "one letter", "X"),
        case("9110-9.1", "lower case", "get"),
        case("9110-9.1", "mixed case", "Get"),
        case("9110-9.1", "prefix of another", "GE"),
        case("9110-9.1", "another with more behind", "GETS"),
        case("9110-9.1", "hyphen", "M-SEARCH"),
        case("9110-9.1", "hyphen in an unregistered one", "VERSION-OF"),
        case("9110-9.1", "digits", "V2"),
        case("9110-9.1", "all that a token may have", "A!#$%&'*+-.^_`|~0"),
    ],
)
def test_an_unknown_method_is_the_applications_affair_or_refused(server, method):
    # Methods are case-sensitive (9110-9.1): `get` is not GET. 501 is right for one that the
    # server does not know, 400 and 405 are what some say instead.
    with server.connect() as client:
        response = client.send(request("/method", method=method)).response()
        assert response.status in (200, 501, 400, 405)
        if response.status == 200:
            assert response.body == f"{method} /method".encode()
        else:
            client.ended()


def test_the_unregistered_method_of_a_client_reaches_the_application(server):
    # WSGI has no list of methods; an application may have its own.
    assert server.get("/method", method="BREW").body == b"BREW /method"


def test_a_very_long_method_is_refused(server):
    # RFC 9112 section 3: 501 for a method longer than any; 414 for the line, or 400.
    server.refuses(b"M" * 10_000 + b" / HTTP/1.1" + HOST, 400, 414, 501)


@pytest.mark.parametrize(
    "data",
    [
        case("9112-2.2", "bare LF at the end", b"GET / HTTP/1.1\nHost: a\r\n\r\n"),
        case("9112-2.2", "bare LF at all ends", b"GET / HTTP/1.1\nHost: a\n\n"),
        case("9112-2.2", "bare CR at the end", b"GET / HTTP/1.1\rHost: a\r\n\r\n"),
        case("9112-2.2", "CR twice", b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"),
        case("9112-2.2", "LF before CR", b"GET / HTTP/1.1\n\rHost: a\r\n\r\n"),
        case("9112-2.2", "bare CR in the target", b"GET /a\rb HTTP/1.1\r\nHost: a\r\n\r\n"),
        case("9112-2.2", "bare LF in the target", b"GET /a\nb HTTP/1.1\r\nHost: a\r\n\r\n"),
        case("9112-2.2", "bare CR after the method", b"GET\r/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        case("9112-2.2", "CR before the version", b"GET /\rHTTP/1.1\r\nHost: a\r\n\r\n"),
        case("9112-2.2", "bare LF before the request", b"\nGET / HTTP/1.1\nHost: a\r\n\r\n"),
        case(
            "9112-2.2", "space in an empty line before", b" \r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"
        ),
        case("9112-2.2", "bare CR before the request", b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ],
)
def test_a_line_that_does_not_end_in_crlf_is_refused(server, data):
    server.refuses(data, 400)


def test_an_empty_line_before_a_request_is_ignored(server):
    # RFC 9112 section 2.2: at least one is.
    assert server.ask(b"\r\n" + request("/hello")).body == b"hello"


def test_an_empty_line_between_requests_is_ignored(server):
    with server.connect() as client:
        client.send(request("/hello") + b"\r\n" + request("/hello") + b"\r\n")
        assert client.response().body == b"hello"
        assert client.response().body == b"hello"
        assert client.send(request("/echo", method="POST", body=b"x")).response().body == b"x"


def test_a_request_line_of_the_greatest_length_is_served(server):
    target = "/hello/" + "a" * (TOO_LONG - 1 - len("GET /hello/ HTTP/1.1"))
    assert server.get(target).body == b"hello"


@pytest.mark.parametrize("length", [TOO_LONG, 10_000, 65_537, 1_000_000])
def test_a_request_line_that_is_too_long_is_refused(server, length):
    # RFC 9112 section 3: 414.
    line = b"GET /" + b"a" * (length - len(b"GET / HTTP/1.1")) + b" HTTP/1.1"
    assert len(line) == length
    server.refuses(line + HOST, 414)


@pytest.mark.parametrize("length", [10_000, 1_000_000])
def test_a_request_line_that_is_too_long_is_refused_before_it_ends(server, length):
    server.refuses(b"GET /" + b"a" * length, 414, then=b"")


def test_a_query_that_is_too_long_is_refused(server):
    server.refuses(request("/hello?" + "q" * 10_000), 414)
