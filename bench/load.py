"""One server under load: start it, warm it up, load it, and say what that cost.

wrk loads it, or `bench.download` where the answers are large. What a request costs is the CPU time
of the server's processes, which holds still where requests/s saturates on the client:
`client_busy` says how close to its CPU's limit that one was. Figures are of good answers (2xx):
what else the server did, and failed in, is part of what they cost.

A `Load` is one shape of a workload; the others are in `bench.crowds`, `bench.overload` and
`bench.halfload`.
"""

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.application import MIB
from bench.figures import Run
from bench.kinds import Kind, Purpose
from bench.processes import (
    Serving,
    allow_descriptors,
    cpu_seconds,
    cpus,
    memory_kib,
    pinned,
    serving,
)
from bench.servers import SERVERS
from bench.warm import WARM_UP, warm_up

__all__ = ["START", "Load", "allow_connections", "measured", "run_client"]

LUA = Path(__file__).parent / "lua"
START = 0.4  # seconds that a server takes to start and to end, about
SPARE = 100  # descriptors beside those of connections
#: wrk counts an answer that took longer as an error; above the 1.4 s that pywsgi takes with a
#: thousand connections.
TIMEOUT = 10
PERCENTILES = ("p50", "p99", "p99.9", "max")
FEW = 2  # connections
PATIENCE = 30  # seconds that a client may take longer than it should


@dataclass(frozen=True, slots=True)
class Load:
    """The same requests again and again, in a closed loop.

    Attributes:
        connections: at once.
        path: of each request.
        purpose: what the server is set up for.
        limit: how many requests at once the server may run; None for what it has by itself.
        script: the Lua script that makes wrk's requests, and reports.
        headers: that each request carries.
        sends: bytes of each request's body.
        gets: bytes of each answer's body where it is large. Requests are then counted by bytes,
            since those that the end of a run cuts off have been paid for too.
        latency: whether wrk's percentiles say something; they do not when it pipelines.
    """

    connections: int = 64
    path: str = "/"
    purpose: Purpose = Purpose.HELLO
    limit: int | None = None
    script: str = "report.lua"
    headers: tuple[str, ...] = ()
    sends: int = 0
    gets: int = 0
    latency: bool = True

    @property
    def carries(self) -> int:
        """Bytes of the body that a request is about; 0 if it is about none."""
        return self.sends or self.gets

    @property
    def tls(self) -> bool:
        """Whether it is over HTTPS."""
        return self.purpose is Purpose.TLS

    def lasts(self, seconds: float) -> float:
        """About how many seconds `measure` takes."""
        return START + WARM_UP + seconds

    def request(self) -> bytes:
        """One of them, as it is sent."""
        lines = [f"{'POST' if self.sends else 'GET'} {self.path} HTTP/1.1", "Host: localhost"]
        lines += self.headers
        lines += [f"Content-Length: {self.sends}"] if self.sends else []
        return "\r\n".join([*lines, "", ""]).encode() + bytes(self.sends)

    def warm_up(self, port: int, most: int | None = None) -> None:
        """Let the server see such requests before it is measured, on `most` connections at most."""
        connections = min(self.connections, most or self.connections)
        with pinned(cpus()[1]):
            warm_up(port, self.request(), connections, tls=self.tls)

    def command(self, port: int, seconds: int) -> list[str]:
        """The client that loads the server, as a command."""
        if self.gets:
            numbers = (self.gets, self.connections, seconds)
            given = [str(port), self.path, *map(str, numbers)]
            return [sys.executable, "-m", "bench.download", *given]
        command = ["wrk", "--threads=1", f"--connections={self.connections}", "--latency"]
        command += [f"--duration={seconds}s", f"--timeout={TIMEOUT}s"]
        command += [f"--script={LUA / self.script}"]
        command += [f"--header={header}" for header in self.headers]
        return [*command, f"{'https' if self.tls else 'http'}://127.0.0.1:{port}{self.path}"]

    def run(self, port: int, seconds: int) -> Run:
        """Load a server that runs, and return what the client has measured."""
        return run_client(self.command(port, seconds), seconds)

    def good(self, said: Run) -> float:
        """The good answers among all; those that came in part count in part."""
        answers: float = said["bytes"] / self.gets if self.gets else said["requests"]
        refused: int = said["errors"]["status"]
        return answers - refused

    def measure(self, server: str, seconds: int) -> Run:
        """One run of a server of its own: the client's figures, and what a request has cost.

        Args:
            server: its name in `bench.servers`.
            seconds: that it is loaded, 1 or more.

        Raises:
            DidNotStartError: there is no such server here.
            RuntimeError: there was no good answer.
        """
        allow_connections(self.connections)
        with serving(server, self.purpose, self.limit) as running:
            started = memory_kib(running.pid)
            # What is left of the warm-up is served first by those who serve one at a time.
            self.warm_up(running.port, FEW if SERVERS[server].kind is Kind.ONE else None)
            run = measured(running, lambda: self.load(running.port, seconds))
        carried = run["rate"] * self.carries / MIB
        return {"started_rss_kib": started, "mib_per_second": carried, **run}

    def load(self, port: int, seconds: int) -> Run:
        """The same, with the rate of good answers."""
        said = self.run(port, seconds)
        dropped = () if self.latency else PERCENTILES
        kept = {key: figure for key, figure in said.items() if key not in dropped}
        return {**kept, "rate": self.good(said) / said["seconds"]}


def measured(running: Serving, load: Callable[[], Run]) -> Run:
    """Load a server that has been warmed up: the client's figures, and what a request has cost.

    Args:
        running: the server.
        load: loads it, and returns figures with `rate`, the good answers in each of `seconds`.

    Raises:
        RuntimeError: there was no good answer.
    """
    warm, before = memory_kib(running.pid), cpu_seconds(running.pid)
    said = load()
    after, rss = cpu_seconds(running.pid), memory_kib(running.pid)
    good = said["rate"] * said["seconds"]
    if good <= 0:
        raise RuntimeError(f"there was not one good answer: {json.dumps(said['errors'])}")
    user, system = ((now - then) * 1e6 / good for now, then in zip(after, before, strict=True))
    return {
        **said,
        "user_us": user,
        "system_us": system,
        "rss_kib": rss,
        "peak_rss_kib": memory_kib(running.pid, "VmHWM"),
        "growth_kib": rss - warm,
    }


def run_client(command: list[str], seconds: float, said: bytes = b"") -> Run:
    """Run a load generator on the clients' CPU.

    Args:
        command: it ends its output with a line of JSON, as lua/report.lua does.
        seconds: that it should take.
        said: its standard input.

    Returns:
        What it said, and `client_busy`: the share of its CPU that it has used.

    Raises:
        RuntimeError: it has failed.
        subprocess.TimeoutExpired: it does not end.
    """
    before = children_seconds()
    with pinned(cpus()[1]):
        done = subprocess.run(
            command, input=said, capture_output=True, check=False, timeout=seconds + PATIENCE
        )
    if done.returncode:
        words = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        raise RuntimeError(f"{Path(command[0]).name}: {words[-1] if words else 'it says nothing'}")
    result: Run = json.loads(done.stdout.splitlines()[-1])
    return {**result, "client_busy": (children_seconds() - before) / result["seconds"]}


def children_seconds() -> float:
    """CPU time of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def allow_connections(count: int) -> None:
    """Let the processes that are started from now on have so many each.

    Raises:
        RuntimeError: the limit of open files does not allow that.
    """
    needed = count + SPARE
    allowed = allow_descriptors(needed)
    if allowed < needed:
        raise RuntimeError(f"{needed} open files needed, {allowed} allowed (ulimit -n)")
