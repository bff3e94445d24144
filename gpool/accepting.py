"""An accept loop that nothing ends but the loss of its listener.

gevent's `gevent.server.StreamServer` accepts in the Hub, up to `max_accept` connections a turn;
here a turn ends after `TURN` seconds, too, since who is accepted may be served at once.
This adds what production asks of it: the listener's options, a pause that is a timer, and an
answer to each error of accept(2). fasthttp ends its loop when descriptors run out (server.go,
``acceptConn``); gevent prints a traceback for each failed accept.

Guarantees:

- For want of descriptors or memory it backs off, from 10 ms up to a second, says so once a
  minute, and goes on.
- An error that belongs to one client, gone before it was accepted, costs nothing but that client.
- While it is paused the listener is not touched, so that whoever shares it gets the connections.

What becomes of an accepted socket is left to `do_handle`.
"""

import errno
import logging
import os
import sys
from collections.abc import Callable
from enum import auto
from socket import AF_INET, AF_INET6, IPPROTO_TCP, SOMAXCONN, TCP_NODELAY
from time import monotonic
from typing import Any

from gevent import server, socket
from gevent.hub import get_hub

from gpool.config import at_least, kind
from gpool.descriptors import make_room
from gpool.listener import bind, made, parse, remove
from gpool.log import QuietLog
from gpool.overflow import WAITING, Overflow, Policy
from gpool.states import State, moved
from gpool.tcpinfo import BACKLOG_LENGTH, tcp_info

__all__ = ["MOVES", "AcceptLoop", "Accepting"]

logger = logging.getLogger("gpool.server")

TURN = 0.00025  # seconds of accepting, and serving who is accepted, before others have a turn
MIN_BACK_OFF, MAX_BACK_OFF = 0.01, 1.0  # seconds, gevent's own figures

#: accept(2), "Error handling" and EPERM: the error of a client that is off the queue by now.
OF_ONE_CLIENT = frozenset(
    {
        errno.ECONNABORTED,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.EINTR,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.ENONET,
        errno.ENOPROTOOPT,
        errno.EOPNOTSUPP,
        errno.EPERM,
        errno.EPROTO,
    }
)
TCP_DEFER_ACCEPT: Any = getattr(socket, "TCP_DEFER_ACCEPT", None)
DEFER_SECONDS = 1  # for which the kernel is asked to hold a silent client back; as in fasthttp

#: Linux inherits TCP_NODELAY from the listener; elsewhere each connection needs it.
NODELAY_IS_INHERITED = sys.platform.startswith("linux")


class Accepting(State):
    """What the accept loop does; `MOVES` is what may follow."""

    STOPPED = auto()  # not started, closed, or (by gevent) until the pool has a worker
    RUNNING = auto()
    PAUSED = auto()  # a timer starts it again
    HELD = auto()  # whoever held it starts it again


# Every move is legal but one: what is stopped is not paused.
MOVES: dict[Accepting, tuple[Accepting, ...]] = {
    Accepting.STOPPED: (Accepting.STOPPED, Accepting.RUNNING, Accepting.HELD),
    Accepting.RUNNING: tuple(Accepting),
    Accepting.PAUSED: tuple(Accepting),
    Accepting.HELD: tuple(Accepting),
}
RUNNING = Accepting.RUNNING


class AcceptLoop(server.StreamServer):
    """gevent's stream server, with an accept loop for production.

    Args:
        overflow: what becomes of connections while `has_room` says no; see `gpool.overflow`.
        overflow_pause: seconds of it.
        reuse_port: set SO_REUSEPORT on a listener that it binds itself.
        defer_accept: leave a connection to the kernel until its first bytes are there (Linux's
            TCP_DEFER_ACCEPT).

    The others are gevent's.

    Attributes:
        accepted: how many connections were accepted.
        overflow: what becomes of those that come now.
    """

    backlog = SOMAXCONN

    def __init__(
        self,
        listener: Any,
        handle: Callable[[Any, Any], object] | None,
        backlog: int | None,
        spawn: Any,
        *,
        overflow: Policy,
        overflow_pause: float,
        reuse_port: bool,
        defer_accept: bool,
        **ssl_args: Any,
    ) -> None:
        if defer_accept and TCP_DEFER_ACCEPT is None:
            raise ValueError("defer_accept must be False here: only Linux has TCP_DEFER_ACCEPT")
        if backlog is not None:
            at_least("backlog", backlog, 1)
        kind("defer_accept", defer_accept, bool, "True or False")
        self._reuse_port = kind("reuse_port", reuse_port, bool, "True or False")
        self._bound_here = False  # or else others may have the listener too
        self._file: tuple[str, int] | None = None  # of a unix socket that was bound here
        self._defer_accept = defer_accept
        self._accepting = Accepting.STOPPED
        self._pause_timer: Any = None
        self._back_off = MIN_BACK_OFF
        self._log_back_off = QuietLog(logger, logging.ERROR)
        self.accepted = 0
        self.overflow = Overflow(
            overflow,
            overflow_pause,
            loop=get_hub().loop,
            accepted=lambda: self.accepted,
            backlog=self.backlog_length,
            resume=self.resume_accepting,
        )
        super().__init__(listener, handle, backlog, spawn, **ssl_args)

    def init_socket(self) -> None:
        """Any side. Bind if need be, and set the options of the listener."""
        if self.closed:
            self.socket = bind(self.family, self.address, self.backlog, reuse_port=self._reuse_port)
            self.family, self.address = self.socket.family, self.socket.getsockname()
            self._bound_here = True
            self._file = made(self.family, self.address)
        super().init_socket()
        make_room(self.socket.fileno())
        # A socket that was passed in may be a blocking one; accepting on it would stop the Hub.
        self.socket.setblocking(False)  # noqa: FBT003  # takes no keyword
        if self.socket.family in (AF_INET, AF_INET6):
            self.socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
            if self._defer_accept:
                self.socket.setsockopt(IPPROTO_TCP, TCP_DEFER_ACCEPT, DEFER_SECONDS)

    def backlog_length(self) -> int | None:
        """Any side. How many connections wait in the kernel's backlog; None if it does not tell."""
        return tcp_info(self.socket, BACKLOG_LENGTH)

    def close(self) -> None:
        """Any side. Close the listener; connections go on."""
        self.overflow.stop()
        super().close()
        if self._file is not None:
            remove(self._file)
            self._file = None

    def set_listener(self, listener: Any) -> None:
        """Any side. Take a socket or an address; gevent's, and ``"unix:/path"``."""
        if hasattr(listener, "accept"):
            super().set_listener(listener)
        else:
            self.family, self.address = parse(listener)

    # ------------------------------------------------------------------ no room

    def has_room(self) -> bool:
        """Any side. Whether a connection would be served; for subclasses."""
        return True

    def full(self) -> bool:
        """Any side. Whether to leave new connections in the backlog for now; gevent asks."""
        return self.overflow.state is WAITING and not self.has_room()

    def had_no_room(self) -> None:
        """Hub side. A connection was refused because `has_room` was false."""
        if self.started:
            self.overflow.refused()

    # ------------------------------------------------------------------ running and pausing

    def start_accepting(self) -> None:
        """Any side. Accept, at once if it was paused."""
        self._move(Accepting.RUNNING)
        super().start_accepting()

    def stop_accepting(self) -> None:
        """Any side. Stop; gevent also calls it while `full`, and starts again on its own."""
        self._move(Accepting.STOPPED)
        super().stop_accepting()

    def pause_accepting(self, duration: float) -> None:
        """Any side. Leave the listener to others for `duration` seconds."""
        super().stop_accepting()
        self._move(Accepting.PAUSED)
        self._pause_timer = self.loop.timer(duration)
        self._pause_timer.start(self.start_accepting)

    def hold_accepting(self) -> None:
        """Any side. Leave the listener to others until `start_accepting`."""
        super().stop_accepting()
        self._move(Accepting.HELD)

    def resume_accepting(self) -> None:
        """Any side. Accept again, unless it is for want of descriptors that nobody is."""
        if self._accepting is not Accepting.PAUSED and self.started:
            self.start_accepting()

    def _move(self, state: Accepting) -> None:
        self._accepting = moved(MOVES, self._accepting, state)
        if self._pause_timer is not None:
            self._pause_timer.close()
            self._pause_timer = None

    # ------------------------------------------------------------------ one accept: Hub side

    def _do_read(self) -> None:
        # Hub side. The listener is ready. gevent's, without what `do_read` has done already; and a
        # connection that cannot be served does not keep the others waiting.
        server: Any = self  # of which gevent's stubs do not know all
        watcher = server._watcher  # noqa: SLF001  # gevent has no other name for it
        if watcher is not None and not watcher.active:
            # epoll_ctl has refused it for want of memory or watches (ENOMEM, ENOSPC): libev calls
            # it once, and then no more.
            self._back_off_after(OSError(errno.ENOSPC, "the listener cannot be watched"))
            return
        latest = monotonic() + TURN
        for _ in range(self.max_accept):
            if self.overflow.state is WAITING and self.full():
                self.stop_accepting()
                server.pool._semaphore.rawlink(server._start_accepting_if_started)  # noqa: SLF001
                return
            try:
                accepted = self.do_read()
            except OSError as error:
                self._lost(error)
                return
            if accepted is None:
                return
            try:
                self.do_handle(*accepted)
            except BaseException:
                self.loop.handle_error((accepted[1], self), *sys.exc_info())
            if monotonic() > latest:
                return

    def _lost(self, error: OSError) -> None:
        # Hub side. The listener is no more.
        logger.critical("%s cannot accept any more: %s", self, error)
        self.close()

    def do_read(self) -> Any:
        """Hub side. Accept one connection.

        Returns:
            The socket and the peer's address; None ends this turn of the loop.
        """
        # Within one turn, the last connection's handler may have paused or stopped the server.
        if self._accepting is not RUNNING:
            return None
        try:
            accepted = self.accept_one()
        except OSError as error:
            if self.is_fatal_error(error):
                raise
            if error.errno not in OF_ONE_CLIENT:
                self._back_off_after(error)
            return None
        except MemoryError:  # what comes out here ends the loop: gevent stops its watcher
            self._back_off_after(OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)))
            return None
        self._back_off = MIN_BACK_OFF
        if accepted:
            self.accepted += 1
        else:
            self.overflow.backlog_is_empty()
        return accepted

    def accept_one(self) -> Any:
        """Hub side. A connection's socket and address, None if there is none; for subclasses."""
        return super().do_read()

    def _back_off_after(self, error: OSError) -> None:
        # Hub side. Out of descriptors or memory: others may give some back.
        self._log_back_off(
            "cannot accept: %s; trying again in %g s", error.strerror, self._back_off
        )
        self.pause_accepting(self._back_off)
        self._back_off = min(self._back_off * 2, MAX_BACK_OFF)
