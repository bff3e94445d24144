"""CPU time of a request, and what it is spent on: samples taken by perf, under the load of wrk.

perf looks 4 999 times a second at what the server's CPU does (by the clock: virtual machines have
no hardware counters). A sample counts for the function that ran, in user space, and for the system
call that it ran for, in the kernel. The CPU time that is divided comes from the process's own
account, over a run of wrk without perf.
"""

import re
import subprocess
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from bench.processes import cpus, pinned, serving
from bench.profiling.client import CONNECTIONS, Client
from bench.profiling.names import function, part_of_kernel
from bench.trees import cpu_seconds

WARM = 1_000  # requests
FREQUENCY = 4_999  # a second; a prime number, so that no timer goes along with it
SLOWEST = 60  # seconds for perf to tell what it has


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU time per request.

    Attributes:
        user_us: of the process, in user space, in microseconds.
        system_us: and in the kernel.
        rate: requests per second, without perf.
        samples: how many there were.
        parts: microseconds by part of the work.
    """

    user_us: float
    system_us: float
    rate: float
    samples: int
    parts: dict[str, float] = field(default_factory=dict)


def measure(name: str, *, seconds: int, close: bool) -> Spent:
    """Measure a server of `bench.servers` under wrk.

    Args:
        name: of the server.
        seconds: of load; the server is loaded twice as long, the second time under perf.
        close: a connection for each request, instead of keep-alive.

    Raises:
        RuntimeError: wrk or perf did not do its part.
    """
    with serving(name) as server:
        with Client(server.port, close, CONNECTIONS) as client:
            client.ask(WARM)
        before = cpu_seconds(server.pid)
        requests = finish(load(server.port, seconds, close=close))
        used = [now - then for now, then in zip(cpu_seconds(server.pid), before, strict=True)]
        stacks = record(server.pid, server.port, seconds, close=close)
    user, system = (each / requests * 1e6 for each in used)
    counted = Counter(part_of_sample(stack) for stack in stacks)
    each = (user + system) / counted.total()
    parts = {part: count * each for part, count in counted.most_common()}
    return Spent(user, system, requests / seconds, counted.total(), parts)


def load(port: int, seconds: int, *, close: bool) -> subprocess.Popen[str]:
    """Start wrk on the CPU of the clients."""
    header = ["-H", "Connection: close"] if close else []
    wrk = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", *header]
    with pinned(cpus()[1]):
        return subprocess.Popen(
            [*wrk, f"http://127.0.0.1:{port}/"], stdout=subprocess.PIPE, text=True
        )


def finish(wrk: subprocess.Popen[str]) -> int:
    """Wait for wrk; how many requests it made."""
    said = wrk.communicate()[0]
    found = re.search(r"(\d+) requests in", said)
    if wrk.returncode or not found or not int(found[1]):
        raise RuntimeError(f"wrk: {said.strip() or 'it ended without a word'}")
    return int(found[1])


def record(pid: int, port: int, seconds: int, *, close: bool) -> list[list[tuple[str, str]]]:
    """Load the server again, under perf; the samples, each the kernel's stack or one function."""
    with tempfile.TemporaryDirectory(prefix="gpool-profile-") as folder:
        data = Path(folder) / "perf.data"
        command = f"perf record -q -e cpu-clock -F {FREQUENCY} -g -p {pid}"
        wrk = load(port, seconds, close=close)
        time.sleep(0.1)
        tool(*command.split(), "-o", str(data), "--", "sleep", f"{seconds - 0.3:.1f}")
        finish(wrk)
        return read(tool("perf", "script", "-i", str(data), "-F", "ip,sym,dso", "--no-inline"))


def tool(*command: str) -> str:
    """What a program says."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=SLOWEST, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise RuntimeError(f"{' '.join(command[:2])}: {said[-1] if said else 'it failed'}")
    return done.stdout


def read(script: str) -> list[list[tuple[str, str]]]:
    """Understand what perf script says: samples, each from the innermost function outwards."""
    line = re.compile(r"\s*[0-9a-f]+ (.*) \((.*)\)$")
    blocks = (block.splitlines() for block in script.split("\n\n"))
    samples = [[m.groups() for m in map(line.match, block) if m] for block in blocks]
    return [[(symbol, library) for symbol, library in sample] for sample in samples if sample]


def part_of_sample(stack: list[tuple[str, str]]) -> str:
    """What a sample counts for."""
    symbol, library = stack[0]
    if "kernel" in library or library.endswith(".ko"):
        return part_of_kernel([symbol for symbol, _ in stack])
    return function(symbol, library).part
