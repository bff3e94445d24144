"""How long a connection lasts: HTTP/1.0, the field Connection, and several requests on one."""

from tests.blackbox.client import request
from tests.smuggling.cases import CLOSES, KEEPS, NEXT, SMUGGLED, WAITS, post, refused, served

__all__ = ["CASES"]

ALIVE = "Connection: keep-alive"
TE = "Transfer-Encoding: chunked"
CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"
BODY = "Content-Length: 5"


def last(section, known, name, data, *answers):
    """The request is served, and what is behind it is not."""
    return served(section, known, name, data + SMUGGLED, *answers, then=CLOSES)


def both(section, known, name, data, *answers):
    """The request is served, and so is the next."""
    return served(section, known, name, data + NEXT, *answers, "GET /next")


VERSIONS = [
    last("9112-9.3", "HTTP/1.0", "not kept", request("/a", version="1.0"), "GET /a"),
    last(
        "9112-9.3",
        "HTTP/1.0",
        "not kept, with a body",
        post(BODY, body=b"hello", version="1.0"),
        "POST /a hello",
    ),
    both("9112-9.3", "HTTP/1.0", "kept", request("/a", ALIVE, version="1.0"), "GET /a"),
    both(
        "9112-9.3",
        "HTTP/1.0",
        "kept, with a body",
        post(BODY, ALIVE, body=b"hello", version="1.0"),
        "POST /a hello",
    ),
    both(
        "9112-6.3", "HTTP/1.0", "kept, no length is no body", post(ALIVE, version="1.0"), "POST /a"
    ),
    last(
        "9112-9.3",
        "HTTP/1.0",
        "kept and closed",
        request("/a", ALIVE, "Connection: close", version="1.0"),
        "GET /a",
    ),
    last(
        "9112-9.3",
        "HTTP/1.0",
        "Keep-Alive is not Connection",
        request("/a", "Keep-Alive: timeout=5", version="1.0"),
        "GET /a",
    ),
    last(
        "9110-10.1.1",
        "HTTP/1.0",
        "an expectation is nothing",
        post(BODY, "Expect: 100-continue", version="1.0", body=b"hello"),
        "POST /a hello",
    ),
    last(
        "9112-9.3",
        "HTTP/1.0",
        "between two of 1.1",
        request("/a") + request("/b", version="1.0"),
        "GET /a",
        "GET /b",
    ),
    last(
        "9110-7.8",
        "HTTP/1.0",
        "an upgrade is nothing",
        request("/a", "Connection: upgrade", "Upgrade: x", version="1.0"),
        "GET /a",
    ),
]

OPTIONS = [
    last("9112-9.6", "Connection", "close", request("/a", "Connection: close"), "GET /a"),
    last(
        "9112-9.6",
        "Connection",
        "close, with a body",
        post(BODY, "Connection: close", body=b"hello"),
        "POST /a hello",
    ),
    last(
        "9112-9.6",
        "Connection",
        "close, in chunks",
        post(TE, "Connection: close", body=CHUNKS),
        "POST /a hello",
    ),
    last(
        "9110-7.6.1",
        "Connection",
        "close in a list",
        request("/a", "Connection: x, CLOSE ,y"),
        "GET /a",
    ),
    last(
        "9110-7.6.1",
        "Connection",
        "close in a second line",
        request("/a", ALIVE, "Connection: close"),
        "GET /a",
    ),
    both(
        "9110-7.6.1",
        "Connection",
        "a word with close in it",
        request("/a", "Connection: not-close"),
        "GET /a",
    ),
    both(
        "9110-7.6.1",
        "hop-by-hop",
        "names Content-Length, which counts still",
        post(BODY, "Connection: Content-Length", body=b"hello"),
        "POST /a hello",
    ),
    both(
        "9110-7.6.1",
        "hop-by-hop",
        "names Transfer-Encoding, which counts still",
        post(TE, "Connection: Transfer-Encoding", body=CHUNKS),
        "POST /a hello",
    ),
    refused(
        "9110-7.6.1",
        "hop-by-hop",
        "names one of two framings",
        post(BODY, TE, "Connection: Content-Length", body=CHUNKS),
    ),
    both(
        "9110-7.6.1",
        "hop-by-hop",
        "names Host, which counts still",
        request("/a", "Connection: Host"),
        "GET /a",
    ),
    both(
        "9110-7.6.1",
        "hop-by-hop",
        "Proxy-Connection is nothing",
        request("/a", "Proxy-Connection: close"),
        "GET /a",
    ),
]

PIPELINES = [
    served(
        "9112-9.3.2",
        "pipeline",
        "three",
        request("/a") + request("/b") + NEXT,
        "GET /a",
        "GET /b",
        "GET /next",
    ),
    both(
        "9112-9.3.2",
        "CVE-2023-46137",
        "bodies of all kinds, in order",
        post(BODY, body=b"hello", target="/stream/a")
        + post(TE, body=CHUNKS, target="/b")
        + post(BODY, body=b"world", target="/early/c"),
        "POST /stream/a hello",
        "POST /b hello",
        "POST /early/c",
    ),
    refused(
        "9112-9.3",
        "CVE-2024-49768",
        "a malformed line behind a good request",
        request("/a") + b"GET /b\r\n\r\n",
        "GET /a",
    ),
    refused(
        "9112-9.3",
        "CVE-2024-49768",
        "a malformed field behind a body",
        post(BODY, body=b"hello") + request("/b", "X-A : b"),
        "POST /a hello",
    ),
    refused(
        "9112-9.3",
        "CVE-2024-49768",
        "two framings behind chunks",
        post(TE, body=CHUNKS) + post(TE, BODY, body=CHUNKS),
        "POST /a hello",
    ),
    refused(
        "9112-9.3",
        "pipeline",
        "a bad chunk behind good chunks",
        post(TE, body=CHUNKS) + post(TE, body=b"x\r\n"),
        "POST /a hello",
    ),
    refused(
        "9112-9.3",
        "pipeline",
        "too large a body behind a good request",
        request("/a") + post("Content-Length: 9999999999"),
        "GET /a",
        413,
    ),
    refused(
        "9112-9.3",
        "pipeline",
        "no Host behind one with Host",
        request("/a") + request("/b", host=None),
        "GET /a",
    ),
    last(
        "9112-9.6",
        "pipeline",
        "nothing behind Connection: close",
        request("/a") + request("/b", "Connection: close") + request("/c"),
        "GET /a",
        "GET /b",
    ),
    served(
        "9112-9.3.2",
        "early close",
        "half a request behind a whole one",
        request("/a") + SMUGGLED[:-3],
        "GET /a",
        then=WAITS,
    ),
    served(
        "9112-8",
        "early close",
        "half a body behind a whole request",
        request("/a") + post("Content-Length: 99", body=SMUGGLED),
        "GET /a",
        then=WAITS,
    ),
    served(
        "9112-9.3.2",
        "pipeline",
        "fifty",
        b"".join(request(f"/{number}") for number in range(50)),
        *[f"GET /{number}" for number in range(50)],
        then=KEEPS,
    ),
]

CASES = [*VERSIONS, *OPTIONS, *PIPELINES]
