"""The Host field: RFC 9112 section 3.2, RFC 9110 section 7.2."""

import pytest

from tests.blackbox.client import case, request


def test_a_request_without_host_is_refused(server):
    server.refuses(request(host=None), 400)


def test_a_request_of_http_1_0_needs_no_host(server):
    environ = server.environ(request(host=None, version="1.0"))
    assert "HTTP_HOST" not in environ
    assert environ["SERVER_NAME"]


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize(
    "lines",
    [
        case("9112-3.2", "different", ("Host: a.example", "Host: b.example")),
        case("9112-3.2", "equal", ("Host: a.example", "Host: a.example")),
        case("9112-3.2", "in different case", ("Host: a.example", "HOST: a.example")),
        case("9112-3.2", "one empty", ("Host: a.example", "Host:")),
        case("9112-3.2", "apart", ("Host: a.example", "Accept: */*", "Host: b.example")),
    ],
)
def test_two_hosts_are_refused(server, lines, version):
    server.refuses(request("/", *lines, host=None, version=version), 400)


@pytest.mark.parametrize(
    "host",
    [
        case("9110-7.2", "name", "example.org"),
        case("9110-7.2", "port", "example.org:8080"),
        case("9110-7.2", "IPv4", "127.0.0.1:80"),
        case("9110-7.2", "IPv6", "[::1]"),
        case("9110-7.2", "IPv6 and port", "[2001:db8::1]:443"),
        case("9110-7.2", "capitals", "EXAMPLE.org"),
        case("9110-7.2", "single label", "localhost"),
        case("9110-7.2", "underscore", "a_b.example"),
        case("9110-7.2", "trailing dot", "example.org."),
        case("9110-7.2", "punycode", "xn--bcher-kva.example"),
        case("9110-7.2", "unreserved characters", "a-b~c.1"),
    ],
)
def test_a_valid_host_is_passed_on(server, host):
    assert server.environ(request(host=host))["HTTP_HOST"] == host


@pytest.mark.parametrize(
    "host",
    [
        case("9110-7.2", "space", "a b"),
        case("9110-7.2", "tab", "a\tb"),
        case("9110-7.2", "slash", "a/b"),
        case("9110-7.2", "userinfo", "user@a"),
        case("9110-7.2", "question mark", "a?b"),
        case("9110-7.2", "hash", "a#b"),
        case("9110-7.2", "list", "a, b"),
        case("9110-7.2", "URL", "http://a"),
        case("9110-7.2", "quotes", '"a"'),
        case("9110-7.2", "angle brackets", "<a>"),
        case("9110-7.2", "backslash", "a\\b"),
        case("9110-7.2", "braces", "{a}"),
        case("9110-7.2", "caret", "a^b"),
        case("9110-7.2", "bar", "a|b"),
        case("9110-7.2", "port of letters", "a:b"),
        case("9110-7.2", "negative port", "a:-1"),
        case("9110-7.2", "two ports", "a:80:80"),
        case("9110-7.2", "IPv6 without brackets", "::1"),
        case("9110-7.2", "bracket that is not closed", "[::1"),
        case("9110-7.2", "bracket that is not opened", "::1]"),
        case("9110-7.2", "behind the bracket", "[::1]a"),
        case("9110-7.2", "NUL", "a\0b"),
        case("9110-7.2", "control character", "a\x01b"),
        case("9110-7.2", "DEL", "a\x7fb"),
    ],
)
def test_an_invalid_host_is_refused(server, host):
    server.refuses(request(host=host), 400)


@pytest.mark.parametrize(
    "host",
    [
        case("9110-7.2", "empty", ""),  # right when the target has no authority
        case("9110-7.2", "empty port", "a:"),  # RFC 3986 section 3.2.3 allows it
        case("9110-7.2", "port too great", "a:99999"),
        case("9110-7.2", "port alone", ":80"),
        case("9110-7.2", "latin-1", "\xe9.example"),
        case("9110-7.2", "escape", "a%41"),
        case("9110-7.2", "comma", "a,b"),  # a sub-delimiter, so a name may have it
        case("9110-7.2", "very long", "a" * 5_000),
    ],
)
def test_a_doubtful_host_is_passed_as_it_is_or_refused(server, host):
    response = server.get("/", host=host)
    assert response.status in (200, 400)
    if response.status == 200:
        assert server.environ(request(host=host))["HTTP_HOST"] == host


def test_white_space_around_a_host_is_no_part_of_it(server):
    data = request("/", "Host: \t example.org \t", host=None)
    assert server.environ(data)["HTTP_HOST"] == "example.org"
