"""What a client offers before it goes on: to wait for 100 Continue, and to speak another protocol.

Neither changes where a request ends. Upgrades that are accepted have a test module of their own.
"""

from tests.blackbox.client import request
from tests.smuggling.cases import CLOSES, NEXT, SMUGGLED, post, refused, served

__all__ = ["CASES"]

TE = "Transfer-Encoding: chunked"
CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"
BODY = "Content-Length: 5"


def both(section, known, name, data, *answers):
    """The request is served, and so is the next."""
    return served(section, known, name, data + NEXT, *answers, "GET /next")


EXPECT = [
    both(
        "9110-10.1.1",
        "Expect",
        "the body is here already",
        post(BODY, "Expect: 100-continue", body=b"hello"),
        "POST /a hello",
    ),
    both(
        "9110-10.1.1",
        "Expect",
        "in chunks",
        post(TE, "Expect: 100-continue", body=CHUNKS),
        "POST /a hello",
    ),
    both(
        "9110-10.1.1",
        "Expect",
        "in capitals",
        post(BODY, "Expect: 100-CONTINUE", body=b"hello"),
        "POST /a hello",
    ),
    both(
        "9110-10.1.1", "Expect", "without a body", request("/a", "Expect: 100-continue"), "GET /a"
    ),
    both(
        "9110-10.1.1",
        "Expect",
        "a body of no bytes",
        post("Content-Length: 0", "Expect: 100-continue"),
        "POST /a",
    ),
    refused("9110-10.1.1", "Expect", "something else", post(BODY, "Expect: x", body=b"hello"), 417),
    refused(
        "9110-10.1.1",
        "0.CL by Expect",
        "a word before it",
        post(BODY, "Expect: y 100-continue", body=b"hello"),
        417,
    ),
    refused(
        "9110-10.1.1",
        "0.CL by Expect",
        "a list",
        post(BODY, "Expect: 100-continue, x", body=b"hello"),
        417,
    ),
    refused(
        "9110-10.1.1",
        "0.CL by Expect",
        "two lines",
        post(BODY, "Expect: 100-continue", "Expect: 100-continue", body=b"hello"),
        417,
    ),
    refused("9110-10.1.1", "0.CL by Expect", "empty", post(BODY, "Expect:", body=b"hello"), 417),
    refused(
        "9112-5.2",
        "CVE-2025-32094",
        "folded, in OPTIONS",
        request("/a", BODY, "Expect:\r\n 100-continue", method="OPTIONS") + b"hello",
    ),
    refused(
        "9112-6.3",
        "Expect",
        "with both framings",
        post(BODY, TE, "Expect: 100-continue", body=CHUNKS),
    ),
    served(
        "9112-7.1",
        "Expect",
        "with a malformed chunk",
        post(TE, "Expect: 100-continue", body=b"x\r\n") + SMUGGLED,
        400,
        then=CLOSES,
        reached=("POST /a !BadRequest",),
    ),
    served(
        "9110-10.1.1",
        "0.CL by Expect",
        "nobody reads, and whether the body comes only the client knows",
        post(f"Content-Length: {len(SMUGGLED)}", "Expect: 100-continue", target="/early/a"),
        "POST /early/a",
        then=CLOSES,
        later=SMUGGLED,
    ),
    served(
        "9110-10.1.1",
        "0.CL by Expect",
        "nobody reads, in chunks that may not come",
        post(TE, "Expect: 100-continue", target="/early/a"),
        "POST /early/a",
        then=CLOSES,
        later=SMUGGLED,
    ),
]


def offer(protocol, *lines, method="GET", target="/a", body=b""):
    """A request that offers another protocol."""
    offered = ["Connection: upgrade", f"Upgrade: {protocol}"]
    return request(target, *offered, *lines, method=method) + body


H2C = ("HTTP2-Settings: AAMAAABkAAQAAP__",)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

UPGRADES = [
    both(
        "9110-7.8",
        "CVE-2022-41721",
        "h2c is not spoken",
        request("/a", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", *H2C),
        "GET /a",
    ),
    both(
        "9110-7.8",
        "h2c",
        "with a body",
        offer("h2c", BODY, method="POST", body=b"hello"),
        "POST /a hello",
    ),
    both(
        "9110-7.8",
        "h2c",
        "with chunks",
        offer("h2c", TE, method="POST", body=CHUNKS),
        "POST /a hello",
    ),
    both("9110-7.8", "websocket", "declined", offer("websocket"), "GET /a"),
    both(
        "9110-7.8",
        "websocket",
        "declined, with a body",
        offer("websocket", BODY, body=b"hello"),
        "GET /a hello",
    ),
    both(
        "9110-7.8",
        "websocket",
        "declined, with a request for a body",
        offer("websocket", f"Content-Length: {len(SMUGGLED)}", body=SMUGGLED),
        "GET /a " + SMUGGLED.decode(),
    ),
    refused(
        "9112-6.3", "websocket", "with both framings", offer("websocket", BODY, TE, body=CHUNKS)
    ),
    both(
        "9110-7.6.1",
        "websocket",
        "without Connection: upgrade",
        request("/a", "Upgrade: websocket"),
        "GET /a",
    ),
    served(
        "9110-7.8",
        "websocket",
        "declined, and closed",
        request("/a", "Connection: upgrade, close", "Upgrade: websocket") + SMUGGLED,
        "GET /a",
        then=CLOSES,
    ),
    refused("9112-2.3", "h2c", "the preface of prior knowledge", PREFACE, 505),
    refused(
        "9112-2.3",
        "h2c",
        "the preface behind a declined upgrade",
        offer("h2c", *H2C) + PREFACE,
        "GET /a",
        505,
    ),
]

CASES = [*EXPECT, *UPGRADES]
