"""What a proxy leaves behind that speaks HTTP/2 in front and HTTP/1.1 to us.

RFC 9113 section 8.2.1 and 10.3 tell it what it must not pass; these are the cases in which it did.
"""

from tests.blackbox.client import request
from tests.smuggling.cases import post, refused

__all__ = ["CASES"]

TE = "Transfer-Encoding: chunked"
CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"


def left(known, name, *lines, section="9112-5"):
    """A request with a field that should not have come."""
    return refused(section, known, name, request("/a", *lines))


CASES = [
    refused(
        "9112-6.1",
        "H2.TE",
        "a coding beside the proxy's length",
        post("content-length: 15", "transfer-encoding: chunked", body=CHUNKS),
    ),
    refused(
        "9112-6.1",
        "H2.CL",
        "a length beside the proxy's coding",
        post("content-length: 0", TE, body=CHUNKS),
    ),
    refused(
        "9112-6.3",
        "CVE-2021-21295",
        "a length beside the proxy's length",
        post("content-length: 5", "Content-Length: 44", body=b"hello"),
    ),
    refused(
        "9112-6.3",
        "CVE-2021-21409",
        "a length of zero beside the proxy's length",
        post("content-length: 0", "Content-Length: 5", body=b"hello"),
    ),
    left("H2 pseudo-header", ":path", ":path: /smuggled"),
    left("H2 pseudo-header", ":method", ":method: POST"),
    left("H2 pseudo-header", ":authority before Host", ":authority: evil.example"),
    left(
        "H2 header injection",
        "CRLF became LF",
        "foo: b\nTransfer-Encoding: chunked",
        section="9112-2.2",
    ),
    left(
        "H2 header injection",
        "CRLF became CR",
        "foo: b\rTransfer-Encoding: chunked",
        section="9112-2.2",
    ),
    left("H2 header injection", "a colon in the name", "foo bar: transfer-encoding: chunked"),
    left("H2 header injection", "a line end in the name", "foo\r\n : b", section="9112-5.2"),
    left("H2 header injection", "a second Host", "host: evil.example", section="9112-3.2"),
    refused(
        "9112-6.1",
        "H2.TE",
        "CRLF became CRLF, in a value",
        post("foo: b\r\nTransfer-Encoding: chunked", "Content-Length: 44", body=CHUNKS),
    ),
    refused(
        "9112-3",
        "H2 request line injection",
        "a line end in the path",
        b"GET /a HTTP/1.1\r\nfoo: bar HTTP/1.1\nHost: a\r\n\r\n",
    ),
    refused(
        "9112-3",
        "H2 request line injection",
        "a space in the method",
        b"GET /smuggled HTTP/1.1 /a HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    refused(
        "9112-3",
        "H2 request line injection",
        "a scheme with a path",
        b"GET http://a/smuggled?://b/ c HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    refused(
        "9112-2.3", "H2 request line", "the version of HTTP/2", b"GET /a HTTP/2\r\nHost: a\r\n\r\n"
    ),
]
