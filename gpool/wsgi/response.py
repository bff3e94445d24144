"""The head of a response, and the answers that need no application.

What an application says in ``start_response`` is checked here, header by header, and put into
the bytes that go out; what is good is remembered, since most responses of an application repeat
most of their headers. How the body is framed is decided in one function (`choose`), in the
numbered steps of RFC 9112 section 6.3, seen from the server's side.

Guarantees: nothing that an application passes can end a header early or begin another message;
hop-by-hop headers are the server's alone (PEP 3333, "Other HTTP Features"); each response has one
Date, one Server and at most one Content-Length.

When the bytes leave is left to the exchange and its connection.
"""

import re
from enum import Enum, auto
from http import HTTPStatus
from time import time
from typing import Any, TypeAlias
from wsgiref.handlers import format_date_time
from wsgiref.util import is_hop_by_hop

from gpool.wsgi.framing import TOKEN
from gpool.wsgi.request import NOT_IN_A_FIELD

__all__ = [
    "BLOCKS",
    "Block",
    "BodyFraming",
    "Dates",
    "Header",
    "Length",
    "block_of",
    "body_of",
    "canned",
    "check_status",
    "choose",
    "has_no_body",
    "line_of",
]

STATUS = re.compile(r"[2-9][0-9][0-9](?: .*)?", re.DOTALL)
DIGITS = re.compile(r"[0-9]{1,18}")
NO_BODY_STATUSES = ("204", "304")  # RFC 9110 sections 15.3.5 and 15.4.5; 1xx are not final


class Own(bytes):
    """The line of a header that the server sends too, unless the application does."""

    __slots__ = ()


class Length(bytes):
    """The line of a Content-Length.

    Attributes:
        number: its value.
    """

    number: int


Header: TypeAlias = tuple[str, str]
#: The lines of headers that have been sent: `bytes`, `Own` or `Length`.
KNOWN: dict[Header, bytes] = {}
MAX_KNOWN = 1_024  # headers, arbitrary; when there are more, all are forgotten
MAX_KNOWN_SIZE = 256  # characters of name and value, arbitrary; longer ones hardly repeat


class Block:
    """The headers of a response, as an application has given them.

    Attributes:
        lines: one for each.
        length: the value of Content-Length, if it is there.
        own: which of the server's headers are there, in lower case.
        usual_length: the length if there is nothing that the server would have to change, else -1.
        data: all lines.
    """

    __slots__ = ("data", "length", "lines", "own", "usual_length")

    def __init__(self, lines: list[bytes], length: int | None, own: frozenset[str]) -> None:
        self.lines = lines
        self.length = length
        self.own = own
        self.usual_length = -1 if own or length is None else length
        self.data = b"".join(lines)


#: The blocks of headers that were known one by one: an application repeats most of its answers'.
BLOCKS: dict[tuple[Header, ...], Block] = {}
MAX_BLOCKS, MAX_BLOCK = 512, 32  # blocks, and headers of one; arbitrary, see MAX_KNOWN


def block_of(headers: Any) -> Block:
    """Check the headers of an application.

    Raises:
        TypeError: they are not a list of pairs of strings.
        ValueError: one cannot be sent, is the server's to send, or is there twice.
    """
    if type(headers) is not list:
        raise TypeError(f"headers must be a list, not {headers!r}")
    lines: list[bytes] = []
    length: int | None = None
    own: frozenset[str] = frozenset()
    repeats = 0 < len(headers) <= MAX_BLOCK
    for header in headers:
        try:
            line = KNOWN.get(header)
        except TypeError:
            line = None
        if line is None:
            line = line_of(header)
            repeats = False
        lines.append(line)
        if type(line) is Length and length is None:
            length = line.number
        elif type(line) is not bytes:
            own = noted(header[0].lower(), own)
    block = Block(lines, length, own)
    if repeats:
        if len(BLOCKS) >= MAX_BLOCKS:
            BLOCKS.clear()
        BLOCKS[tuple(headers)] = block
    return block


def noted(name: str, own: frozenset[str]) -> frozenset[str]:
    """The headers of the server that the application has said itself, with one more."""
    if name in own or name == "content-length":
        raise ValueError(f"{name} was given twice")
    return own | {name}


def line_of(header: Any) -> bytes:
    """Check a header of an application, and return its line.

    Raises:
        TypeError: it is not a pair of strings.
        ValueError: its name or value cannot be sent, or is the server's to send.
    """
    if not isinstance(header, tuple) or len(header) != 2:  # noqa: PLR2004  # a pair
        raise TypeError(f"a header must be a tuple (name, value), not {header!r}")
    name, value = header
    if not isinstance(name, str) or not isinstance(value, str):
        raise TypeError(f"a header's name and value must be str, not {header!r}")
    if not TOKEN.fullmatch(name):
        raise ValueError(f"a header's name must be a token of RFC 9110, not {name!r}")
    if NOT_IN_A_FIELD.search(value):
        raise ValueError(f"a header's value must have no control characters: {header!r}")
    if is_hop_by_hop(name) or name.lower() == "trailer":
        raise ValueError(f"{name} is a hop-by-hop header, which is the server's (PEP 3333)")
    known = encoded(header)
    if name.lower() == "content-length":
        known = length_of(value)
    elif name.lower() in ("date", "server"):
        known = Own(known)
    if len(name) + len(value) <= MAX_KNOWN_SIZE:
        if len(KNOWN) >= MAX_KNOWN:
            KNOWN.clear()
        KNOWN[header] = known
    return known


def encoded(header: Header) -> bytes:
    """A header as it is sent."""
    try:
        return f"{header[0]}: {header[1]}\r\n".encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(f"a header must be latin-1 (PEP 3333), not {header!r}") from None


def length_of(value: str) -> Length:
    """The line of a Content-Length."""
    if not DIGITS.fullmatch(value):
        raise ValueError(f"Content-Length must be a number, not {value!r}")
    line = Length(f"Content-Length: {int(value)}\r\n".encode())
    line.number = int(value)
    return line


def check_status(status: Any) -> bytes:
    """Check the status of an application, and return its line.

    Raises:
        TypeError: it is not a string.
        ValueError: it is not "200 OK" or the like; 1xx is no final answer (RFC 9110 15.2).
    """
    if not isinstance(status, str):
        raise TypeError(f"a status must be a str such as '200 OK', not {status!r}")
    if not STATUS.fullmatch(status) or NOT_IN_A_FIELD.search(status):
        raise ValueError(f"a status must be such as '200 OK', with a code >= 200, not {status!r}")
    if len(status) == 3:  # noqa: PLR2004  # the code alone
        status += " "  # RFC 9112 section 4: the space is not optional
    try:
        return f"HTTP/1.1 {status}\r\n".encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(f"a status must be latin-1, not {status!r}") from None


class Dates:
    """The beginnings of responses, with the Date of this second.

    Attributes:
        prefixes: status line, Server and Date, by status, for those that have been used and
            whose responses have a body.
    """

    __slots__ = ("_date", "_server", "_statuses", "prefixes")

    def __init__(self, software: str) -> None:
        self._server = f"Server: {software}\r\n".encode("latin-1")
        self._statuses: dict[str, bytes] = {}
        self._date = b""
        self.prefixes: dict[str, bytes] = {}
        self.tick()

    def tick(self) -> None:
        """Any side. Take the Date anew, at least once a second."""
        self._date = f"Date: {format_date_time(time())}\r\n".encode("latin-1")
        self.prefixes.clear()

    def prefix(self, status: str) -> bytes:
        """Any side. Status line, Server and Date.

        Raises:
            TypeError: see `check_status`.
            ValueError: the same.
        """
        if len(self._statuses) > MAX_KNOWN:
            self._statuses.clear()
        line = self._statuses.get(status)
        if line is None:
            line = self._statuses[status] = check_status(status)
        prefix = line + self._server + self._date
        if status[:3] not in NO_BODY_STATUSES:
            if len(self.prefixes) > MAX_KNOWN:
                self.prefixes.clear()
            self.prefixes[status] = prefix
        return prefix

    def without(self, status: str, names: frozenset[str]) -> bytes:
        """Any side. The same, without what the application has said itself.

        Args:
            status: one that has been checked.
            names: of "server" and "date", those that it has said.
        """
        server = b"" if "server" in names else self._server
        date = b"" if "date" in names else self._date
        return check_status(status) + server + date


class BodyFraming(Enum):
    """How a client finds the end of a response's body."""

    NONE = auto()  # there is none
    LENGTH = auto()
    CHUNKED = auto()
    CLOSE = auto()  # where the connection ends


def has_no_body(*, head_only: bool, status: str) -> bool:
    """Whether a response is one of those that never have a body (RFC 9110 section 6.4.1)."""
    return head_only or status[:3] in NO_BODY_STATUSES


def choose(*, head_only: bool, status: str, length: int | None, http11: bool) -> BodyFraming:
    """Decide how the body is framed (RFC 9112 section 6.3).

    Args:
        head_only: whether the request was a HEAD.
        status: of the response.
        length: of the body, if it is known.
        http11: whether the client knows chunks.
    """
    if has_no_body(head_only=head_only, status=status):
        return BodyFraming.NONE  # step 1
    if length is not None:
        return BodyFraming.LENGTH  # steps 5 and 6
    if http11:
        return BodyFraming.CHUNKED  # step 4
    return BodyFraming.CLOSE  # step 8


def body_of(text: str) -> bytes:
    """The body of an answer of the server's own."""
    return f"{text}\n".encode("latin-1", "replace")


def canned(status: int, text: str, dates: Dates, *extra: bytes, head_only: bool = False) -> bytes:
    """An answer of the server's own; the connection is closed after it.

    Args:
        status: HTTP's.
        text: the body, in ASCII.
        dates: for the beginning.
        extra: more header lines.
        head_only: whether the request was a HEAD.
    """
    line = f"{status} {REASONS.get(status, '')}"
    body = body_of(text)
    return b"".join(
        (
            dates.prefixes.get(line) or dates.prefix(line),
            *extra,
            b"Connection: close\r\nContent-Type: text/plain; charset=utf-8\r\n",
            b"Content-Length: %d\r\n\r\n" % len(body),
            b"" if head_only else body,
        )
    )


#: A status without a phrase is well-formed (RFC 9112 section 4).
REASONS = {status.value: status.phrase for status in HTTPStatus}
REASONS |= {413: "Content Too Large", 414: "URI Too Long"}  # RFC 9110's, of Python 3.13
