"""Field lines of a request: RFC 9112 section 5, RFC 9110 section 5."""

import pytest

from tests.blackbox.client import case, request


@pytest.mark.parametrize(
    "line",
    [
        case("9112-5.1", "space before the colon", b"X-A : b"),
        case("9112-5.1", "tab before the colon", b"X-A\t: b"),
        case("9112-5.1", "space before the colon of Host", b"Host : a"),
        case("9112-5.1", "spaces before the colon of a length", b"Content-Length  : 0"),
        case("9112-5", "no colon", b"X-A"),
        case("9112-5", "no colon but a value", b"X-A b"),
        case("9112-5", "no name", b": b"),
        case("9112-5", "colon alone", b":"),
        case("9112-5", "space as a name", b" : b"),
        case("9112-5", "second request line", b"GET / HTTP/1.1"),
        case("9110-5.1", "space in the name", b"X A: b"),
        case("9110-5.1", "NUL in the name", b"X\0A: b"),
        case("9110-5.1", "control character in the name", b"X\x01A: b"),
        case("9110-5.1", "DEL in the name", b"X\x7fA: b"),
        case("9110-5.1", "bare CR in the name", b"X\rA: b"),
        case("9110-5.1", "bare LF in the name", b"X\nA: b"),
        case("9110-5.1", "latin-1 in the name", b"X\xe9A: b"),
        case("9110-5.1", "UTF-8 in the name", b"X\xc3\xa9: b"),
        case("9110-5.1", "soft hyphen in the name", b"X\xadA: b"),
        case("9112-5.2", "folded with a space", b"X-A: b\r\n c"),
        case("9112-5.2", "folded with a tab", b"X-A: b\r\n\tc"),
        case("9112-5.2", "folded before a value", b"X-A:\r\n b"),
        case("9112-5.2", "folded to nothing", b"X-A: b\r\n "),
        case("9112-5.2", "length in a fold", b"X-A: b\r\n Content-Length: 5"),
        case("9110-5.5", "NUL in the value", b"X-A: b\0c"),
        case("9110-5.5", "NUL at the end", b"X-A: b\0"),
        case("9110-5.5", "NUL alone", b"X-A: \0"),
        case("9110-5.5", "bare CR in the value", b"X-A: b\rc"),
        case("9110-5.5", "bare CR before a field", b"X-A: b\rX-B: c"),
        case("9110-5.5", "bare CR at the beginning", b"X-A:\rb"),
        case("9110-5.5", "bare LF in the value", b"X-A: b\nc"),
        case("9110-5.5", "bare LF before a field", b"X-A: b\nX-B: c"),
        case("9110-5.5", "two bare LFs", b"X-A: b\n\n"),
        case("9112-2.2", "CR twice", b"X-A: b\r"),
        case("9112-2.2", "CR CR LF LF", b"X-A: b\r\r\n\n"),
        case("9110-5.5", "control character in the value", b"X-A: b\x01c"),
        case("9110-5.5", "backspace in the value", b"X-A: b\x08c"),
        case("9110-5.5", "vertical tab in the value", b"X-A: b\x0bc"),
        case("9110-5.5", "form feed in the value", b"X-A: b\x0cc"),
        case("9110-5.5", "escape in the value", b"X-A: \x1b[2J"),
        case("9110-5.5", "DEL in the value", b"X-A: b\x7f"),
    ],
)
@pytest.mark.parametrize("where", ["first", "last"])
def test_a_malformed_field_line_is_refused(server, line, where):
    # RFC 9110 section 5.5 would allow control characters other than CR, LF and NUL to be kept.
    lines = [b"Host: example.org", b"Accept: */*"]
    lines.insert(0 if where == "first" else 2, line)
    server.refuses(b"GET /hello HTTP/1.1\r\n" + b"\r\n".join(lines) + b"\r\n\r\n", 400)


@pytest.mark.parametrize("character", '"(),/;<=>?@[\\]{}')
def test_a_name_that_is_no_token_is_refused(server, character):
    # RFC 9110 section 5.6.2.
    server.refuses(request("/", f"X{character}A: b"), 400)


@pytest.mark.parametrize("character", "!#$%&'*+-.^`|~0")
def test_a_name_may_have_all_that_a_token_may(server, character):
    environ = server.environ(request("/", f"X{character}a: b"))
    assert environ[f"HTTP_X{character}A".replace("-", "_")] == "b"


@pytest.mark.parametrize(
    "line",
    [
        "X_A: b",
        "_: b",
        "X_Forwarded_For: 127.0.0.1",
        "Content_Length: 5",
        "Content-Length_: 5",
        "Transfer_Encoding: chunked",
        "HTTP_HOST: a",
    ],
)
def test_a_name_with_an_underscore_does_not_pass_for_one_with_a_hyphen(server, line):
    # In an environ they would be the same. Such a field is left out, as by gunicorn and pywsgi.
    name = line.split(":")[0].upper()
    assert not {f"HTTP_{name}", "CONTENT_LENGTH"} & set(server.environ(request("/", line)))


@pytest.mark.parametrize(
    "line",
    [
        case("9112-5", "space first", b" X-A: b"),
        case("9112-5", "tab first", b"\tX-A: b"),
        case("9112-5", "coding behind a space", b" Transfer-Encoding: chunked"),
        case("9112-2.2", "space alone", b" "),
        case("9112-2.2", "host behind a space", b" Host: b.example"),
    ],
)
def test_white_space_before_the_first_field_is_refused(server, line):
    # RFC 9112 section 2.2: rejected, or such lines are left out.
    data = b"GET /hello HTTP/1.1\r\n" + line + b"\r\nHost: example.org\r\n\r\n"
    server.refuses(data, 400)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        case("9112-5", "no space", b"X-A:b", "b"),
        case("9110-5.5", "empty", b"X-A:", ""),
        case("9110-5.5", "white space alone", b"X-A: \t ", ""),
        case("9110-5.5", "white space around", b"X-A: \t b \t ", "b"),
        case("9110-5.5", "spaces inside", b"X-A: b  c", "b  c"),
        case("9110-5.5", "tab inside", b"X-A: b\tc", "b\tc"),
        case("9110-5.5", "colons", b"X-A: b:c: d", "b:c: d"),
        case("9110-5.5", "colon first", b"X-A::b", ":b"),
        case("9110-5.5", "latin-1", b"X-A: \xe9\xff", "\xe9\xff"),
        case("9110-5.5", "UTF-8", b"X-A: \xe2\x82\xac", "\xe2\x82\xac"),
        case("9110-5.5", "obs-text of controls", b"X-A: a\x85\x80b", "a\x85\x80b"),
        case("9110-5.5", "no-break space is none", b"X-A: \xa0b\xa0", "\xa0b\xa0"),
        case("9110-5.5", "quoted string", b'X-A: "b\\"c"', '"b\\"c"'),
        case("9110-5.5", "delimiters", b"X-A: (),/:;<=>?@[\\]{}", "(),/:;<=>?@[\\]{}"),
        case("9110-5.5", "comma at the end", b"X-A: b,", "b,"),
        case("9110-5.1", "lower-case name", b"x-a: b", "b"),
        case("9110-5.1", "mixed-case name", b"x-A: b", "b"),
    ],
)
def test_a_value_is_passed_on(server, line, value):
    assert server.environ(request("/", line))["HTTP_X_A"] == value


@pytest.mark.parametrize(
    ("lines", "key", "value"),
    [
        case("9110-5.3", "two", ("X-A: b", "X-A: c"), "HTTP_X_A", "b,c"),
        case("9110-5.3", "three", ("X-A: b", "X-A: c", "X-A: d"), "HTTP_X_A", "b,c,d"),
        case("9110-5.3", "apart", ("X-A: b", "X-B: x", "X-A: c"), "HTTP_X_A", "b,c"),
        case("9110-5.3", "in different case", ("X-A: b", "x-a: c"), "HTTP_X_A", "b,c"),
        case("9110-5.3", "list", ("X-A: b, c", "X-A: d"), "HTTP_X_A", "b, c,d"),
        case("9110-5.3", "empty", ("X-A:", "X-A: b"), "HTTP_X_A", ",b"),
        case("6265-5.4", "cookies", ("Cookie: a=b", "Cookie: c=d"), "HTTP_COOKIE", "a=b; c=d"),
        case("9110-12.5.1", "Accept", ("Accept: a/b", "Accept: c/d"), "HTTP_ACCEPT", "a/b,c/d"),
    ],
)
def test_fields_of_the_same_name_are_joined(server, lines, key, value):
    joined = server.environ(request("/", *lines))[key]
    if key == "HTTP_COOKIE":
        assert joined == value
    else:
        assert joined.replace(", ", ",") == value.replace(", ", ",")


@pytest.mark.parametrize("count", [1, 50, 99])
def test_many_fields_are_served(server, count):
    # With Host that is 100, which is the limit.
    environ = server.environ(request("/", *(f"X-{number}: v" for number in range(count))))
    assert sum(key.startswith("HTTP_X_") for key in environ) == count


@pytest.mark.parametrize("count", [100, 101, 1_000])
def test_too_many_fields_are_refused(server, count):
    # RFC 6585 section 5: 431.
    server.refuses(request("/", *(f"X-{number}: v" for number in range(count))), 431)


def test_too_many_fields_of_the_same_name_are_refused(server):
    server.refuses(request("/", *["X-A: b"] * 200), 431)


def test_a_field_line_of_the_greatest_length_is_served(server):
    value = "v" * (8_190 - len("X-A: "))
    assert server.environ(request("/", f"X-A: {value}"))["HTTP_X_A"] == value


@pytest.mark.parametrize(
    "line",
    [
        case("6585-5", "value", b"X-A: " + b"v" * 8_200),
        case("6585-5", "long value", b"X-A: " + b"v" * 100_000),
        case("6585-5", "very long value", b"X-A: " + b"v" * 1_000_000),
        case("6585-5", "name", b"X" * 8_200 + b": v"),
        case("6585-5", "white space", b"X-A: " + b" " * 8_200 + b"v"),
        case("6585-5", "cookie", b"Cookie: a=" + b"v" * 20_000),
        case("6585-5", "host", b"Host: " + b"a" * 8_200),
    ],
)
def test_a_field_line_that_is_too_long_is_refused(server, line):
    host = None if line.startswith(b"Host") else "a"
    server.refuses(request("/", line, host=host), 431)


def test_a_field_line_that_is_too_long_is_refused_before_it_ends(server):
    server.refuses(b"GET / HTTP/1.1\r\nX-A: " + b"v" * 20_000, 431, then=b"")


def test_a_name_that_is_too_long_is_refused_before_it_ends(server):
    server.refuses(b"GET / HTTP/1.1\r\n" + b"n" * 20_000, 431, 400, then=b"")


def test_a_head_that_is_too_large_is_refused(server):
    lines = [f"X-{number}: {'v' * 4_000}" for number in range(90)]
    server.refuses(request("/", *lines), 431)


@pytest.mark.parametrize(
    "lines",
    [
        case("9110-7.8", "websocket", ("Connection: Upgrade", "Upgrade: websocket")),
        case("9110-7.8", "h2c", ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c")),
        case("9110-7.8", "unknown", ("Connection: upgrade", "Upgrade: x/1")),
        case("9110-7.8", "without Connection", ("Upgrade: websocket",)),
        case("9110-10.1.4", "trailers", ("TE: trailers", "Connection: TE")),
        case("9110-7.6.1", "Keep-Alive", ("Keep-Alive: timeout=5",)),
        case("9110-7.6.1", "Proxy-Connection", ("Proxy-Connection: keep-alive",)),
        case("9110-14.2", "range", ("Range: bytes=0-1",)),
        case("9110-13.1", "condition", ('If-None-Match: "a"', "If-Modified-Since: no date")),
        case("9110-11.6", "credentials", ("Authorization: Basic \t!!",)),
        case("9110-12.5.3", "codings", ("Accept-Encoding: gzip;q=9, *",)),
    ],
)
def test_a_field_the_server_does_not_act_on_is_the_applications_affair(server, lines):
    with server.connect() as client:
        client.send(request("/hello", *lines) + request("/hello"))
        assert client.response().body == b"hello"
        assert client.response().body == b"hello"


def test_an_upgrade_that_is_not_taken_leaves_the_body_alone(server):
    # RFC 9110 section 7.8; gevent/gevent#2035.
    lines = "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"
    with server.connect() as client:
        client.send(request("/echo", *lines, method="POST", body=b"body") + request("/hello"))
        assert client.response().body == b"body"
        assert client.response().body == b"hello"
