"""Instructions of a request, counted by valgrind: of all tools the one without noise.

The server runs under callgrind, 50 times slower. It is warmed up, its counters are set to zero, it
answers an exact number of requests, and a dump has what they took. What the kernel does is not
counted. The figures differ by less than 0.1 % when they are counted again.

callgrind keeps functions apart by who called them, DEEP calls up. So it can be said what CPython's
functions cost on behalf of which function of gpool; and a function that is in its own callers does
not count twice. The limit: valgrind follows the C stack, and greenlets switch theirs. What a worker
does counts for whatever switched to it, as far as valgrind can tell.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bench.kinds import Purpose, Setup
from bench.processes import Serving, free_port, started, wait_until_it_answers
from bench.profiling.client import CONNECTIONS, Client
from bench.profiling.costs import Counted, read
from bench.servers import SERVERS

WARM = 1_000  # requests before those that count: CPython specialises, caches fill
QUIET = 0.3  # seconds after the last answer in which the server does what is left to do
SLOWEST = 60  # seconds for valgrind to write what it has
DEEP = 10  # calls; between a function of gpool and CPython's allocator there are seldom more
VALGRIND = (
    "env",
    "PYTHONHASHSEED=0",  # else dictionaries collide differently each time
    "taskset",  # off the one CPU that it would have: nothing is timed, and two can run at once
    "--cpu-list",
    f"0-{(os.cpu_count() or 1) - 1}",
    "valgrind",
    "--tool=callgrind",
    "--trace-children=yes",  # the floor is a program that Python becomes
    "--compress-strings=no",
    "--compress-pos=no",
)


def count(name: str, *, requests: int, close: bool, connections: int = CONNECTIONS) -> Counted:
    """Count the instructions of a server of `bench.servers`.

    Args:
        name: of the server.
        requests: hello world, as many as shall count; 1 000 or more, for a figure that repeats.
        close: a connection for each request, instead of keep-alive.
        connections: at a time.

    Raises:
        RuntimeError: valgrind did not do its part.
    """
    with tempfile.TemporaryDirectory(prefix="gpool-profile-") as folder:
        out = Path(folder) / "callgrind.out"
        # Where all is interpreted, callers say little, and following them takes a minute.
        apart = (
            f"--separate-callers={DEEP}" if SERVERS[name].compiled else f"--separate-recs={DEEP}"
        )
        tool = [*VALGRIND, apart, f"--callgrind-out-file={out}"]
        with (
            under(name, tool) as server,
            Client(server.port, close, connections) as client,
        ):
            client.ask(max(WARM, connections))
            tell(server.pid, "zero")
            client.ask(requests)
            tell(server.pid, "dump")
        return read(out.with_suffix(".out.1").read_text(), requests)


@contextmanager
def under(name: str, tool: Sequence[str]) -> Iterator[Serving]:
    """The server of that name, run by a tool."""
    server, port = SERVERS[name], free_port()
    tooled = replace(server, command=lambda setup: [*tool, *server.command(setup)])
    setup = Setup(port, Purpose.HELLO, server.chosen(Purpose.HELLO))
    with (
        tempfile.TemporaryFile("w+", errors="replace") as complaints,
        started(tooled, setup, complaints) as process,
    ):
        wait_until_it_answers(process, port, complaints, secure=False)
        yield Serving(process.pid, port)


def tell(pid: int, word: str) -> None:
    """Give valgrind an order, when the server has nothing to do: zero its counts, or dump them."""
    time.sleep(QUIET)
    done = subprocess.run(
        ["vgdb", f"--pid={pid}", word],
        capture_output=True,
        text=True,
        timeout=SLOWEST,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"vgdb: {done.stderr.strip()}")
