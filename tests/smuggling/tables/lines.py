"""The request line: its words, the version, and the forms of a target; and the Host beside it.

What a proxy routes by and what an application is told must be one thing: a target in absolute
form replaces Host, and whatever two servers could read differently is refused.
"""

from tests.blackbox.client import request
from tests.smuggling.cases import CLOSES, NEXT, SMUGGLED, Head, post, refused, served

__all__ = ["CASES"]

HOST = b"\r\nHost: a\r\n\r\n"


def line(section, known, name, text, status=400):
    """A request line that is refused."""
    return refused(section, known, name, text + HOST, status)


LINES = [
    line("9112-3", "request line", "space before the method", b" GET /a HTTP/1.1"),
    line("9112-3", "request line", "two spaces before the target", b"GET  /a HTTP/1.1"),
    line("9112-3", "request line", "two spaces before the version", b"GET /a  HTTP/1.1"),
    line("9112-3", "request line", "space at the end", b"GET /a HTTP/1.1 "),
    line("9112-3", "request line", "tab for a space", b"GET\t/a HTTP/1.1"),
    line("9112-3", "request line", "tab at the end", b"GET /a HTTP/1.1\t"),
    line("9112-3", "CVE-2016-8743", "vertical tab for a space", b"GET\x0b/a HTTP/1.1"),
    line("9112-3.2", "request line", "space in the target", b"GET /a b HTTP/1.1"),
    line("9112-3", "H2 path injection", "two versions", b"GET /a HTTP/1.1 HTTP/1.1"),
    line("9112-3", "request line", "no target", b"GET HTTP/1.1"),
    line("9112-3", "request line", "no method", b"/a HTTP/1.1"),
    line("9110-9.1", "request line", "NUL in the method", b"G\0ET /a HTTP/1.1"),
    line("9110-9.1", "request line", "colon in the method", b"GET: /a HTTP/1.1"),
    line("9110-9.1", "request line", "high byte in the method", b"G\xcbT /a HTTP/1.1"),
    line("9112-3.2", "request line", "NUL in the target", b"GET /a\0 HTTP/1.1"),
    line("9112-3.2", "request line", "high byte in the target", b"GET /\xe9 HTTP/1.1"),
    line("9112-3.2", "CVE-2023-45539", "number sign in the target", b"GET /a#b HTTP/1.1"),
    line("9112-2.2", "bare LF", "behind the line", b"GET /a HTTP/1.1\nX-A: b"),
    line("9112-2.2", "bare LF", "in the target", b"GET /a\n HTTP/1.1"),
    line("9112-2.2", "bare LF", "a request in the target", b"GET /a\n\n" + NEXT[:-4]),
    line("9112-2.2", "bare CR", "behind the line", b"GET /a HTTP/1.1\rX-A: b"),
    line("9112-2.2", "bare CR", "in the target", b"GET /a\r HTTP/1.1"),
    line("9112-2.2", "bare CR", "twice", b"GET /a HTTP/1.1\r"),
    line("9112-2.2", "bare LF", "before the request", b"\nGET /a HTTP/1.1"),
    line("9112-2.2", "bare CR", "before the request", b"\rGET /a HTTP/1.1"),
    refused("9112-2.2", "CVE-2021-41136", "LFs for all ends", b"GET /a HTTP/1.1\nHost: a\n\n"),
    refused("9112-2.2", "bare CR", "CRs for all ends", b"GET /a HTTP/1.1\rHost: a\r\r"),
    line("9112-2.2", "empty line", "with a space in it", b" \r\nGET /a HTTP/1.1"),
    served(
        "9112-2.2",
        "empty line",
        "before and between",
        b"\r\n\r\nGET /a HTTP/1.1" + HOST + b"\r\n" + NEXT,
        "GET /a",
        "GET /next",
    ),
    served(
        "9112-2.2",
        "empty line",
        "behind a body",
        post("Content-Length: 5", body=b"hello\r\n" + NEXT),
        "POST /a hello",
        "GET /next",
    ),
    line("9112-3", "too large", "request line", b"GET /" + b"a" * 8_190 + b" HTTP/1.1", 414),
]

VERSIONS = [
    line("9112-2.3", "HTTP/0.9", "no version", b"GET /a"),
    line("9112-2.3", "HTTP/0.9", "no version but its space", b"GET /a "),
    refused("9112-2.3", "CVE-2017-7656", "a line alone", b"GET /a\r\n", 400),
    line("9112-2.3", "HTTP/0.9", "as a version", b"GET /a HTTP/0.9", 505),
    line("9112-2.3", "version", "2.0", b"GET /a HTTP/2.0", 505),
    line("9112-2.3", "version", "lower case", b"GET /a http/1.1"),
    line("9112-2.3", "version", "two digits behind the dot", b"GET /a HTTP/1.10"),
    line("9112-2.3", "version", "two digits before the dot", b"GET /a HTTP/01.1"),
    line("9112-2.3", "version", "no dot", b"GET /a HTTP/1"),
    line("9112-2.3", "version", "minus sign", b"GET /a HTTP/1.-1"),
    line("9112-2.3", "version", "superscript digit", b"GET /a HTTP/1.\xb9"),
    line("9112-2.3", "version", "a letter behind", b"GET /a HTTP/1.1x"),
    line("9112-2.3", "version", "another protocol", b"GET /a ICY/1.1"),
    served(
        "9110-2.5",
        "version",
        "1.2 is read as 1.1",
        request("/a", version="1.2") + NEXT,
        "GET /a",
        "GET /next",
    ),
]


def host(known, name, *hosts, section="9112-3.2", target="/a", version="1.1"):
    """A request whose Host is refused."""
    return refused(section, known, name, request(target, *hosts, host=None, version=version))


HOSTS = [
    host("Host", "none"),
    host("Host", "two equal ones", "Host: a", "Host: a"),
    host("Host", "two different ones", "Host: a", "Host: evil.example"),
    host("Host", "two, in two cases", "Host: a", "X-A: b", "hOST: evil.example"),
    host("Host", "the second is empty", "Host: a", "Host:"),
    host("Host", "two, in HTTP/1.0", "Host: a", "Host: b", version="1.0"),
    host("Host", "a list", "Host: a, evil.example"),
    host("Host", "a list without a space", "Host: a/evil.example"),
    host("Host", "a space", "Host: a evil.example"),
    host("Host", "a user", "Host: evil@a"),
    host("Host", "a path", "Host: a/b"),
    host("Host", "a scheme", "Host: http://a"),
    host("Host", "a query", "Host: a?b"),
    host("Host", "a fragment", "Host: a#b"),
    host("Host", "a backslash", "Host: a\\b"),
    host("Host", "a port that is no number", "Host: a:80x"),
    host("Host", "two ports", "Host: a:80:443"),
    host("Host", "a bracket that is not closed", "Host: [::1"),
    host("Host", "something behind a bracket", "Host: [::1]evil.example"),
    host("Host", "a high byte", b"Host: \xe9.example"),
    host("Host", "NUL", "Host: a\0.example", section="9110-5.5"),
    host("Host", "space before the colon", "Host : a", section="9112-5.1"),
    host("Host", "folded", "Host:\r\n a", section="9112-5.2"),
    host("Host", "behind a bare LF", "X-A: b\nHost: a", section="9112-2.2"),
    host("Host", "an underscore for the hyphen-less name", "Ho_st: a"),
    host("absolute-form", "without Host", target="http://a/b"),
    host("absolute-form", "with two Hosts", "Host: a", "Host: b", target="http://a/b"),
    host("absolute-form", "with a malformed Host", "Host: a b", target="http://a/b"),
    served("9112-3.2", "Host", "empty", request("/a", host="") + NEXT, "GET /a", "GET /next"),
    served(
        "9112-3.2",
        "Host",
        "none, in HTTP/1.0",
        b"GET /a HTTP/1.0\r\n\r\n" + SMUGGLED,
        "GET /a",
        then=CLOSES,
    ),
]


def target(section, known, name, text, method=b"GET", *, status=400):
    """A target that is refused."""
    return line(section, known, name, method + b" " + text + b" HTTP/1.1", status)


def seen(section, known, name, text, method="GET"):
    """A target that the application sees as it came."""
    data = f"{method} {text} HTTP/1.1".encode() + HOST
    return served(section, known, name, data + NEXT, f"{method} {text}", "GET /next")


def told(known, name, text, words, *lines, method="GET", section="9112-3.2.2"):
    """A request whose application is told of a host and a path, which are the target's."""
    data = request(text, *lines, method=method, host=None)
    return served(section, known, name, data + NEXT, f"{method} {text} {words} -", "GET /next")


TOLD = [
    told(
        "absolute-form",
        "the target's host, not Host's",
        "http://a.example/told/b",
        "a.example /told/b",
        "Host: evil.example",
    ),
    told(
        "absolute-form",
        "the target's port, not Host's",
        "http://a.example:81/told/b",
        "a.example:81 /told/b",
        "Host: a.example:80",
    ),
    told("absolute-form", "an empty Host", "http://a.example/told/b", "a.example /told/b", "Host:"),
    told(
        "absolute-form",
        "the path's own URI",
        "http://a.example/told/http://evil.example/",
        "a.example /told/http://evil.example/",
        "Host: evil.example",
    ),
    told(
        "origin-form",
        "a URI in the path is a path",
        "/told/http://evil.example/",
        "a.example /told/http://evil.example/",
        "Host: a.example",
        section="9112-3.2.1",
    ),
    told(
        "origin-form",
        "an encoded request is a path",
        "/told/%20HTTP/1.1%0d%0aHost:%20evil",
        "a.example /told/ HTTP/1.1\r\nHost: evil",
        "Host: a.example",
        section="9112-3.2.1",
    ),
]

TARGETS = [
    seen("9112-3.2.2", "absolute-form", "with the same Host", "http://a/b"),
    seen("9112-3.2.2", "absolute-form", "with another Host", "http://evil.example/b"),
    seen("9112-3.2.2", "absolute-form", "without a path", "http://a"),
    seen("9112-3.2.2", "absolute-form", "in capitals", "HTTP://A/b"),
    seen("9112-3.2.2", "absolute-form", "of https", "https://a/b"),
    seen("9112-3.2.4", "asterisk-form", "of OPTIONS", "*", "OPTIONS"),
    seen("9112-3.2.1", "origin-form", "two slashes", "//evil.example/b"),
    seen("9112-3.2.1", "origin-form", "a URI as a path", "/http://evil.example/b"),
    seen("9112-3.2.1", "origin-form", "an encoded line end", "/a%0d%0aX:%20b"),
    seen("9112-3.2.1", "origin-form", "an encoded request", "/a%20HTTP/1.1%0d%0a%0d%0aGET%20/b"),
    target("9112-3.2.2", "absolute-form", "a user", b"http://evil@a/b"),
    target("9112-3.2.2", "absolute-form", "no host", b"http:///b"),
    target("9112-3.2.2", "absolute-form", "another scheme", b"ftp://a/b"),
    target("9112-3.2.2", "absolute-form", "one slash", b"http:/a/b"),
    target("9112-3.2.2", "absolute-form", "a backslash for a slash", b"http:\\\\a\\b"),
    target("9112-3.2.2", "absolute-form", "a backslash in the host", b"http://a\\b/c"),
    target("9112-3.2.2", "absolute-form", "a port that is no number", b"http://a:x/b"),
    target("9112-3.2.3", "authority-form", "in GET", b"a:80"),
    target("9112-3.2.3", "authority-form", "in CONNECT", b"a:80", b"CONNECT", status=501),
    target("9112-3.2.3", "authority-form", "a path in CONNECT", b"/a", b"CONNECT", status=501),
    target("9112-3.2.4", "asterisk-form", "in GET", b"*"),
    target("9112-3.2.4", "asterisk-form", "in POST", b"*", b"POST"),
    target("9112-3.2.4", "asterisk-form", "with a path", b"*/a", b"OPTIONS"),
    target("9112-3.2.1", "origin-form", "no slash", b"a"),
    target("9112-3.2.1", "origin-form", "a query alone", b"?a"),
    target("9112-3.2.1", "origin-form", "a fragment alone", b"#a"),
    refused("9112-3.2", "Host", "none, of a HEAD", b"HEAD /a HTTP/1.1\r\n\r\n", Head(400)),
]

CASES = [*LINES, *VERSIONS, *HOSTS, *TOLD, *TARGETS]
