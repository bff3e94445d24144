"""Clients of the cluster: what became of each request, to the millisecond. They never try again.

`steady` sends at a fixed rate, whatever becomes of the requests before, as many users do: each
request is due at a time, and its latency begins then. `always` has so many requests in flight,
each followed by another.
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

import gevent
from gevent import socket
from gevent.pool import Group

__all__ = ["Answer", "Client", "always", "steady"]

REQUEST = b"GET %b HTTP/1.1\r\nHost: cluster\r\n\r\n"
PATIENCE = 20.0  # seconds: more than any answer takes
IDLE = 3.0  # seconds after which a connection is not used again: HAProxy may be closing it
HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request.

    Attributes:
        due: when it was to be sent, in monotonic seconds.
        done: when its answer was there, or it had failed.
        status: 0 if there was no answer.
        server: who has answered.
    """

    due: float
    done: float
    status: int
    server: str

    @property
    def took(self) -> float:
        """Seconds."""
        return self.done - self.due


class Client:
    """Connections that are kept, and requests on them.

    Args:
        port: of 127.0.0.1.
        path: that is asked for.
    """

    def __init__(self, port: int, path: str = "/") -> None:
        self.answers: list[Answer] = []
        self._address = ("127.0.0.1", port)
        self._request = REQUEST % path.encode()
        self._free: list[tuple[socket.socket, float]] = []  # and since when

    def ask(self, due: float) -> Answer:
        """Ask once."""
        try:
            with gevent.Timeout(PATIENCE):
                status, server = self._answer()
        except (OSError, ValueError, gevent.Timeout):
            status, server = 0, ""
        answer = Answer(due, monotonic(), status, server)
        self.answers.append(answer)
        return answer

    def _answer(self) -> tuple[int, str]:
        """Status and server, of a request on a connection that is free, or new."""
        sock = self._connection()
        try:
            sock.sendall(self._request)
            status, fields = whole(sock)
        except BaseException:
            sock.close()
            raise
        if fields.get("connection") == "close":
            sock.close()
        else:
            self._free.append((sock, monotonic()))
        return status, fields.get("x-server", "")

    def _connection(self) -> socket.socket:
        """The connection used last, or a new one if that is too old, and so are all others."""
        if self._free and monotonic() - self._free[-1][1] < IDLE:
            return self._free.pop()[0]
        self.close()
        return socket.create_connection(self._address)

    def close(self) -> None:
        """Close its connections that are free."""
        while self._free:
            self._free.pop()[0].close()


def whole(sock: socket.socket) -> tuple[int, dict[str, str]]:
    """Read one answer with all of its body; its status and header.

    Raises:
        OSError: it is not whole.
    """
    data = b""
    while HEAD_END not in data:
        data += more(sock)
    head, _, body = data.partition(HEAD_END)
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = {name.lower(): text.strip() for name, _, text in (one.partition(":") for one in lines)}
    left = int(fields["content-length"]) - len(body) if "content-length" in fields else 0
    while left > 0:
        left -= len(more(sock))
    return int(first.split(" ")[1]), fields


def more(sock: socket.socket) -> bytes:
    """Some bytes of an answer.

    Raises:
        ConnectionError: there are no more.
    """
    data: bytes = sock.recv(16_384)
    if not data:
        raise ConnectionError("the answer is not whole")
    return data


def steady(client: Client, rate: float, ended: Callable[[], bool]) -> None:
    """Ask so many times a second, until it is to end; then wait for the answers."""
    asking = Group()
    due = monotonic()
    while not ended():
        due += 1 / rate
        gevent.sleep(max(0.0, due - monotonic()))
        asking.spawn(client.ask, due)
    asking.join()


def always(client: Client, count: int, ended: Callable[[], bool]) -> None:
    """Have so many requests in flight, until it is to end; then wait for their answers."""

    def one() -> None:
        while not ended():
            client.ask(monotonic())

    asking = Group()
    for _ in range(count):
        asking.spawn(one)
    asking.join()
