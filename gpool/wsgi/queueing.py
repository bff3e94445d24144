"""Requests that wait for a worker: first come, first served, to a bound.

Used with ``overflow="wait"``. A queue in the server makes sense only if it is short: its bound and
its timeout say how old an answer may be, and whoever cannot be served in time is told so.

Guarantees: nobody overtakes; a request leaves the queue once, to a worker, by its timeout or
because its client is gone; all methods are O(1).

How a request is run or refused, is left to the server.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from gpool.pool import WorkerPool
from gpool.wsgi.application import Exchange
from gpool.wsgi.framing import Application

__all__ = ["RequestQueue"]

logger = logging.getLogger("gpool.wsgi")


class RequestQueue:
    """The requests of one server that wait. All methods are for the Hub side.

    Args:
        pool: whose workers they wait for.
        bound: how many may wait.
        run: called with a connection and its request when a worker is free.
        give: called with a request that nobody is before; False if no worker is free.
    """

    __slots__ = ("_bound", "_give", "_pool", "_run", "_waiting")

    def __init__(
        self,
        pool: WorkerPool[Any],
        bound: int,
        run: Callable[[Any, Exchange], object],
        give: Callable[[Exchange], bool] | None = None,
    ) -> None:
        self._give = give or pool.serve
        self._pool = pool
        self._bound = bound
        self._run = run
        self._waiting: OrderedDict[Any, Any] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waiting)

    def __repr__(self) -> str:
        return f"<RequestQueue {len(self)}/{self._bound}>"

    def serve(self, exchange: Exchange) -> bool:
        """Run a request; False if there is no worker, or others wait."""
        return not self._waiting and self._give(exchange)

    def counted(self, application: Application) -> Application:
        """Any side. The application, for a queue that wants to see its calls."""
        return application

    def share(self, other: "RequestQueue") -> None:
        """Any side. From now on, count calls together with `other`; before the first."""

    @property
    def limit(self) -> int:
        """Any side. How many requests may be in flight."""
        return self._pool.max_workers

    def add(self, conn: Any, exchange: Exchange) -> bool:
        """Let the request of `conn` wait; False if there are too many."""
        if len(self._waiting) >= self._bound:
            return False
        self._waiting[conn] = exchange
        self._pool.when_available(self._available)
        return True

    def drop(self, conn: Any) -> Exchange | None:
        """Let the request of `conn` wait no longer; returns it."""
        exchange: Exchange | None = self._waiting.pop(conn, None)
        return exchange

    def _available(self, _condition: object) -> None:
        # One at a time: each may take the worker that there is.
        while self._waiting and not self._pool.full():
            conn, exchange = self._waiting.popitem(last=False)
            try:
                self._run(conn, exchange)
            except Exception:
                logger.exception("%r could not be served", conn)
        if self._waiting:
            self._pool.when_available(self._available)
