"""Servers that run one request at a time, that of ASGI, those in Go, and the floor."""

from collections.abc import Callable
from functools import partial

from bench import floor
from bench.kinds import KEEPALIVE, Kind, Purpose, Server, Setting, Setup
from bench.peers import go
from bench.peers.cooperative import ONE_OF_MANY
from bench.peers.installed import interpreter, of

__all__ = ["ASGI", "FLOOR", "GO", "ONE"]

NO_LIMIT = "one request at a time is all there is"
NO_FILES = "it answers 500 to the FileWrapper of wsgiref, and has none of its own"


def run_single(name: str) -> Callable[[Setup], list[str]]:
    """Those that `bench.peers.run_single` starts."""
    return lambda setup: [*interpreter("bench.peers.run_single"), name, str(setup.port)]


def one(name: str, words: str, lacks: dict[str, str]) -> Server:
    """A server of this kind."""
    return Server(
        title=name,
        kind=Kind.ONE,
        command=run_single(name),
        said=of(name),
        settings={Purpose.HELLO: Setting(words)},
        needs=(name,),
        lacks={"tls": "it has no TLS", "overload": NO_LIMIT, "overload-storm": NO_LIMIT} | lacks,
    )


ONE = {
    "bjoern": one(
        "bjoern",
        "backlog 4096, there is no other setting; it sends no Date",
        {"pipelined": ONE_OF_MANY},
    ),
    "fastwsgi": one(
        "fastwsgi", "backlog 4096; TCP_NODELAY", {"1-file": NO_FILES, "100-file": NO_FILES}
    ),
}


def uvicorn(setup: Setup) -> list[str]:
    """Uvicorn with one process, on uvloop and httptools."""
    command = [*interpreter("uvicorn"), "--host", "127.0.0.1", "--port", str(setup.port)]
    command += ["--loop", "uvloop", "--http", "httptools", "--ws", "none", "--lifespan", "on"]
    command += ["--no-access-log", "--log-level", "error", "--no-proxy-headers"]
    command += ["--backlog", "4096", "--timeout-keep-alive", str(KEEPALIVE)]
    command += ["--timeout-graceful-shutdown", "1"]
    if setup.limit:
        command += ["--limit-concurrency", str(setup.limit)]
    if setup.certificate:
        command += ["--ssl-certfile", str(setup.certificate), "--ssl-keyfile", str(setup.key)]
    return [*command, "bench.asgi:application"]


ASGI = {
    "uvicorn": Server(
        title="uvicorn, uvloop (ASGI)",
        kind=Kind.ASGI,
        command=uvicorn,
        said=of("uvicorn", "uvloop", "httptools"),
        settings={
            Purpose.HELLO: Setting("uvloop, httptools; no lines of log; no look for proxies"),
            Purpose.OVERLOAD: Setting("limit_concurrency is the limit, of connections too"),
        },
        needs=("uvicorn", "uvloop", "httptools"),
        lacks=dict.fromkeys(("1-file", "100-file"), "ASGI has no files"),
    )
}


def in_go(name: str, setup: Setup) -> list[str]:
    """A server in Go, compiled before it is started."""
    command = [str(go.built(name)), "-address", setup.address]
    if setup.limit:
        command += ["-limit", str(setup.limit)]
    if setup.purpose == Purpose.IDLE:
        command += ["-idle"]
    if setup.certificate:
        command += ["-certificate", str(setup.certificate), "-key", str(setup.key)]
    return ["env", "GOMAXPROCS=1", *command]


GO = {
    "go-fasthttp": Server(
        title="Go fasthttp",
        kind=Kind.GO,
        command=partial(in_go, "fasthttp"),
        said=lambda: f"{go.package_version('fasthttp')}, {go.version()}",
        settings={
            Purpose.HELLO: Setting("GOMAXPROCS=1; defaults"),
            Purpose.IDLE: Setting("GOMAXPROCS=1; ReduceMemoryUsage, which is meant for this"),
            Purpose.OVERLOAD: Setting("Concurrency is the limit, of connections; others get 503"),
        },
    ),
    "go-net-http": Server(
        title="Go net/http",
        kind=Kind.GO,
        command=partial(in_go, "nethttp"),
        said=go.version,
        settings={
            Purpose.HELLO: Setting("GOMAXPROCS=1; defaults"),
            Purpose.OVERLOAD: Setting("netutil.LimitListener: other connections wait"),
        },
    ),
}


def in_c(setup: Setup) -> list[str]:
    """The program in C, compiled before it is started."""
    return [str(floor.build()), str(setup.port)]


#: It answers each request with the same, at once; of a request it reads where the head ends.
MORE = (
    "wait",
    "database",
    "json",
    "response-1m",
    "post-1m",
    "tls",
    "overload",
    "overload-storm",
    "slow",
)
FLOOR = {
    "floor": Server(
        title="epoll loop in C (floor)",
        kind=Kind.FLOOR,
        command=in_c,
        said=floor.compiler,
        settings={Purpose.HELLO: Setting("one thread; a canned answer")},
        lacks=dict.fromkeys(MORE, "it has one canned answer"),
    )
}
