"""All that one process serves: a server for each listener, one pool, one count of connections.

The command and the gunicorn worker are two ways to one of these. What they have in common is here:
servers that share their workers and limits, a drain of all at the same time, and figures for all
of them together.

Guarantees: `max_workers` and the limits of connections hold for the process, however many
listeners there are; `stop` ends the pool after the last server, so that none of them finds it
closed; it returns within its timeout and a few seconds.

Where the listeners and the settings come from, and when to stop, is left to those two.
"""

import os
import ssl
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import auto
from time import monotonic
from typing import Any

import gevent
from gevent.hub import get_hub

from gpool.admission import KILL_TIMEOUT
from gpool.limits import Refusal
from gpool.pool import MAX_IDLE_WORKER_DURATION
from gpool.states import State, moved
from gpool.stats import PoolStats, ServerStats
from gpool.wsgi.access import Observer
from gpool.wsgi.server import MAX_WORKERS, WSGIServer, request_pool
from gpool.wsgi.site import Application

__all__ = ["Hosting", "HostingState", "HostingStats", "prepare_exit"]


class HostingState(State):
    """What the process does; `MOVES` is what may follow."""

    STOPPED = auto()
    SERVING = auto()
    DRAINING = auto()


MOVES: dict[HostingState, tuple[HostingState, ...]] = {
    HostingState.STOPPED: (HostingState.SERVING,),
    HostingState.SERVING: (HostingState.DRAINING,),
    HostingState.DRAINING: (HostingState.STOPPED,),
}


@dataclass(frozen=True, slots=True)
class HostingStats:
    """What a process holds now, and what it has done.

    Attributes:
        state: see `HostingState`.
        pool: of the workers.
        server: of all servers together.
        connections: how many are in which state, by its name.
        full_since: monotonic seconds since which there has been no room, as far as somebody has
            asked; None if there is some.
        limit: how many requests may be in flight now: `max_workers`, or fewer with
            ``overflow="adaptive"``.
    """

    state: HostingState
    pool: PoolStats
    server: ServerStats
    connections: dict[str, int]
    full_since: float | None
    limit: int


class Hosting:
    """The servers of one process.

    Args:
        listeners: what `WSGIServer` takes, one or more.
        application: PEP 3333's.
        max_workers: the most requests served at once, 1 or more.
        max_idle_worker_duration: seconds after which an unused worker ends.
        settings: `WSGIServer`'s other arguments, the same for all.

    Attributes:
        servers: one for each listener, in their order.
        pool: their workers.

    Raises:
        TypeError: see `WSGIServer`.
        ValueError: there is no listener, or see `WSGIServer`.
    """

    def __init__(
        self,
        listeners: Iterable[Any],
        application: Application,
        *,
        max_workers: int = MAX_WORKERS,
        max_idle_worker_duration: float = MAX_IDLE_WORKER_DURATION,
        **settings: Any,
    ) -> None:
        self.pool = request_pool(max_workers, max_idle_worker_duration)
        backlog = settings.pop("backlog", None)
        self.servers = [
            WSGIServer(
                listener,
                application,
                None if hasattr(listener, "accept") else backlog,  # one that listens has its own
                self.pool,
                **settings,
            )
            for listener in listeners
        ]
        if not self.servers:
            raise ValueError("there must be a listener")
        for server in self.servers[1:]:
            server.share_limits(self.servers[0])
        self.state = HostingState.STOPPED
        self._full_since: float | None = None

    def __repr__(self) -> str:
        addresses = ", ".join(str(server.address) for server in self.servers)
        return f"<Hosting {self.state.name} on {addresses}>"

    def observe(self, observer: Observer) -> None:
        """Any side. Have `observer` told of each answer of every server."""
        for server in self.servers:
            server.observe(observer)

    def renew_tls(self, context: ssl.SSLContext) -> None:
        """Any side. Use `context` for connections that come from now on; see `WSGIServer`."""
        for server in self.servers:
            server.renew_tls(context)

    def start(self) -> None:
        """Any side. Listen and serve.

        Raises:
            OSError: an address cannot be bound; the text names it, and nothing is left open.
        """
        self.pool.start()
        started: list[WSGIServer] = []
        try:
            for server in self.servers:
                server.start()
                started.append(server)
        except OSError:
            for server in started:
                server.stop(timeout=0)
            self.pool.stop()
            raise
        self.state = moved(MOVES, self.state, HostingState.SERVING)

    def stop(self, timeout: float) -> None:
        """Worker side. Drain all servers, for `timeout` seconds at most; then end the pool."""
        if self.state is HostingState.SERVING:
            self.state = moved(MOVES, self.state, HostingState.DRAINING)
        gevent.joinall([gevent.spawn(server.stop, timeout) for server in self.servers])
        self.pool.stop()
        self.pool.join(KILL_TIMEOUT)
        if self.state is HostingState.DRAINING:
            self.state = moved(MOVES, self.state, HostingState.STOPPED)

    # ------------------------------------------------------------------ figures

    def full_since(self) -> float | None:
        """Any side. Since when there has been no room; seen only when somebody asks."""
        full = self.pool.full() or not any(server.has_room() for server in self.servers)
        if not full:
            self._full_since = None
        elif self._full_since is None:
            self._full_since = monotonic()
        return self._full_since

    def stats(self) -> HostingStats:
        """Any side. A frozen snapshot; looks at every connection, some 0.05 us each."""
        states: Counter[str] = Counter()
        for server in self.servers:
            states.update(server.connections_by_state())
        return HostingStats(
            state=self.state,
            pool=self.pool.stats(),
            server=total([server.stats() for server in self.servers]),
            connections=dict(states),
            full_since=self.full_since(),
            limit=self.servers[0].limit,
        )


def prepare_exit() -> None:
    """Worker side. This process is about to end: have a thread in the pool of gevent's Hub.

    What the application does then, such as sending its last traces, may look up a name. gevent
    does that in a thread, and Python 3.12 starts none once the interpreter ends.
    """
    with suppress(RuntimeError):  # there can be no more threads
        get_hub().threadpool.apply(os.getpid)


def total(parts: list[ServerStats]) -> ServerStats:
    """The sum of several servers' counts; the open connections are counted together already."""
    return ServerStats(
        open=parts[0].open,
        hijacked=sum(part.hijacked for part in parts),
        lingering=sum(part.lingering for part in parts),
        accepted=sum(part.accepted for part in parts),
        refused={reason: sum(part.refused[reason] for part in parts) for reason in Refusal},
        errors=sum(part.errors for part in parts),
    )
