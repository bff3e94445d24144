"""The application that the connections of these cases are for: it writes down what it is given.

Its answers are numbered, so that one can be told from another, and are framed in each of the ways
that there are.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gpool.wsgi.framing import Environ

__all__ = ["ALL", "LINES", "NOTHING", "SOME", "Call", "Recorder"]

ALL, NOTHING, SOME, LINES = range(4)  # how much of a body is read, and how
PIECE = 5  # bytes that are read of it where that is some

#: What `tests.fuzz.wires` has for the client and the server.
OWN = {"REMOTE_ADDR": "192.0.2.1", "REMOTE_PORT": "40000", "SERVER_NAME": "192.0.2.1"}
#: Keys that are not of the client's header fields.
FIELDS = ("HTTP_", "CONTENT_TYPE", "CONTENT_LENGTH")


@dataclass
class Call:
    """What the application was given.

    Attributes:
        method: of the environ.
        target: the same, as it was sent.
        version: "HTTP/1.1" or "HTTP/1.0".
        environ: what is of the header fields.
        body: what was read.
        error: what came instead of the rest of it.
    """

    method: str
    target: str
    version: str
    environ: dict[str, str]
    body: bytes = b""
    error: BaseException | None = field(default=None, compare=False)


class Recorder:
    """The application.

    Args:
        reads: `ALL`, `NOTHING`, `SOME` or `LINES`.
        own: what the server has to say by itself, whatever a client sends.

    Attributes:
        calls: all of them.
    """

    def __init__(self, reads: int, own: Mapping[str, str] = OWN) -> None:
        self._reads = reads
        self._own = own
        self.calls: list[Call] = []

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        fields = {key: value for key, value in environ.items() if key.startswith(FIELDS)}
        call = Call(
            environ["REQUEST_METHOD"], environ["RAW_URI"], environ["SERVER_PROTOCOL"], fields
        )
        number = len(self.calls)
        self.calls.append(call)
        check(environ)
        assert all(environ[key] == value for key, value in self._own.items()), environ
        try:
            call.body = self._read(environ["wsgi.input"])
        except BaseException as error:
            call.error = error
            raise
        return answer(number, start_response)

    def _read(self, source: Any) -> bytes:
        if self._reads == ALL:
            body: bytes = source.read()
            assert source.read() == source.read(1) == source.readline() == b""
            return body
        if self._reads == LINES:
            return b"".join(source)
        return source.read(PIECE) if self._reads == SOME else b""


def check(environ: Environ) -> None:
    """PEP 3333's types, and nothing of the client's under a key that is not one of its own."""
    for key, value in environ.items():
        assert type(key) is str, key
        if not key.startswith(("wsgi.", "gpool.", "werkzeug.")):
            assert type(value) is str, key
            value.encode("latin-1")
            assert key == "PATH_INFO" or not {"\0", "\r", "\n"} & set(value), key
    assert "HTTP_CONTENT_LENGTH" not in environ and "HTTP_CONTENT_TYPE" not in environ


def body_of(number: int) -> bytes:
    """The body of an answer."""
    return b"answer %d" % number


def answer(number: int, start_response: Any) -> Iterable[bytes]:
    """An answer: with its length, in chunks, with `write`, without a body."""
    status = "204 No Content" if number % 5 == 4 else "200 OK"  # one in five
    headers = [("X-Number", str(number))]
    body = body_of(number)
    if number % 5 == 0:
        headers.append(("Content-Length", str(len(body))))
    write = start_response(status, headers)
    if number % 5 == 1:
        return blocks(body)
    if number % 5 == 2:  # the next of five
        write(body[:3])
        return [body[3:]]
    return [body]


def blocks(body: bytes) -> Iterator[bytes]:
    """Of a body whose length nobody has said."""
    yield body[:4]
    yield b""
    yield body[4:]
