"""The request target and what the application sees of it: RFC 9112 section 3.2, PEP 3333."""

import pytest

from tests.blackbox.client import case, request


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        case("9112-3.2.1", "root", "/", "/", ""),
        case("9112-3.2.1", "path", "/a/b", "/a/b", ""),
        case("9112-3.2.1", "trailing slash", "/a/", "/a/", ""),
        case("9112-3.2.1", "query", "/a?b=c&d=e", "/a", "b=c&d=e"),
        case("9112-3.2.1", "empty query", "/a?", "/a", ""),
        case("9112-3.2.1", "question mark in the query", "/a?b?c=d?", "/a", "b?c=d?"),
        case("9112-3.2.1", "slash in the query", "/?a/b", "/", "a/b"),
        case("9112-3.2.1", "query is not decoded", "/?a=%41+%2B%00", "/", "a=%41+%2B%00"),
        case("9112-3.2.1", "URL in the query", "/r?to=http://x/y?z", "/r", "to=http://x/y?z"),
        case("9112-3.2.1", "two slashes", "//double//slash", "//double//slash", ""),
        case("9112-3.2.1", "what looks like an authority", "//host/path", "//host/path", ""),
        case("9112-3.2.1", "what looks like a port", "//host:99x/path", "//host:99x/path", ""),
        case("9112-3.2.1", "what looks like a URL", "/http://x/y", "/http://x/y", ""),
        case("9112-3.2.1", "dot segments are kept", "/a/../b/./c", "/a/../b/./c", ""),
        case("9112-3.2.1", "semicolon", "/a;b=c/d;e", "/a;b=c/d;e", ""),
        case("9112-3.2.1", "colon and at sign", "/a:b@c", "/a:b@c", ""),
        case("9112-3.2.1", "plus sign is no space", "/a+b", "/a+b", ""),
        case("9112-3.2.1", "sub-delimiters", "/!$&'()*,=~-._", "/!$&'()*,=~-._", ""),
        case("3986-2.1", "escapes are decoded", "/%41%62c", "/Abc", ""),
        case("3986-2.1", "lower-case digits", "/%c3%a9", "/\xc3\xa9", ""),
        case("3986-2.1", "upper-case digits", "/%C3%A9", "/\xc3\xa9", ""),
        case("3986-2.1", "not UTF-8", "/%ff%fe", "/\xff\xfe", ""),
        case("3986-2.1", "escaped space", "/a%20b", "/a b", ""),
        case("3986-2.1", "escaped slash", "/a%2Fb", "/a/b", ""),
        case("3986-2.1", "escaped question mark", "/a%3Fb", "/a?b", ""),
        case("3986-2.1", "escaped hash", "/a%23b", "/a#b", ""),
        case("3986-2.1", "escaped percent, once", "/%2541", "/%41", ""),
        case("3986-2.1", "no digits", "/%zz", "/%zz", ""),
        case("3986-2.1", "one digit", "/%4", "/%4", ""),
        case("3986-2.1", "percent at the end", "/100%", "/100%", ""),
        case("3986-2.1", "second of two is one", "/%%41", "/%A", ""),
        case("3986-2.1", "half of a second", "/%41%4", "/A%4", ""),
        case("3986-2.1", "escaped line end", "/a%0d%0ab", "/a\r\nb", ""),
        case("3986-2.1", "escaped NUL", "/a%00b", "/a\0b", ""),
    ],
)
def test_path_and_query(server, target, path, query):
    environ = server.environ(request(target))
    assert environ["PATH_INFO"] == path
    assert environ["QUERY_STRING"] == query
    assert environ.get("SCRIPT_NAME", "") == ""


@pytest.mark.parametrize("target", ["/", "/a%2Fb?c=%41", "/a?", "/%zz//b;c?d?e", "/a%20b%C3%A9"])
def test_the_target_as_it_was_sent_is_there_too(server, target):
    environ = server.environ(request(target))
    assert environ["RAW_URI"] == target
    assert environ["REQUEST_URI"] == target


@pytest.mark.parametrize(
    ("target", "path", "query", "host"),
    [
        case("9112-3.2.2", "path", "http://a.example/b/c", "/b/c", "", "a.example"),
        case("9112-3.2.2", "query", "http://a.example/b?c=d", "/b", "c=d", "a.example"),
        case("9112-3.2.2", "port", "http://a.example:81/b", "/b", "", "a.example:81"),
        case("9112-3.2.2", "scheme in capitals", "HTTP://a.example/b", "/b", "", "a.example"),
        case("9112-3.2.2", "escapes", "http://a.example/%41%20", "/A ", "", "a.example"),
        case("9112-3.2.2", "address", "http://[::1]:80/b", "/b", "", "[::1]:80"),
        case("9112-3.2.2", "slash alone", "http://a.example/", "/", "", "a.example"),
    ],
)
def test_absolute_form(server, target, path, query, host):
    # 3.2.2: "an origin server MUST ignore the received Host header field (if any) and instead
    # replace it with the host information of the request-target".
    environ = server.environ(request(target, host="other.example"))
    assert environ["PATH_INFO"] == path
    assert environ["QUERY_STRING"] == query
    assert environ["HTTP_HOST"] == host


@pytest.mark.parametrize(
    ("target", "query"),
    [("http://a.example", ""), ("http://a.example?b=c", "b=c"), ("http://a.example:80", "")],
)
def test_absolute_form_without_a_path(server, target, query):
    # RFC 9110 section 4.2.3: an empty path is the same as "/".
    environ = server.environ(request(target, host="a.example"))
    assert environ["PATH_INFO"] in ("", "/")
    assert environ["QUERY_STRING"] == query


def test_absolute_form_does_not_do_without_host(server):
    # 3.2: "any HTTP/1.1 request message that lacks a Host header field".
    server.refuses(request("http://a.example/", host=None), 400)


def test_absolute_form_in_http_1_0_needs_no_host(server):
    data = request("http://a.example/b", host=None, version="1.0")
    assert server.environ(data)["PATH_INFO"] == "/b"


@pytest.mark.parametrize(
    "target",
    [
        case("9112-3.2", "relative", "hello"),
        case("9112-3.2", "dot segments", "../hello"),
        case("9112-3.2", "query alone", "?a=b"),
        case("9112-3.2", "backslash", "\\hello"),
        case("9112-3.2.3", "authority", "example.org:80"),
        case("9112-3.2.3", "authority without a port", "example.org"),
        case("9112-3.2.4", "asterisk with GET", "*"),
        case("9112-3.2.4", "asterisk and more", "*/hello"),
        case("9112-3.2.2", "no authority", "http:///hello"),
        case("9112-3.2.2", "one slash", "http:/hello"),
        case("9112-3.2.2", "no slash", "http:hello"),
        case("9112-3.2.2", "bad port", "http://a:b/hello"),
        case("9112-3.2.2", "space in the authority", "http://a%20b c/hello"),
        case("9112-3.2.2", "no scheme", "://a/hello"),
        case("9112-3.2", "fragment", "#a"),
        case("9112-3.2", "NUL", "/a\0b"),
        case("9112-3.2", "control character", "/a\x01b"),
        case("9112-3.2", "tab", "/a\tb"),
        case("9112-3.2", "vertical tab", "/a\x0bb"),
        case("9112-3.2", "escape", "/a\x1bb"),
        case("9112-3.2", "DEL", "/a\x7fb"),
        case("9112-3.2", "NUL in the query", "/a?b\0"),
        case("9112-3.2", "control character in the query", "/a?b\x02"),
    ],
)
def test_a_malformed_target_is_refused(server, target):
    server.refuses(request(target), 400)


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        case("9112-3.2", "fragment", b"/a#b", "/a", ""),
        case("9112-3.2", "fragment in the query", b"/a?b#c", "/a", "b"),
        case("9112-3.2", "UTF-8", b"/\xc3\xa9", "/\xc3\xa9", ""),
        case("9112-3.2", "latin-1", b"/\xe9", "/\xe9", ""),
        case("9112-3.2", "latin-1 in the query", b"/a?\xe9", "/a", "\xe9"),
        case("9112-3.2", "no-break space", b"/a\xa0b", "/a\xa0b", ""),
        case("9112-3.2", "next line", b"/a\x85b", "/a\x85b", ""),
        case("9112-3.2", "quotes", b'/a"b', '/a"b', ""),
        case("9112-3.2", "angle brackets", b"/<a>", "/<a>", ""),
        case("9112-3.2", "braces and the like", b"/{a}|^`\\", "/{a}|^`\\", ""),
        case("9112-3.2", "brackets", b"/a[0]?b[]=c", "/a[0]", "b[]=c"),
    ],
)
def test_what_a_target_should_not_contain_is_passed_as_it_is_or_refused(
    server, target, path, query
):
    response = server.get(target)
    assert response.status in (200, 400)
    if response.status == 200:
        environ = server.environ(request(target))
        assert (environ["PATH_INFO"], environ["QUERY_STRING"]) == (path, query)
    else:
        server.refuses(request(target), 400)


@pytest.mark.parametrize("target", ["ftp://a.example/b", "https://a.example/b", "http://u@a/b"])
def test_a_url_that_is_not_for_this_server_is_served_or_refused(server, target):
    # RFC 9110 section 7.4: 421 for a wrong authority; 4.2.4 has userinfo treated as an error.
    response = server.get(target)
    assert response.status in (200, 400, 421)


def test_asterisk_form_with_options(server):
    # 3.2.4. How WSGI passes it is not said.
    environ = server.environ(request("*", method="OPTIONS"))
    assert environ["PATH_INFO"] in ("", "*", "/")
    assert environ["REQUEST_METHOD"] == "OPTIONS"


@pytest.mark.parametrize("target", ["example.org:443", "example.org", "/hello", "*", "http://a/"])
def test_connect_is_refused(server, target):
    # RFC 9110 section 9.3.6: an origin server that does not tunnel answers with an error.
    server.refuses(request(target, method="CONNECT"), 400, 404, 405, 501)


def test_connect_with_a_body_is_refused_once(server):
    server.refuses(request("a:80", method="CONNECT", body=b"x" * 100), 400, 405, 501)
