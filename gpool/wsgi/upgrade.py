"""The socket of a request that offers another protocol, for libraries that speak WebSocket.

simple-websocket, and with it flask-sock and python-engineio, look for a socket under Werkzeug's
name, ``environ["werkzeug.socket"]``, write their own 101 to it, and leave it to the server when
the call of the application is over. `UpgradeSocket` stands there. Until it is used it is nothing,
and the application may answer as usual; its first use takes the connection over, and from then on
it is a `TakenSocket`: gevent's, or its TLS form, with two things that such libraries rely on.

Guarantees: bytes that were read behind the request come first, and a selector is told of them, as
it is of those that TLS has decrypted already; with no timeout set, `TakenSocket.send` sends all of
it, as the kernel's blocking sockets do, and what several greenlets send is not mixed up.

When the connection is closed is left to `gpool.wsgi.application` and `gpool.hijacks`; the latter
sees it when the last reference to an `UpgradeSocket` goes, which has the only one to its socket.
"""

import os
from collections import deque
from collections.abc import Callable
from functools import cache
from io import UnsupportedOperation
from socket import MSG_PEEK
from typing import Any, Self

from gevent.event import Event
from gevent.monkey import get_original

__all__ = ["TakenSocket", "UpgradeSocket"]

READ = 1  # EPOLLIN, which `select` does not have where there is no epoll
READS = ("dup", "detach", "makefile", "recv")  # what would pass over what is in front


class TakenSocket:
    """A socket of gevent, and in front of it what was read from it.

    Args:
        sock: in blocking mode.
        rest: what comes first.
    """

    __slots__ = ("__weakref__", "_poll", "_rest", "_said", "_sock", "_tls", "_turns")

    def __init__(self, sock: Any, rest: bytes) -> None:
        self._sock = sock
        self._rest = rest
        self._turns: deque[Event] = deque()  # of those who send, the first of them is at it
        self._poll: Any = None  # an epoll object, see `pollable`
        self._said = False  # whether it is told that bytes are here
        self._tls = hasattr(sock, "pending")

    def __del__(self) -> None:
        self._sock.close()  # as Werkzeug's server does; nobody has to

    def __repr__(self) -> str:
        return f"<TakenSocket {self._sock!r}>"

    def __getattr__(self, name: str) -> Any:
        if self._rest and name.startswith(READS):
            raise UnsupportedOperation(f"{name}: call recv first, there are bytes in front")
        return getattr(self._sock, name)

    # ------------------------------------------------------------------ reading

    def recv(self, size: int = 1_024, flags: int = 0) -> bytes:
        """Any side. Receive, as `socket.recv`; of the flags, MSG_PEEK is known in front too."""
        if not self._rest or size <= 0:
            data: bytes = self._sock.recv(size, flags)
        else:
            data = self._rest[:size]
            if not flags & MSG_PEEK:
                self._rest = self._rest[size:]
        self._say()
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """Any side. Receive, as `socket.recv_into`."""
        if not self._rest:
            count: int = self._sock.recv_into(buffer, nbytes, flags)
            self._say()
            return count
        view = memoryview(buffer).cast("B")
        data = self.recv(min(nbytes or len(view), len(view)), flags)
        view[: len(data)] = data
        return len(data)

    def fileno(self) -> int:
        """Any side. The kernel's descriptor; -1 when it is closed."""
        descriptor: int = self._sock.fileno()
        return descriptor

    def pollable(self) -> int:
        """Any side. A descriptor that is readable whenever `recv` has something to read.

        It is the kernel's, unless there are bytes that the kernel does not know of: those in front,
        or with TLS. Then it is an epoll object's, to wait for reading only. Where there is none,
        it is the kernel's always.
        """
        if self._poll is None and (self._rest or self._tls) and hasattr(os, "eventfd"):
            self._watch()
        closed = self.fileno() < 0
        return self.fileno() if self._poll is None or closed else self._poll.fileno()

    def _watch(self) -> None:
        descriptor = self.fileno()
        if descriptor >= 0:
            epoll = get_original("select", "epoll")  # gevent hides it from who is monkey-patched
            self._poll = epoll()
            self._poll.register(descriptor, READ)
            self._say()

    def _say(self) -> None:
        # Any side. Let the epoll object know whether bytes are here.
        if self._poll is None:
            return
        here = bool(self._rest) or self.fileno() < 0 or (self._tls and self.pending() > 0)
        if here is not self._said:
            self._said = here
            if here:
                self._poll.register(always_readable(), READ)
            else:
                self._poll.unregister(always_readable())

    # ------------------------------------------------------------------ writing

    def send(self, data: Any, flags: int = 0) -> int:
        """Any side. Send; all of it if there is no timeout.

        gevent's own takes what the kernel takes, and simple-websocket does not look at how much
        that was: a large message would lose its end.
        """
        if self._sock.gettimeout() is None:
            self.sendall(data, flags)
            return memoryview(data).nbytes
        sent: int = self._sock.send(data, flags)
        return sent

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Any side. Send all of it, in turn: compressed frames make sense in one order only."""
        turn, turns = Event(), self._turns
        turns.append(turn)
        try:
            if turns[0] is not turn:
                turn.wait()
            self._sock.sendall(data, flags)
        finally:
            was_first = turns[0] is turn
            turns.remove(turn)
            if was_first and turns:
                turns[0].set()

    # ------------------------------------------------------------------ the end

    def close(self) -> None:
        """Any side. Close; who waits in a selector wakes up, and reads that it is closed."""
        self._sock.close()
        self._say()

    def close_poll(self) -> None:
        """Any side. Give the descriptor of `pollable` back; nobody may wait for it any more."""
        if self._poll is not None:
            self._poll.close()
            self._poll = None


class UpgradeSocket:
    """What stands in an environ: the client's socket, taken at its first use.

    Args:
        take: called once, with `TakenSocket`, which it gives the socket and what was read from it.

    Raises:
        AssertionError: by any use, when the response is sent, or the connection was taken before.
        ClientDisconnected: by the first use, when the client has gone.
    """

    __slots__ = ("_take", "_taken")

    def __init__(self, take: Callable[[Any], TakenSocket]) -> None:
        self._take: Callable[[Any], TakenSocket] | None = take
        self._taken: TakenSocket | None = None

    def __repr__(self) -> str:
        return f"<UpgradeSocket {self._taken or 'not used'}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # who looks for these does not want to take anything
            raise AttributeError(name)
        return getattr(self._socket(), name)

    def _socket(self) -> TakenSocket:
        if self._taken is None:
            assert self._take is not None
            self._taken = self._take(TakenSocket)
            self._take = None  # it refers to the exchange
        return self._taken

    def fileno(self) -> int:
        """Any side. A descriptor for selectors, see `TakenSocket.pollable`."""
        return self._socket().pollable()

    def close(self) -> None:
        """Any side. Close."""
        taken = self._socket()
        taken.close()
        taken.close_poll()


@cache
def always_readable() -> int:
    """A descriptor that nobody reads; one for the life of the process."""
    return os.eventfd(1)
