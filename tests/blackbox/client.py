"""A client that deals in bytes: what it sends is what it is given, what it reads it checks.

The parser is strict. A response that RFC 9112 does not allow raises `Malformed`, an end in the
middle of one raises `Truncated`, and an end before one raises `Ended`, so that a test can tell
"no second response" and "the connection was closed" from everything else.
"""

import errno
import re
import socket
import struct
import threading
from dataclasses import dataclass, field
from typing import Any, Self

import pytest

#: What is sent behind a request that must be the last one of its connection.
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: smuggled\r\n\r\n"

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
STATUS_LINE = re.compile(rb"(HTTP/1\.[01]) ([1-5][0-9]{2}) ([\t\x20-\x7e\x80-\xff]*)")
FIELD = re.compile(rb"(" + TOKEN + rb"):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*")
CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})(;[\t\x20-\x7e\x80-\xff]*)?")
RESET = struct.pack("ii", 1, 0)


class Malformed(AssertionError):
    """What came is no HTTP/1.1 response."""


class Ended(EOFError):
    """The connection was closed where a response would have begun."""


class Truncated(EOFError):
    """The connection was closed in the middle of a response."""


@dataclass
class Response:
    """One response, and the interim ones (1xx) that came before it."""

    version: str
    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    framing: str = "none"  # or "length", "chunked", "close"
    interim: list["Response"] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        """The values of every field of this name."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def one(self, name: str) -> str:
        """The value of a field that must be there exactly once."""
        values = self.all(name)
        assert len(values) == 1, (name, self)
        return values[0]

    def tokens(self, name: str) -> list[str]:
        """The elements of a list-valued field, in lower case."""
        return [part.strip().lower() for value in self.all(name) for part in value.split(",")]

    @property
    def persistent(self) -> bool:
        """Whether it says that the connection goes on, by RFC 9112 section 9.3."""
        tokens = self.tokens("Connection")
        if "close" in tokens or self.framing == "close":
            return False
        return self.version == "HTTP/1.1" or "keep-alive" in tokens


class Client:
    """A connection to the server under test."""

    def __init__(self, port: int, timeout: float = 10) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> Self:
        """Send all of `data`, or as much of it as a server takes that refuses it.

        From a thread it may also be the test that ends first.
        """
        try:
            self.socket.sendall(data)
        except OSError as error:  # what it said about it is there to be read
            if not isinstance(error, ConnectionError) and error.errno != errno.EBADF:
                raise
        return self

    def send_aside(self, data: bytes) -> threading.Thread:
        """Send from a thread: what is more than the server may take before it answers."""
        thread = threading.Thread(target=self.send, args=(data,), daemon=True)
        thread.start()
        return thread

    def half_close(self) -> Self:
        """Say that no more will be sent, to a peer that may be gone already."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                raise
        return self

    def reset(self) -> None:
        """Close with a RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.socket.close()

    def response(self, method: str = "GET") -> Response:
        """Read one final response to a request of this method."""
        interim = []
        while (response := self._one(method)).status < 200:
            assert response.status in (100, 103), response
            interim.append(response)
        response.interim = interim
        return response

    def interim(self) -> Response:
        """Read one interim response."""
        response = self._one("GET")
        assert response.status < 200, response
        return response

    def ended(self) -> None:
        """Nothing more came, and the connection is closed."""
        rest = self.rest()
        assert rest == b"", f"after the last response: {rest[:200]!r}"

    def rest(self) -> bytes:
        """Everything up to the end, however it comes."""
        while self._fill():
            pass
        rest, self._buffer = self._buffer, b""
        return rest

    def _fill(self) -> bool:
        try:
            data = self.socket.recv(262_144)
        except ConnectionError:
            data = b""
        self._buffer += data
        return bool(data)

    def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            if not self._fill():
                raise Truncated(repr(self._buffer[:200]))
        line, self._buffer = self._buffer.split(b"\r\n", 1)
        return line

    def _bytes(self, size: int) -> bytes:
        parts = [self._buffer]
        missing = size - len(self._buffer)
        while missing > 0:
            self._buffer = b""
            if not self._fill():
                raise Truncated(f"{missing} of {size} bytes are missing")
            parts.append(self._buffer)
            missing -= len(self._buffer)
        data = b"".join(parts)
        self._buffer = data[size:]
        return data[:size]

    def _one(self, method: str) -> Response:
        if not self._buffer and not self._fill():
            raise Ended
        line = self._line()
        match = STATUS_LINE.fullmatch(line)
        if not match:
            raise Malformed(f"status line {line!r}")
        headers = self._fields()
        version, status, reason = match.groups()
        response = Response(version.decode(), int(status), reason.decode("latin-1"), headers)
        self._body(response, method)
        return response

    def _fields(self) -> list[tuple[str, str]]:
        fields = []
        while line := self._line():
            match = FIELD.fullmatch(line)
            if not match:
                raise Malformed(f"field line {line!r}")
            fields.append((match[1].decode(), match[2].decode("latin-1")))
        return fields

    def _body(self, response: Response, method: str) -> None:
        lengths = response.all("Content-Length")
        codings = response.all("Transfer-Encoding")
        if len(lengths) > 1 or not all(re.fullmatch("[0-9]+", each) for each in lengths):
            raise Malformed(f"Content-Length {lengths}")
        if codings not in ([], ["chunked"]) or (codings and lengths):
            raise Malformed(f"Transfer-Encoding {codings}, Content-Length {lengths}")
        if codings and (response.status < 200 or response.status in (204, 304)):
            raise Malformed(f"Transfer-Encoding in a {response.status}")
        if lengths and (response.status < 200 or response.status == 204):
            raise Malformed(f"Content-Length in a {response.status}")
        if method == "HEAD" or response.status < 200 or response.status in (204, 304):
            return
        if codings:
            response.framing, response.body = "chunked", self._chunks()
        elif lengths:
            response.framing, response.body = "length", self._bytes(int(lengths[0]))
        else:
            response.framing, response.body = "close", self.rest()

    def _chunks(self) -> bytes:
        body = []
        while True:
            line = self._line()
            match = CHUNK.fullmatch(line)
            if not match:
                raise Malformed(f"chunk size {line!r}")
            if not int(match[1], 16):
                break
            body.append(self._bytes(int(match[1], 16)))
            if end := self._line():
                raise Malformed(f"behind a chunk: {end!r}")
        self._fields()
        return b"".join(body)


def request(
    target: str | bytes = "/",
    *lines: str | bytes,
    method: str = "GET",
    version: str = "1.1",
    host: str | None = "example.org",
    body: bytes | None = None,
) -> bytes:
    """A request; `lines` are further field lines, a body brings its Content-Length."""
    head = [f"{method} ".encode() + encoded(target) + f" HTTP/{version}".encode()]
    if host is not None:
        head.append(b"Host: " + host.encode())
    head += map(encoded, lines)
    if body is not None:
        head.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(head) + b"\r\n\r\n" + (body or b"")


def encoded(text: str | bytes) -> bytes:
    """As bytes."""
    return text if isinstance(text, bytes) else text.encode("latin-1")


def chunked(*blocks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """The chunks of a body."""
    return b"".join(b"%x\r\n%b\r\n" % (len(block), block) for block in blocks) + end


def planned(
    *, lines: tuple[str | bytes, ...] = (), token: str = "", body: bytes | None = None, **plan: Any
) -> bytes:
    """A request to /plan; see `tests.blackbox.plans`. `method` and `version` are the request's."""
    method, version = plan.pop("method", "GET"), plan.pop("version", "1.1")
    own = [f"X-Plan: {plan!a}"]
    if token:
        own.append(f"X-Token: {token}")
    return request("/plan", *own, *lines, method=method, version=version, body=body)


def case(section: str, name: str, *values: Any) -> Any:
    """A case of a table, named by the section it is about and what it is."""
    return pytest.param(*values, id=f"{section}: {name}")
