"""`WSGIServer`: the whole trip of a request, from the listener to the log.

Admission, limits and the drain are `gpool.admission`'s; a connection is
`gpool.wsgi.connection`'s. Here they are put together with the pool: a whole request is given to a
worker; when all are busy it is refused with a 503 (``overflow="reject"``), or waits in a bounded
queue (``"wait"``).

Guarantees: a request is run once or answered with an error, never both; requests that wait are
served first come, first served; a drain answers what has begun.
"""

import ssl
from time import time
from types import NoneType
from typing import Any

from gevent.hub import get_hub
from greenlet import GreenletExit

from gpool.admission import Admission, Spawn
from gpool.certificates import File, chosen_context
from gpool.config import choice, kind
from gpool.connection import Connection, ConnState
from gpool.limits import Refusal
from gpool.overflow import OVERFLOW_PAUSE
from gpool.pool import MAX_IDLE_WORKER_DURATION, WorkerPool
from gpool.trusted import NOBODY, Trusted
from gpool.version import __version__
from gpool.wsgi.access import FORMATS, AccessLog, LogFormat, Observer, Observers
from gpool.wsgi.adapting import POLICIES, RequestPolicy, queue_for
from gpool.wsgi.application import Exchange
from gpool.wsgi.connection import HTTPConnection
from gpool.wsgi.forwarded import BELIEVED, believing
from gpool.wsgi.keeping import Keeper
from gpool.wsgi.lobby import Lobby
from gpool.wsgi.parked import CROWD
from gpool.wsgi.parking import TICK
from gpool.wsgi.refusals import ANSWERS, RETRY_AFTER
from gpool.wsgi.request import Heads
from gpool.wsgi.response import body_of, canned
from gpool.wsgi.settings import Settings, unknown
from gpool.wsgi.site import Application, Site
from gpool.wsgi.sockets import Kind, accept
from gpool.wsgi.template import template
from gpool.wsgi.tls import TLSConnection

__all__ = ["WSGIServer", "request_pool"]

SOFTWARE = f"gpool/{__version__}"
MAX_WORKERS = 10_000  # requests in flight; a blocked worker takes some 10 KiB and what it runs
NEW, QUEUED = ConnState.NEW, ConnState.QUEUED
EARLY = 8  # reads that may come to nothing before first requests are waited for; arbitrary
LOOK_AGAIN = 16  # connections after which one of them is read at once nevertheless; arbitrary


def request_pool(
    max_workers: int = MAX_WORKERS,
    max_idle_worker_duration: float = MAX_IDLE_WORKER_DURATION,
) -> WorkerPool[Any]:
    """Make a pool for several `WSGIServer`s, which then start and stop no pool themselves.

    Args:
        max_workers: the most requests that all of them serve at once, 1 or more.
        max_idle_worker_duration: seconds after which an unused worker ends.
    """
    return WorkerPool(
        Exchange.run, max_workers=max_workers, max_idle_worker_duration=max_idle_worker_duration
    )


class WSGIServer(Keeper):
    """A server for WSGI applications: gevent's `gevent.pywsgi.WSGIServer`, on the worker pool.

    The arguments that pywsgi has too have its names and places, so that moving over is the import
    line.

    Args:
        listener: ``(host, port)``, ``"host:port"``, ``":8000"``, ``"unix:/path"``, or a bound and
            listening socket.
        application: PEP 3333's callable.
        backlog: how many connections the kernel queues; its maximum by default.
        spawn: a `WorkerPool` to share with other servers, or the number of workers. A
            `request_pool` serves several WSGI servers as cheaply as one of their own.
        max_workers: the most requests served at once, 1 or more.
        max_idle_worker_duration: seconds after which an unused worker ends.
        max_connections: the most open connections; None for no limit.
        max_conns_per_ip: the same from one address (IPv6: from one /64); who has more gets a 429.
        overflow: what happens to a request when all workers are busy: ``"reject"`` answers 503;
            ``"wait"`` lets it wait, `max_queue` requests for `queue_timeout` seconds;
            ``"adaptive"`` finds out how many in flight are worth it, see `gpool.adaptive`.
        overflow_pause: seconds that new connections wait in the kernel's backlog after such a
            refusal, for a free worker or for another server on the same listener.
        reuse_port: set SO_REUSEPORT, so that several processes can listen on the address.
        defer_accept: take a connection only when its first bytes are there; Linux only.
        environ: put into each request's environ, over what is there.
        log: the access log: a `logging.Logger`, or what has ``write(text)``; None for none.
            Errors go to the logger ``gpool.wsgi`` in any case.
        log_format: ``"combined"`` (Apache's) or ``"json"``.
        ssl_context: for HTTPS. In a program that is not monkey-patched, gevent's. For more than
            a certificate, `gpool.certificates.server_context` makes one.
        keyfile: the private key's file (PEM), if it is not in `certfile`.
        certfile: the certificate's file, instead of `ssl_context`.
        forwarded_allow_ips: the proxies that say over HTTP who their client is, see
            `gpool.wsgi.forwarded`: addresses, networks, ``unix``, ``*``, between commas.
        forwarded_headers: which headers they set or remove, whatever a client sends; others are
            not believed. Of Forwarded, X-Forwarded-For, -Proto, -Ssl, -Host, -Port, -Prefix.
        proxy_protocol: whether the proxies of `proxy_allow_ips` begin each connection with a PROXY
            header, version 1 or 2; see `gpool.wsgi.lobby`.
        proxy_allow_ips: those proxies; a peer that is not among them is served without a header.
        settings: times and sizes, see `gpool.wsgi.settings.Settings`: `header_timeout`,
            `keepalive_timeout`, `keepalive_min_timeout`, `body_timeout`, `write_timeout`,
            `request_timeout`, `queue_timeout`, `max_queue`, `adaptive_delay`, `adaptive_min`,
            `body_buffer`, `write_buffer`, `cancel_on_disconnect`, `max_request_line`,
            `max_headers`, `max_header_size`, `max_head_size`, `max_body_size`.

    Raises:
        TypeError: an argument has the wrong type, or is not known here.
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        listener: Any,
        application: Application,
        backlog: int | None = None,
        spawn: Spawn = "default",
        *,
        max_workers: int = MAX_WORKERS,
        max_idle_worker_duration: float = MAX_IDLE_WORKER_DURATION,
        max_connections: int | None = None,
        max_conns_per_ip: int | None = None,
        overflow: RequestPolicy = "reject",
        overflow_pause: float = OVERFLOW_PAUSE,
        reuse_port: bool = False,
        defer_accept: bool = False,
        environ: dict[str, Any] | None = None,
        log: Any = None,
        log_format: LogFormat = "combined",
        ssl_context: ssl.SSLContext | None = None,
        keyfile: File | None = None,
        certfile: File | None = None,
        forwarded_allow_ips: str = "",
        forwarded_headers: str = BELIEVED,
        proxy_protocol: bool = False,
        proxy_allow_ips: str = "127.0.0.1,::1",
        **settings: Any,
    ) -> None:
        if not callable(application):
            raise TypeError(f"application must be a callable (PEP 3333), not {application!r}")
        # Settings.
        self._settings = Settings.checked(settings)
        if settings:
            raise unknown(settings)
        kind("environ", environ, (dict, NoneType), "a dict or None")
        choice("log_format", log_format, FORMATS)
        application = believing(application, forwarded_allow_ips, forwarded_headers)
        kind("proxy_protocol", proxy_protocol, bool, "True or False")
        proxies = Trusted(proxy_allow_ips, "proxy_allow_ips")
        self._base_environ = dict(environ or {})
        self._policy = choice("overflow", overflow, POLICIES)
        self._ssl_context = chosen_context(ssl_context, certfile, keyfile)
        # What runs.
        self._early = EARLY if defer_accept else 0  # how often the first request was here, of late
        self._ticking: Any = None  # not `_timer`: gevent's, which ends when accepting stops
        self._kind: Kind = (0, 0, 0)  # of accepted sockets
        super().__init__(
            listener,
            None,
            backlog,
            spawn,
            max_workers=max_workers,
            max_idle_worker_duration=max_idle_worker_duration,
            max_connections=max_connections,
            max_conns_per_ip=max_conns_per_ip,
            overflow="reject" if overflow == "reject" else "wait",
            overflow_pause=overflow_pause,
            reuse_port=reuse_port,
            defer_accept=defer_accept,
            on_state=None,
        )
        serves_requests = self.pool.runs(Exchange.run)
        self._give = self.pool.serve if serves_requests else self._give_to_shared_pool
        loop = get_hub().loop
        self._queue = queue_for(
            overflow, self.pool, self._settings, HTTPConnection.run, self._give, loop=loop
        )
        site = Site(
            self._queue.counted(application),
            self._settings,
            loop=loop,
            software=SOFTWARE,
            lingering=self._lingering,
            serve=self._give if overflow == "reject" else self._queue.serve,
            give=self._give,
            no_worker=self._no_worker,
            closed=self._closed,
            hijacked=self._hijacked,
        )
        self.furnish(site)
        self._lobby = Lobby(
            site,
            proxies if proxy_protocol else NOBODY,
            super().do_handle,
            limits=lambda: self._limits,
        )
        self._behind_proxies = bool(self._lobby.proxies)  # looked at for each connection
        if log is not None:
            self.observe(AccessLog(log, log_format))
        if serves_requests and overflow == "reject":  # with "wait", a batch would overtake others
            self.site.fresh_context = self.pool.fresh_context
        self.site.sendfile = self._ssl_context is None

    def new_pool(self, max_workers: int, max_idle_worker_duration: float) -> WorkerPool[Any]:
        """Any side. See `Admission`."""
        return request_pool(max_workers, max_idle_worker_duration)

    def check_pool(self, pool: WorkerPool[Any]) -> None:
        """Any side. See `Admission`."""
        if not pool.runs(Exchange.run):
            super().check_pool(pool)

    def observe(self, observer: Observer) -> None:
        """Any side. Have `observer` told of each answer, as the access log is."""
        access = self.site.access
        self.site.access = observer if access is None else Observers(access, observer)

    def renew_tls(self, context: ssl.SSLContext) -> None:
        """Any side. Use `context` for connections that come from now on.

        Raises:
            ValueError: the server does not speak TLS, and cannot begin to.
        """
        if self._ssl_context is None:
            raise ValueError("this server was made without TLS")
        self._ssl_context = kind("context", context, ssl.SSLContext, "an ssl.SSLContext")

    # ------------------------------------------------------------------ a connection: Hub side

    def accept_one(self) -> Any:
        """Hub side. A connection's socket, as `_socket` has it, and its address."""
        return accept(self.socket, self._kind)

    def do_handle(self, socket: Any, address: Any) -> None:
        """Hub side. See `Admission`; a proxy has to say first whose connection it is."""
        if self._behind_proxies and address in self._lobby.proxies:
            self._lobby.enter(socket, address)
        else:
            Admission.do_handle(self, socket, address)

    def connected(self, socket: Any, address: Any) -> Connection:
        """Hub side. See `Admission`."""
        if self._ssl_context is not None:
            return TLSConnection(socket, address, self.site, self._ssl_context)
        return HTTPConnection(socket, address, self.site)

    def is_plain(self) -> bool:
        """Any side. See `Keeper`; the address that a proxy has said is not the peer's."""
        usual = type(self).connected is WSGIServer.connected
        return usual and self._ssl_context is None and not self._behind_proxies

    def begin(self, conn: Connection) -> bool:
        """Hub side. See `Admission`."""
        assert isinstance(conn, HTTPConnection)
        # While first requests tend to be here when their connection is accepted, as those of busy
        # clients are, it is read at once, which spares the loop a watcher and a turn.
        at_once = self._early > 0 or not self.accepted % LOOK_AGAIN
        conn.begin(at_once=at_once)
        if at_once and not self._defer_accept:
            came = conn.state is not NEW
            self._early = min(self._early + 1, EARLY) if came else max(self._early - 1, 0)
        if len(self._connections) > CROWD:
            self._parked.make_room()
        return True

    def refusal(self, reason: Refusal) -> bytes:
        """Hub side. See `Admission`."""
        if self._ssl_context is not None:
            return b""  # an answer would take a handshake
        status, text = ANSWERS[reason]
        if self.site.access is not None:
            self.site.access.add({}, str(status), len(body_of(text)), time())
        return canned(status, text, self.site.dates, RETRY_AFTER)

    def has_room(self) -> bool:
        """Any side. Whether a connection, and a request on it, would be served."""
        return not (self._limits.full() or (self._policy == "reject" and self.pool.full()))

    @property
    def limit(self) -> int:
        """Any side. How many requests may be in flight now."""
        return self._queue.limit

    def share_limits(self, other: Admission) -> None:
        """Any side. See `Admission`; that of requests too."""
        super().share_limits(other)
        assert isinstance(other, WSGIServer)
        self._queue.share(other._queue)  # noqa: SLF001  # of the same kind

    def lingered(self, conn: Connection) -> None:
        """Hub side. The socket of a connection that lingered is closed."""
        if conn in self._connections:
            self.close_connection(conn)
        else:
            super().lingered(conn)

    def end(self, conn: Connection) -> None:
        """Any side. See `Admission`."""
        assert isinstance(conn, HTTPConnection)
        self.loop.run_callback(conn.drain)

    def kill(self, conn: Connection) -> None:
        """Hub side. See `Admission`."""
        assert isinstance(conn, HTTPConnection)
        if conn.worker is not None:
            conn.worker.throw(GreenletExit)
            if conn.state is ConnState.WRITING:
                self._closed(conn)
        elif conn.state is not ConnState.LINGERING:  # those are closed with the others that linger
            self._closed(conn)

    def _closed(self, conn: HTTPConnection) -> None:
        if conn.state is QUEUED:
            exchange = self._queue.drop(conn)
            if exchange is not None:
                exchange.take_environ()
        self.close_connection(conn)

    def _hijacked(self, conn: HTTPConnection) -> None:
        # Worker side.
        self.enter(conn, ConnState.HIJACKED)
        self._hijacks.add(conn)

    # ------------------------------------------------------------------ a request: Hub side

    def _give_to_shared_pool(self, exchange: Exchange) -> bool:
        return self.pool.serve((Exchange.run, (exchange,), {}))

    def _no_worker(self, conn: HTTPConnection, exchange: Exchange | None) -> None:
        if exchange is None:  # it has waited for too long
            exchange = self._queue.drop(conn)
        elif self._policy != "reject" and self._queue.add(conn, exchange):
            conn.move(ConnState.QUEUED)
            self.site.deadlines.set(conn, self._settings.queue_timeout)
            return
        reason = Refusal.OVERLOADED if self._policy == "adaptive" else Refusal.FULL
        self.count_refusal(conn, reason)
        environ = exchange.take_environ() if exchange is not None else None
        conn.refuse(*ANSWERS[reason], RETRY_AFTER, environ=environ)

    # ------------------------------------------------------------------ start and stop

    def handle(self, socket: Any, address: Any) -> None:
        """Hub side. Serve a connection that was accepted elsewhere."""
        self.do_handle(socket, address)

    def start(self) -> None:
        """Any side. See `Admission`."""
        super().start()
        self._kind = (self.socket.family, self.socket.type, self.socket.proto)
        site = self.site
        site.keep_alive = True
        environ = template(
            self.socket.getsockname(),
            self._base_environ,
            software=SOFTWARE,
            tls=self._ssl_context is not None,
            several=self._reuse_port,
        )
        site.read_with(Heads(self._settings.limits, environ))
        site.dates.tick()
        self.keep(self._kind)
        site.slow.open()
        if self._ticking is None:
            self._ticking = self.loop.timer(TICK, TICK, ref=False)
            self._ticking.start(site.tick)

    def stop(self, timeout: float | None = None) -> None:
        """Worker side. See `Admission`."""
        self.site.keep_alive = False
        super().stop(timeout)
        if self._ticking is not None:
            self._ticking.close()
            self._ticking = None
        self.site.slow.close()
        if self.site.access is not None:
            self.site.access.flush()

    def _accept_rest(self) -> None:
        super()._accept_rest()
        self._lobby.drain()

    def errors(self) -> int:
        """Any side. See `Admission`."""
        return self.site.errors
