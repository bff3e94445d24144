"""A client for large answers that is not what limits them.

wrk reads 8 KiB at a time: with an answer of 100 MiB its CPU is full while the server's is at a
third, and a server that lets the kernel send a file looks slower than one that copies it, because
the copying is left to wrk. This client has the kernel discard the bytes (MSG_TRUNC, tcp(7)), as a
network card would take them away.

python -m bench.download PORT PATH SIZE CONNECTIONS SECONDS prints what lua/report.lua does.
"""

import json
import select
import socket
import statistics
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from bench.application import MIB

HEAD = 65_536  # read at once while the head is not there
PERCENTILES = (("p50", 500), ("p99", 990), ("p99.9", 999))


@dataclass(slots=True)
class Download:
    """A connection that asks for the same again and again.

    Attributes:
        sock: non-blocking.
        request: what it asks.
        size: of the answer's body.
        head: what has come of a head that is not complete.
        left: bytes of the body that have not come; None while it is the head that comes.
        since: when the request was sent.
        took: seconds of each answer.
        got: bytes of bodies.
        wrong: answers that were not as they should be.
    """

    sock: socket.socket
    request: bytes
    size: int
    head: bytes = b""
    left: int | None = None
    since: float = 0.0
    took: list[float] = field(default_factory=list)
    got: int = 0
    wrong: int = 0

    def ask(self) -> None:
        """Send the request."""
        self.head, self.left, self.since = b"", None, time.monotonic()
        self.sock.sendall(self.request)

    def receive(self, buffer: bytearray) -> bool:
        """Take what is there; False when the connection is over."""
        if self.left is None:
            self.head += (some := self.sock.recv(HEAD))
            got = len(some) and self.look_at_head()
        else:
            some = b"."
            got = self.sock.recv_into(buffer, min(self.left, len(buffer)), socket.MSG_TRUNC)
            if not got:
                return False
            self.left -= got
        self.got += got
        if self.left == 0:
            self.took.append(time.monotonic() - self.since)
            self.ask()
        return bool(some)

    def look_at_head(self) -> int:
        """Find its end; how much of the body has come with it."""
        head, end, rest = self.head.partition(b"\r\n\r\n")
        if not end:
            return 0
        lines = head.lower().split(b"\r\n")
        if b" 200 " not in lines[0] or b"content-length: %d" % self.size not in lines:
            self.wrong += 1
        self.left = self.size - len(rest)
        return len(rest)


def download(port: int, path: str, size: int, connections: int, seconds: float) -> dict[str, Any]:
    """Load the server for that long; the figures of wrk."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    epoll, all_of_them, lost = select.epoll(), {}, 0
    begin = time.monotonic()
    for _ in range(connections):
        sock = socket.create_connection(("127.0.0.1", port))
        one = all_of_them[sock.fileno()] = Download(sock, request, size)
        one.ask()
        sock.settimeout(0)
        epoll.register(sock, select.EPOLLIN)
    buffer = bytearray(MIB)
    while time.monotonic() < begin + seconds:
        for fd, _ in epoll.poll(0.1):
            if not went_on(all_of_them[fd], buffer):
                epoll.unregister(fd)
                lost += 1
    took = time.monotonic() - begin
    return figures(list(all_of_them.values()), took, lost)


def went_on(one: Download, buffer: bytearray) -> bool:
    """Whether a connection did."""
    try:
        return one.receive(buffer)
    except BlockingIOError:
        return True
    except OSError:
        return False


def figures(clients: list[Download], seconds: float, lost: int) -> dict[str, Any]:
    """As lua/report.lua has them."""
    took = [each * 1e3 for client in clients for each in client.took] or [seconds * 1e3]
    cuts = statistics.quantiles(took * 2, n=1_000, method="inclusive")
    wrong = sum(client.wrong for client in clients)
    return {
        "requests": sum(len(client.took) for client in clients),
        "bytes": sum(client.got for client in clients),
        "seconds": seconds,
        **{name: cuts[place - 1] for name, place in PERCENTILES},
        "max": max(took),
        "errors": {"connect": 0, "read": lost, "write": 0, "status": wrong, "timeout": 0},
    }


def main(port: str, path: str, size: str, connections: str, seconds: str) -> None:
    """Say how it went."""
    said = download(int(port), path, int(size), int(connections), float(seconds))
    print(json.dumps(said))


if __name__ == "__main__":
    main(*sys.argv[1:])
