"""A TCP server on the worker pool: a handler, called on a worker with a socket.

gevent's `gevent.server.StreamServer` with the pool as its spawn handler. A connection's way from
`gpool.admission`, which let it in, through this file:

    begin -> pool -> ACTIVE -> handler -> CLOSED (or HIJACKED)

Guarantees:

- A handler's socket is closed when it returns, raises or is killed, unless it keeps it
  (`HIJACKED`), and before its worker is ready again.
- A drain ends idle connections at once, the others when their handler is done or its time is over.

Which bytes a protocol has for a refused client, is left to `refusal`, and when a connection is
idle, to `serve_connection`: a subclass overrides these.
"""

import logging
from collections.abc import Callable
from typing import Any

import gevent
from greenlet import GreenletExit, getcurrent

from gpool.admission import Admission, Spawn
from gpool.config import seconds
from gpool.connection import HIJACKED, Connection, ConnState, OnState
from gpool.errors import HandshakeFailed, Hijacked, PoolClosed
from gpool.overflow import OVERFLOW_PAUSE, Policy
from gpool.pool import MAX_IDLE_WORKER_DURATION, MAX_WORKERS
from gpool.worker import ENDING

__all__ = ["StreamServer"]

logger = logging.getLogger("gpool.server")

HANDSHAKE_TIMEOUT = 10.0  # seconds for a TLS handshake; arbitrary


class StreamServer(Admission):
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

    def __init__(
        self,
        listener: Any,
        handle: Callable[[Any, Any], object] | None = None,
        backlog: int | None = None,
        spawn: Spawn = "default",
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
        self._handshake_timeout = seconds("handshake_timeout", handshake_timeout)
        self._log_all_errors = log_all_errors
        self._handler: Callable[[Any, Any], object] | None = None
        super().__init__(
            listener,
            handle,
            backlog,
            spawn,
            max_workers=max_workers,
            max_idle_worker_duration=max_idle_worker_duration,
            max_connections=max_connections,
            max_conns_per_ip=max_conns_per_ip,
            overflow=overflow,
            overflow_pause=overflow_pause,
            reuse_port=reuse_port,
            defer_accept=defer_accept,
            on_state=on_state,
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

    # ------------------------------------------------------------------ what admission asks for

    def set_handle(self, handle: Callable[[Any, Any], object] | None) -> None:
        """Any side. Set the handler; kept over a stop, so that the server can start again."""
        if handle is not None:
            self._handler = handle
        elif self._handler is None and type(self).handle is StreamServer.handle:
            raise TypeError("a handle is needed: an argument, or a method of a subclass")

    def begin(self, conn: Connection) -> bool:
        """Hub side. Give `conn` to a worker."""
        try:
            return self.pool.serve((self._serve, (conn,), {}))
        except PoolClosed:
            return False

    def end(self, conn: Connection) -> None:
        """Any side. Let an idle connection's handler see the end of its input."""
        if conn.state is ConnState.IDLE:
            conn.stop_reading()

    def kill(self, conn: Connection) -> None:
        """Hub side. Kill the handler of `conn`."""
        if conn.worker is not None:
            conn.worker.throw(GreenletExit)

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
                self.close_connection(conn)

    def _report(self, conn: Connection, error: BaseException) -> None:
        self._errors += 1
        if self._log_all_errors or not conn.caused(error):
            logger.error(
                "error when serving connection %s<->%s",
                self.address,
                conn.address,
                exc_info=error,
            )
