"""A connection in memory: what an Exchange asks of its connection, and what a client would see."""

import io
import os
from collections.abc import Callable, Iterable
from http.client import HTTPResponse, IncompleteRead
from typing import Any, NamedTuple

from gevent import Timeout

from gpool.errors import Hijacked
from gpool.wsgi.application import Exchange
from gpool.wsgi.request import Heads
from gpool.wsgi.settings import Settings
from gpool.wsgi.site import Site
from gpool.wsgi.wire import Verdict, Wire

GET = b"GET / HTTP/1.1\r\nHost: a"
HEAD = b"HEAD / HTTP/1.1\r\nHost: a"
OLD = b"GET / HTTP/1.0"
OLD_KEPT = b"GET / HTTP/1.0\r\nConnection: keep-alive"
CLOSING = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close"
TEXT = ("Content-Type", "text/plain")


def name_of(value: object) -> str:
    """What a value is called in a test's name: the same in each process."""
    text = repr(value)
    return type(value).__name__ if " at 0x" in text else text


class Got(NamedTuple):
    """A response as a client sees it, read by the standard library."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes
    whole: bool  # whether the client can tell that the body is all there
    rest: bytes  # what came after it

    def values(self, name: str) -> list[str]:
        """All values of a header."""
        return [value for key, value in self.headers if key.lower() == name.lower()]


class Conn(Wire):
    """A scripted connection: all that is sent is kept, and every call is written down."""

    def __init__(self, application: Any = None, settings: Settings | None = None) -> None:
        super().__init__(None, None, site(application, settings))
        self.has_gone = False
        # What was done with it.
        self.calls: list[str] = []
        self.sends: list[bytes] = []
        self.verdicts: list[Verdict] = []
        self.on_send: Callable[[], object] = lambda: None

    def write(self, data: Any, left: int = 0) -> None:
        self._sent("write", data)

    def interim(self, data: bytes) -> None:
        self._sent("interim", data)

    def send_file(self, descriptor: int, offset: int, count: int) -> int:
        data = os.pread(descriptor, count, offset)
        self._sent("send_file", data)
        return len(data)

    def finish(self, verdict: Verdict, data: Any) -> None:
        self.worker = None
        self.calls.append("finish")
        self.verdicts.append(verdict)
        if data:
            self.sends.append(bytes(data))

    def hijack(self, wrap: Any = None) -> tuple[Any, bytes]:
        self.worker = None
        self.calls.append("hijack")
        rest, self.buffer = self.buffer, b""
        return wrap(self, rest) if wrap else self, rest

    def let_go(self, after: float) -> None:
        self.calls.append(f"let go after {after:g} s")

    def __call__(self) -> bool:
        return self.has_gone

    def next_of_batch(self) -> None:
        return None

    def _sent(self, call: str, data: Any) -> None:
        assert not self.verdicts, "written after the end"
        self.calls.append(call)
        if data:
            self.sends.append(bytes(data))
        self.on_send()

    @property
    def received(self) -> bytes:
        """All that the client has."""
        return b"".join(self.sends)

    def got(self, method: str = "GET") -> Got:
        """The response, which must be the only thing that was sent."""
        return parsed(self.received, method)


def site(application: Any = None, settings: Settings | None = None) -> Site:
    """What the connections of a server share, without a server.

    The beginning of a 200 is known, as it nearly always is; `Dates.tick` would forget it.
    """
    nothing: Any = None
    made = Site(
        application,
        settings or Settings(),
        loop=None,
        software="test",
        lingering=nothing,
        serve=nothing,
        give=nothing,
        no_worker=nothing,
        closed=nothing,
        hijacked=nothing,
    )
    made.dates.prefix("200 OK")
    return made


def exchange(conn: Any, head: bytes = GET) -> Exchange:
    """The exchange of a request on `conn`."""
    environ, framing = Heads(conn.site.settings.limits, {}).read(head)
    return Exchange(conn, environ, framing)


def served(application: Any, head: bytes = GET, **attributes: Any) -> Conn:
    """A connection on which `application` has answered a request."""
    conn = Conn(application)
    for name, value in attributes.items():
        setattr(conn, name, value)
    conn.site.application = application
    exchange(conn, head).run()
    return conn


def saying(status: str, headers: Iterable[tuple[str, str]], result: Any) -> Callable[..., Any]:
    """An application that says this, and returns `result`, called if it can be."""

    def application(environ: Any, start_response: Any) -> Any:
        start_response(status, list(headers))
        return result() if callable(result) else result

    return application


def running(conn: Any, head: bytes = GET) -> BaseException | None:
    """Run a request; returns what came out of it."""
    try:
        exchange(conn, head).run()
    except BaseException as error:
        return error
    return None


class Readable(io.BytesIO):
    """A socket, for HTTPResponse."""

    def makefile(self, mode: str) -> io.BytesIO:
        return self

    def close(self) -> None:
        """HTTPResponse closes when it is done; what follows is still to be read."""


def parsed(data: bytes, method: str = "GET") -> Got:
    """The final response in `data`, as the standard library's client reads it."""
    while data.startswith(b"HTTP/1.1 1"):
        data = data.partition(b"\r\n\r\n")[2]
    source: Any = Readable(data)
    response = HTTPResponse(source, method=method)
    response.begin()
    status = f"{response.status} {response.reason}".rstrip()
    whole = response.length is not None or response.chunked
    try:
        body = response.read()
    except IncompleteRead as error:
        body, whole = error.partial, False
    return Got(status, response.getheaders(), body, bool(whole), source.read())


class Blocks:
    """An iterable of blocks with close(), which counts; an exception among them is raised."""

    def __init__(self, *blocks: Any, close_error: BaseException | None = None) -> None:
        self._blocks = blocks
        self._close_error = close_error
        self.closed = 0
        self.yielded = 0

    def __iter__(self) -> Any:
        for block in self._blocks:
            assert not self.closed
            if isinstance(block, BaseException):
                raise block
            self.yielded += 1
            yield block

    def close(self) -> None:
        self.closed += 1
        if self._close_error is not None:
            raise self._close_error


class OwnBaseError(BaseException):
    """What `except Exception` does not catch."""


#: Whatever an application raises; only its own request may know.
ERRORS = [
    LookupError("on purpose"),
    SystemExit(3),
    KeyboardInterrupt(),
    GeneratorExit(),
    StopIteration(),
    MemoryError(),
    Timeout(5),
    OwnBaseError(),
    AssertionError(),
    ConnectionResetError(104, "of another connection"),
    TimeoutError(),
    Hijacked(),
]
