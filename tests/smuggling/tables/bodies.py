"""Bodies that nobody asked for, that nobody reads, that are too large, or that do not come whole.

CL.0 and its like are what happens where a server, or its application, does not take a body for
one: the body is the next request then. Here the application answers early, fails, or reads a part.
"""

from tests.blackbox.client import chunked, request
from tests.smuggling.cases import CLOSES, NEXT, SMUGGLED, WAITS, Head, post, refused, served

__all__ = ["CASES"]

TE = "Transfer-Encoding: chunked"
ALL = f"Content-Length: {len(SMUGGLED)}"
SAID = SMUGGLED.decode()
CHUNKS = chunked(SMUGGLED)
LARGE = b"x" * 300_000  # more than is read and thrown away
STREAMED = b"x" * 65_537  # less, but more than is read before the application is called
MUCH = b"x" * 150_000  # so much more that what is behind it is read after that, however it comes


def whole(section, known, name, data, *answers):
    """The body is one, whoever reads it, and the next request is behind it."""
    return served(section, known, name, data + NEXT, *answers, "GET /next")


METHODS = [
    whole(
        "9110-9.3",
        "CL.0",
        f"the body of {method}",
        request("/a", ALL, method=method) + SMUGGLED,
        f"{method} /a {SAID}",
    )
    for method in ("GET", "HEAD", "DELETE", "OPTIONS", "PATCH", "BREW")
] + [
    whole(
        "9110-9.3",
        "TE.0",
        f"the chunks of {method}",
        request("/a", TE, method=method) + CHUNKS,
        f"{method} /a {SAID}",
    )
    for method in ("GET", "HEAD", "OPTIONS")
]

UNREAD = [
    whole(
        "9112-9.3",
        known,
        f"unread by {page}",
        request(f"/{page}/a", *lines, method="POST") + body,
        f"POST /{page}/a" + read,
    )
    for page, read in {"early": "", "part": " GE", "204": "", "304": ""}.items()
    for known, lines, body in (("CL.0", (ALL,), SMUGGLED), ("TE.0", (TE,), CHUNKS))
] + [
    whole(
        "9112-9.3", "CL.0", "unread, of a GET", request("/early/a", ALL) + SMUGGLED, "GET /early/a"
    ),
    whole(
        "9112-9.3",
        "CL.0",
        "unread, of a HEAD",
        request("/early/a", ALL, method="HEAD") + SMUGGLED,
        "HEAD /early/a",
    ),
    served(
        "9112-9.3",
        "CL.0",
        "unread, and the application fails",
        post(ALL, target="/raise/a", body=SMUGGLED),
        500,
        then=CLOSES,
        reached=("POST /raise/a",),
    ),
    served(
        "9112-9.3",
        "TE.0",
        "unread, and the application fails",
        post(TE, target="/raise/a", body=CHUNKS),
        500,
        then=CLOSES,
        reached=("POST /raise/a",),
    ),
    served(
        "9112-9.3",
        "CL.0",
        "unread, and closed",
        post(ALL, "Connection: close", target="/early/a", body=SMUGGLED + SMUGGLED),
        "POST /early/a",
        then=CLOSES,
    ),
    served(
        "9112-9.3",
        "CL.0",
        "unread, in HTTP/1.0",
        post(ALL, target="/early/a", version="1.0", body=SMUGGLED + SMUGGLED),
        "POST /early/a",
        then=CLOSES,
    ),
    whole(
        "9112-9.3",
        "CL.0",
        "unread, with an expectation",
        post(ALL, "Expect: 100-continue", target="/a", body=SMUGGLED),
        f"POST /a {SAID}",
    ),
    whole(
        "9112-9.3",
        "CL.0",
        "read behind the answer's beginning",
        post(ALL, target="/stream/a", body=SMUGGLED),
        f"POST /stream/a {SAID}",
    ),
    whole(
        "9112-9.3",
        "TE.0",
        "read behind the answer's beginning",
        post(TE, target="/stream/a", body=CHUNKS),
        f"POST /stream/a {SAID}",
    ),
    served(
        "9112-9.3",
        "CVE-2022-22720",
        "too large to be thrown away",
        post(f"Content-Length: {len(LARGE)}", target="/early/a", body=LARGE + SMUGGLED),
        "POST /early/a",
        then=CLOSES,
    ),
    served(
        "9112-9.3",
        "CVE-2022-22720",
        "too large to be thrown away, in chunks",
        post(TE, target="/early/a", body=chunked(LARGE) + SMUGGLED),
        "POST /early/a",
        then=CLOSES,
    ),
    whole(
        "9112-9.3",
        "TE.0",
        "streamed, and small enough to be thrown away",
        post(TE, target="/early/a", body=chunked(STREAMED)),
        "POST /early/a",
    ),
    *[
        served(
            "9112-7.1",
            "TE.0",
            f"streamed, unread, and then {name}",
            post(TE, target="/early/a", body=chunked(STREAMED, end=b"")),
            "POST /early/a",
            then=CLOSES,
            later=bad + SMUGGLED,
        )
        for name, bad in {
            "a malformed size": b"0x1\r\n",
            "a chunk too long": b"1\r\nxx\r\n",
            "a malformed trailer": b"0\r\n" + SMUGGLED,
            "too large a chunk": b"7fffffff\r\n",
            "too much": chunked(LARGE),
        }.items()
    ],
    served(
        "9112-9.3",
        "TE.0",
        "streamed, unread, and then its end",
        post(TE, target="/early/a", body=chunked(STREAMED, end=b"")),
        "POST /early/a",
        later=b"0\r\nX-A: b\r\n\r\n",
    ),
    served(
        "9112-8",
        "TE.0",
        "streamed, unread, and then nothing",
        post(TE, target="/early/a", body=chunked(STREAMED, end=b"")),
        "POST /early/a",
        then=WAITS,
        later=b"0\r\n",
    ),
]

READ = [
    whole(
        "9112-6.2",
        "CL",
        "a streamed body",
        post(f"Content-Length: {len(MUCH)}", body=MUCH),
        "POST /a " + MUCH.decode(),
    ),
    whole(
        "9112-7.1",
        "TE",
        "a streamed body in chunks",
        post(TE, body=chunked(MUCH)),
        "POST /a " + MUCH.decode(),
    ),
    served(
        "9112-7.1",
        "TE",
        "a streamed body with a malformed chunk",
        post(TE, body=chunked(MUCH, end=b"0x1\r\n") + SMUGGLED),
        400,
        then=CLOSES,
        reached=("POST /a !BadRequest",),
    ),
    served(
        "9112-7.1",
        "SPILL",
        "a streamed body with a chunk too long",
        post(TE, body=chunked(MUCH, end=b"1\r\nxx") + SMUGGLED),
        400,
        then=CLOSES,
        reached=("POST /a !BadRequest",),
    ),
    served(
        "9112-7.1.2",
        "CVE-2023-41419",
        "a streamed body with a request as trailer",
        post(TE, body=chunked(MUCH, end=b"0\r\n") + SMUGGLED),
        400,
        then=CLOSES,
        reached=("POST /a !BadRequest",),
    ),
    served(
        "9110-15.5.14",
        "too large",
        "a streamed body with too large a chunk",
        post(TE, body=chunked(MUCH, end=b"7fffffff\r\n") + SMUGGLED),
        413,
        then=CLOSES,
        reached=("POST /a !BadRequest",),
    ),
    served(
        "9112-8",
        "early close",
        "half a body of a known length",
        post("Content-Length: 100", body=SMUGGLED),
        then=WAITS,
    ),
    served(
        "9112-8",
        "early close",
        "half a body of a GET",
        request("/a", "Content-Length: 100") + SMUGGLED,
        then=WAITS,
    ),
    served(
        "9112-8",
        "early close",
        "half a body for an application that would not read it",
        post("Content-Length: 100", target="/early/a", body=SMUGGLED),
        then=WAITS,
    ),
]

HEADS = [
    served(
        "9110-9.3.2",
        "HEAD",
        "with a malformed chunk",
        request("/a", TE, method="HEAD") + b"x\r\n" + SMUGGLED,
        Head(400),
        then=CLOSES,
    ),
    served(
        "9110-9.3.2",
        "HEAD",
        "with too large a chunk",
        request("/a", TE, method="HEAD") + b"7fffffff\r\n" + SMUGGLED,
        Head(413),
        then=CLOSES,
    ),
    served(
        "9110-9.3.2",
        "HEAD",
        "with a request for a trailer",
        request("/a", TE, method="HEAD") + b"0\r\n" + SMUGGLED,
        Head(400),
        then=CLOSES,
    ),
    served(
        "9110-9.3.2",
        "HEAD",
        "streamed, with a malformed chunk",
        request("/a", TE, method="HEAD") + chunked(MUCH, end=b"x\r\n") + SMUGGLED,
        Head(400),
        then=CLOSES,
        reached=("HEAD /a !BadRequest",),
    ),
    refused(
        "9110-9.3.2",
        "HEAD",
        "with both framings",
        request("/a", ALL, TE, method="HEAD") + SMUGGLED,
        Head(400),
    ),
    refused(
        "9110-9.3.2",
        "HEAD",
        "with a malformed length behind a GET",
        request("/a") + request("/b", "Content-Length: x", method="HEAD"),
        "GET /a",
        Head(400),
    ),
]

TOO_LARGE = [
    refused(
        "9110-15.5.14",
        "too large",
        "a length, and a request for a body",
        post("Content-Length: 1073741825", body=SMUGGLED),
        413,
    ),
    refused(
        "9110-15.5.14",
        "too large",
        "a length, of a HEAD",
        request("/a", "Content-Length: 1073741825", method="HEAD"),
        Head(413),
    ),
    refused(
        "9110-15.5.14",
        "too large",
        "a length that expects",
        post("Content-Length: 1073741825", "Expect: 100-continue"),
        413,
    ),
    refused(
        "9110-15.5.14",
        "too large",
        "a chunk, and a request in it",
        post(TE, body=b"7fffffff\r\n"),
        413,
    ),
]

CASES = [*METHODS, *UNREAD, *READ, *HEADS, *TOO_LARGE]
