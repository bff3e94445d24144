"""The connections that the application has for good, until it lets go of them.

A hijacked connection keeps its slot in the limits, and a drain waits for it, until its socket is
closed. The application closes it without telling, so there are two ways to find out: the last
reference to the socket goes, which is noticed at once; or it is closed and still referred to,
which is seen only by looking (`reap`).
"""

from collections.abc import Callable
from time import monotonic
from typing import Any

from gpool.connection import Connection, ConnState

__all__ = ["Hijacks"]

INTERVAL = 1.0  # seconds between two looks at all of them while refusing; arbitrary


class Hijacks:
    """The hijacked connections of one server.

    Args:
        loop: gevent's, for calls from where a socket happens to be collected.
        when_gone: called, in the Hub or by `reap`, with a connection whose socket is closed.
    """

    __slots__ = ("_connections", "_loop", "_next_reap", "_when_gone")

    def __init__(self, loop: Any, when_gone: Callable[[Connection], object]) -> None:
        self._loop = loop
        self._when_gone = when_gone
        self._connections: set[Connection] = set()
        self._next_reap = 0.0

    def __len__(self) -> int:
        return len(self._connections)

    def add(self, conn: Connection) -> None:
        """Worker side. Leave the socket of `conn` to the application."""
        self._connections.add(conn)
        conn.disown(lambda _: self._loop.run_callback(self._forgotten, conn))

    def discard(self, conn: Connection) -> None:
        """Any side. `conn` is closed; one that is not hijacked is passed over."""
        self._connections.discard(conn)

    def _forgotten(self, conn: Connection) -> None:
        # Hub side.
        if conn.state is ConnState.HIJACKED:
            self._when_gone(conn)

    def reap(self) -> bool:
        """Any side. Find those whose socket was closed; returns whether there were any."""
        gone = [conn for conn in self._connections if conn.gone()]
        for conn in gone:
            self._when_gone(conn)
        return bool(gone)

    def reap_if_due(self) -> bool:
        """Hub side. The same, but at most once a second: for use while connections are refused."""
        now = monotonic()
        if not self._connections or now < self._next_reap:
            return False
        self._next_reap = now + INTERVAL
        return self.reap()
