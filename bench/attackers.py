"""Slow attackers, by slowhttptest, on a server with a normal client beside them.

A normal client is measured alone, then while the attackers come, then when all are there. gpool is
started as its command is, compiled, with an admin listener that says what becomes of the
attackers' connections and how many workers are busy. Other servers of the bench can be attacked
too, for comparison; they do not tell that.

The server has the first CPU, before all else that the machine may have to do (SCHED_FIFO); the
normal client and slowhttptest share the second, where the client goes before all others, and
slowhttptest runs only while nobody else wants to (SCHED_IDLE). What the kernel does for a packet
on loopback it does on the CPU of the sender, without asking who is nice: that is in the figures,
and so is the memory that the kernel takes for what slow readers do not read. slowhttptest does
all that is due in a second at once: thousands connect, or send a few bytes, within milliseconds.

What of that is the machine's is measured in the same moments: on the server's CPU there is another
gpool that nobody attacks, and another normal client that asks it. It goes before the attacked one,
so that what this one does is not in its figures. The kernel's work, and what is inside of one
system call, it waits for like anybody.

Which attacks are measured, and what is made of the figures, is left to `bench.attacks`.
"""

import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any, Self

from bench.crowds import NORMAL, notice
from bench.figures import Run
from bench.kinds import Purpose, Server, Setup
from bench.load import allow_connections
from bench.peers.own import own
from bench.processes import (
    Serving,
    cpu_seconds,
    cpus,
    end,
    free_port,
    memory_kib,
    pinned,
    started,
    wait_until_it_answers,
)
from bench.servers import SERVERS

__all__ = ["ATTACKS", "GPOOL", "OURS", "Attack", "Plan", "measure"]

GPOOL = "gpool"
#: Our command, by what it is told.
OURS: dict[str, tuple[str, ...]] = {GPOOL: (), "gpool-gc-share-1": ("--gc-share", "1")}
FOR = 60  # seconds that slowhttptest goes on, unless it is ended
SHARE = 1_000  # connections of one slowhttptest: in the kernel, nobody takes its CPU away from it
LOOK = 1.0  # seconds between two looks at the server's figures, 2 ms of its time each
SPARE = 100  # workers beside those that attackers may hold
URGENT, MORE_URGENT = 1, 2  # of SCHED_FIFO: before all that is not
GONE = 15.0  # seconds in which the server has to be rid of them when they have gone


@dataclass(frozen=True, slots=True)
class Attack:
    """What slowhttptest is told to do.

    Attributes:
        title: what it is.
        flags: slowhttptest's.
        path: that is asked for.
        reads: whether the application itself waits for the attacker, and so needs a worker.
    """

    title: str
    flags: tuple[str, ...]
    path: str = "/"
    reads: bool = False


ATTACKS = {
    "headers": Attack("a header field a second (Slowloris)", ("-H", "-i", "1", "-x", "10")),
    "body": Attack(
        "ten bytes of a small body a second", ("-B", "-i", "1", "-x", "10", "-s", "8192")
    ),
    "upload": Attack(
        "the same of a large one, which the application reads",
        ("-B", "-i", "1", "-x", "10", "-s", "800000"),
        "/upload",
        reads=True,
    ),
    "read": Attack(
        "32 bytes of a 1 MiB answer a second, with a window of some 512 bytes",
        ("-X", "-n", "1", "-z", "32", "-w", "512", "-y", "1024"),
        "/1-whole",
    ),
    "range": Attack("a Range header of two thousand ranges", ("-R",)),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of it.

    Attributes:
        connections: attackers.
        rate: of them that come in a second.
        seconds: of each of the three measurements of the normal client.
    """

    connections: int = 10_000
    rate: int = 2_500
    seconds: int = 5

    @property
    def arrival(self) -> float:
        """Seconds in which they have come, if they are let; slowhttptest has its CPU last."""
        return self.seconds + 2 * self.connections / self.rate


# ---------------------------------------------------------------------- the server


def gpool(words: Sequence[str], admin: int, workers: int) -> Server:
    """Our command, with an admin listener on that port, and workers for all that may need one."""

    def told(setup: Setup) -> list[object]:
        given = ["--bind", setup.address, "--admin", f"127.0.0.1:{admin}"]
        return [*given, "--max-workers", workers, *words, "bench.application:application"]

    return own("gpool", told)


@contextmanager
def attacked(name: str, admin: int, workers: int, priority: int = URGENT) -> Iterator[Serving]:
    """A server, while this runs; it has answered a request.

    Raises:
        DidNotStartError: it does not, and why.
    """
    server = gpool(OURS[name], admin, workers) if name in OURS else SERVERS[name]
    setup = Setup(free_port(), Purpose.IDLE, server.chosen(Purpose.IDLE))
    with (
        tempfile.TemporaryFile("w+", errors="replace") as complaints,
        ExitStack() as running,
    ):
        with urgent(priority):
            process = running.enter_context(started(server, setup, complaints))
        wait_until_it_answers(process, setup.port, complaints, secure=False)
        yield Serving(process.pid, setup.port)


def stats(admin: int) -> dict[str, Any] | None:
    """The figures of a server; None if it has no admin listener there."""
    connection = HTTPConnection("127.0.0.1", admin, timeout=10)
    try:
        connection.request("GET", "/stats")
        told: dict[str, Any] = json.load(connection.getresponse())
    except (OSError, ValueError):
        return None
    finally:
        connection.close()
    return told


class Looking(threading.Thread):
    """Looks at the server's figures again and again.

    Args:
        admin: the port of its admin listener.

    Attributes:
        most: the highest of each that counts: workers that were busy, and that there were.
        last: all, when it was looked at last.
    """

    def __init__(self, admin: int) -> None:
        super().__init__(daemon=True)
        self.most = {"busy": 0, "running": 0, "open": 0}
        self.last: dict[str, Any] | None = None
        self._admin = admin
        self._enough = threading.Event()

    def run(self) -> None:
        """Look until it is enough, or there is nothing to see."""
        while (seen := stats(self._admin)) is not None:
            self.last = seen
            self.most = {name: max(most, seen[name]) for name, most in self.most.items()}
            if self._enough.wait(LOOK):
                return

    def wait_for(self, accepted: int, latest: float) -> None:
        """Wait until the server has accepted so many, as far as it tells, but not for ever."""
        while time.monotonic() < latest and not (self.last and self.last["accepted"] >= accepted):
            time.sleep(LOOK)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._enough.set()
        self.join()


# ---------------------------------------------------------------------- one attack


@contextmanager
def urgent(priority: int = URGENT) -> Iterator[None]:
    """What is started here has its CPU whenever it wants it, if we may say so."""
    before, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    try:
        yield
    finally:
        os.sched_setscheduler(0, before, parameters)


def noticed(ports: Sequence[int], plan: Plan) -> list[Run]:
    """What normal clients say, of these servers at the same time."""

    def said(port: int) -> Run:
        with urgent():
            return notice(port, plan.seconds)

    with ThreadPoolExecutor(len(ports)) as clients:
        return list(clients.map(said, ports))


@contextmanager
def attacking(attack: Attack, port: int, plan: Plan) -> Iterator[None]:
    """The attackers at work, where it is in nobody's way.

    Raises:
        RuntimeError: slowhttptest is not installed.
    """
    program = shutil.which("slowhttptest")
    if program is None:
        raise RuntimeError("slowhttptest is not installed: apt-get install slowhttptest")
    parts = max(1, round(plan.connections / SHARE))
    numbers = ("-c", plan.connections // parts, "-r", max(1, plan.rate // parts), "-l", FOR)
    words = ["chrt", "--idle", "0", program, *attack.flags, *map(str, numbers)]
    words += ["-u", f"http://127.0.0.1:{port}{attack.path}"]
    with ExitStack() as running:
        for _ in range(parts):
            with pinned(cpus()[1]):
                process = subprocess.Popen(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    text=True,
                )
            running.callback(end, process)
        yield


def measure(attack: Attack, server: str, plan: Plan) -> Run:
    """What a normal client notices of an attack, and what the server has to show for it.

    Args:
        attack: which.
        server: one of `OURS`, or its name in `bench.servers`.
        plan: how much of it.

    Raises:
        DidNotStartError: there is no such server here.
        RuntimeError: a client is missing, or has failed.
    """
    allow_connections(plan.connections + NORMAL.connections)
    admin = free_port()
    with (
        attacked(GPOOL, free_port(), SPARE, MORE_URGENT) as other,
        attacked(server, admin, plan.connections + SPARE) as running,
        pinned(cpus()[1]),  # who looks has a CPU, too
    ):
        ports = (running.port, other.port)
        for port in ports:
            NORMAL.warm_up(port)
        told = {"alone": noticed(ports, plan)}
        before = memory_kib(running.pid)
        with attacking(attack, running.port, plan), Looking(admin) as looking:
            began = time.monotonic()
            told["arriving"] = noticed(ports, plan)
            looking.wait_for(plan.connections, began + plan.arrival)
            used = sum(cpu_seconds(running.pid))
            told["held"] = noticed(ports, plan)
            used = sum(cpu_seconds(running.pid)) - used
            grown = memory_kib(running.pid) - before
        run: Run = {when: of for when, (of, _) in told.items()}
        run["beside"] = {when: of for when, (_, of) in told.items()}
        run["cpu"], run["grown_kib"] = used / run["held"]["seconds"], grown
        run["seen"] = looking.last
        run["most"] = looking.most if looking.last else dict.fromkeys(looking.most)
        run["left_open"] = left_open(admin)
    return run


def left_open(admin: int) -> int | None:
    """How many connections the server still has when their clients have gone; None: unknown."""
    latest = time.monotonic() + GONE
    while (seen := stats(admin)) is not None:
        count: int = seen["open"] + seen["lingering"]
        if not count or time.monotonic() > latest:
            return count
        time.sleep(LOOK)
    return None
