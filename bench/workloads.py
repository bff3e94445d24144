"""What the servers are asked to do, and which of them.

A workload is one of four shapes, each of which knows how to measure a server: requests in a closed
loop (`bench.load`), crowds that do little (`bench.crowds`), more clients than a server may serve
(`bench.overload`), and a fixed rate (`bench.halfload`). Here they are put together to what
`make bench` runs.
"""

from dataclasses import dataclass
from typing import Protocol

from bench.application import MIB
from bench.crowds import Idle, Slow
from bench.figures import Run
from bench.halfload import HalfLoad
from bench.kinds import Purpose
from bench.load import Load
from bench.overload import Overload

__all__ = ["WORKLOADS", "Shape", "Workload"]

OURS = ("wsgi", "wsgi-pure")
PYWSGI = ("pywsgi", "pywsgi-gpool")
#: What one would pick instead of either.
OTHERS = (
    "gunicorn-gevent",
    "uwsgi-gevent",
    "gunicorn-gthread",
    "granian",
    "waitress",
    "cheroot",
    "bjoern",
    "fastwsgi",
    "uvicorn",
    "go-fasthttp",
    "go-net-http",
)
SERVERS = (*OURS, *PYWSGI, *OTHERS)
#: One of each kind of ours, where a variant would say the same again.
EACH = ("wsgi", "pywsgi", *OTHERS)
BARE = ("gpool", "gevent", "gevent-pool")  # no HTTP to speak of: what TCP alone costs
#: Those that can be told how many requests to run at once.
LIMITED = ("wsgi", *PYWSGI, *(name for name in OTHERS if name not in ("bjoern", "fastwsgi")))
BESIDE_SLOW = (
    "wsgi",
    "pywsgi",
    "gunicorn-gevent",
    "gunicorn-gthread",
    "granian",
    "waitress",
    "go-fasthttp",
    "go-net-http",
)
SWEPT = ("wsgi", "pywsgi", "gunicorn-gevent", "go-fasthttp")
CONNECTIONS = (1, 10, 100, 1_000, 10_000)
MAX_WORKERS = (8, 32, 100, 316, 1_000, 3_162)
LIMIT = 100


class Shape(Protocol):
    """How a server is measured."""

    @property
    def purpose(self) -> Purpose:
        """What the server is set up for."""

    @property
    def connections(self) -> int:
        """At once, at most."""

    @property
    def latency(self) -> bool:
        """Whether there are percentiles that say something."""

    @property
    def carries(self) -> int:
        """Bytes of the body that a request is about; 0 if it is about none."""

    def lasts(self, seconds: float) -> float:
        """About how many seconds `measure` takes."""

    def measure(self, server: str, seconds: int) -> Run:
        """The figures of one run of a server."""


@dataclass(frozen=True, slots=True)
class Workload:
    """Something that servers are asked to do.

    Attributes:
        title: what tables call it.
        servers: those it is for, in the order of the report.
        shape: how it is measured.
        repeat: how often `make bench` measures each server.
        seconds: that a run loads the server there.
        axis: what a sweep goes along, if this is a point of one.
        at: where on it this is.
        usual: whether `make bench` runs it without being asked to by name.
    """

    title: str
    servers: tuple[str, ...]
    shape: Shape
    repeat: int = 2
    seconds: int = 1
    axis: str | None = None
    at: float | None = None
    usual: bool = True

    @property
    def purpose(self) -> Purpose:
        """What the server is set up for."""
        return self.shape.purpose

    @property
    def connections(self) -> int:
        """At once, at most."""
        return self.shape.connections

    @property
    def latency(self) -> bool:
        """Whether there are percentiles that say something."""
        return self.shape.latency

    @property
    def carries(self) -> int:
        """Bytes of the body that a request is about; 0 if it is about none."""
        return self.shape.carries

    @property
    def lasts(self) -> float:
        """About how many seconds a run takes in all, if it loads the server for `seconds`."""
        return self.shape.lasts(self.seconds)

    def measure(self, server: str, seconds: int) -> Run:
        """Start a server, do this to it, and end it.

        Args:
            server: its name in `bench.servers`.
            seconds: that it is loaded, 1 or more.

        Returns:
            Its figures; which there are is the shape's.

        Raises:
            bench.processes.DidNotStartError: there is no such server here.
            RuntimeError: it has been measured in vain; the text says why.
            OSError: the same.
            subprocess.SubprocessError: the same, of the load generator.
        """
        return self.shape.measure(server, seconds)


def fetching(size: int, how: str, connections: int) -> Workload:
    """A large answer, in one of the two ways to give it piece by piece."""
    said = {"iterable": "iterable of 64 KiB blocks", "file": "file (wsgi.file_wrapper if any)"}
    shape = Load(connections, path=f"/{size}-{how}", gets=size * MIB)
    title = f"answer of {size} MiB, {said[how]}"
    return Workload(title, ("wsgi", "pywsgi"), shape, usual=False)


def by_connections(count: int) -> Workload:
    """A point of the sweep over connections."""
    title = f"hello world, keep-alive, {count:,} connection{'s' * (count > 1)}"
    return Workload(title, SWEPT, Load(count), repeat=1, axis="connections", at=count)


def by_workers(count: int) -> Workload:
    """A point of the sweep over max_workers: as many clients as workers, all of which wait."""
    shape = Load(count, path="/wait", purpose=Purpose.WAIT, limit=count)
    title = f"application waits 10 ms, max_workers={count:,}, as many connections"
    return Workload(title, ("wsgi",), shape, repeat=1, axis="max_workers", at=count)


BROWSER = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language: en-GB,en;q=0.7,de;q=0.3",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Referer: http://localhost/items",
    "Sec-Fetch-Mode: navigate",
)
WAITING = Load(1_000, path="/wait", purpose=Purpose.WAIT)
QUERYING = Load(100, path="/database", purpose=Purpose.DATABASE)

WORKLOADS = {
    "keep-alive": Workload(
        "hello world, keep-alive, 64 connections",
        ("floor", *SERVERS, "pywsgi-nagle", *BARE),
        Load(),
        repeat=5,
    ),
    "close": Workload(
        "hello world, one connection a request, 64 at once",
        ("floor", *SERVERS, "wsgi-defer", *BARE, "gpool-defer"),
        Load(headers=("Connection: close",)),
        repeat=5,
    ),
    "pipelined": Workload(
        "hello world, pipelined 16 deep, 64 connections",
        ("floor", *EACH),
        Load(script="pipelined.lua", latency=False),
        repeat=1,
    ),
    "varied": Workload(
        "hello world, a browser's heads, all different, 64 connections",
        ("floor", *EACH),
        Load(script="varied.lua", headers=BROWSER),
        repeat=1,
    ),
    "json": Workload(
        "10 KB of JSON, made for each request, 64 connections", EACH, Load(path="/json")
    ),
    "response-1m": Workload(
        "answer of 1 MiB, in one piece, 16 connections",
        EACH,
        Load(16, path="/1-whole", gets=MIB),
    ),
    "post-1m": Workload(
        "POST of 1 MiB, read by the application, 16 connections",
        EACH,
        Load(16, path="/upload", script="post.lua", sends=MIB),
    ),
    "tls": Workload(
        "hello world, keep-alive over TLS, 64 connections", EACH, Load(purpose=Purpose.TLS)
    ),
    "wait": Workload("application waits 10 ms, 1 000 connections", SERVERS, WAITING, repeat=3),
    "database": Workload(
        "a row of PostgreSQL by its key, 100 connections", EACH, QUERYING, repeat=3
    ),
    "half-load": Workload(
        "hello world at half of its own maximum, open loop, 64 connections",
        ("floor", *EACH),
        HalfLoad(),
        repeat=1,
        seconds=2,
    ),
    "overload": Workload(
        f"application waits 10 ms, {2 * LIMIT} clients, room for {LIMIT}",
        LIMITED,
        Overload(LIMIT),
    ),
    "overload-storm": Workload(
        f"the same, clients that ask again at once, {2 * LIMIT} of them, room for {LIMIT}",
        LIMITED,
        Overload(LIMIT, pause=0.0),
        usual=False,
    ),
    "idle-1000": Workload("1 000 idle connections", SERVERS, Idle(1_000), repeat=1),
    "idle-10000": Workload("10 000 idle connections", SERVERS, Idle(10_000), repeat=1),
    "slow": Workload(
        "a normal client beside 10 000 that send a byte a second",
        BESIDE_SLOW,
        Slow(10_000),
        repeat=1,
        seconds=2,
    ),
    **{f"connections-{count}": by_connections(count) for count in CONNECTIONS},
    **{f"max-workers-{count}": by_workers(count) for count in MAX_WORKERS},
    "1-iterable": fetching(1, "iterable", connections=16),
    "1-file": fetching(1, "file", connections=16),
    "100-iterable": fetching(100, "iterable", connections=4),
    "100-file": fetching(100, "file", connections=4),
}
