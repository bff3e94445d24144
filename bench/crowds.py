"""What many clients that do little cost: idle connections, and heads that never end."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import IO, Any

from bench.crowd import SPARE
from bench.load import WARM_UP, load
from bench.processes import allow_descriptors, cpus, end, memory_kib, pinned, serving
from bench.workloads import Workload

CROWD = 10_000
#: A normal client beside the crowd: about 700 requests/s, of which the server hardly notices.
NORMAL = Workload("a normal client", (), connections=8, script="paced.lua")
LONGEST_LOOK = 6  # seconds: the slow clients are there for 10 from their first byte


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
    """The next line that the crowd says."""
    line = said.readline() if said else ""
    if not line:
        raise RuntimeError("the crowd has gone away without a word, see above")
    result: dict[str, Any] = json.loads(line)
    return result


def running_workers(port: int) -> int | None:
    """How many workers the server says it has; None if it has no pool."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/stats")
    running: list[int] = json.load(connection.getresponse())["running"]
    connection.close()
    return sum(running) if running else None


def measure_idle(name: str, count: int, seconds: int) -> dict[str, Any]:
    """Memory for each connection that waits for its next request, and the workers they hold."""
    del seconds
    with serving(name) as server:
        load(server.port, NORMAL, WARM_UP)
        before = memory_kib(server.pid)
        with crowd("idle", server.port, count):
            after = memory_kib(server.pid)
            running = running_workers(server.port)
    return {"kib": (after - before) / count, "running": running, "count": count}


def measure_slow(name: str, count: int, seconds: int) -> dict[str, Any]:
    """What a normal client notices of slow ones, and how long those are let."""
    look = min(seconds, LONGEST_LOOK)
    with serving(name) as server:
        load(server.port, NORMAL, WARM_UP)
        alone = load(server.port, NORMAL, look)
        with crowd("slow", server.port, count) as process:
            beside = load(server.port, NORMAL, look)
            gone = heard(process.stdout)
    return {
        "alone_p50": alone["p50"],
        "alone_p99": alone["p99"],
        "beside_p50": beside["p50"],
        "beside_p99": beside["p99"],
        "errors": beside["errors"],
        "count": count,
        **gone,
    }


@dataclass(frozen=True, slots=True)
class Crowd:
    """A way of doing little.

    Attributes:
        title: what the table calls it.
        servers: those it is for.
        measure: called with a server's name, the number of clients, and seconds.
    """

    title: str
    servers: tuple[str, ...]
    measure: Callable[[str, int, int], dict[str, Any]]


CROWDS = {
    "idle": Crowd("idle keep-alive connections", ("wsgi", "pywsgi", "pywsgi-gpool"), measure_idle),
    "slow-heads": Crowd("clients that send a byte a second", ("wsgi", "pywsgi"), measure_slow),
}


def prepare(count: int) -> str | None:
    """Let servers have that many connections; the reason if they may not."""
    needed = count + SPARE
    allowed = allow_descriptors(needed)
    if allowed < needed:
        return f"{needed} open files needed, {allowed} allowed (ulimit -n)"
    return None
