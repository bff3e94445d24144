"""Hub side: clients that send or take a few bytes at a time wait apart from the others.

The loop tells of all that is ready at once. Ten thousand clients that each send a byte in the same
instant are 80 ms of work before anybody else has a turn. So who is slow is not watched by the loop:
they are in an epoll of their own, which the loop watches as a whole, after all others, and of which
`TURN` are served before the loop looks for others again.

    connection --few bytes, nothing whole--> here --something whole--> the loop

To a connection a `Place` is what a watcher of the loop is: it is started, stopped, closed. Going in
and out is `gpool.wsgi.watched`'s.

Guarantees:

- What is slow takes a bounded part of each turn of the loop, however much of it is ready.
- Nobody is forgotten: the kernel tells of those first who have waited for longest, and when there
  are always some more, `TURN` grows with the time that this has lasted.
- A descriptor has left the epoll before it can be closed, and an event counts only for who is
  still there.
- Where there can be no epoll, for want of descriptors or of Linux, all are watched by the loop.
"""

import sys
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any, Protocol

from gpool.wsgi.ownepoll import EPOLLIN, EPOLLOUT, OwnEpoll

__all__ = ["Place", "SlowLane"]

EVENTS = (0, EPOLLIN, EPOLLOUT, EPOLLIN | EPOLLOUT)  # for libev's EV_READ and EV_WRITE
TURN = 16  # are served before the others have a turn,
SECONDS = 0.00025  # or as many as are in that time: a send to a tiny window takes 0.15 ms
PATIENCE = 0.5  # seconds of there being more, after which it is so many again
CROWD = 64  # who wait, above which nobody new is taken for fast; arbitrary


class Slow(Protocol):
    """What may have a place."""

    def ready(self) -> None:
        """Hub side. The socket is ready for what it is watched for."""

    def is_slow(self) -> bool:
        """Hub side. Whether it still waits for the rest of something."""

    def catch_up(self, events: int = 0) -> None:
        """Any side. Be watched by the loop again; for `events`, if it is not watched now."""


class SlowLane(OwnEpoll):
    """The slow connections of one server.

    Args:
        loop: gevent's.
        clock: monotonic seconds; a test puts its own here.

    Attributes:
        crowded: whether there are so many that who is new is to wait here, too.
        workers: how many wait for their client, here or not.
    """

    __slots__ = ("_began", "_clock", "_closing", "_loop", "_places", "workers")

    def __init__(self, loop: Any, clock: Callable[[], float] = monotonic) -> None:
        super().__init__()
        self._loop = loop
        self._clock = clock
        self._places: dict[int, Place] = {}  # those that wait, by descriptor
        self._began = 0.0  # when there began to be more than have their turn; 0 while there are not
        self._closing = False
        self.workers = 0

    def __len__(self) -> int:
        return len(self._places)

    @property
    def crowded(self) -> bool:
        """Any side. See the class."""
        return len(self._places) > CROWD

    @property
    def workers_crowded(self) -> bool:
        """Any side. Whether so many workers wait that who is next is to wait here."""
        return self.workers > CROWD or self.crowded

    def place(self, descriptor: int, conn: Slow) -> "Place | None":
        """Any side. A watcher for `conn`; None if there can be none here."""
        return Place(self, descriptor, conn) if self._is_open() else None

    # ------------------------------------------------------------------ for places

    def add(self, place: "Place") -> bool:
        """Any side. Tell `place` when it is ready; False if the kernel has no room for it."""
        self._leave_to_parent()
        try:
            if not self._is_open():
                return False
            self._epoll.register(place.descriptor, EVENTS[place.events])
        except OSError:
            return False
        self._places[place.descriptor] = place
        self._watcher.ref = True  # a connection keeps the loop going
        return True

    def remove(self, place: "Place") -> None:
        """Any side. Tell it no more."""
        self._leave_to_parent()
        if self._places.get(place.descriptor) is not place:
            return
        del self._places[place.descriptor]
        with suppress(OSError):  # somebody has closed it behind our back
            self._epoll.unregister(place.descriptor)
        self._watcher.ref = bool(self._places)
        if self._closing and not self._places:
            self._close_epoll()

    # ------------------------------------------------------------------ Hub side

    def _ready(self) -> None:
        # Something has come for some of them.
        self._leave_to_parent()
        if not self._places:
            return
        now = self._clock()
        began = self._began or now
        times = 1 + int((now - began) / PATIENCE)
        ready = self._epoll.poll(0, TURN * times)
        self._began = began if len(ready) == TURN * times else 0.0
        latest = now + SECONDS * times
        for descriptor, _ in ready:
            place = self._places.get(descriptor)  # what one does may end another
            if place is not None:
                self._tell(place)
            if self._clock() > latest:
                self._began = began
                break

    def _tell(self, place: "Place") -> None:
        conn = place.conn
        try:
            conn.ready()
            if not (place.closed or conn.is_slow()):
                conn.catch_up()
        except BaseException:  # as gevent's loop does it, so that it does not come again and again
            place.stop()
            self._loop.handle_error(conn, *sys.exc_info())

    # ------------------------------------------------------------------ the epoll

    def close(self) -> None:
        """Any side. The server has stopped: keep nothing open, once the last has left."""
        self._closing = True
        if not self._places:
            self._close_epoll()

    def open(self) -> None:
        """Any side. The server starts; what is opened before a fork is opened once more."""
        self._closing = False
        self._is_open()

    def _is_open(self) -> bool:
        if self._closing:
            return self._epoll is not None
        return self._open_epoll(self._loop, self._ready, self._loop.MINPRI)

    def _leave_to_parent(self) -> None:
        # After a fork, the child has to have its own.
        if self._is_parents():
            places = tuple(self._places.values())
            self._places.clear()
            self._close_epoll()
            for place in places:
                place.active = self.add(place)


class Place:
    """A watcher of one connection, with the methods of gevent's.

    Args:
        lane: where.
        descriptor: its socket's.
        conn: the connection.

    Attributes:
        events: what it is watched for, in libev's numbers; to be set while it is stopped.
        active: whether it is watched.
        closed: whether it is over.
    """

    __slots__ = ("_lane", "active", "closed", "conn", "descriptor", "events")

    def __init__(self, lane: SlowLane, descriptor: int, conn: Slow) -> None:
        self._lane = lane
        self.descriptor = descriptor
        self.conn = conn
        self.events = 1
        self.active = False
        self.closed = False

    def start(self, ready: Callable[[], object]) -> None:
        """Any side. Watch; the callback is the connection's `ready` in any case."""
        del ready
        self.active = self.active or self._lane.add(self)
        if not self.active:
            self.conn.catch_up(self.events)

    def stop(self) -> None:
        """Any side. Do not watch for now."""
        if self.active:
            self.active = False
            self._lane.remove(self)

    def close(self) -> None:
        """Any side. Do not watch any more."""
        self.stop()
        self.closed = True
