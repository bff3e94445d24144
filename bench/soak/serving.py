"""The server's process: two servers of gpool, told what to do by lines of JSON on its input.

python -m bench.soak.serving FOLDER SETTINGS is started by `bench.soak.running`.

- "calm" refuses what is too much (``overflow="reject"``) and lets applications finish;
- "strict" lets it wait (``overflow="wait"``) behind a few workers, and interrupts an application
  whose client leaves.

It is asked by the pipe, and not by HTTP, so that no question changes what is counted. At the end
of its input it drains and ends.
"""

import gc
import json
import logging
import os
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from time import monotonic, process_time
from typing import Any

import gevent
import gevent.os
from gevent.hub import get_hub

from bench.soak.application import GONE, Boom, SoakApplication
from bench.soak.ledger import Ledger
from gpool import WSGIServer
from gpool.log import AND_MORE
from gpool.wsgi.access import Observer

__all__ = ["Host", "main"]

MAX_KEPT = 20  # of what nobody expected
IDLE = 0.5  # seconds after which an unused worker ends; often, here
ENDING = 1.0  # seconds for those that have been told to end
KILLS = 0.02  # seconds between two random ones, on average
#: What each server has that the other has not.
SETTINGS: dict[str, dict[str, Any]] = {
    "calm": {"max_workers": 96, "overflow": "reject", "overflow_pause": 0.01},
    "strict": {
        "max_workers": 8,
        "overflow": "wait",
        "max_queue": 8,
        "queue_timeout": 0.2,
        "cancel_on_disconnect": True,
    },
}
EXPECTED = (
    "%s took longer than request_timeout",
    "refused a connection from %s: %s (%s)",
)
RAISED = "the application raised, for %s"


class Heard(logging.Handler):
    """Counts what is logged, and keeps what nobody expected."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        self.unexpected: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """A record."""
        message = str(record.msg).removesuffix(AND_MORE)
        self.counts[message] += 1
        error = record.exc_info[1] if record.exc_info else None
        if message in EXPECTED or (message == RAISED and isinstance(error, (Boom, *GONE))):
            return
        self.keep(f"{record.getMessage()} {error!r}")

    def keep(self, text: str) -> None:
        """Something that is wrong."""
        if len(self.unexpected) < MAX_KEPT:
            self.unexpected.append(text[:500])

    def hub_error(self, context: Any, kind: Any, error: Any, _traceback: Any) -> None:
        """In the place of the Hub's own."""
        self.counts["Hub"] += 1
        self.keep(f"the Hub was told of {kind.__name__} {error} in {context!r}")


class Answers(Observer):
    """Counts answers by their status."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def add(self, environ: Any, status: str, sent: int, started: float) -> None:
        """One is done; the server's own have a bare status."""
        del environ, sent, started
        self.counts[status] += 1


class Host:
    """The servers, and what is told of them."""

    def __init__(self, folder: Path, seed: int, timeout: float) -> None:
        self.timeout = timeout
        self.heard = Heard()
        logging.getLogger("gpool").addHandler(self.heard)
        logging.getLogger("gpool").propagate = False
        vars(get_hub())["handle_error"] = self.heard.hub_error
        self.application = SoakApplication(Ledger(folder), folder / "stored", seed)
        self.answers = Answers()
        self.servers = {name: self.server(**settings) for name, settings in SETTINGS.items()}
        self.killer = gevent.spawn(self.application.kill_at_random, KILLS)

    def server(self, **settings: Any) -> WSGIServer:
        """One of them, started."""
        server = WSGIServer(
            ("127.0.0.1", 0),
            self.application,
            max_idle_worker_duration=IDLE,
            request_timeout=self.timeout,
            header_timeout=self.timeout,
            body_timeout=self.timeout / 2,  # while the application waits for one, that comes first
            **settings,
        )
        server.observe(self.answers)
        server.start()
        return server

    def stats(self) -> dict[str, Any]:
        """What there is now."""
        return {
            "time": monotonic(),
            "cpu": process_time(),
            "anonymous_kib": status_kib("RssAnon"),
            "resident_kib": status_kib("VmRSS"),
            "descriptors": dict(descriptors()),
            "kills": self.application.kills,
            "servers": {name: told(server) for name, server in self.servers.items()},
        }

    def all(self) -> dict[str, Any]:
        """The same, and what takes its time to find."""
        for server in self.servers.values():
            server.pool.join(ENDING)
        gevent.sleep(0)  # so that what is due in this turn of the loop refers to nothing any more
        gc.collect()
        return self.stats() | {
            "objects": dict(objects()),
            "logged": dict(self.heard.counts),
            "unexpected": self.heard.unexpected,
            "answers": dict(self.answers.counts),
            "counts": self.application.counts,
            "doomed": len(self.application.doomed),
        }

    def stop(self) -> dict[str, Any]:
        """Drain."""
        self.killer.kill()
        for server in self.servers.values():
            server.stop()
        return self.all()


def told(server: WSGIServer) -> dict[str, Any]:
    """The counts of a server."""
    return {
        "pool": asdict(server.pool.stats()),
        "server": {
            name: value if name != "refused" else {why.name: count for why, count in value.items()}
            for name, value in asdict(server.stats()).items()
        },
        "connections": server.connections_by_state(),
    }


def status_kib(field: str) -> int:
    """A field of proc(5)'s status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def descriptors() -> Counter[str]:
    """What is open: files by their name, others by their kind."""
    found: Counter[str] = Counter()
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  # names, thousands of times
        try:
            path = os.readlink(f"/proc/self/fd/{name}")  # noqa: PTH115  # the same
            found[path.rpartition("/")[2].partition(":[")[0]] += 1
        except FileNotFoundError:
            continue  # the one of listdir
    return found


def objects() -> Counter[str]:
    """The objects of gpool, greenlets and watchers, by their class."""
    kinds = Counter(map(type, gc.get_objects()))
    return Counter(
        {
            f"{kind.__module__}.{kind.__qualname__}": count
            for kind, count in kinds.items()
            if str(kind.__module__).partition(".")[0] in {"gpool", "greenlet", "gevent"}
        }
    )


def lines() -> Any:
    """What comes on standard input, line by line."""
    gevent.os.make_nonblocking(0)
    buffer = b""
    while data := gevent.os.nb_read(0, 4_096):
        *whole, buffer = (buffer + data).split(b"\n")
        yield from whole


def say(answer: object) -> None:
    """A line of JSON; the pipe is read at once."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main(folder: str, settings: str, change: Callable[[Host], object] | None = None) -> None:
    """Serve until the input ends.

    Args:
        folder: of the ledger.
        settings: in JSON: ``seed``, and ``timeout``, the seconds of three of them.
        change: called with what was made, for tests.
    """
    host = Host(Path(folder), **json.loads(settings))
    if change is not None:
        change(host)
    say({"ports": {name: server.server_port for name, server in host.servers.items()}})
    for line in lines():
        say(host.all() if line == b"all" else host.stats())
    say(host.stop())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
