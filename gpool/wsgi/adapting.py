"""Requests under a limit that adapts, ``overflow="adaptive"``: which run, wait, or are refused.

What is counted and timed is the call of the application, from the moment it has the request until
it returns: not the client, who may be slow to send or to read, nor what an iterable does later. A
request that finds no room waits, but not for long: `gpool.adaptive.patience`.

Guarantees:

- Nobody overtakes, and a request leaves the queue once, as with `gpool.wsgi.queueing`.
- Whoever waits in vain is told so within `adaptive_delay`, to a turn of the loop.
- A call that has become a WebSocket counts no more.

How the limit is found is left to `gpool.adaptive`; how a request is run or refused, to the server.
"""

import logging
from collections.abc import Callable
from functools import partial
from math import isinf
from time import monotonic
from typing import Any, Literal, TypeAlias

from gpool.adaptive import Calls, Limit, patience
from gpool.pool import WorkerPool
from gpool.wsgi.application import Exchange
from gpool.wsgi.framing import Application, Environ
from gpool.wsgi.queueing import RequestQueue
from gpool.wsgi.settings import Settings
from gpool.wsgi.upgrade import UpgradeSocket

__all__ = ["POLICIES", "AdaptiveQueue", "RequestPolicy", "queue_for"]

RequestPolicy: TypeAlias = Literal["reject", "wait", "adaptive"]
POLICIES: tuple[RequestPolicy, ...] = ("reject", "wait", "adaptive")

logger = logging.getLogger("gpool.wsgi")

SOCKET = "werkzeug.socket"
SOONEST = 0.001  # seconds until a timer looks again; epoll's resolution


class AdaptiveQueue(RequestQueue):
    """A queue before a limit that adapts. All methods are for the Hub side.

    Args:
        pool: whose workers they wait for.
        settings: `max_queue`, `adaptive_delay` and `adaptive_min` count.
        run: called with a connection and its request when there is room.
        give: called with a request; False if there is no worker.
        loop: gevent's.
        clock: monotonic seconds.
    """

    __slots__ = (
        "_calls",
        "_clock",
        "_condition",
        "_delay",
        "_empty_at",
        "_loop",
        "_timer",
    )

    def __init__(
        self,
        pool: WorkerPool[Any],
        settings: Settings,
        run: Callable[[Any, Exchange], object],
        give: Callable[[Exchange], bool],
        *,
        loop: Any,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        super().__init__(pool, settings.max_queue, run, give)
        self._delay = settings.adaptive_delay
        self._loop = loop
        self._clock = clock
        self._calls = Calls(Limit(pool.max_workers, settings.adaptive_min), clock)
        self._condition = pool.condition(self._has_room)
        self._empty_at = 0.0  # when it last was
        self._timer: Any = None  # while somebody waits

    def __repr__(self) -> str:
        return f"<AdaptiveQueue {len(self)}/{self._bound} {self._calls!r}>"

    @property
    def limit(self) -> int:
        """Any side. See `RequestQueue`."""
        return self._calls.limit.value

    def share(self, other: RequestQueue) -> None:
        """Any side. See `RequestQueue`."""
        assert isinstance(other, AdaptiveQueue)
        self._calls = other._calls  # noqa: SLF001  # of the same kind

    def counted(self, application: Application) -> Application:
        """Any side. See `RequestQueue`."""

        def call(environ: Environ, start_response: Any) -> Any:
            number = self._calls.begin()
            if SOCKET in environ:
                taken = partial(self._taken, number, environ["gpool.hijack"].upgrade)
                environ[SOCKET] = UpgradeSocket(taken)
            try:
                return application(environ, start_response)
            finally:
                self._calls.end(number)

        return call

    def _taken(self, number: int, upgrade: Callable[[Any], Any], wrap: Any) -> Any:
        # Worker side. The call has become another protocol's.
        self._calls.forget(number)
        return upgrade(wrap)

    # ------------------------------------------------------------------ requests

    def serve(self, exchange: Exchange) -> bool:
        """See `RequestQueue`."""
        return not self._waiting and self._calls.have_room() and self._give(exchange)

    def add(self, conn: Any, exchange: Exchange) -> bool:
        """See `RequestQueue`."""
        self._calls.lacked_room()
        if len(self._waiting) >= self._bound:
            return False
        now = self._clock()
        if not self._waiting:
            self._empty_at = now
        self._waiting[conn] = exchange, now
        self._condition.rawlink(self._available)
        self._look_again()
        return True

    def drop(self, conn: Any) -> Exchange | None:
        """See `RequestQueue`."""
        exchange: Exchange | None = self._waiting.pop(conn, (None, 0.0))[0]
        if not self._waiting:
            self._stop_timer()
        return exchange

    # ------------------------------------------------------------------ who waits

    def _has_room(self) -> bool:
        return self._calls.have_room() and not self._pool.full()

    def _available(self, _condition: object = None) -> None:
        # One at a time: each may take the room that there is.
        while self._waiting:
            conn, (exchange, came) = next(iter(self._waiting.items()))
            late = self._is_late(came)
            if not late and not self._has_room():
                self._condition.rawlink(self._available)
                return
            try:
                if late:
                    conn.expired()  # which drops it
                else:
                    del self._waiting[conn]
                    self._run(conn, exchange)
            except Exception:
                logger.exception("%r could not be served", conn)
            if late:
                self._waiting.pop(conn, None)
        self._stop_timer()

    def _is_late(self, came: float) -> bool:
        now = self._clock()
        return now - came >= patience(self._delay, now - self._empty_at)

    def _look_again(self) -> None:
        # When whoever has waited for longest will have waited in vain.
        if self._timer is not None or isinf(self._delay):
            return
        _, came = next(iter(self._waiting.values()))
        soon = came + patience(self._delay, self._delay)
        due = max(self._empty_at + self._delay, soon) - self._clock()
        self._timer = self._loop.timer(max(due, SOONEST))
        self._timer.start(self._timer_is_over, update=True)

    def _timer_is_over(self) -> None:
        self._stop_timer()
        self._available()
        if self._waiting:
            self._look_again()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.close()
            self._timer = None


def queue_for(
    policy: RequestPolicy,
    pool: WorkerPool[Any],
    settings: Settings,
    run: Callable[[Any, Exchange], object],
    give: Callable[[Exchange], bool],
    *,
    loop: Any,
) -> RequestQueue:
    """Any side. The queue of a server; the arguments are those of `AdaptiveQueue`."""
    if policy == "adaptive":
        return AdaptiveQueue(pool, settings, run, give, loop=loop)
    return RequestQueue(pool, settings.max_queue, run, give)
