"""Servers under measurement: started on a CPU of their own, and asked what they have used.

Servers run on the first CPU, whoever loads them on the second, where there are two. Each is
started in a session of its own, so that all its processes end with it; what is measured is the
whole tree. A server is ready when it has answered a request.
"""

import os
import resource
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO

from bench import build
from bench.application import BODY
from bench.kinds import ROOT, Purpose, Server, Setup
from bench.peers import tls
from bench.peers.installed import missing
from bench.queries import COOPERATIVE_VARIABLE
from bench.servers import SERVERS
from bench.trees import alive, cpu_seconds, memory_kib

__all__ = [
    "DidNotStartError",
    "Serving",
    "absent",
    "allow_descriptors",
    "cpu_seconds",
    "cpus",
    "end",
    "memory_kib",
    "pinned",
    "serving",
]

PATIENCE = 10  # seconds that a process has to end before it is killed
GRACE = 1  # second that those have whom it has left behind
BEGIN = 20  # seconds that it has to answer its first request
POLL = 0.01  # seconds between two looks
FILES = 16_384  # that a server may open; some keep a count of them in their memory
ASK = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


class DidNotStartError(Exception):
    """A server that cannot be measured; the text says why, in a line."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that runs.

    Attributes:
        pid: its process, of which others may be children.
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


@contextmanager
def serving(
    name: str, purpose: Purpose | str = Purpose.HELLO, limit: int | None = None
) -> Iterator[Serving]:
    """A server of that name, while this runs; it has answered a request.

    Args:
        name: of `bench.servers.SERVERS`.
        purpose: what it is to be set up for. With TLS it is asked by HTTPS.
        limit: the most requests that it may run at once; None for its own setting.

    Raises:
        DidNotStartError: it does not, and why.
    """
    server, port, purpose = SERVERS[name], free_port(), Purpose(purpose)
    setup = Setup(port, purpose, server.chosen(purpose), limit, *files(purpose))
    with (
        tempfile.TemporaryFile("w+", errors="replace") as complaints,
        started(server, setup, complaints) as process,
    ):
        wait_until_it_answers(process, port, complaints, secure=purpose == Purpose.TLS)
        yield Serving(process.pid, port)


def free_port() -> int:
    """A port of loopback where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def files(purpose: Purpose) -> tuple[()] | tuple[os.PathLike[str], os.PathLike[str]]:
    """Those of the certificate and its key, where there is to be one."""
    return tls.certificate() if purpose == Purpose.TLS else ()


@contextmanager
def started(server: Server, setup: Setup, complaints: IO[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A server's process; what it has to complain about goes where it is not in the way.

    gevent's servers print a traceback for each connection that wrk resets at its end.
    """
    if reason := missing(server.needs):
        raise DidNotStartError(reason)
    try:
        command, variables = server.command(setup), environment(server)
    except (RuntimeError, OSError, subprocess.SubprocessError) as why:
        raise DidNotStartError(str(why)) from why
    allow_descriptors(FILES)
    with pinned(cpus()[0]):
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=complaints,
            stderr=complaints,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        end_all(process)


def environment(server: Server) -> dict[str, str]:
    """The variables of a server: which gpool it finds, and how its application waits."""
    plain = {**os.environ, "PYTHONPATH": str(ROOT)}
    made = build.environment() if server.compiled else plain
    made.pop(COOPERATIVE_VARIABLE, None)
    if server.cooperative:
        made[COOPERATIVE_VARIABLE] = "1"
    return made


def wait_until_it_answers(
    process: subprocess.Popen[bytes], port: int, complaints: IO[str], *, secure: bool
) -> None:
    """Return when it answers; raise if it ends before that, or takes too long."""
    latest = time.monotonic() + BEGIN
    while not answers(port, secure=secure):
        if process.poll() is not None:
            raise DidNotStartError(last_line(complaints) or "it ended without a word")
        if time.monotonic() > latest:
            said = last_line(complaints)
            raise DidNotStartError(
                f"no answer in {BEGIN} s" + (f"; it says: {said}" if said else "")
            )
        time.sleep(POLL)


def answers(port: int, *, secure: bool) -> bool:
    """Whether it says hello."""
    said = b""
    with suppress(OSError), connected(port, secure=secure) as asking:
        asking.sendall(ASK)
        while BODY not in said and (more := asking.recv(65_536)):
            said += more
    return b" 200 OK\r\n" in said and said.endswith(BODY)


@contextmanager
def connected(port: int, *, secure: bool) -> Iterator[socket.socket]:
    """A connection to it."""
    with socket.create_connection(("127.0.0.1", port), timeout=BEGIN) as raw:
        if not secure:
            yield raw
            return
        with tls.client_context().wrap_socket(raw, server_hostname="127.0.0.1") as wrapped:
            yield wrapped


def last_line(complaints: IO[str]) -> str:
    """The last line that is not empty, of what the server has said."""
    complaints.seek(0)
    return ([line.strip() for line in complaints if line.strip()] or [""])[-1]


def end(process: subprocess.Popen[str]) -> None:
    """Terminate a process that has pipes, and insist."""
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()


def end_all(process: subprocess.Popen[bytes]) -> None:
    """Terminate the first process of a session, and see that all of them end."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE)
    latest = time.monotonic() + GRACE
    while alive(process.pid):  # the first may be gone, and nobody would tell these to end
        late = time.monotonic() > latest
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL if late else signal.SIGTERM)
        time.sleep(POLL)
    process.wait()


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
