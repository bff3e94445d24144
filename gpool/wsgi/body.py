"""The body of a request: where it ends, and how an application reads it.

Two decoders turn the bytes of a connection into those of a body, without I/O: `LengthBody` counts,
`ChunkedBody` takes chunks apart (RFC 9112 section 7.1). A body that is small is decoded by the Hub
before a worker is taken, and the application reads an `io.BytesIO`. A larger one is read on the
worker's side as the application asks for it, through `BodyReader` and the standard library's
`io.BufferedReader`, which has read, readline, readlines and iteration as PEP 3333 wants them.

Guarantees: an application never reads past the end of its body, so that it can read until there
is no more (``wsgi.input_terminated``); a body that ends too early, is malformed or too large is an
error, never a short body; what follows the body is kept, byte for byte.

When bytes come, and how long they may take, is left to the connection.
"""

import io
import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import Any, Protocol

from gpool.errors import BadRequest
from gpool.wsgi.framing import TOKEN, Limits
from gpool.wsgi.request import NOT_IN_A_FIELD

__all__ = ["NO_BODY", "Body", "BodyReader", "ChunkedBody", "LengthBody", "NoBody", "Source"]

BLOCK = 262_144  # bytes read at a time where all are wanted
MAX_CHUNK_LINE = 4_096  # bytes of a chunk's size and extensions; arbitrary
MAX_EXTENSIONS = 16_384  # bytes of extensions in one body; Go's net/http has the same bound
QUOTED = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'
NAME = TOKEN.pattern.encode()
OWS = rb"[\t ]*"
#: RFC 9112 section 7.1 and 7.1.1; 16 digits are more than any length.
CHUNK_LINE = re.compile(
    rb"([0-9A-Fa-f]{1,16})((?:%b;%b%b(?:%b=%b(?:%b|%b))?)*)"
    % (OWS, OWS, NAME, OWS, OWS, NAME, QUOTED)
)
NOT_IN_A_LINE = re.compile(NOT_IN_A_FIELD.pattern.encode())


class Body(Protocol):
    """What turns the bytes of a connection into those of a body.

    Attributes:
        done: whether the body is over.
        rest: what came after its end.
    """

    done: bool
    rest: bytes

    def feed(self, data: bytes) -> bytes:
        """Any side. Take what has come, and return what of it is the body's.

        Raises:
            BadRequest: it is malformed or too large.
        """

    def remaining(self) -> int | None:
        """Any side. How many bytes of it are to come; None if it does not say."""


class LengthBody:
    """A body of a known length."""

    __slots__ = ("done", "left", "rest")

    def __init__(self, length: int) -> None:
        self.left = length
        self.done = not length
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        """Any side. See `Body`."""
        if len(data) > self.left:
            data, self.rest = data[: self.left], data[self.left :]
        self.left -= len(data)
        self.done = not self.left
        return data

    def took(self, count: int) -> None:
        """Any side. So many bytes of it went to the application directly."""
        self.left -= count
        self.done = not self.left

    def remaining(self) -> int | None:
        """Any side. See `Body`."""
        return self.left


class Part(Enum):
    """Which part of a chunked body comes next."""

    SIZE = auto()
    DATA = auto()
    DATA_END = auto()
    TRAILERS = auto()


class ChunkedBody:
    """A body in chunks, with the trailers that are read and dropped."""

    __slots__ = (
        "_at",
        "_buffer",
        "_extensions",
        "_left",
        "_limits",
        "_part",
        "_size",
        "_trailer_bytes",
        "_trailers",
        "done",
        "rest",
    )

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._part = Part.SIZE
        self._buffer = b""
        self._at = 0  # how much of the buffer is used up
        self._left = 0  # bytes of the chunk that are to come
        self._size = self._extensions = self._trailers = self._trailer_bytes = 0
        self.done = False
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        """Any side. See `Body`."""
        self._buffer += data
        pieces: list[bytes] = []
        while not self.done and self._step(pieces):
            pass
        self._buffer = self._buffer[self._at :]
        self._at = 0
        if self.done:
            self.rest, self._buffer = self._buffer, b""
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def remaining(self) -> int | None:
        """Any side. See `Body`."""
        return 0 if self.done else None

    def _step(self, pieces: list[bytes]) -> bool:
        # Whether there may be more to take from the buffer.
        if self._part is Part.DATA:
            return self._take_data(pieces)
        if self._part is Part.DATA_END:
            return self._take_data_end()
        line = self._line()
        if line is None:
            return False
        if self._part is Part.SIZE:
            self._take_size(line)
        else:
            self._take_trailer(line)
        return True

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\r\n", self._at)
        line = self._buffer[self._at : end] if end >= 0 else self._buffer[self._at :]
        bound = MAX_CHUNK_LINE if self._part is Part.SIZE else self._limits.max_header_size
        if len(line) - (end < 0 and line.endswith(b"\r")) > bound:
            status = 400 if self._part is Part.SIZE else 431
            raise BadRequest(status, f"line of more than {bound} bytes in a chunked body")
        if NOT_IN_A_LINE.search(line if end >= 0 or line[-1:] != b"\r" else line[:-1]):
            raise BadRequest(400, "control character in a chunked body")
        if end < 0:
            return None
        self._at = end + 2
        return line

    def _take_size(self, line: bytes) -> None:
        match = CHUNK_LINE.fullmatch(line)
        if match is None:
            raise BadRequest(400, "malformed chunk size")
        self._left = int(match[1], 16)
        self._size += self._left
        if self._size > self._limits.max_body_size:
            raise BadRequest(413, f"body of more than {self._limits.max_body_size} bytes")
        self._extensions += len(match[2])
        if self._extensions > MAX_EXTENSIONS:
            raise BadRequest(400, f"chunk extensions of more than {MAX_EXTENSIONS} bytes")
        self._part = Part.DATA if self._left else Part.TRAILERS

    def _take_data(self, pieces: list[bytes]) -> bool:
        piece = self._buffer[self._at : self._at + self._left]
        if not piece:
            return False
        self._at += len(piece)
        self._left -= len(piece)
        pieces.append(piece)
        if self._left:
            return False
        self._part = Part.DATA_END
        return True

    def _take_data_end(self) -> bool:
        end = self._buffer[self._at : self._at + 2]
        if not b"\r\n".startswith(end):
            raise BadRequest(400, "chunk longer than its size")
        if len(end) < len(b"\r\n"):
            return False
        self._at += 2
        self._part = Part.SIZE
        return True

    def _take_trailer(self, line: bytes) -> None:
        # RFC 9112 section 7.1.2: what is not understood may be dropped.
        if not line:
            self.done = True
            return
        self._trailers += 1
        self._trailer_bytes += len(line)
        limits = self._limits
        if self._trailers > limits.max_headers or self._trailer_bytes > limits.max_head_size:
            raise BadRequest(431, "too many trailers")
        name, colon, _ = line.decode("latin-1").partition(":")
        if not colon or not TOKEN.fullmatch(name):
            raise BadRequest(400, "malformed trailer")


# ---------------------------------------------------------------------- wsgi.input


class NoBody:
    """``wsgi.input`` of a request without a body. It has no state, so one is enough."""

    __slots__ = ()

    def read(self, size: int | None = -1, /) -> bytes:  # noqa: ARG002  # there is nothing
        """Any side. Nothing."""
        return b""

    readline = read

    def readlines(self, hint: int | None = -1, /) -> list[bytes]:  # noqa: ARG002  # the same
        """Any side. Nothing."""
        return []

    def __iter__(self) -> Iterator[bytes]:
        return iter(())

    def close(self) -> None:
        """Any side. Nothing to do."""


NO_BODY = NoBody()


class Source(Protocol):
    """Where a `BodyReader` gets its bytes: a connection."""

    def read_body(self, body: Body, into: memoryview) -> int:
        """Worker side. Read some of `body` into `into`; 0 at its end."""


class BodyReader(io.RawIOBase):
    """``wsgi.input`` of a large body, below its buffer.

    Args:
        source: the connection that it comes on.
        body: which one; the connection will have others.
    """

    __slots__ = ("_body", "_source")

    def __init__(self, source: Source, body: Body) -> None:
        super().__init__()
        self._source = source
        self._body = body

    def readable(self) -> bool:
        """Any side. For `io.BufferedReader`."""
        return True

    def readinto(self, into: Any, /) -> int:
        """Worker side. Wait for some of the body."""
        if type(into) is not memoryview or into.format != "B":  # a BufferedReader's is
            into = memoryview(into).cast("B")
        return self._source.read_body(self._body, into)

    def readall(self) -> bytes:
        """Worker side. Wait for all of it; the base class would read 8 KiB at a time."""
        pieces = []
        while piece := self.read(BLOCK):
            pieces.append(piece)
        return b"".join(pieces)
