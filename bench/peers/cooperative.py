"""Servers that run the application in greenlets: gpool's, gevent's, gunicorn's and uWSGI's."""

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from bench.kinds import KEEPALIVE, ROOT, Kind, Purpose, Server, Setting, Setup
from bench.peers.installed import interpreter, of, program

__all__ = ["BARE", "GUNICORN", "PYWSGI", "UWSGI", "WSGI", "gunicorn"]

#: More connections than any run has; a greenlet, or a core, is made for each that there may be.
PLENTY = 20_000
DEFAULTS = {Purpose.HELLO: Setting("defaults: at most 10 000 requests at once")}
LIMITED = "max_workers is the limit; the default, a 503 at once when all are busy"
CONF = ROOT / "bench" / "peers" / "gunicorn_conf.py"
APPLICATION = "bench.application:application"
ANNOUNCING = "bench.application:announcing"
#: What needs more of HTTP than a canned answer.
MORE = (
    "wait",
    "database",
    "pipelined",
    "varied",
    "json",
    "response-1m",
    "post-1m",
    "tls",
    "idle-1000",
    "idle-10000",
    "overload",
    "overload-storm",
    "slow",
    "half-load",
)
ONLY_HELLO = dict.fromkeys(MORE, "it has no HTTP, but a canned answer")


def run_gevent(name: str) -> Callable[[Setup], list[str]]:
    """How `bench.peers.run_gevent` starts one of its servers."""

    def command(setup: Setup) -> list[str]:
        settings = {
            "name": name,
            "port": setup.port,
            "limit": setup.limit,
            "certificate": str(setup.certificate) if setup.certificate else None,
            "key": str(setup.key) if setup.key else None,
        }
        return [*interpreter("bench.peers.run_gevent"), json.dumps(settings)]

    return command


def ours(name: str, title: str, words: str = "", *, compiled: bool = False) -> Server:
    """A WSGI server of gpool."""
    hello = Setting(words) if words else DEFAULTS[Purpose.HELLO]
    return Server(
        title=title,
        kind=Kind.OURS,
        command=run_gevent(name),
        said=of("gpool", "gevent"),
        settings={Purpose.HELLO: hello, Purpose.OVERLOAD: Setting(LIMITED)},
        compiled=compiled,
    )


def gevents(name: str, title: str, words: str, overload: str) -> Server:
    """A WSGI server of gevent."""
    return Server(
        title=title,
        kind=Kind.GEVENT,
        command=run_gevent(name),
        said=of("gevent"),
        settings={Purpose.HELLO: Setting(words), Purpose.OVERLOAD: Setting(overload)},
    )


def bare(name: str, title: str, words: str = "defaults", kind: Kind = Kind.OURS) -> Server:
    """A server of connections."""
    return Server(
        title=title,
        kind=kind,
        command=run_gevent(name),
        said=of(*(("gpool", "gevent") if kind == Kind.OURS else ("gevent",))),
        settings={Purpose.HELLO: Setting(words)},
        lacks=ONLY_HELLO,
    )


WSGI = {
    "wsgi": ours("wsgi", "gpool.WSGIServer", compiled=True),
    "wsgi-pure": ours("wsgi-pure", "gpool.WSGIServer, not compiled"),
    "wsgi-defer": ours(
        "wsgi-defer", "gpool.WSGIServer, defer_accept", "defer_accept=True", compiled=True
    ),
}
POOL = "a Pool of as many greenlets, one for each connection; others wait in the kernel's backlog"
TUNED = "no log; TCP_NODELAY on the listener; backlog=4096"
PYWSGI = {
    "pywsgi-nagle": gevents("pywsgi-nagle", "pywsgi, as shipped", "no log", POOL),
    "pywsgi": gevents("pywsgi", "pywsgi", TUNED, POOL),
    "pywsgi-gpool": gevents(
        "pywsgi-gpool",
        "pywsgi + WorkerPool",
        f"{TUNED}; spawn=WorkerPool()",
        POOL.replace("a Pool of as many greenlets", "a WorkerPool of as many workers"),
    ),
}
BARE = {
    "gpool": bare("gpool", "gpool.StreamServer"),
    "gpool-defer": bare("gpool-defer", "gpool.StreamServer, defer_accept", "defer_accept=True"),
    "gevent": bare("gevent", "gevent StreamServer", "TCP_NODELAY on the listener", Kind.GEVENT),
    "gevent-pool": bare(
        "gevent-pool", "gevent + Pool(1000)", "TCP_NODELAY; spawn=Pool(1000)", Kind.GEVENT
    ),
}


def gunicorn(worker: str, setup: Setup, *more: str) -> list[str]:
    """Gunicorn with one worker process; what else it needs is in `gunicorn_conf.py`."""
    command = [*interpreter("gunicorn"), "--config", str(CONF), "--bind", setup.address]
    command += ["--worker-class", worker, *more]
    if setup.certificate and setup.key:
        command += ["--certfile", str(setup.certificate), "--keyfile", str(setup.key)]
    return [*command, APPLICATION]


def gunicorn_gevent(setup: Setup) -> list[str]:
    """A greenlet for each connection, of which worker_connections says how many."""
    return gunicorn("gevent", setup, "--worker-connections", str(setup.limit or PLENTY))


GUNICORN = {
    "gunicorn-gevent": Server(
        title="gunicorn, gevent",
        kind=Kind.GEVENT,
        command=gunicorn_gevent,
        said=of("gunicorn", "gunicorn_h1c", "gevent"),
        settings={
            Purpose.HELLO: Setting(
                f"1 worker process; worker_connections={PLENTY}, as the default of 1 000 lets"
                f" others wait; keepalive={KEEPALIVE}; gunicorn_h1c, its parser in C"
            ),
            Purpose.OVERLOAD: Setting(
                "worker_connections is the limit; others wait in the kernel's backlog"
            ),
        },
        needs=("gunicorn",),
    )
}


def uwsgi(setup: Setup) -> list[str]:
    """A process that serves, without a master, and the router that has the connections."""
    front = ["--http", setup.address]
    if setup.certificate:
        front = ["--https", f"{setup.address},{setup.certificate},{setup.key}"]
    between = f"@gpool-bench-{setup.port}"  # a unix socket that is no file
    # To ask for more than the kernel allows is an error.
    backlog = min(4_096, int(Path("/proc/sys/net/core/somaxconn").read_text()))
    return [
        *uwsgi_program(), *front, f"--http-keepalive={KEEPALIVE}", f"--http-timeout={KEEPALIVE}",
        "--http-to", between, "--socket", between, "--listen", str(backlog),
        "--gevent", str(setup.limit or CORES), "--disable-logging", "--need-app", "--die-on-term",
        "--pythonpath", str(ROOT), "--virtualenv", sys.prefix, "--module", ANNOUNCING,
    ]  # fmt: skip


def uwsgi_program() -> list[str]:
    """Pip's has all in it, Debian's needs its plugins."""
    found = program("uwsgi")
    plugins = [] if Path(found).is_relative_to(sys.prefix) else ["--plugins", "python3,gevent"]
    return [found, *plugins]


def uwsgi_version() -> str:
    """Of whichever it is."""
    said = subprocess.check_output([program("uwsgi"), "--version"], text=True, timeout=10)
    return f"{said.strip()}, gevent {version('gevent')}"


CORES = 1_100
ONE_OF_MANY = "of requests that come in one piece it answers only the first"
UWSGI = {
    "uwsgi-gevent": Server(
        title="uWSGI, gevent",
        kind=Kind.GEVENT,
        command=uwsgi,
        said=uwsgi_version,
        settings={
            Purpose.HELLO: Setting(
                "its HTTP router, since http-socket keeps no connections and http11-socket does"
                f" not work with gevent (unbit/uwsgi#1964); a unix socket between them; {CORES:,}"
                " cores, one for each request that waits; no master"
            ),
            Purpose.OVERLOAD: Setting("as many cores; others wait in the backlog between them"),
        },
        lacks={"pipelined": ONE_OF_MANY},
    )
}
