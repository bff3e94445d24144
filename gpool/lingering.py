"""Closing a refused connection so that the answer arrives.

A close with unread input makes the kernel send a reset, and a reset makes the peer's kernel
throw away what it has received but not yet read (RFC 9112 section 9.6; of 200 early writers, 140
lost fasthttp's 503 this way). So: send the answer, shut down our side, read and throw away what
comes until the peer closes too, then close.

Guarantees: all of it runs in the Hub without a greenlet and without blocking; each socket is
closed after `timeout` seconds at the latest; never more than `max_sockets` linger, above that
they are closed at once. Sockets come with one timeout, so they are due in the order in which
they came: a dict's.
"""

from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any

from gevent import socket
from gevent.hub import Hub

__all__ = ["Lingering"]

TIMEOUT = 2.0  # seconds; nginx's lingering_time is 30, but these peers were refused
MAX_SOCKETS = 1_024  # arbitrary; some 600 bytes each, and a descriptor
CHUNK = 65_536  # bytes thrown away at a time
READ = 1  # libev's EV_READ


class Lingering:
    """The sockets that wait for their peers to close.

    Args:
        hub: whose loop watches them.
        timeout: seconds after which a socket is closed anyway.
        max_sockets: how many may linger.
        when_closed: called with what `close` was given as `owner`.
    """

    __slots__ = ("_hub", "_sockets", "_sweep", "_timeout", "max_sockets", "when_closed")

    def __init__(
        self,
        hub: Hub,
        when_closed: Callable[[Any], object],
        *,
        timeout: float = TIMEOUT,
        max_sockets: int = MAX_SOCKETS,
    ) -> None:
        self._hub = hub
        self._timeout = timeout
        self._sockets: dict[socket.socket, tuple[float, Any, Any]] = {}  # deadline, watcher, owner
        self._sweep: Any = None
        self.max_sockets = max_sockets
        self.when_closed = when_closed

    def __len__(self) -> int:
        return len(self._sockets)

    def close(self, sock: socket.socket, answer: bytes, owner: Any) -> None:
        """Hub side. Send `answer` as far as the kernel takes it, and close when it has arrived."""
        try:
            sock.settimeout(0.0)  # gevent: raise, do not switch
            if answer:
                sock.send(answer)
            sock.shutdown(socket.SHUT_WR)
        except OSError:  # gone already, or an answer of more than the send buffer: no use waiting
            self._finish(sock, owner)
            return
        if len(self._sockets) >= self.max_sockets:
            self._finish(sock, owner)
            return
        watcher = self._hub.loop.io(sock.fileno(), READ)
        self._sockets[sock] = (monotonic() + self._timeout, watcher, owner)
        watcher.start(self._read, sock)
        if self._sweep is None:
            self._arm(self._timeout)

    def close_all(self) -> None:
        """Hub side. Wait no longer."""
        for sock in tuple(self._sockets):
            self._forget(sock)

    def _read(self, sock: socket.socket) -> None:
        # Hub side. One chunk a turn, so that no peer can keep the Hub to itself.
        try:
            if sock.recv(CHUNK):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._forget(sock)

    def _forget(self, sock: socket.socket) -> None:
        _, watcher, owner = self._sockets.pop(sock)
        watcher.close()
        self._finish(sock, owner)

    def _finish(self, sock: socket.socket, owner: Any) -> None:
        with suppress(OSError):
            sock.close()
        self.when_closed(owner)

    def _arm(self, after: float) -> None:
        self._sweep = self._hub.loop.timer(max(after, 0.0), ref=False)
        self._sweep.start(self._sweep_due)

    def _sweep_due(self) -> None:
        # Hub side.
        self._sweep.close()
        self._sweep = None
        now = monotonic()
        for sock, (deadline, _, _) in tuple(self._sockets.items()):
            if deadline > now:
                self._arm(deadline - now)
                return
            self._forget(sock)
