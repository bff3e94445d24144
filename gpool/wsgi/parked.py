"""Idle connections, parked: a descriptor and a deadline each, and no object.

An idle connection is a socket that waits, and nearly all of its life it does nothing else. Once it
has been idle for `PARK_AFTER` seconds, its objects (the connection, its socket, its watcher: 0.9
KiB) are given up. What stays is the descriptor, in an epoll of our own that the loop watches as
a whole, and 16 bytes in arrays: the deadline by descriptor, and the descriptors by the second in
which they are due, linked in both directions. When something comes, the connection is made anew,
and goes on as an idle one:

    IDLE --PARK_AFTER--> parked --bytes, an end--> IDLE, and `ready`
                                --deadline-------> IDLE, and `expired`
                                --drain----------> IDLE, and `drain`

Requests pay nothing for it: whom to park is seen by the sweep of deadlines, which looks at an idle
connection in between (`Deadlines.look_early`).

Guarantees:

- Who is parked has its slot in the limits, and is counted as IDLE.
- A deadline is met as `gpool.wsgi.parking` does it: within two ticks, never before, and not before
  the loop has had a turn; a sweep looks only at those of the seconds that it has reached.
- A descriptor has left the epoll before it can be closed, and an event counts only for who is still
  parked: no other connection gets it.
- Parking and waking take a bounded time of each turn of the loop, however many they are.
- Where there can be no epoll, for want of descriptors or of Linux, nobody is parked.

Which servers park is left to `gpool.wsgi.keeping`, and what else a connection must not have to
`gpool.wsgi.intake.Intake.at_rest`.
"""

from array import array
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from math import inf
from sys import getsizeof
from typing import Any

from gpool.connection import Connection, ConnState
from gpool.wsgi.connection import HTTPConnection
from gpool.wsgi.ownepoll import EPOLLIN, OwnEpoll
from gpool.wsgi.parking import TICK
from gpool.wsgi.site import Site
from gpool.wsgi.sockets import Accepted, Kind, accepted

__all__ = ["PARK_AFTER", "ParkingLot"]

#: Seconds. Parking and waking cost 30 us together, so 10 000 clients that come back just then,
#: which is the worst that they can do, take 6 % of a CPU.
PARK_AFTER = 5.0
MOST = 500  # are parked in a tick, which takes 4 ms; the others have their turn in the next ones
CROWD = 128  # connections that are not parked, above which a new one takes the place of an idle one
LOOKS = 2  # at connections, that one may be found
TURN = 256  # are woken, or told to end, before the loop has a turn; arbitrary
SECONDS = 256  # after which the same place is used again; more than most timeouts
NONE = -1  # no descriptor
ROOMY = 256  # bytes of a set for each of its members, above which it was made for many more
IDLE = ConnState.IDLE


class ParkingLot(OwnEpoll):
    """The parked connections of one server.

    Args:
        site: what its connections share.
        connections: those of the server that are not parked.

    Attributes:
        kind: of the server's sockets; others are not parked.
    """

    __slots__ = (
        "_connections",
        "_count",
        "_crowded",
        "_first",
        "_left",
        "_next",
        "_postponed",
        "_previous",
        "_site",
        "_swept",
        "_until",
        "kind",
    )

    def __init__(self, site: Site, connections: set[Connection]) -> None:
        super().__init__()
        self._site = site
        self._connections = connections
        self.kind: Kind = (0, 0, 0)
        # The parked, in arrays that are no small objects: one of these keeps a MiB from being given
        # back. By descriptor: the deadline, 0.0 for who is not parked, and its neighbours.
        self._clear()
        self._first = array("i", [NONE] * SECONDS)  # by the second of the deadline
        self._count = 0
        # The sweep.
        self._swept = 0  # the last second that needs no second look
        self._left = MOST  # may be parked until the next
        self._postponed = 0  # would have been, too
        self._crowded = False  # so that one need not have been idle for long

    def _clear(self) -> None:
        self._until = array("d")
        self._next = array("i")
        self._previous = array("i")

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"<ParkingLot {self._count} parked>"

    def __contains__(self, descriptor: int) -> bool:
        return descriptor < len(self._until) and self._until[descriptor] > 0.0

    # ------------------------------------------------------------------ Hub side: parking

    def look(self, timed: Any) -> float:
        """Hub side. Park `timed` if it has been idle for long; see `Deadlines.look_early`."""
        deadlines = self._site.deadlines
        deadline: float = timed.deadline
        if not self._may_park(timed):
            return deadline
        now = deadlines.now
        long_enough = deadline - deadlines.usual_time + PARK_AFTER
        if long_enough > now and not self._crowded:
            return long_enough
        if not self._left:
            self._postponed += 1
            return min(now + TICK * (1 + self._postponed // MOST), deadline)
        if not self._park(timed, deadline):
            return min(now + PARK_AFTER, deadline)
        self._left -= 1
        return inf

    def make_room(self) -> None:
        """Hub side. A connection has come to a crowd: park one that is idle, at once.

        So a crowd that comes within seconds takes no more memory than one that comes slowly:
        memory that was once taken for small objects is seldom given back. It costs a new connection
        some 10 us, and an old one twice as much when it goes on.
        """
        self._crowded, self._left = True, self._left + LOOKS
        for _ in range(LOOKS):
            self._site.deadlines.look_at_first()
        self._crowded = False

    def _may_park(self, timed: Any) -> bool:
        # The sweep looks at a proxy's guests, too, and TLS is more than a descriptor. A socket that
        # was made elsewhere has other methods, which its connection may count on. During a drain,
        # who is idle is closed before long.
        if type(timed) is not HTTPConnection or not self._site.keep_alive or not timed.at_rest():
            return False
        socket = timed.socket
        return type(socket) is Accepted and (socket.family, socket.type, socket.proto) == self.kind

    def _park(self, conn: HTTPConnection, deadline: float) -> bool:
        descriptor: int = conn.socket.fileno()
        self.open()
        if self._epoll is None:
            return False
        try:
            self._epoll.register(descriptor, EPOLLIN)
        except OSError:  # there are no more watches of them
            return False
        conn.leave()
        self._connections.discard(conn)
        self._put(descriptor, deadline)
        return True

    def _put(self, descriptor: int, deadline: float) -> None:
        missing = descriptor + 1 - len(self._until)
        if missing > 0:
            self._until.frombytes(bytes(missing * self._until.itemsize))
            self._next.frombytes(bytes(missing * self._next.itemsize))
            self._previous.frombytes(bytes(missing * self._previous.itemsize))
        second = int(deadline) % SECONDS
        following = self._first[second]
        if following != NONE:
            self._previous[following] = descriptor
        self._first[second] = descriptor
        self._next[descriptor] = following
        self._previous[descriptor] = NONE
        self._until[descriptor] = deadline
        self._count += 1
        self._watcher.ref = True  # a connection keeps the loop going

    def _take(self, descriptor: int) -> float:
        # Who takes a descriptor out owns it.
        deadline = self._until[descriptor]
        following, previous = self._next[descriptor], self._previous[descriptor]
        if previous != NONE:
            self._next[previous] = following
        else:
            self._first[int(deadline) % SECONDS] = following
        if following != NONE:
            self._previous[following] = previous
        self._until[descriptor] = 0.0
        self._count -= 1
        if self._epoll is not None:
            with suppress(OSError):  # somebody has closed it behind our back
                self._epoll.unregister(descriptor)
            self._watcher.ref = self._count > 0
        return deadline

    # ------------------------------------------------------------------ Hub side: waking

    def _ready(self) -> None:
        # Something has come for some of them.
        self._leave_to_parent()
        if not self._count:
            return
        for descriptor, _ in self._epoll.poll(0, TURN):
            if descriptor in self:  # what one does may end another
                conn = self._unpark(descriptor)
                if conn.state is IDLE:
                    conn.begin(at_once=True)

    def _unpark(self, descriptor: int) -> HTTPConnection:
        # The connection, as an idle one that nobody watches yet; closed if there is no peer.
        deadline = self._take(descriptor)
        socket = address = None
        with suppress(OSError):  # a reset; or it was closed behind our back
            socket = accepted(descriptor, self.kind)
            address = socket.getpeername()
        conn = HTTPConnection(socket, address, self._site)
        conn.state = IDLE
        self._connections.add(conn)
        if address is None:
            self._site.closed(conn)
        else:
            self._site.deadlines.set_at(conn, deadline)
        return conn

    # ------------------------------------------------------------------ Hub side: the end

    def sweep(self, before: float) -> None:
        """Hub side. A tick has passed: end who was due `before`."""
        self._leave_to_parent()
        self._left, self._postponed = MOST, 0
        if not self._count:
            self._clear()
            return
        self._shrink_connections()
        reached = int(before)
        for second in range(max(self._swept, reached - SECONDS) + 1, reached + 1):
            for descriptor in tuple(self._of(second % SECONDS)):
                if descriptor in self and self._until[descriptor] < before:
                    conn = self._unpark(descriptor)
                    if conn.state is IDLE:
                        conn.expired()
        self._swept = max(reached - 1, self._swept)

    def _shrink_connections(self) -> None:
        # A set keeps the room that its members have once taken.
        connections = self._connections
        if getsizeof(connections) > ROOMY * (len(connections) + ROOMY):
            kept = tuple(connections)
            connections.clear()
            connections.update(kept)

    def drain(self) -> None:
        """Hub side. The server stops: let everyone drain as if it had not been parked."""
        self._leave_to_parent()
        for descriptor in self._some(TURN):
            conn = self._unpark(descriptor)
            if conn.state is IDLE:
                conn.begin(at_once=False)
                conn.drain()
        if self._count:
            self._site.loop.run_callback(self.drain)

    def close_all(self) -> None:
        """Any side. Close everyone, whatever has come."""
        for descriptor in self._some(self._count):
            conn = self._unpark(descriptor)
            if conn.state is IDLE:
                self._site.closed(conn)

    def _some(self, count: int) -> tuple[int, ...]:
        return tuple(islice(self._all(), count))

    def _all(self) -> Iterator[int]:
        for second in range(SECONDS):
            yield from self._of(second)

    def _of(self, second: int) -> Iterator[int]:
        descriptor = self._first[second]
        while descriptor != NONE:
            yield descriptor
            descriptor = self._next[descriptor]

    # ------------------------------------------------------------------ the epoll

    def open(self) -> None:
        """Any side. Be ready to park.

        The epoll is there before anybody is parked, since it consists of small objects, too. What
        is opened before a fork is opened once more.
        """
        is_new = self._epoll is None
        if self._open_epoll(self._site.loop, self._ready) and is_new:
            self._swept = int(self._site.deadlines.now) - 1

    def close(self) -> None:
        """Any side. Park no more, if nobody is parked."""
        if not self._count:
            self._close_epoll()

    def _leave_to_parent(self) -> None:
        if self._is_parents():
            self._close_epoll()
            self.close_all()
