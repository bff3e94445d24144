"""A crowd of clients in a process of its own: idle ones, or ones that send a byte a second.

python -m bench.crowd idle|slow PORT COUNT connects, and prints a line of JSON when the crowd is
there. Then `idle` waits until its standard input ends, and prints how many of its connections have
been closed by then; `slow` goes on sending until every connection has been closed or LONGEST is
over, and prints another line. If it cannot go on, the line says why: ``{"failed": ...}``.

The clients come from several addresses, since there are not that many ports at one.
"""

import errno
import json
import os
import select
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass, field

from bench.processes import allow_descriptors

ADDRESSES = 8  # 127.0.0.2 and on
SPARE = 100  # descriptors for all else
BATCH = 100  # connections that are opened at once, fewer than gevent's backlog of 256
PAUSE = 0.02  # seconds between two batches of those that need no answer
PATIENCE = 10.0  # seconds that a client waits to be let in, or for its answer
LONGEST = 13.0  # seconds that slow clients go on; above gpool's header_timeout and two ticks
INTERVAL = 1.0  # seconds between two bytes of a slow client
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
ENDLESS = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + b"a" * 100


def connect(port: int, number: int) -> socket.socket:
    """A client's connection."""
    sock = socket.socket()
    # The port is chosen by connect, so that one serves for many addresses.
    sock.setsockopt(socket.IPPROTO_IP, getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24), 1)
    sock.settimeout(PATIENCE)
    sock.bind((f"127.0.0.{2 + number % ADDRESSES}", 0))
    sock.connect(("127.0.0.1", port))
    return sock


def idle(port: int, count: int) -> None:
    """Connections that have made a request each, and make no other."""
    crowd: list[socket.socket] = []
    while len(crowd) < count:
        come = [connect(port, len(crowd) + n) for n in range(min(BATCH, count - len(crowd)))]
        for sock in come:
            sock.sendall(REQUEST)
        crowd += come
        if any(b" 200 " not in sock.recv(4_096) for sock in come):
            raise RuntimeError(f"after {len(crowd):,} idle clients one was not answered with 200")
    say(connected=len(crowd))
    sys.stdin.read()
    say(closed=closed(crowd))


def closed(crowd: list[socket.socket]) -> int:
    """How many have been closed by the server."""
    ended = select.epoll()
    for sock in crowd:
        ended.register(sock, select.EPOLLRDHUP)
    return len(ended.poll(0, len(crowd)))


@dataclass(slots=True)
class Slow:
    """A client that takes its time.

    Attributes:
        sock: its connection.
        first: when its first byte was sent.
        due: when the next is.
        sent: how many there were.
        answer: what it was told, the first bytes of it.
    """

    sock: socket.socket
    first: float
    due: float
    sent: int = 1
    answer: bytes = b""


@dataclass(slots=True)
class SlowCrowd:
    """Many of them.

    Attributes:
        open: those whose connection is, by descriptor.
        turns: the same by when their next byte is due.
        lived: seconds from the first byte to the close, of the others.
        told: how many of those were answered with which status.
    """

    epoll: select.epoll = field(default_factory=select.epoll)
    open: dict[int, Slow] = field(default_factory=dict)
    turns: deque[Slow] = field(default_factory=deque)
    lived: list[float] = field(default_factory=list)
    told: dict[str, int] = field(default_factory=dict)

    def join(self, sock: socket.socket) -> None:
        """Take one in, and send its first byte."""
        sock.send(ENDLESS[:1])
        sock.settimeout(0)
        now = time.monotonic()
        client = Slow(sock, now, now + INTERVAL)
        self.epoll.register(sock, select.EPOLLIN)
        self.open[sock.fileno()] = client
        self.turns.append(client)

    def send_due(self) -> None:
        """A byte from everyone whose turn it is."""
        now = time.monotonic()
        while self.turns and self.turns[0].due <= now:
            client = self.turns.popleft()
            if client.sock.fileno() not in self.open:
                continue
            try:
                client.sock.send(ENDLESS[client.sent : client.sent + 1])
            except OSError as error:
                if error.errno != errno.EAGAIN:
                    self.leave(client)
                    continue
            client.sent += 1
            client.due += INTERVAL
            self.turns.append(client)

    def receive(self, wait: float) -> None:
        """What the server says, and its closes."""
        for fd, _ in self.epoll.poll(wait, 512):
            client = self.open[fd]
            try:
                got = client.sock.recv(4_096)
            except OSError:
                got = b""
            client.answer = client.answer or got
            if not got:
                self.leave(client)

    def leave(self, client: Slow) -> None:
        """Count one whose connection has been closed."""
        del self.open[client.sock.fileno()]
        client.sock.close()
        self.lived.append(time.monotonic() - client.first)
        status = client.answer[9:12].decode("latin-1") or "none"
        self.told[status] = self.told.get(status, 0) + 1


def slow(port: int, count: int) -> None:
    """Connections whose head never ends."""
    os.nice(19)  # the one that is measured shares this CPU, and shall not wait for the crowd
    crowd = SlowCrowd()
    for number in range(count):
        crowd.join(connect(port, number))
        if number % BATCH == 0:  # a full backlog would cost a second for each who comes too early
            time.sleep(PAUSE)
            crowd.send_due()
    say(connected=count)
    end = time.monotonic() + LONGEST
    while crowd.open and time.monotonic() < end:
        crowd.send_due()
        crowd.receive(0.001)
    lived = (
        {"first_closed": min(crowd.lived), "last_closed": max(crowd.lived)} if crowd.lived else {}
    )
    say(left_open=len(crowd.open), told=crowd.told, **lived)


def say(**what: object) -> None:
    """A line of JSON."""
    print(json.dumps(what), flush=True)


def main(kind: str, port: str, count: str) -> None:
    """Be one of the two."""
    allow_descriptors(int(count) + SPARE)
    try:
        {"idle": idle, "slow": slow}[kind](int(port), int(count))
    except (OSError, RuntimeError) as error:
        say(failed=f"the crowd: {error}")
        sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
