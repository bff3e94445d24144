"""The admin listener: figures, probes and the live page, on an address of their own.

A `WSGIServer` with a small pool of its own, in the Hub of the servers that it tells about: it
answers when all their workers are busy, and while they drain. It cannot when something blocks the
Hub: then nothing in the process answers, and a probe that times out says the right thing.

    /         the live page          /healthz  200 while the process answers
    /metrics  for Prometheus         /readyz   200, or 503 with why there is no room
    /stats    a snapshot, JSON       /history  the last minutes, JSON, for the page

Guarantees: only GET and HEAD, nothing here changes anything; it listens on a loopback address or
a unix socket unless `public` says otherwise; answers are not cached.

It knows no users: who may connect may read. When to start and stop is left to the caller: before
and after the servers.
"""

import json
import logging
import os
from collections.abc import Callable, Iterable
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address
from socket import AF_UNIX
from time import time
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from gevent.hub import get_hub

from gpool.admin.history import INTERVAL, History
from gpool.admin.metrics import HOW_TO_INSTALL, metrics_application
from gpool.admin.page import Page
from gpool.admin.snapshot import Snapshot, Watch, merged, take
from gpool.admin.spool import Spool
from gpool.config import kind, seconds
from gpool.hosting import Hosting, HostingState
from gpool.listener import parse
from gpool.wsgi.framing import Environ
from gpool.wsgi.server import WSGIServer
from gpool.wsgi.tally import Tally

__all__ = ["FULL_THRESHOLD", "Admin", "checked"]

logger = logging.getLogger("gpool.admin")

FULL_THRESHOLD = 5.0  # seconds without room that are a burst, and not yet a reason; arbitrary
STOP_TIMEOUT = 1.0  # seconds for answers that are on their way
MAX_WORKERS = 8  # none of them waits for anything but its client
MAX_CONNECTIONS = 256  # browsers, probes and scrapers; arbitrary
METHODS = ("GET", "HEAD")


class Reply(NamedTuple):
    """An answer."""

    status: str
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class Admin:
    """The admin listener of one process.

    Args:
        hosting: what it tells about.
        address: where it listens, as `WSGIServer` takes it.
        tally: of the answers; one that observes `hosting` already. One is made without it.
        watch: of the Hub, if there is one.
        spool: where siblings write their figures, for a process that is one of several.
        full_threshold: seconds without room after which `/readyz` says so, 0 or more.
        public: whether `address` may be reachable from elsewhere.
        title: what is served, for the page.

    Attributes:
        server: its own; ``server.address`` is where it listens once it is started.

    Raises:
        TypeError: see `WSGIServer`.
        ValueError: `address` is not a loopback one, or an argument is out of its range.
    """

    def __init__(
        self,
        hosting: Hosting,
        address: Any,
        *,
        tally: Tally | None = None,
        watch: Watch | None = None,
        spool: Spool | None = None,
        full_threshold: float = FULL_THRESHOLD,
        public: bool = False,
        title: str = "",
    ) -> None:
        # Settings.
        self._full_threshold = seconds("full_threshold", full_threshold, zero=True)
        self._title = kind("title", title, str, "a str")
        # What it tells about.
        self._hosting = hosting
        self._watch = watch
        self._spool = spool
        if tally is None:
            tally = Tally()
            hosting.observe(tally)
        self._tally = tally
        self._started = time()
        self._history = History()
        # How it tells.
        self._timer: Any = None
        self._page = Page()
        self._metrics = metrics_application(self.current, of_one_process=spool is None)
        self._paths: dict[str, Callable[[Environ], Reply]] = {
            "/": self._live_page,
            "/metrics": self._no_metrics,  # unless there is `_metrics`
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            "/stats": self._stats,
            "/history": self._since,
        }
        self.server = WSGIServer(
            checked(address, public=public),
            self._serve,
            max_workers=MAX_WORKERS,
            max_connections=MAX_CONNECTIONS,
            overflow="wait",
        )

    def __repr__(self) -> str:
        return f"<Admin on {self.server.address}>"

    def start(self) -> None:
        """Any side. Listen, and take a sample a second.

        Raises:
            OSError: the address cannot be bound; the text names it.
        """
        self.server.start()
        if self._timer is None:
            # In the middle of each second, so that a late turn of the loop skips none.
            until_half = (0.5 - time()) % 1.0
            self._timer = get_hub().loop.timer(until_half, INTERVAL, ref=False)
            self._timer.start(self._sample)
        self._sample()

    def stop(self, timeout: float = STOP_TIMEOUT) -> None:
        """Worker side. Write the last figures down, and end; after the servers' own stop.

        Args:
            timeout: seconds at most for answers that are on their way, 0 or more.
        """
        if self._timer is not None:
            self._timer.close()
            self._timer = None
        if self._spool is not None:
            self._spool.write(self._own())
        self.server.stop(timeout)

    # ------------------------------------------------------------------ figures: any side

    def current(self) -> Snapshot:
        """Any side. The figures of this moment, of all processes that share the spool."""
        own = self._own()
        if self._spool is None:
            return own
        self._spool.write(own)
        snapshots = self._spool.read()
        if not any(own.pids[0] in one.pids for one in snapshots):  # it could not be written
            snapshots.append(own)
        return merged(snapshots)

    def _own(self) -> Snapshot:
        return take(
            self._hosting,
            self._tally,
            self._watch,
            title=self._title,
            pid=os.getpid(),
            started=self._started,
        )

    def _sample(self) -> None:
        self._history.add(self.current())

    # ------------------------------------------------------------------ answers: worker side

    def _serve(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] not in METHODS:
            reply = text("405 Method Not Allowed", "GET and HEAD only", ("Allow", "GET, HEAD"))
        elif path == "/metrics" and self._metrics is not None:
            return self._metrics(environ, partial(started, start_response))
        elif path in self._paths:
            reply = self._paths[path](environ)
        else:
            reply = text("404 Not Found", "There is: " + " ".join(self._paths))
        headers = [("Content-Type", reply.content_type), ("Content-Length", str(len(reply.body)))]
        started(start_response, reply.status, [*headers, *reply.headers])
        return [reply.body]

    def _live_page(self, _environ: Environ) -> Reply:
        body = self._page.render(self.current())
        policy = ("Content-Security-Policy", self._page.policy)
        return Reply("200 OK", "text/html; charset=utf-8", body, (policy,))

    def _no_metrics(self, _environ: Environ) -> Reply:
        return text("501 Not Implemented", HOW_TO_INSTALL)

    def _healthz(self, _environ: Environ) -> Reply:
        return as_json({"status": "ok"})

    def _readyz(self, _environ: Environ) -> Reply:
        reason = self.not_ready(self.current())
        if reason is None:
            return as_json({"status": "ready"})
        return as_json({"status": "not ready", "reason": reason}, status="503 Service Unavailable")

    def not_ready(self, snapshot: Snapshot) -> str | None:
        """Any side. Why no more requests should come here; None if they should."""
        if snapshot.state == HostingState.DRAINING.name:
            return "draining"
        if snapshot.state != HostingState.SERVING.name:
            return "not serving"
        if snapshot.full_for > self._full_threshold:
            return (
                f"full for {snapshot.full_for:.1f} s: "
                f"{snapshot.busy} of {snapshot.max_workers} workers are busy"
            )
        return None

    def _stats(self, _environ: Environ) -> Reply:
        return as_json(self.current().as_json())

    def _since(self, environ: Environ) -> Reply:
        wanted = parse_qs(environ.get("QUERY_STRING", "")).get("since", ["0"])[-1]
        try:
            samples = self._history.since(float(wanted))
        except ValueError:
            return text("400 Bad Request", "since must be seconds of the epoch")
        snapshot = self.current()
        return as_json(
            {
                "stats": snapshot.as_json(),
                "not_ready": self.not_ready(snapshot),
                "samples": samples,
            }
        )


def started(
    start_response: Callable[..., Any],
    status: str,
    headers: list[tuple[str, str]],
    *exc_info: Any,
) -> Any:
    """Call `start_response` with what all answers have."""
    common = [("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")]
    if not any(name == "Content-Security-Policy" for name, _ in headers):
        common.append(("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"))
    return start_response(status, [*headers, *common], *exc_info)


def as_json(data: Any, status: str = "200 OK") -> Reply:
    """An answer for programs."""
    return Reply(status, "application/json", json.dumps(data).encode() + b"\n")


def text(status: str, line: str, *headers: tuple[str, str]) -> Reply:
    """An answer of one line."""
    return Reply(status, "text/plain; charset=utf-8", line.encode() + b"\n", headers)


# ---------------------------------------------------------------------- where it listens


def checked(address: Any, *, public: bool) -> Any:
    """Return `address` if it cannot be reached from elsewhere, or `public` is true.

    Raises:
        TypeError: it is of no form that is known, or `public` is not a bool.
        ValueError: it can be reached, or is malformed.
    """
    if hasattr(address, "getsockname"):
        family, parsed = address.family, address.getsockname()
    else:
        family, parsed = parse(address)
    if kind("public", public, bool, "True or False") or family == AF_UNIX or is_loopback(parsed[0]):
        return address
    raise ValueError(
        "admin must be a loopback address or a unix socket, such as '127.0.0.1:9090' or "
        f"'unix:/run/gpool.sock', not {address!r}: whoever reaches it can read it. "
        "public=True (--admin-public) allows any"
    )


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine, seen from itself. Names other than localhost are not."""
    if host == "localhost":  # RFC 6761 section 6.3
        return True
    try:
        parsed: IPv4Address | IPv6Address = ip_address(host)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped.is_loopback
    return parsed.is_loopback
