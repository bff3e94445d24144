"""Whom a server lets in, and how it gets rid of them: admission, refusal, drain.

What fasthttp does around its accept loop (server.go, ``Serve``), for any protocol. A connection's
way through this file:

    do_handle -> limits -> NEW -> begin -> ... -> CLOSED (or HIJACKED, and CLOSED later)
                   |                |
                   | refused        | no room: overflow="wait": not accepted until there is some
                   v                v          overflow="reject": answer, lingering close; for
                 lingering close               overflow_pause, those who come then wait too

Guarantees:

- Everything here but `stop` runs in the Hub, or anywhere, and does not block.
- A connection that was let in keeps its slot in the limits until it is closed, hijacked or not.
- `stop` returns when every socket is closed: the idle ones at once, the others when they are done
  or `timeout` is over.

How a connection is served, what a refused one gets to read, and how one is told to end, is left
to the protocol's server: the methods under "for subclasses".
"""

import logging
from collections import Counter
from collections.abc import Callable
from time import monotonic
from typing import Any, Literal, Self, TypeAlias

from gevent.hub import get_hub

from gpool.accepting import NODELAY_IS_INHERITED, Accepting, AcceptLoop
from gpool.config import seconds
from gpool.connection import Connection, ConnState, OnState
from gpool.hijacks import Hijacks
from gpool.limits import ConnectionLimits, Refusal
from gpool.lingering import Lingering
from gpool.log import QuietLog
from gpool.overflow import WAITING, Policy
from gpool.pool import WorkerPool
from gpool.stats import ServerStats
from gpool.waiting import Condition, Waited

__all__ = ["Admission", "Spawn"]

logger = logging.getLogger("gpool.server")

CLOSED, HIJACKED = ConnState.CLOSED, ConnState.HIJACKED
KILL_TIMEOUT = 1.0  # seconds that killed handlers get for their clean-up, as in gevent

Spawn: TypeAlias = WorkerPool[Any] | int | Literal["default"]


class Admission(AcceptLoop):
    """An accept loop with limits, a pool, and a drain.

    As a context manager it is started, and drained for `stop_timeout` seconds at the end.

    Args:
        listener: as in gevent.
        handle: the handler, if the protocol's server takes one.
        backlog: as in gevent.
        spawn: a pool to share, the number of workers, or ``"default"``.
        max_workers: of the server's own pool, unless `spawn` is a number.
        max_idle_worker_duration: of the server's own pool.
        max_connections: the most open connections; None for no limit.
        max_conns_per_ip: the same from one address (IPv6: from one /64).
        overflow: see `gpool.overflow`.
        overflow_pause: seconds of it.
        reuse_port: as in `AcceptLoop`.
        defer_accept: as in `AcceptLoop`.
        on_state: called as ``on_state(connection, state)`` whenever the state changes.
        ssl_args: as in gevent.
    """

    pool: WorkerPool[Any]  # type: ignore[assignment]  # gevent's stub knows only its own Pool

    def __init__(
        self,
        listener: Any,
        handle: Callable[[Any, Any], object] | None,
        backlog: int | None,
        spawn: Spawn,
        *,
        max_workers: int,
        max_idle_worker_duration: float,
        max_connections: int | None,
        max_conns_per_ip: int | None,
        overflow: Policy,
        overflow_pause: float,
        reuse_port: bool,
        defer_accept: bool,
        on_state: OnState | None,
        **ssl_args: Any,
    ) -> None:
        # Settings.
        self._limits = ConnectionLimits(max_connections, max_conns_per_ip)
        self._on_state = on_state
        # The connections.
        self._connections: set[Connection] = set()
        self._hijacks = Hijacks(get_hub().loop, self.close_connection)
        self._lingering = Lingering(get_hub(), self.lingered)
        self._waited = Waited(get_hub())
        self._all_closed = Condition(self._waited, self.is_empty)
        self._drained_at = 0.0  # monotonic seconds at which a drain is over
        # What has been done.
        self._errors = 0
        self._refused = dict.fromkeys(Refusal, 0)
        self._log_refusal = {reason: QuietLog(logger) for reason in Refusal}
        # The pool.
        self._owns_pool = not isinstance(spawn, WorkerPool)
        if isinstance(spawn, WorkerPool):
            self.check_pool(spawn)
        elif spawn == "default" or isinstance(spawn, int):
            workers = max_workers if spawn == "default" else spawn
            spawn = self.new_pool(workers, max_idle_worker_duration)
        else:
            raise TypeError(f"spawn must be a WorkerPool or a number of workers, not {spawn!r}")
        super().__init__(
            listener,
            handle,
            backlog,
            spawn,
            overflow=overflow,
            overflow_pause=overflow_pause,
            reuse_port=reuse_port,
            defer_accept=defer_accept,
            **ssl_args,
        )

    # ------------------------------------------------------------------ for subclasses

    def new_pool(self, max_workers: int, max_idle_worker_duration: float) -> WorkerPool[Any]:
        """Any side. The pool of a server that shares none."""
        return WorkerPool(
            max_workers=max_workers, max_idle_worker_duration=max_idle_worker_duration
        )

    def check_pool(self, pool: WorkerPool[Any]) -> None:
        """Any side. Check a pool that is to be shared.

        Raises:
            TypeError: it cannot serve what this server gives it.
        """
        if not pool.runs_jobs:
            raise TypeError("spawn must be a WorkerPool without a worker_func")

    def connected(self, socket: Any, address: Any) -> Connection:
        """Hub side. What the server calls a connection."""
        return Connection(socket, address)

    def begin(self, conn: Connection) -> bool:
        """Hub side. Serve a connection that was let in; False if all workers are busy."""
        raise NotImplementedError

    def refusal(self, reason: Refusal) -> bytes:  # noqa: ARG002  # for subclasses
        """Hub side. What a refused client gets to read before the end; nothing in plain TCP.

        Small enough for a fresh socket's send buffer (16 KiB and more). With TLS it is not asked
        for: a handshake is too much to do for one who is refused.
        """
        return b""

    def end(self, conn: Connection) -> None:
        """Any side. A drain has begun: `conn` is to end when it is done, at once if it is idle."""
        raise NotImplementedError

    def kill(self, conn: Connection) -> None:
        """Hub side. A drain is over: end `conn`, whatever it does."""
        raise NotImplementedError

    def is_empty(self) -> bool:
        """Any side. Whether there are no connections."""
        return not (self._connections or self._lingering)

    # ------------------------------------------------------------------ several servers

    def share_limits(self, other: "Admission") -> None:
        """Any side. From now on, count connections together with `other`; before `start`."""
        self._limits = other._limits  # noqa: SLF001  # of the same kind

    # ------------------------------------------------------------------ admission: Hub side

    def do_handle(self, socket: Any, address: Any) -> None:
        """Hub side. Serve an accepted connection, or refuse it."""
        try:
            conn = self.connected(socket, address)
        except OSError:  # of TLS; the client is gone already
            return
        if not NODELAY_IS_INHERITED and not conn.set_nodelay():
            conn.close()
            return
        if self._on_state is not None:
            self.tell(conn)
        reason = self._limits.admit(address)
        if reason is not None and self._hijacks.reap_if_due():
            reason = self._limits.admit(address)
        if reason is None:
            self._connections.add(conn)
            if self.begin(conn):
                return
            self.forget(conn)
            reason = Refusal.FULL
        self._refuse(conn, reason)

    def _refuse(self, conn: Connection, reason: Refusal) -> None:
        self.count_refusal(conn, reason)
        self._lingering.close(conn.socket, self._answer(reason), conn)

    def count_refusal(self, conn: Connection, reason: Refusal) -> None:
        """Hub side. Count and log that a client is refused, and pause if there was no room."""
        self._refused[reason] += 1
        bound = {
            Refusal.FULL: self.pool.max_workers,
            Refusal.OVERLOADED: self.limit,
            Refusal.MAX_CONNECTIONS: self._limits.max_connections,
            Refusal.MAX_CONNS_PER_IP: self._limits.max_conns_per_ip,
        }[reason]
        self._log_refusal[reason](
            "refused a connection from %s: %s (%s)", conn.address, reason.value, bound
        )
        if reason is not Refusal.MAX_CONNS_PER_IP:
            self.had_no_room()

    def _answer(self, reason: Refusal) -> bytes:
        if self.ssl_args is not None:
            return b""
        try:
            return self.refusal(reason)
        except Exception:
            logger.exception("refusal(%s) raised", reason)
            return b""

    def lingered(self, conn: Connection) -> None:
        """Hub side. The socket of a refused connection is closed."""
        self.enter(conn, ConnState.CLOSED)
        self._waited.changed()

    # ------------------------------------------------------------------ the end: any side

    def close_connection(self, conn: Connection) -> None:
        """Any side. Close `conn`, and give its slot back."""
        # The hook first: from the close on, nothing may switch before the worker is ready, or the
        # client could come back and find the pool full.
        hijacked = conn.state is HIJACKED
        try:
            conn.enter_closed()
            if self._on_state is not None:
                self.tell(conn)
        finally:
            if hijacked:
                self._hijacks.discard(conn)
            self.forget(conn)
            conn.close()

    def forget(self, conn: Connection) -> None:
        """Any side. Give the slot of `conn` back, if it is not a hijacked one."""
        self._connections.discard(conn)
        self._limits.release(conn.address)
        if self._waited.conditions:
            self._waited.changed()

    def enter(self, conn: Connection, state: ConnState) -> None:
        """Any side. Move `conn` to `state`, and tell `on_state`."""
        conn.move(state)
        self.tell(conn)

    def tell(self, conn: Connection) -> None:
        """Any side. Tell `on_state`, which is not to be trusted, the state of `conn`."""
        if self._on_state is not None:
            try:
                self._on_state(conn, conn.state)
            except Exception:
                logger.exception("on_state(%r, %s) raised", conn, conn.state)

    # ------------------------------------------------------------------ what gevent calls

    def set_spawn(self, spawn: Any) -> None:
        """Any side. gevent's would put the pool's `full` in the place of the server's."""
        self.pool = spawn

    @property
    def limit(self) -> int:
        """Any side. How many items may be in flight now."""
        return self.pool.max_workers

    def has_room(self) -> bool:
        """Any side. Whether a connection would be served."""
        return not (self.pool.full() or self._limits.full())

    def start_accepting(self) -> None:
        """Any side. Accept, unless those in the backlog wait for a connection to close."""
        if self.overflow.state is WAITING and self._limits.full():
            self.hold_accepting()
            self._limits.when_room(self.resume_accepting)
        else:
            super().start_accepting()

    def start(self) -> None:
        """Any side. Bind if need be and start accepting; also after a `stop`.

        Raises:
            OSError: the address cannot be bound; the text names it.
        """
        if self._owns_pool:
            self.pool.start()
        super().start()

    def stop(self, timeout: float | None = None) -> None:
        """Worker side. Drain: accept no more, let what is served end, close what is left.

        Idle connections end at once. When `timeout` is over, handlers are killed and hijacked
        connections closed. A second call, also during the first, does the same, with its own
        timeout. Not for a handler, which would wait for itself.

        Args:
            timeout: seconds at most, 0 or more; by default those that a drain has left which goes
                on already (gevent's `serve_forever` stops once more when somebody has stopped the
                server), else `stop_timeout`.
        """
        if timeout is None:
            timeout = max(self._drained_at - monotonic(), 0.0) or self.stop_timeout
        timeout = seconds("timeout", timeout, zero=True)
        self._drained_at = monotonic() + timeout
        self._accept_rest()
        self.close()
        for conn in tuple(self._connections):
            self.end(conn)
        self._hijacks.reap()
        if not self._all_closed.wait(timeout):
            if timeout and self._connections:
                self._log_cut(timeout)
            self._close_all()
        if self._owns_pool:
            self.pool.stop()
            self.pool.join(KILL_TIMEOUT)
        self._drained_at = 0.0

    def _accept_rest(self) -> None:
        # Who is in the backlog of a listener that nobody else has would get a reset. With
        # SO_REUSEPORT each process has its own.
        if self.started and (self._bound_here or self._reuse_port):
            if self._accepting is Accepting.PAUSED:  # for want of what may be there by now
                self.start_accepting()
            for _ in range(self.backlog):
                accepted = self.do_read()
                if accepted is None:
                    break
                self.do_handle(*accepted)

    def _log_cut(self, timeout: float) -> None:
        # Worker side.
        states = self.connections_by_state().items()
        left = ", ".join(f"{count} {state.lower()}" for state, count in states)
        logger.warning("the drain is cut off after %g s, and ends what is left: %s", timeout, left)

    def _close_all(self) -> None:
        # Worker side.
        for conn in tuple(self._connections):
            self.loop.run_callback(self._end_now, conn)
        self.loop.run_callback(self._lingering.close_all)
        if not self._all_closed.wait(KILL_TIMEOUT):
            logger.error("%d handlers go on although they were killed", len(self._connections))
            for conn in tuple(self._connections):
                conn.hang_up()

    def _end_now(self, conn: Connection) -> None:
        # Hub side.
        if conn.state is ConnState.HIJACKED:
            conn.hang_up()
            self.close_connection(conn)
        elif conn.state is not ConnState.CLOSED:
            self.kill(conn)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def errors(self) -> int:
        """Any side. How many handlers, or requests, have raised."""
        return self._errors

    def connections_by_state(self) -> dict[str, int]:
        """Any side. How many of the open connections are in which state, by its name."""
        return Counter(conn.state._name_ for conn in self._connections)  # `name` is 0.1 us

    def stats(self) -> ServerStats:
        """Any side. A frozen snapshot of the counts; `pool.stats` has the workers'."""
        self._hijacks.reap()
        return ServerStats(
            open=self._limits.open,
            hijacked=len(self._hijacks),
            lingering=len(self._lingering),
            accepted=self.accepted,
            refused=dict(self._refused),
            errors=self.errors(),
        )
