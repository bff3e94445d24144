"""What many clients that do little cost: idle connections, and heads that never end.

The clients are those of `bench.crowd`, in a process of their own on the clients' CPU.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import IO, Any

from bench.client import open_loop, program
from bench.crowd import LONGEST
from bench.figures import Run
from bench.kinds import Purpose
from bench.load import START, Load, allow_connections
from bench.processes import cpus, end, memory_kib, pinned, serving
from bench.warm import WARM_UP

__all__ = ["Idle", "Slow"]

#: A normal client beside the crowd, of which a server hardly notices. It sends at a fixed rate, so
#: that a server that has no answer for it is charged with the time that it waits in vain.
NORMAL = Load(connections=8)
RATE = 500  # of its requests, a second
JOIN = 5_000  # clients that come in a second, at least
#: A server that has closed so many of the crowd before they were counted keeps no idle ones.
MOST_CLOSED = 0.05


@dataclass(frozen=True, slots=True)
class Idle:
    """Keep-alive connections that wait for their next request.

    Attributes:
        count: of them.
        purpose: what the server is set up for: to keep them.
    """

    count: int
    purpose: Purpose = Purpose.IDLE
    latency: bool = False
    carries: int = 0

    @property
    def connections(self) -> int:
        """How many there are."""
        return self.count

    def lasts(self, seconds: float) -> float:
        """About how many seconds `measure` takes."""
        del seconds
        return START + WARM_UP + self.count / JOIN

    def measure(self, server: str, seconds: int) -> Run:
        """Memory of the server's processes for each, and the workers they hold, where it can tell.

        Args:
            server: its name in `bench.servers`.
            seconds: of no use here.

        Raises:
            DidNotStartError: there is no such server here.
            RuntimeError: it does not keep them.
        """
        del seconds
        allow_connections(self.count)
        with serving(server, self.purpose) as running:
            NORMAL.warm_up(running.port)
            before = memory_kib(running.pid)
            with crowd("idle", running.port, self.count) as process:
                after = memory_kib(running.pid)
                workers = running_workers(running.port)
                closed = counted(process)
        if closed > self.count * MOST_CLOSED:
            raise RuntimeError(f"{closed} of {self.count} idle connections were closed")
        kept = self.count - closed
        return {
            "kib": (after - before) / kept,
            "running": workers,
            "count": kept,
            "closed": closed,
            "rss_kib": after,
        }


@dataclass(frozen=True, slots=True)
class Slow:
    """Clients that send a byte a second of a head that never ends, beside a normal one.

    Attributes:
        count: of the slow ones.
        purpose: what the server is set up for: to have so many connections.
    """

    count: int
    purpose: Purpose = Purpose.IDLE
    latency: bool = False
    carries: int = 0

    @property
    def connections(self) -> int:
        """How many there are, those of the normal client included."""
        return self.count + NORMAL.connections

    def lasts(self, seconds: float) -> float:
        """About how many seconds `measure` takes."""
        return START + WARM_UP + 2 * seconds + self.count / JOIN + LONGEST

    def measure(self, server: str, seconds: int) -> Run:
        """What a normal client notices of slow ones, and how long those are let.

        Args:
            server: its name in `bench.servers`.
            seconds: that the normal client is measured, once alone and once beside the crowd; 1 to
                4, since slow clients are told to go after 10 s from their first byte.

        Raises:
            DidNotStartError: there is no such server here.
            RuntimeError: it does not let so many connect, or there is no compiler for the client.
        """
        program()
        allow_connections(self.connections)
        with serving(server, self.purpose) as running:
            NORMAL.warm_up(running.port)
            alone = notice(running.port, seconds)
            with crowd("slow", running.port, self.count) as process:
                beside = notice(running.port, seconds)
                gone = heard(process.stdout)
        return {
            "alone_p50": alone["p50"],
            "alone_p99": alone["p99"],
            "beside_p50": beside["p50"],
            "beside_p99": beside["p99"],
            "errors": beside["errors"],
            "count": self.count,
            **gone,
        }


def notice(port: int, seconds: int) -> Run:
    """What a normal client says."""
    return open_loop(
        port, NORMAL.request(), connections=NORMAL.connections, seconds=seconds, rate=RATE
    )


@contextmanager
def crowd(kind: str, port: int, count: int) -> Iterator[subprocess.Popen[str]]:
    """The process of `bench.crowd`, on the clients' CPU, when all have connected."""
    command = [sys.executable, "-m", "bench.crowd", kind, str(port), str(count)]
    with pinned(cpus()[1]):
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    try:
        heard(process.stdout)
        yield process
    finally:
        end(process)


def heard(said: IO[str] | None) -> dict[str, Any]:
    """The next line that the crowd says.

    Raises:
        RuntimeError: it has something to complain about.
    """
    line = said.readline() if said else ""
    result: dict[str, Any] = json.loads(line or '{"failed": "the crowd has ended without a word"}')
    if "failed" in result:
        raise RuntimeError(result["failed"])
    return result


def counted(process: subprocess.Popen[str]) -> int:
    """How many of an idle crowd the server has closed."""
    assert process.stdin is not None
    process.stdin.close()
    closed: int = heard(process.stdout)["closed"]
    return closed


def running_workers(port: int) -> int | None:
    """How many workers the server says it has; None if it has no pool, or cannot tell."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/stats")
        running: list[int] = json.load(connection.getresponse())["running"]
    except ValueError:  # it says hello to everything
        return None
    finally:
        connection.close()
    return sum(running) if running else None
