"""System calls of a request, counted by strace.

strace is attached to the warm server, and detached after an exact number of requests. It slows the
system calls down, so that more connections are ready at each epoll_wait than otherwise; the calls
that each request needs stay the same.
"""

import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.processes import serving
from bench.profiling.client import CONNECTIONS, Client

WARM = 1_000  # requests
SLOWEST = 20  # seconds for strace to write what it has


@dataclass(frozen=True, slots=True)
class Calls:
    """Of one system call, per request.

    Attributes:
        calls: how many.
        errors: how many of those failed; EAGAIN, mostly: there was nothing to read yet.
    """

    calls: float
    errors: float


def count(name: str, *, requests: int, close: bool) -> dict[str, Calls]:
    """Count the system calls of a server of `bench.servers`, those called most first.

    Args:
        name: of the server.
        requests: hello world, as many as shall count.
        close: a connection for each request, instead of keep-alive.

    Raises:
        RuntimeError: strace did not do its part.
    """
    with (
        serving(name) as server,
        Client(server.port, close, CONNECTIONS) as client,
        tempfile.NamedTemporaryFile(prefix="gpool-profile-") as out,
    ):
        client.ask(max(WARM, CONNECTIONS))
        strace = attach(server.pid, out.name)
        try:
            client.ask(requests)
        finally:
            strace.send_signal(signal.SIGINT)
            strace.communicate(timeout=SLOWEST)
        return read(Path(out.name).read_text(), requests)


def attach(pid: int, out: str) -> subprocess.Popen[str]:
    """A strace that has begun to count."""
    command = ["strace", "-c", "-f", "-U", "name,calls,errors", "-o", out, "-p", str(pid)]
    strace = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert strace.stderr is not None
    said = strace.stderr.readline()
    if "attached" not in said:
        strace.kill()
        strace.communicate()
        raise RuntimeError(said.strip() or "strace ended without a word")
    return strace


def read(table: str, requests: int) -> dict[str, Calls]:
    """Understand strace's table; what less than one of a hundred requests needs is left out."""
    counted = {}
    for line in table.splitlines():
        name, *numbers = line.split() or [""]
        if name in ("syscall", "total") or not numbers or not numbers[0].isdigit():
            continue
        calls, errors = (int(number) / requests for number in [*numbers, "0"][:2])
        if calls >= 0.005:  # noqa: PLR2004  # what rounds to 0.01
            counted[name] = Calls(calls, errors)
    return dict(sorted(counted.items(), key=lambda pair: -pair[1].calls))
