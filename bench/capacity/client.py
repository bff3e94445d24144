"""A client that comes at random moments, which client.c does not, and notes each answer.

Requests come when they are to come, whatever became of those before them (an open loop); the time
of one begins when it was due. Each takes a connection that is free, any of them, or opens one.
Everything is one thread around epoll. It looks at the clock rather than sleep for the last
millisecond, so it wants a core of its own.

Answers need a Content-Length, or end with their connection.
"""

import errno
import gc
import random
import select
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Self

__all__ = ["Client", "Said"]

PATIENCE = 30.0  # seconds for answers after the last request was sent
ASK = "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n"
CLOSE = "Connection: close\r\n"
CLOSER = 0.001  # seconds before the next request in which the clock is looked at
READ = 65_536
MOST_EVENTS = 256


@dataclass(slots=True)
class Said:
    """What became of a request.

    Attributes:
        took: seconds from when it was due to its answer, or to the end of its connection.
        status: of the answer; 0 if there was none.
        by: the body of a good answer: which process it was.
        connection: the number of its connection; -1 if it never had one.
    """

    took: float = float("nan")
    status: int = 0
    by: str = ""
    connection: int = -1


@dataclass(slots=True)
class Connection:
    """One, of a port.

    Attributes:
        number: how many were opened before it.
        port: its index among the ports.
        sock: its socket.
        request: that it has; -1 for none.
        sent: whether all of that has been sent.
        got: of the answer.
    """

    number: int
    port: int
    sock: socket.socket
    request: int = -1
    sent: bool = False
    got: bytes = b""


@dataclass
class Client:
    """Asks.

    Args:
        ports: of loopback.
        keep: whether a connection is kept for other requests.
        choose: the index of a request's port, from the number of the request and how many each
            port has in flight; the first one by default.

    Attributes:
        open: connections that have been opened.
        late: by how many seconds requests were sent later than they were due, at most.
    """

    ports: Sequence[int]
    keep: bool = True
    choose: Callable[[int, list[int]], int] = lambda _request, _in_flight: 0
    open: int = 0
    late: float = 0.0
    _free: list[list[Connection]] = field(init=False)
    _in_flight: list[int] = field(init=False)
    _by: dict[int, Connection] = field(default_factory=dict)  # by descriptor
    _said: list[Said] = field(default_factory=list)
    _paths: Sequence[str] = ()
    _left: int = 0

    def __post_init__(self) -> None:
        self._free = [[] for _ in self.ports]
        self._in_flight = [0] * len(self.ports)
        self._epoll = select.epoll()
        self._dice = random.Random(1)  # noqa: S311  # no secret

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for one in list(self._by.values()):
            self._close(one)
        self._epoll.close()

    def connect(self, count: int) -> None:
        """Open so many connections to the first port at once, and wait until they are there."""
        come = [self._connected(0) for _ in range(count)]
        for one in come:
            ready = select.poll()
            ready.register(one.sock, select.POLLOUT)
            ready.poll(PATIENCE * 1e3)
        self._free[0] += come

    def ask(self, due: Sequence[float], paths: Sequence[str]) -> list[Said]:
        """Send a request for each path when it is due, and return what became of all.

        Args:
            due: seconds from now, in order.
            paths: as many.
        """
        self._said, self._paths, self._left = [Said() for _ in due], paths, len(due)
        self._due = due
        gc.collect()
        gc.disable()
        try:
            self._go(monotonic())
        finally:
            gc.enable()
        return self._said

    # ------------------------------------------------------------------ the loop

    def _go(self, began: float) -> None:
        self._began = began
        following, count = 0, len(self._due)
        end = began + self._due[-1] + PATIENCE
        while self._left:
            now = monotonic()
            if now > end:
                return
            while following < count and began + self._due[following] <= now:
                self.late = max(self.late, now - began - self._due[following])
                self._send(following)
                following += 1
            until = began + self._due[following] if following < count else now + 0.1
            self._look(until - monotonic() - CLOSER)

    def _look(self, seconds: float) -> None:
        for descriptor, events in self._epoll.poll(max(0.0, seconds), MOST_EVENTS):
            one = self._by.get(descriptor)
            if one is None:
                continue
            if events & ~select.EPOLLOUT:
                self._read(one)
            elif not one.sent:
                self._write(one)

    def _send(self, request: int) -> None:
        port = self.choose(request, self._in_flight)
        self._in_flight[port] += 1
        one = self._some(port)
        self._said[request].connection = one.number
        one.request, one.sent = request, False
        self._write(one)

    def _some(self, port: int) -> Connection:
        free = self._free[port]
        if not free:
            return self._connected(port)
        at = self._dice.randrange(len(free))
        free[at], free[-1] = free[-1], free[at]
        return free.pop()

    def _connected(self, port: int) -> Connection:
        sock = socket.socket()
        sock.settimeout(0)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if sock.connect_ex(("127.0.0.1", self.ports[port])) not in (0, errno.EINPROGRESS):
            sock.close()
            raise RuntimeError(f"nobody listens on port {self.ports[port]}")
        one = Connection(self.open, port, sock)
        self.open += 1
        self._by[sock.fileno()] = one
        flags = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
        self._epoll.register(sock, flags)
        return one

    def _write(self, one: Connection) -> None:
        if one.request < 0:
            return
        path = self._paths[one.request]
        try:
            one.sock.send((ASK % (path, "" if self.keep else CLOSE)).encode())
        except BlockingIOError:  # it is not connected yet
            return
        except OSError:
            self._ended(one)
            return
        one.sent = True

    # ------------------------------------------------------------------ answers

    def _read(self, one: Connection) -> None:
        try:
            got = one.sock.recv(READ)
        except BlockingIOError:
            return
        except OSError:
            got = b""
        if not got:
            self._ended(one)
            return
        one.got += got
        head, whole, body = one.got.partition(b"\r\n\r\n")
        if not whole:
            return
        fields = head.lower()
        _, found, length = fields.partition(b"content-length:")
        if not found or len(body) >= int(length.split(b"\r\n", 1)[0]):
            self._answered(one, int(head[9:12]), body, closes=b"connection: close" in fields)

    def _answered(self, one: Connection, status: int, body: bytes, *, closes: bool) -> None:
        if one.request < 0:  # a 408, say: nobody has asked
            self._close(one)
            return
        said = self._said[one.request]
        said.status = status
        said.by = body.decode("latin-1") if status == 200 else ""  # noqa: PLR2004
        self._done(one)
        if closes or not self.keep:
            self._close(one)
        else:
            self._free[one.port].append(one)

    def _done(self, one: Connection) -> None:
        said = self._said[one.request]
        said.took = monotonic() - self._began - self._due[one.request]
        self._in_flight[one.port] -= 1
        self._left -= 1
        one.request, one.got = -1, b""

    def _ended(self, one: Connection) -> None:
        if one.request >= 0:
            self._done(one)
        elif one in self._free[one.port]:
            self._free[one.port].remove(one)
        self._close(one)

    def _close(self, one: Connection) -> None:
        self._by.pop(one.sock.fileno(), None)
        one.sock.close()
