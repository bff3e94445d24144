"""A client that reads one answer at a time, and how the tests wait for a server."""

from collections.abc import Callable
from typing import Any, NamedTuple, Self

from gevent import socket

from gpool.wsgi.parking import TICK
from tests.support import in_hub, read_all, settle, turn

__all__ = ["RESET", "Answer", "Client", "lapse", "request", "until"]

RESET = (1).to_bytes(4, "little") + bytes(4)  # SO_LINGER: on, no seconds


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def request(
    path: str = "/", *fields: str, body: bytes = b"", method: str = "GET", version: str = "1.1"
) -> bytes:
    """A request; one with a body says how long it is."""
    lines = [f"{method} {path} HTTP/{version}", "Host: test", *fields]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def until(predicate: Callable[[], Any]) -> None:
    """Let the loop turn until `predicate` holds; the test's own limit ends a vain wait."""
    while not predicate():
        turn()


def lapse(server: Any, seconds: float) -> None:
    """Let the clock of `server` go on, a tick at a time, until `seconds` are surely over.

    What has come by then is read first: ticks have a turn of the loop between them, these have not.
    """
    settle()
    for _ in range(int(seconds / TICK) + 3):
        server.clock.advance(TICK)
        in_hub(server.site.tick)


class Client:
    """A client of one connection."""

    def __init__(self, address: Any, tls: Any = None) -> None:
        if isinstance(address, str):
            self.sock: Any = socket.socket(socket.AF_UNIX)
            self.sock.connect(address)
        else:
            self.sock = socket.create_connection(address)
        if tls is not None:
            self.sock = tls.wrap_socket(self.sock, server_hostname="localhost")
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def port(self) -> int:
        port: int = self.sock.getsockname()[1]
        return port

    def send(self, data: bytes) -> Self:
        self.sock.sendall(data)
        return self

    def ask(self, *args: Any, **named: Any) -> Answer:
        return self.send(request(*args, **named)).answer()

    def end(self) -> Self:
        """Send no more; read on."""
        self.sock.shutdown(socket.SHUT_WR)
        return self

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.sock.close()

    def rest(self) -> bytes:
        """All that comes until the server closes; raises if that is a reset."""
        data, self._buffer = self._buffer, b""
        return data + read_all(self.sock)

    def answer(self, *, head_only: bool = False) -> Answer:
        """The next answer, its body put together."""
        head = self._until(b"\r\n\r\n").decode("latin-1")
        status_line, *lines = head[:-4].split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        status = int(status_line.split()[1])
        if head_only or status in (204, 304):
            body = b""
        elif "content-length" in headers:
            body = self.exactly(int(headers["content-length"]))
        elif "transfer-encoding" in headers:
            body = self._chunks()
        else:
            body = self.rest()
        return Answer(status, headers, body)

    def exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._more()
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    def answer_begins(self) -> int:
        """The status of an answer whose body goes on."""
        return int(self._until(b"\r\n\r\n").split()[1])

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self._until(b"\r\n"), 16):
            body += self.exactly(size)
            self.exactly(2)
        self.exactly(2)
        return body

    def _until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            self._more()
        return self.exactly(self._buffer.index(end) + len(end))

    def _more(self) -> None:
        data = self.sock.recv(65_536)
        if not data:
            raise EOFError(f"the server closed, after {self._buffer!r}")
        self._buffer += data
