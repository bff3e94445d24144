"""One accepted connection as a `gpool.StreamServer` sees it, and the states it goes through.

The states are those of fasthttp's (and net/http's) ``ConnState``. The server moves a connection;
a protocol on top of it says when one is idle, since only the protocol knows.
"""

import weakref
from collections.abc import Callable
from enum import auto
from typing import Any, TypeAlias

from gevent.socket import (
    AF_INET,
    AF_INET6,
    IPPROTO_TCP,
    SHUT_RD,
    SHUT_RDWR,
    TCP_NODELAY,
)
from greenlet import greenlet

from gpool.errors import HandshakeFailed
from gpool.states import State, moved

__all__ = ["HIJACKED", "MOVES", "ConnState", "Connection", "OnState"]


class ConnState(State):
    """Where a connection is; `MOVES` is what may follow."""

    NEW = auto()  # accepted, nothing has come
    READING = auto()  # HTTP: part of a request is there
    QUEUED = auto()  # HTTP: no worker was free for its request, which waits for one
    ACTIVE = auto()  # a worker serves it
    WRITING = auto()  # HTTP: the rest of a response is on its way, without a worker
    IDLE = auto()  # waits for the next request; a drain closes it at once
    LINGERING = auto()  # HTTP: the last answer is sent, and the peer has not closed yet
    HIJACKED = auto()  # the application has it for good; the server only counts it
    CLOSED = auto()


NEW, CLOSED = ConnState.NEW, ConnState.CLOSED  # one lookup less where it matters
_ENDS = (ConnState.LINGERING, ConnState.CLOSED)

MOVES: dict[ConnState, tuple[ConnState, ...]] = {
    ConnState.NEW: (ConnState.READING, ConnState.ACTIVE, ConnState.WRITING, *_ENDS),
    ConnState.READING: (ConnState.IDLE, ConnState.ACTIVE, ConnState.WRITING, *_ENDS),
    ConnState.QUEUED: (ConnState.ACTIVE, ConnState.WRITING, *_ENDS),
    ConnState.ACTIVE: (
        ConnState.IDLE,
        ConnState.READING,
        ConnState.QUEUED,
        ConnState.WRITING,
        ConnState.HIJACKED,
        *_ENDS,
    ),
    ConnState.WRITING: (ConnState.IDLE, ConnState.READING, *_ENDS),
    ConnState.IDLE: (
        ConnState.READING,
        ConnState.ACTIVE,
        ConnState.WRITING,
        ConnState.HIJACKED,
        *_ENDS,
    ),
    ConnState.LINGERING: (ConnState.CLOSED,),
    ConnState.HIJACKED: (ConnState.CLOSED,),
    ConnState.CLOSED: (),
}

#: What a handler returns that keeps its socket; raising `gpool.Hijacked` is the same.
HIJACKED = ConnState.HIJACKED


def has_peer(socket: Any) -> bool:
    """Any side. Whether the socket is still connected."""
    try:
        socket.getpeername()
    except OSError:
        return False
    return True


OnState: TypeAlias = Callable[["Connection", ConnState], object]


class Connection:
    """A socket, its peer, its state.

    Attributes:
        address: the peer's, as `socket.accept` gives it.
        state: see `ConnState`.
        worker: the greenlet that serves it, None before and after.
    """

    __slots__ = ("__weakref__", "_hijacked", "_socket", "address", "state", "worker")

    def __init__(self, socket: Any, address: Any) -> None:
        self.take(socket, address)

    def take(self, socket: Any, address: Any) -> None:
        """Hub side. The constructor; what C calls is not one (docs/decisions.md)."""
        self._socket = socket
        self._hijacked: weakref.ref[Any] | None = None
        self.address = address
        self.state = NEW
        self.worker: greenlet | None = None

    def __repr__(self) -> str:
        return f"<Connection {self.state.name} from {self.address!r}>"

    @property
    def socket(self) -> Any:
        """A socket of gevent, or its TLS form; None if it is closed, or hijacked and forgotten."""
        return self._socket if self._hijacked is None else self._hijacked()

    @socket.setter
    def socket(self, socket: Any) -> None:
        self._socket = socket

    def move(self, state: ConnState) -> None:
        """Any side. Change the state.

        Raises:
            IllegalMove: `MOVES` does not have it; the state is as it was.
        """
        self.state = moved(MOVES, self.state, state)

    def enter_closed(self) -> None:
        """Any side. Move to CLOSED, which may follow every other state: `move` without the table.

        Raises:
            IllegalMove: it is closed already.
        """
        if self.state is CLOSED:
            self.move(CLOSED)
        self.state = CLOSED

    def disown(self, when_gone: Callable[["Connection"], object]) -> None:
        """Worker side. Leave the socket to the application, and keep only an eye on it.

        Args:
            when_gone: called with this connection when nobody refers to the socket any more.
        """
        if self._socket is not None:
            self._hijacked = weakref.ref(self._socket, lambda _: when_gone(self))
            self._socket = None

    def set_nodelay(self) -> bool:
        """Hub side. Set TCP_NODELAY where there is TCP; False if the socket is beyond that."""
        socket = self.socket
        try:
            if socket is not None and socket.family in (AF_INET, AF_INET6):
                socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        except OSError:
            return False
        return True

    def caused(self, error: BaseException) -> bool:
        """Worker side. Whether `error` is this connection's end, and so no news to anybody.

        fasthttp looks for "broken pipe", "reset by peer" and "i/o timeout" in the text. That would
        also hide the reset of a database connection, so the socket is asked: it has no peer any
        more, or it has a timeout.
        """
        if isinstance(error, HandshakeFailed):
            return True
        socket = self.socket
        if isinstance(error, TimeoutError):
            return socket.gettimeout() is not None
        return isinstance(error, ConnectionError) and not has_peer(socket)

    def gone(self) -> bool:
        """Any side. Whether the socket was closed or forgotten by whoever had it."""
        socket = self.socket
        return socket is None or socket.fileno() < 0

    def hang_up(self, how: int = SHUT_RDWR) -> None:
        """Any side. Shut the socket down, so that whoever waits on it wakes up."""
        socket = self.socket
        try:
            if socket is not None:
                socket.shutdown(how)
        except OSError:
            pass  # the peer was faster

    def stop_reading(self) -> None:
        """Any side. Let whoever reads see the end of input, and still answer."""
        self.hang_up(SHUT_RD)

    def close(self) -> None:
        """Any side. Close the socket; a second call does nothing."""
        socket, self._socket, self._hijacked = self.socket, None, None
        try:
            if socket is not None:
                socket.close()
        except OSError:
            pass  # EBADF: somebody closed the descriptor behind our back
