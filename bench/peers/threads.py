"""Servers that run the application in threads, and how many threads are best for what."""

import json
from collections.abc import Callable

from bench.kinds import Kind, Purpose, Server, Setting, Setup
from bench.peers.cooperative import APPLICATION, PLENTY, gunicorn
from bench.peers.installed import interpreter, of

__all__ = ["THREADS"]


def settings(hello: int, wait: int, database: int, words: str = "") -> dict[Purpose, Setting]:
    """The settings of one: threads for a hello world, for what waits, and for the database.

    They are the best of 1, 2, 4 and 8, of 100, 200, 300 and 1 000, and of 4, 20 and 60 that we
    have tried, by requests/s: others fight for the interpreter's lock. Of those that were as good
    as each other we took what has the better latency.
    """
    return {
        Purpose.HELLO: Setting(f"{words}{hello} {plural(hello)}, the best of 1 to 8", hello),
        Purpose.WAIT: Setting(f"{words}{wait} threads, the best of 100, 200, 300 and 1 000", wait),
        Purpose.DATABASE: Setting(f"{words}{database} threads, the best of 4 to 60", database),
        Purpose.OVERLOAD: Setting(f"{words}as many threads; others wait for one", hello),
    }


def plural(count: int) -> str:
    """The word for so many."""
    return "thread" if count == 1 else "threads"


def gthread(setup: Setup) -> list[str]:
    """Gunicorn's worker that has threads."""
    more = ["--threads", str(setup.threads), "--worker-connections", str(PLENTY)]
    return gunicorn("gthread", setup, *more)


def granian(setup: Setup) -> list[str]:
    """Granian with one worker process, one thread of the runtime, and blocking threads."""
    command = [*interpreter("granian"), "--interface", "wsgi", "--host", "127.0.0.1"]
    command += ["--port", str(setup.port), "--workers", "1", "--http", "1", "--no-ws"]
    command += ["--blocking-threads", str(setup.threads), "--backlog", "4096", "--no-log"]
    command += ["--backpressure", str(setup.limit or PLENTY), "--runtime-threads", "1"]
    if setup.certificate and setup.key:
        command += ["--ssl-certificate", str(setup.certificate), "--ssl-keyfile", str(setup.key)]
    return [*command, APPLICATION]


def run_threads(name: str) -> Callable[[Setup], list[str]]:
    """Those that `bench.peers.run_threads` starts."""

    def command(setup: Setup) -> list[str]:
        given = {
            "port": setup.port,
            "threads": setup.threads,
            "certificate": str(setup.certificate) if setup.certificate else None,
            "key": str(setup.key) if setup.key else None,
        }
        return [*interpreter("bench.peers.run_threads"), name, json.dumps(given)]

    return command


THREADS = {
    "gunicorn-gthread": Server(
        title="gunicorn, gthread",
        kind=Kind.THREADS,
        command=gthread,
        said=of("gunicorn", "gunicorn_h1c"),
        settings=settings(4, 100, 20, "1 worker process; "),
        needs=("gunicorn",),
    ),
    "granian": Server(
        title="granian, wsgi",
        kind=Kind.THREADS,
        command=granian,
        said=of("granian"),
        settings=settings(1, 200, 20, "1 worker process; "),
        needs=("granian",),
    ),
    "waitress": Server(
        title="waitress",
        kind=Kind.THREADS,
        command=run_threads("waitress"),
        said=of("waitress"),
        settings=settings(2, 100, 20, "poll; no temporary files; "),
        needs=("waitress",),
        lacks={"tls": "it has no TLS"},
    ),
    "cheroot": Server(
        title="cheroot",
        kind=Kind.THREADS,
        command=run_threads("cheroot"),
        said=of("cheroot"),
        settings=settings(4, 100, 20),
        needs=("cheroot",),
    ),
}
