"""A TCP server on the worker pool: admission, overflow, drain.

gevent's `gevent.server.StreamServer` with the pool as its spawn handler, and what fasthttp does
around its accept loop (server.go, ``Serve``). A connection's way through this file:

    do_handle -> limits -> NEW -> pool -> ACTIVE -> handler -> CLOSED (or HIJACKED)
                   |               |
                   | refused       | full: overflow="wait": not accepted until a worker is free
                   v               v       overflow="reject": answer, lingering close; for
                 lingering close           overflow_pause, those who come then wait too

Guarantees:

- Everything up to the handler runs in the Hub and does not block.
- A handler's socket is closed when it returns, raises or is killed, unless it keeps it
  (`HIJACKED`), and before its worker is ready again.
- `stop` returns when every socket is closed: idle ones at once, the others when their handler is
  done or `timeout` is over.

Which bytes a protocol has for a refused client, is left to `refusal`, and when a connection is
idle, to `serve_connection`: a subclass overrides these.
"""

import logging
from collections.abc import Callable
from typing import Any, Literal

import gevent
from gevent.hub import get_hub
from greenlet import GreenletExit, getcurrent

from gpool.accepting import NODELAY_IS_INHERITED, Accepting, AcceptLoop
from gpool.config import seconds
from gpool.connection import HIJACKED, Connection, ConnState, OnState
from gpool.errors import HandshakeFailed, Hijacked, PoolClosed
from gpool.hijacks import Hijacks
from gpool.limits import ConnectionLimits, Refusal
from gpool.lingering import Lingering
from gpool.log import QuietLog
from gpool.overflow import OVERFLOW_PAUSE, WAITING, Policy
from gpool.pool import MAX_IDLE_WORKER_DURATION, MAX_WORKERS, WorkerPool
from gpool.stats import ServerStats
from gpool.waiting import Condition, Waited
from gpool.worker import ENDING

__all__ = ["StreamServer"]

logger = logging.getLogger("gpool.server")

HANDSHAKE_TIMEOUT = 10.0  # seconds for a TLS handshake; arbitrary
KILL_TIMEOUT = 1.0  # seconds that killed handlers get for their clean-up, as in gevent
REAP_INTERVAL = 1.0  # seconds between two looks at hijacked sockets while refusing; arbitrary


class StreamServer(AcceptLoop):
    """A TCP server whose handlers run on reused workers.

    Takes the arguments of `gevent.server.StreamServer`, so that moving over is the import line,
    and more on top. A handler is called with the socket and the peer's address, on a worker.

    Args:
        listener: ``(host, port)``, ``"host:port"``, a port, or a bound and listening socket.
        handle: called as ``handle(socket, address)``; a subclass may define it instead. What it
            returns is ignored unless it is `HIJACKED`: then the socket stays open, and is the
            handler's to close.
        backlog: how many connections the kernel queues; its maximum by default.
        spawn: a `WorkerPool` to share with other servers, or the number of workers, as gevent
            takes it. Without it the server has a pool of its own.
        max_workers: the most connections served at once by the server's own pool, 1 or more.
        max_idle_worker_duration: seconds after which an unused worker of it ends.
        max_connections: the most open connections, hijacked ones among them; None for no limit.
        max_conns_per_ip: the same from one address (IPv6: from one /64).
        overflow: what happens when all workers are busy, or `max_connections` are open:
            ``"reject"`` answers and closes, as fasthttp does; ``"wait"`` leaves connections in
            the kernel's backlog, as gevent does.
        overflow_pause: seconds that connections wait in the backlog after such a refusal, for a
            free worker or for another server on the same listener, before they are refused too;
            0 refuses all at once.
        reuse_port: set SO_REUSEPORT, so that several processes can listen on the address.
        defer_accept: take a connection only when its first bytes are there: for protocols in
            which the client speaks first, it spares the handler a wait (and a quarter of the CPU
            time of a short connection). Linux only.
        handshake_timeout: seconds for a TLS handshake.
        on_state: called as ``on_state(connection, state)`` whenever the state changes. It must
            not block.
        log_all_errors: log also what befalls every server: clients that reset or go silent.
        ssl_args: as in gevent, above all ``ssl_context``.

    Raises:
        TypeError: an argument has the wrong type, or there is no handler.
        ValueError: an argument is out of its range.
    """

    pool: WorkerPool[Any]  # type: ignore[assignment]  # gevent's stub knows only its own Pool

    def __init__(
        self,
        listener: Any,
        handle: Callable[[Any, Any], object] | None = None,
        backlog: int | None = None,
        spawn: WorkerPool[Any] | int | Literal["default"] = "default",
        *,
        max_workers: int = MAX_WORKERS,
        max_idle_worker_duration: float = MAX_IDLE_WORKER_DURATION,
        max_connections: int | None = None,
        max_conns_per_ip: int | None = None,
        overflow: Policy = "reject",
        overflow_pause: float = OVERFLOW_PAUSE,
        reuse_port: bool = False,
        defer_accept: bool = False,
        handshake_timeout: float = HANDSHAKE_TIMEOUT,
        on_state: OnState | None = None,
        log_all_errors: bool = False,
        **ssl_args: Any,
    ) -> None:
        # Settings.
        self._limits = ConnectionLimits(max_connections, max_conns_per_ip)
        self._handshake_timeout = seconds("handshake_timeout", handshake_timeout)
        self._on_state = on_state
        self._log_all_errors = log_all_errors
        self._handler: Callable[[Any, Any], object] | None = None
        # The connections.
        self._connections: set[Connection] = set()
        self._hijacks = Hijacks(get_hub().loop, self._close)
        self._lingering = Lingering(get_hub(), self._refused_is_closed)
        self._waited = Waited(get_hub())
        self._all_closed = Condition(
            self._waited, lambda: not (self._connections or self._lingering)
        )
        # What has been done.
        self._errors = 0
        self._refused = dict.fromkeys(Refusal, 0)
        self._log_refusal = {reason: QuietLog(logger) for reason in Refusal}
        # The pool.
        self._owns_pool = not isinstance(spawn, WorkerPool)
        if isinstance(spawn, WorkerPool):
            if not spawn.runs_jobs:
                raise TypeError("spawn must be a WorkerPool without a worker_func")
        elif spawn == "default" or isinstance(spawn, int):
            spawn = WorkerPool(
                max_workers=max_workers if spawn == "default" else spawn,
                max_idle_worker_duration=max_idle_worker_duration,
            )
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

    def handle(self, socket: Any, address: Any) -> object:
        """Worker side. Serve one connection: the handler that the server was given."""
        assert self._handler is not None  # set_handle saw to it
        return self._handler(socket, address)

    def serve_connection(self, conn: Connection) -> object:
        """Worker side. Serve `conn`: handshake, if there is TLS, and `handle`.

        A protocol that knows when a connection waits for its next request overrides this, and
        says so with ``self.enter(conn, ConnState.IDLE)``, and ACTIVE: a drain closes it then.
        """
        if self.ssl_args is not None:
            self.shake_hands(conn)
        return self.handle(conn.socket, conn.address)

    def shake_hands(self, conn: Connection) -> None:
        """Worker side. Put the TLS form of its socket into `conn`.

        Raises:
            HandshakeFailed: the client did not get through it, or not in `handshake_timeout`.
        """
        wrap: Any = self.wrap_socket  # type: ignore[misc]  # gevent sets it on the instance
        try:
            with gevent.Timeout(self._handshake_timeout, TimeoutError("timed out")):
                conn.socket = wrap(conn.socket, **(self.ssl_args or {}))
        except OSError as error:
            raise HandshakeFailed(str(error)) from error

    def refusal(self, reason: Refusal) -> bytes:  # noqa: ARG002  # for subclasses
        """Hub side. What a refused client gets to read before the end; nothing in plain TCP.

        Small enough for a fresh socket's send buffer (16 KiB and more). With TLS it is not asked
        for: a handshake is too much to do for one who is refused.
        """
        return b""

    # ------------------------------------------------------------------ admission: Hub side

    def do_handle(self, socket: Any, address: Any) -> None:
        """Hub side. Serve an accepted connection, or refuse it."""
        conn = Connection(socket, address)
        if not NODELAY_IS_INHERITED and not conn.set_nodelay():
            conn.close()
            return
        self._tell(conn)
        reason = self._limits.admit(address)
        if reason is not None and self._hijacks.reap_if_due():
            reason = self._limits.admit(address)
        if reason is None:
            self._connections.add(conn)
            if self._give_to_pool(conn):
                return
            self._forget(conn)
            reason = Refusal.FULL
        self._refuse(conn, reason)

    def _give_to_pool(self, conn: Connection) -> bool:
        try:
            return self.pool.serve((self._serve, (conn,), {}))
        except PoolClosed:
            return False

    def _refuse(self, conn: Connection, reason: Refusal) -> None:
        self._refused[reason] += 1
        bound = {
            Refusal.FULL: self.pool.max_workers,
            Refusal.MAX_CONNECTIONS: self._limits.max_connections,
            Refusal.MAX_CONNS_PER_IP: self._limits.max_conns_per_ip,
        }[reason]
        self._log_refusal[reason](
            "refused a connection from %s: %s (%s)", conn.address, reason.value, bound
        )
        self._lingering.close(conn.socket, self._answer(reason), conn)
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

    def _refused_is_closed(self, conn: Connection) -> None:
        self.enter(conn, ConnState.CLOSED)
        self._waited.changed()

    # ------------------------------------------------------------------ one connection: worker side

    def _serve(self, conn: Connection) -> None:
        hijacked = False
        conn.worker = getcurrent()
        try:
            self.enter(conn, ConnState.ACTIVE)
            hijacked = self.serve_connection(conn) is HIJACKED
        except Hijacked:
            hijacked = True
        except ENDING:
            raise
        except BaseException as error:
            self._report(conn, error)
        finally:
            conn.worker = None  # or the worker were tainted
            if hijacked:
                self.enter(conn, ConnState.HIJACKED)
                self._hijacks.add(conn)
            else:
                self._close(conn)

    def _report(self, conn: Connection, error: BaseException) -> None:
        self._errors += 1
        if self._log_all_errors or not conn.caused(error):
            logger.error(
                "error when serving connection %s<->%s",
                self.address,
                conn.address,
                exc_info=error,
            )

    def _close(self, conn: Connection) -> None:
        # Any side. The hook first: from the close on, nothing may switch before the worker is
        # ready, or the client could come back and find the pool full.
        try:
            self.enter(conn, ConnState.CLOSED)
        finally:
            self._forget(conn)
            conn.close()

    def _forget(self, conn: Connection) -> None:
        # Any side.
        self._connections.discard(conn)
        self._hijacks.discard(conn)
        self._limits.release(conn.address)
        self._waited.changed()
        if self._accepting is Accepting.HELD:
            self.resume_accepting()

    def enter(self, conn: Connection, state: ConnState) -> None:
        """Any side. Move `conn` to `state`, and tell `on_state`."""
        conn.move(state)
        self._tell(conn)

    def _tell(self, conn: Connection) -> None:
        if self._on_state is not None:
            try:
                self._on_state(conn, conn.state)
            except Exception:
                logger.exception("on_state(%r, %s) raised", conn, conn.state)

    # ------------------------------------------------------------------ what gevent calls

    def set_spawn(self, spawn: Any) -> None:
        """Any side. gevent's would put the pool's `full` in the place of the server's."""
        self.pool = spawn

    def set_handle(self, handle: Callable[[Any, Any], object] | None) -> None:
        """Any side. Set the handler; kept over a stop, so that the server can start again."""
        if handle is not None:
            self._handler = handle
        elif self._handler is None and type(self).handle is StreamServer.handle:
            raise TypeError("a handle is needed: an argument, or a method of a subclass")

    def has_room(self) -> bool:
        """Any side. Whether a connection would be served."""
        return not (self.pool.full() or self._limits.full())

    def start_accepting(self) -> None:
        """Any side. Accept, unless those in the backlog wait for a connection to close."""
        if self.overflow.state is WAITING and self._limits.full():
            self.hold_accepting()
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
        """Worker side. Drain: accept no more, let handlers finish, close what is left.

        Idle connections see the end of their input at once. When `timeout` is over, handlers are
        killed and hijacked connections closed. A second call, also during the first, does the
        same. Not for a handler, which would wait for itself.

        Args:
            timeout: seconds at most, 0 or more; `stop_timeout` by default.
        """
        timeout = seconds("timeout", self.stop_timeout if timeout is None else timeout, zero=True)
        self.close()
        for conn in tuple(self._connections):
            if conn.state is ConnState.IDLE:
                conn.stop_reading()
        self._hijacks.reap()
        if not self._all_closed.wait(timeout):
            self._close_all()
        if self._owns_pool:
            self.pool.stop()
            self.pool.join(KILL_TIMEOUT)

    def _close_all(self) -> None:
        # Worker side.
        for conn in tuple(self._connections):
            self.loop.run_callback(self._kill, conn)
        self.loop.run_callback(self._lingering.close_all)
        if not self._all_closed.wait(KILL_TIMEOUT):
            logger.error("%d handlers go on although they were killed", len(self._connections))
            for conn in tuple(self._connections):
                conn.hang_up()

    def _kill(self, conn: Connection) -> None:
        # Hub side.
        if conn.state is ConnState.HIJACKED:
            conn.hang_up()
            self._close(conn)
        elif conn.worker is not None:
            conn.worker.throw(GreenletExit)

    def stats(self) -> ServerStats:
        """Any side. A frozen snapshot of the counts; `pool.stats` has the workers'."""
        self._hijacks.reap()
        return ServerStats(
            open=self._limits.open,
            hijacked=len(self._hijacks),
            lingering=len(self._lingering),
            accepted=self.accepted,
            refused=dict(self._refused),
            errors=self._errors,
        )
