"""A client that makes an exact number of requests, so that counts can be divided by it.

All connections always wait for an answer, as those of wrk do: the next request follows an answer
at once. The requests are those of wrk too. Every answer is looked at. It is Python, and so slower
than a good server: for counting, not for timing.
"""

import select
import socket
from dataclasses import dataclass, field
from typing import Self

from bench.application import BODY

CONNECTIONS = 64
PATIENCE = 60  # seconds without an answer; a server under valgrind takes its time
ENOUGH = 65_536  # bytes read at once, more than an answer has


class WrongAnswerError(Exception):
    """What came is not the answer that was expected; the text has its beginning."""


@dataclass(slots=True)
class Client:
    """Connections to one server.

    Attributes:
        port: the server's, on loopback.
        close: whether each request is made on a connection of its own.
        connections: how many there are at a time.
        at: the open ones, by descriptor.
        come: what has come of the answer to each.
        left: requests that are not made yet.
    """

    port: int
    close: bool
    connections: int = CONNECTIONS
    epoll: select.epoll = field(default_factory=select.epoll)
    at: dict[int, socket.socket] = field(default_factory=dict)
    come: dict[int, bytes] = field(default_factory=dict)
    left: int = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for fd in list(self.at):
            self._drop(fd)
        self.epoll.close()

    def ask(self, count: int) -> None:
        """Make so many requests, and wait for their answers.

        Raises:
            WrongAnswerError: one was not answered as it should be.
            TimeoutError: one was not answered at all.
        """
        self.left = count
        if not self.close:
            while len(self.at) < self.connections:
                self._connect()
        for fd in list(self.at) or [self._connect() for _ in range(min(count, self.connections))]:
            self._send(fd)
        while self.come:
            events = self.epoll.poll(PATIENCE)
            if not events:
                raise TimeoutError(f"{len(self.come)} requests have no answer")
            for fd, _ in events:
                self._receive(fd)

    def request(self) -> bytes:
        """What is asked, as wrk asks it."""
        last = "Connection: close\r\n" if self.close else ""
        return f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n{last}\r\n".encode()

    def _connect(self) -> int:
        sock = socket.create_connection(("127.0.0.1", self.port))
        sock.settimeout(PATIENCE)
        self.epoll.register(sock, select.EPOLLIN)
        self.at[sock.fileno()] = sock
        return sock.fileno()

    def _send(self, fd: int) -> None:
        if self.left:
            self.left -= 1
            self.come[fd] = b""
            self.at[fd].sendall(self.request())

    def _receive(self, fd: int) -> None:
        some = self.at[fd].recv(ENOUGH)
        come = self.come[fd] = self.come[fd] + some
        whole = not some if self.close else come.endswith(BODY)
        if whole:
            del self.come[fd]
            self._check(come)
            self._go_on(fd)
        elif not some:
            raise WrongAnswerError(f"the connection ends after {come[:200]!r}")

    def _check(self, answer: bytes) -> None:
        if b" 200 " not in answer[:16] or not answer.endswith(BODY):
            raise WrongAnswerError(f"{answer[:200]!r}")

    def _go_on(self, fd: int) -> None:
        if self.close:
            self._drop(fd)
            if not self.left:
                return
            fd = self._connect()
        self._send(fd)

    def _drop(self, fd: int) -> None:
        self.epoll.unregister(fd)
        self.at.pop(fd).close()
