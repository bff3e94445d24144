"""Processes under measurement: started on a CPU of their own, and asked what they have used.

Servers run on the first CPU, whoever loads them on the second, where there are two.
"""

import os
import resource
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bench import build
from bench.servers import SERVERS, command

TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE = 10  # seconds that a process has to end before it is killed


class DidNotStartError(Exception):
    """A server that cannot be measured; the text says why, in a line."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that runs.

    Attributes:
        pid: its process.
        port: on loopback.
    """

    pid: int
    port: int


def cpus() -> tuple[set[int], set[int]]:
    """The CPUs of the server and of its clients; the same if there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    return {usable[0]}, set(usable[1:2] or usable)


@contextmanager
def pinned(to: set[int]) -> Iterator[None]:
    """What is started here runs on these CPUs."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, to)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def allow_descriptors(count: int) -> int:
    """Let this process, and those it starts, open `count` files; how many they may then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count > hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))
        except (ValueError, OSError):  # only root may raise the hard limit
            count = hard
        else:
            return count
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    return max(soft, count)


def cpu_seconds(pid: int) -> tuple[float, float]:
    """User and system time of a process up to now (proc(5), stat, fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) / TICKS, int(fields[12]) / TICKS


def memory_kib(pid: int, field: str = "VmRSS") -> int:
    """Memory that a process has resident, or with VmHWM, at most had (proc(5), status)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    raise RuntimeError(f"no {field} in /proc/PID/status")


@contextmanager
def serving(name: str) -> Iterator[Serving]:
    """A server of that name, while this runs.

    Raises:
        DidNotStartError: there is none.
    """
    with tempfile.TemporaryFile("w+") as complaints, started(name, complaints) as process:
        assert process.stdout is not None
        port = process.stdout.readline()
        if not port:
            complaints.seek(0)
            said = complaints.read().strip().splitlines()
            raise DidNotStartError(said[-1] if said else "it ended without a word")
        yield Serving(process.pid, int(port))


@contextmanager
def started(name: str, complaints: IO[str]) -> Iterator[subprocess.Popen[str]]:
    """A server's process; what it has to complain about goes where it is not in the way.

    gevent's servers print a traceback for each connection that wrk resets at its end.
    """
    environment = os.environ.copy()
    if SERVERS[name].compiled:
        try:
            environment = build.environment()
        except RuntimeError as reason:
            raise DidNotStartError(str(reason)) from reason
    with pinned(cpus()[0]):
        process = subprocess.Popen(
            command(name), stdout=subprocess.PIPE, stderr=complaints, text=True, env=environment
        )
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[str]) -> None:
    """Terminate a process, and insist."""
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()


def absent(names: list[str]) -> dict[str, str]:
    """Those servers that do not start here, and why; found out before anything is measured."""
    reasons = {}
    for name in names:
        try:
            with serving(name):
                pass
        except (DidNotStartError, OSError) as reason:
            reasons[name] = str(reason)
    return reasons
