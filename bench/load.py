"""One server under wrk: start it, load it, and say what that cost.

The server runs on the first CPU and wrk on the second, where there are two. What a request costs
is the CPU time of the server's process, which holds still where requests/s saturates on wrk.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

TICKS = os.sysconf("SC_CLK_TCK")
REPORT = Path(__file__).parent / "report.lua"


@dataclass(frozen=True, slots=True)
class Workload:
    """What wrk asks for.

    Attributes:
        title: what the table calls it.
        connections: at once.
        headers: that each request carries.
    """

    title: str
    connections: int
    headers: tuple[str, ...] = ()


WORKLOADS = {
    "keep-alive": Workload("hello world, keep-alive", 64),
    "close": Workload("hello world, one connection a request", 64, ("Connection: close",)),
}


def cpus() -> tuple[set[int], set[int]]:
    """The CPUs of the server and of wrk; the same if there is only one."""
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


def cpu_seconds(pid: int) -> tuple[float, float]:
    """User and system time of a process up to now (proc(5), stat, fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) / TICKS, int(fields[12]) / TICKS


def peak_rss_kib(pid: int) -> int:
    """The most memory a process has had resident (proc(5), status, VmHWM)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise RuntimeError("no VmHWM in /proc/PID/status")


@contextmanager
def serving(name: str) -> Iterator[tuple[int, int]]:
    """The process and the port of a server that runs while this does."""
    with tempfile.TemporaryFile("w+") as complaints, started(name, complaints) as process:
        assert process.stdout is not None
        port = process.stdout.readline()
        if not port:
            complaints.seek(0)
            raise RuntimeError(f"the server {name!r} did not start:\n{complaints.read()}")
        yield process.pid, int(port)


@contextmanager
def started(name: str, complaints: IO[str]) -> Iterator[subprocess.Popen[str]]:
    """A server's process; what it has to complain about goes where it is not in the way.

    gevent's servers print a traceback for each connection that wrk resets at its end.
    """
    with pinned(cpus()[0]):
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.servers", name],
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


def wrk(port: int, workload: Workload, seconds: float) -> dict[str, Any]:
    """Load the server, and return what wrk has measured; latencies in milliseconds."""
    command = ["wrk", "--threads=1", f"--connections={workload.connections}"]
    command += [f"--duration={seconds:g}s", "--latency", f"--script={REPORT}"]
    command += [f"--header={header}" for header in workload.headers]
    command.append(f"http://127.0.0.1:{port}/")
    with pinned(cpus()[1]):
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=seconds + 30
        )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def measure(name: str, workload: Workload, seconds: float) -> dict[str, Any]:
    """One run of a server of its own: wrk's figures, and what a request has cost."""
    with serving(name) as (pid, port):
        wrk(port, workload, 1)  # warms up
        user_before, system_before = cpu_seconds(pid)
        result = wrk(port, workload, int(seconds))
        user, system = cpu_seconds(pid)
        requests = max(result["requests"], 1)
        return result | {
            "rate": result["requests"] / result["seconds"],
            "user_us": (user - user_before) / requests * 1e6,
            "system_us": (system - system_before) / requests * 1e6,
            "peak_rss_kib": peak_rss_kib(pid),
        }
