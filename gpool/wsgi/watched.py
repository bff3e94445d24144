"""The watcher of a connection: the loop's, or a place among those who are slow.

A connection has one watcher for its whole life, nearly always. Only when its client brings a few
bytes at a time it changes over to `gpool.wsgi.slowlane`, and back as soon as something is whole.

Guarantees: what is watched for stays the same when the watcher is another; a watcher that cannot
be had there leaves the connection with the one it has.

What is slow, and what becomes of what has come, is left to the classes below.
"""

from typing import Any

from gpool.connection import Connection
from gpool.wsgi.site import Site
from gpool.wsgi.slowlane import Place

__all__ = ["READ", "WRITE", "Watched"]

READ, WRITE = 1, 2  # libev's EV_READ and EV_WRITE
FEW = 1_024  # bytes at once, below which it takes thousands of turns to make them a load; arbitrary


class Watched(Connection):
    """A connection of the Hub, whose socket is watched.

    Attributes:
        site: what it shares with the others.
    """

    __slots__ = ("_io", "site")

    _io: Any
    site: Site

    # ------------------------------------------------------------------ for subclasses

    def ready(self) -> None:
        """Hub side. The socket is ready for what it is watched for."""
        raise NotImplementedError

    def is_slow(self) -> bool:
        """Hub side. Whether it still waits for the rest of something."""
        raise NotImplementedError

    # ------------------------------------------------------------------ the watcher

    def _watch(self, events: int) -> None:
        """Any side. Be told when the socket is ready for `events`."""
        watcher = self._io
        if watcher is None:
            watcher = self._io = self.site.loop.io(self._socket.fileno(), events)
        elif watcher.events != events:
            watcher.stop()
            watcher.events = events
        if not watcher.active:
            watcher.start(self.ready)

    def _watch_first(self) -> None:
        """Hub side. Be told of the first bytes."""
        if self.site.slow.crowded:
            self._moved(0)
        self._watch(READ)

    def _unwatch(self) -> None:
        if self._io is not None:
            self._io.close()
            self._io = None

    def _moved(self, count: int) -> None:
        """Any side. So many bytes have come, or gone, and there has to be more."""
        if (count < FEW or self.site.slow.crowded) and not isinstance(self._io, Place):
            place = self.site.slow.place(self._socket.fileno(), self)
            if place is not None:
                self._watch_by(place)

    def catch_up(self, events: int = 0) -> None:
        """Any side. Be watched by the loop again; for `events`, if it is not watched now."""
        self._watch_by(self.site.loop.io(self._socket.fileno(), READ))
        if events:
            self._watch(events)

    def _watch_by(self, watcher: Any) -> None:
        # Any side. Go on with this one.
        old, self._io = self._io, watcher
        if old is not None:
            events = old.events if old.active else 0
            old.close()
            if events:
                self._watch(events)
