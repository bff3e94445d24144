"""Where gpool accepts what h11 refuses, or reads it otherwise, and why it may.

An entry is a rewriting that an RFC allows: of the bytes that a client has sent, or of the message
that h11 has read. Where the two disagree, an entry is applied, and they have to agree afterwards,
on every byte: so an entry excuses exactly what its rewriting undoes.

Each entry has an example, on which they still disagree without it (`test_differential.py`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.fuzz.application import Call
from tests.fuzz.chunks import head_and_body, rewritten
from tests.fuzz.oracle import Message, message

__all__ = ["DISAGREEMENTS", "Disagreement", "Meaning", "Sending", "ends"]

CHUNKED = re.compile(rb"^transfer-encoding:", re.IGNORECASE | re.MULTILINE)
BEFORE_EXTENSION = re.compile(rb"^([0-9A-Fa-f]+)[ \t]+;")
TRAILER = re.compile(rb"(?:content-length|transfer-encoding)[ \t]*:", re.IGNORECASE)
AUTHORITY = re.compile(r"https?://([^/?]+)", re.IGNORECASE)
COOKIE = re.compile(rb"^cookie:[ \t]*([^\r\n]*?)[ \t]*\r$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Disagreement:
    """One entry.

    Attributes:
        name: what it is about.
        section: of the RFC that allows what gpool does.
        reason: why it does it.
        example: a connection on which it occurs.
    """

    name: str
    section: str
    reason: str
    example: bytes


@dataclass(frozen=True)
class Sending(Disagreement):
    """About bytes: `rewrite` makes of them what h11 reads as gpool has read them."""

    rewrite: Callable[[bytes], bytes]


@dataclass(frozen=True)
class Meaning(Disagreement):
    """About what is read: `rewrite` makes of h11's message, for a call, what gpool's is."""

    rewrite: Callable[[Message, Call, bytes], Message]


def without_blank_lines(data: bytes) -> bytes:
    """No CRLF in front of the request line."""
    while data.startswith(b"\r\n"):
        data = data.removeprefix(b"\r\n")
    return data


def of_chunks(
    line: Callable[[bytes], bytes], trailer: Callable[[bytes], bool], data: bytes
) -> bytes:
    """`data` with its first body rewritten, if it has chunks."""
    head, body = head_and_body(data)
    return head + rewritten(body, line, trailer) if CHUNKED.search(head) else data


def without_space_before_extensions(data: bytes) -> bytes:
    """No whitespace between a chunk's size and its extensions."""
    return of_chunks(lambda line: BEFORE_EXTENSION.sub(rb"\1;", line), lambda _: True, data)


def without_framing_trailers(data: bytes) -> bytes:
    """No trailers that h11 would read as the framing of a message."""
    return of_chunks(lambda line: line, lambda one: not TRAILER.match(one), data)


def with_host_of_target(message: Message, _: Call, __: bytes) -> Message:
    """The authority of an absolute target, for Host."""
    match = AUTHORITY.match(message.target)
    if match is None:
        return message
    return replace(message, environ={**message.environ, "HTTP_HOST": match[1]})


def decoded(message: Message, call: Call, _: bytes) -> Message:
    """A length for a coding that is undone."""
    environ = dict(message.environ)
    if "HTTP_TRANSFER_ENCODING" in call.environ or "HTTP_TRANSFER_ENCODING" not in environ:
        return message
    del environ["HTTP_TRANSFER_ENCODING"]
    return replace(message, environ={**environ, "CONTENT_LENGTH": str(len(message.body))})


def kept_alive(message: Message, _: Call, __: bytes) -> Message:
    """A connection of HTTP/1.0 that goes on because its client asks for it."""
    options = message.environ.get("HTTP_CONNECTION", "").lower().split(",")
    asked = {option.strip(" \t") for option in options}
    goes_on = message.version == "1.0" and "keep-alive" in asked and "close" not in asked
    return replace(message, persistent=message.persistent or goes_on)


DISAGREEMENTS: tuple[Sending | Meaning, ...] = (
    Sending(
        "empty lines before the request line",
        "RFC 9112 section 2.2",
        "a server SHOULD ignore at least one; nothing of a request is in them",
        b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        without_blank_lines,
    ),
    Sending(
        "whitespace before a chunk extension",
        "RFC 9112 section 7.1.1",
        'chunk-ext is *( BWS ";" BWS chunk-ext-name ... ), and a recipient MUST parse BWS',
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"1 \t;a\r\nx\r\n0 ;b\r\n\r\n",
        without_space_before_extensions,
    ),
    Sending(
        "trailers that would be framing in a head",
        "RFC 9110 section 6.5.1",
        "trailers are not merged into the head, and so say nothing there: they are dropped unread",
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\nContent-Length: x\r\nTransfer-Encoding: gzip\r\n\r\n",
        without_framing_trailers,
    ),
    Meaning(
        "Host beside a target in absolute form",
        "RFC 9112 section 3.2.2",
        "a server MUST ignore the received Host and use the host of the target instead",
        b"GET http://b/c HTTP/1.1\r\nHost: a\r\n\r\n",
        with_host_of_target,
    ),
    Meaning(
        "a body whose chunks are put together before the application is called",
        "RFC 9112 section 7.1.3",
        "decoding sets Content-Length to the length and removes chunked from Transfer-Encoding",
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        decoded,
    ),
    Meaning(
        "keep-alive in HTTP/1.0",
        "RFC 9112 section 9.3",
        "the connection persists if the option is there and the recipient wishes to honour it",
        b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n",
        kept_alive,
    ),
)


def ends(stream: bytes, count: int) -> bool:
    """Whether h11 finds the ends of as many messages, as they would have to be sent for it."""
    for _ in range(count):
        for entry in DISAGREEMENTS:
            if isinstance(entry, Sending):
                stream = entry.rewrite(stream)
        known = message(stream)
        if known is None:
            return False
        stream = known.rest
    return True
