"""What the servers are asked to do, and which of them it makes sense to ask.

wrk asks, or `bench.download` where the answer is large.
"""

from dataclasses import dataclass
from pathlib import Path

from bench.application import MIB

LUA = Path(__file__).parent / "lua"
WSGI = ("wsgi", "wsgi-pure", "pywsgi", "pywsgi-gpool")
BARE = ("gpool", "gevent", "gevent-pool")  # no HTTP to speak of: what TCP alone costs


@dataclass(frozen=True, slots=True)
class Workload:
    """What a client asks for.

    Attributes:
        title: what the table calls it.
        servers: those it is for.
        connections: at once.
        path: of each request.
        script: the Lua script that makes the requests, and reports.
        headers: that each request carries.
        sends: bytes of each request's body.
        gets: bytes of each answer's body where it is large. Requests are then counted by bytes,
            since those that the end of a run cuts off have been paid for too.
        latency: whether wrk's percentiles say something; they do not when it pipelines.
    """

    title: str
    servers: tuple[str, ...]
    connections: int = 64
    path: str = "/"
    script: str = "report.lua"
    headers: tuple[str, ...] = ()
    sends: int = 0
    gets: int = 0
    latency: bool = True

    @property
    def carries(self) -> int:
        """Bytes of the body that a request is about; 0 if it is about none."""
        return self.sends or self.gets


def fetching(size: int, how: str, connections: int) -> Workload:
    """A large answer, in one of the two ways to give it."""
    said = {"iterable": "iterable of 64 KiB blocks", "file": "file (wsgi.file_wrapper if any)"}
    return Workload(
        f"answer of {size} MiB, {said[how]}",
        ("wsgi", "pywsgi"),
        connections=connections,
        path=f"/{size}-{how}",
        gets=size * MIB,
    )


WORKLOADS = {
    "keep-alive": Workload("hello world, keep-alive", ("floor", *WSGI, "pywsgi-nagle", *BARE)),
    "close": Workload(
        "hello world, one connection a request",
        ("floor", *WSGI, "wsgi-defer", "gpool-defer", *BARE),
        headers=("Connection: close",),
    ),
    "varied": Workload(
        "hello world, keep-alive, a browser's heads, all different",
        ("floor", *WSGI),
        script="varied.lua",
    ),
    "pipelined": Workload(
        "hello world, pipelined 16 deep",
        ("floor", "wsgi", "wsgi-pure", "pywsgi"),
        script="pipelined.lua",
        latency=False,
    ),
    "wait": Workload(
        "application waits 10 ms cooperatively", WSGI, connections=1_000, path="/wait"
    ),
    "post": Workload(
        "POST of 1 MiB, read by the application",
        ("wsgi", "pywsgi"),
        connections=16,
        path="/upload",
        script="post.lua",
        sends=MIB,
    ),
    "1-iterable": fetching(1, "iterable", connections=16),
    "1-file": fetching(1, "file", connections=16),
    "100-iterable": fetching(100, "iterable", connections=4),
    "100-file": fetching(100, "file", connections=4),
}
