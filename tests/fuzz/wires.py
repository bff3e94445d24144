"""A connection without a kernel: a socket, watchers and a loop that do as the input says.

An `HTTPConnection` is real, and so are its `Site`, its deadlines and the workers; what is below
them is here: a socket that has the bytes that it was given, and takes as many as it is told to. So
a case takes some hundred microseconds, and is the same each time it is run.

All of a case happens in one callback of the Hub: a worker that waits switches back into it.

Guarantees: watchers are called as a level-triggered poll would call them; what goes wrong in the
Hub or in a worker, and nobody was told of, is raised at the end of the case.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from math import inf
from typing import Any, cast

import gevent

from gpool.connection import ConnState
from gpool.pool import WorkerPool
from gpool.wsgi.connection import HTTPConnection
from gpool.wsgi.framing import Application
from gpool.wsgi.request import Heads
from gpool.wsgi.server import request_pool
from gpool.wsgi.settings import Settings
from gpool.wsgi.site import Site
from gpool.wsgi.template import template
from gpool.wsgi.wire import READ, WRITE
from tests.support import in_hub

__all__ = ["ADDRESS", "DESCRIPTOR", "Ending", "Loop", "Script", "Socket", "connected"]

ADDRESS = ("192.0.2.1", 40_000)
DESCRIPTOR = 1_000_000  # of a fake socket; no system call may get it
GONE_STATES = (ConnState.CLOSED, ConnState.LINGERING)
TURNS = 10_000  # of a case; arbitrary: more is a watcher that is called for nothing


class Socket:
    """What a connection asks of its socket.

    Args:
        takes: how many bytes one `send` takes, or an eighth of what it is given, if that is more;
            none are taken again without a poll in between.

    Attributes:
        closed: whether it is.
        reset: whether its close was to be one.
        sent: all that was.
    """

    def __init__(self, takes: float = inf) -> None:
        self._received = bytearray()
        self._takes = takes
        self._room = True
        self._ended = False
        self._error: OSError | None = None
        self.closed = False
        self.reset = False
        self.sent = bytearray()

    # ------------------------------------------------------------------ the peer

    def comes(self, data: bytes) -> None:
        """The peer has sent this."""
        self._received += data

    def ends(self) -> None:
        """The peer sends no more."""
        self._ended = True

    def breaks(self) -> None:
        """The peer has reset the connection."""
        self._error = ConnectionResetError(104, "reset")

    def polled(self, events: int) -> bool:
        """Whether it is ready for `events`; room for more is there again, from now on."""
        self._room = True
        readable = bool(self._received or self._ended or self._error)
        return bool(events & WRITE) or (bool(events & READ) and readable)

    @property
    def unread(self) -> bytes:
        """What nobody has taken."""
        return bytes(self._received)

    # ------------------------------------------------------------------ the server

    def recv(self, size: int, flags: int = 0) -> bytes:
        """As `_socket`; any flag is MSG_PEEK."""
        self._check()
        if not self._received and not self._ended:
            raise BlockingIOError
        data = bytes(self._received[:size])
        if not flags:
            del self._received[:size]
        return data

    def recv_into(self, into: Any) -> int:
        """As `_socket`."""
        data = self.recv(len(into))
        into[: len(data)] = data
        return len(data)

    def send(self, data: Any) -> int:
        """As `_socket`."""
        self._check()
        if not self._room:
            raise BlockingIOError
        taken = bytes(data[: int(min(len(data), max(self._takes, len(data) // 8)))])
        self._room = len(taken) == len(data)
        self.sent += taken
        return len(taken)

    def _check(self) -> None:
        assert not self.closed, "used after its end"
        if self._error is not None:
            raise self._error

    def fileno(self) -> int:
        """As `_socket`."""
        return -1 if self.closed else DESCRIPTOR

    def setsockopt(self, *_: object) -> None:
        """SO_LINGER: the close will be a reset."""
        self.reset = True

    def getsockopt(self, *_: object) -> bytes:
        """TCP_INFO: it tells nothing of the client's window."""
        return b""

    def shutdown(self, _: int) -> None:
        """Nothing that a case would see."""

    def close(self) -> None:
        """As `_socket`; once is enough."""
        assert not self.closed, "closed twice"
        self.closed = True


class Watcher:
    """One of libev's, as far as it is used."""

    def __init__(self, loop: "Loop", events: int) -> None:
        self._loop = loop
        self._callback: Callable[[], object] | None = None
        self.events = events

    @property
    def active(self) -> bool:
        """Whether it was started, and not stopped."""
        return self._callback is not None

    def start(self, callback: Callable[[], object]) -> None:
        """As gevent's."""
        assert self in self._loop.watchers, "started after its close"
        self._callback = callback

    def stop(self) -> None:
        """As gevent's."""
        self._callback = None

    def close(self) -> None:
        """As gevent's."""
        self.stop()
        self._loop.watchers.remove(self)

    def fire(self) -> None:
        """Call what was started."""
        if self._callback is not None:
            self._callback()


class Loop:
    """What a connection asks of gevent's loop."""

    def __init__(self) -> None:
        self.watchers: list[Watcher] = []
        self._callbacks: list[Callable[[], object]] = []

    def io(self, descriptor: int, events: int) -> Watcher:
        """As gevent's."""
        assert descriptor == DESCRIPTOR
        self.watchers.append(Watcher(self, events))
        return self.watchers[-1]

    def run_callback(self, callback: Callable[[], object]) -> None:
        """As gevent's."""
        self._callbacks.append(callback)

    def turn(self, socket: Socket) -> bool:
        """One turn; whether there was anything to do."""
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()
        ready = [one for one in self.watchers if one.active and socket.polled(one.events)]
        for one in ready:
            one.fire()
        return bool(callbacks or ready)

    def settle(self, socket: Socket) -> None:
        """Turn until there is nothing to do but to wait."""
        for _ in range(TURNS):
            if not self.turn(socket):
                return
        raise AssertionError(f"the loop does not come to rest: {self.watchers}")


class Ending:
    """What the peer does when it has sent all: `EOF`, `RESET`, or nothing until the `TIMEOUT`."""

    EOF, RESET, TIMEOUT = range(3)


class Script:
    """One connection, in order.

    Args:
        pieces: what comes, each after what came before has had its effect.
        ending: see `Ending`.
        takes: see `Socket`.
        at_once: whether the first piece is there when the connection is accepted.
    """

    def __init__(
        self,
        pieces: Iterable[bytes],
        ending: int = Ending.EOF,
        takes: float = inf,
        *,
        at_once: bool = False,
    ) -> None:
        self.pieces = list(pieces)
        self.ending = ending
        self.takes = takes
        self.at_once = at_once


class Lingering:
    """Where connections go whose last answer is sent."""

    def close(self, socket: Socket, *_: object) -> None:
        """What the peer still sends is of no interest to anybody."""
        socket.close()


def connected(site: Site, script: Script) -> Socket:
    """Play `script` on a connection of `site`; returns its socket, closed."""
    return in_hub(_play, site, script)


def _play(site: Site, script: Script) -> Socket:
    socket, loop = Socket(script.takes), Loop()
    site.loop = loop
    pieces = list(script.pieces)
    conn = HTTPConnection(socket, ADDRESS, site)
    with told() as errors:
        if script.at_once and pieces:
            socket.comes(pieces.pop(0))
        conn.begin(at_once=script.at_once)
        for piece in pieces:
            loop.settle(socket)
            socket.comes(piece)
        loop.settle(socket)
        end(conn, socket, script.ending)
        loop.settle(socket)
    assert not errors, errors
    assert_over(conn, socket, loop)
    return socket


def end(conn: HTTPConnection, socket: Socket, ending: int) -> None:
    """Let the peer do what it does at last; a connection that is closed already has no peer."""
    if conn.state in GONE_STATES:
        return
    if ending == Ending.EOF:
        socket.ends()
    elif ending == Ending.RESET:
        socket.breaks()
    else:
        assert conn.slot or conn.state is ConnState.ACTIVE, "nothing would ever end it"
        conn.expired()


def assert_over(conn: HTTPConnection, socket: Socket, loop: Loop) -> None:
    """Nothing of a connection is left."""
    assert conn.state in GONE_STATES, conn
    assert socket.closed, conn
    assert not loop.watchers, (conn, loop.watchers)
    assert not conn.slot and conn.worker is None, conn


@contextmanager
def told() -> Iterator[list[Any]]:
    """What reaches the Hub's error handler."""
    seen: list[Any] = []
    hub: Any = gevent.get_hub()
    hub.handle_error = lambda *args: seen.append(args)
    try:
        yield seen
    finally:
        del hub.handle_error


@cache
def workers() -> WorkerPool[Any]:
    """Of all sites: there is one job at a time."""
    logging.getLogger("gpool").addHandler(logging.NullHandler())
    pool = request_pool(8)
    pool.start()
    return pool


class NoLane:
    """Nobody waits apart: that takes a kernel. tests/wsgi_server/test_slow.py has it."""

    workers_crowded = crowded = False
    workers = 0

    def place(self, *_: object) -> None:
        """There is none."""


def site_of(application: Application, **changes: Any) -> Site:
    """What a server's connections share.

    Args:
        application: PEP 3333's.
        changes: of the settings.
    """
    pool, nothing = workers(), cast("Any", None)
    site = Site(
        application,
        replace(Settings(), **changes),
        loop=None,
        software="fuzz",
        lingering=cast("Any", Lingering()),
        serve=pool.serve,
        give=pool.serve,
        no_worker=nothing,
        closed=closed,
        hijacked=nothing,
    )
    site.slow = cast("Any", NoLane())
    site.fresh_context = pool.fresh_context
    environ = template(ADDRESS, {}, software="fuzz", tls=False, several=False)
    site.read_with(Heads(site.settings.limits, environ))
    return site


def closed(conn: HTTPConnection) -> None:
    """As a server does."""
    conn.enter_closed()
    conn.close()
