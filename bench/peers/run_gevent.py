"""Serve on gevent: gpool's servers, and gevent's own.

python -m bench.peers.run_gevent SETTINGS, an object in JSON with the server's name, its port, and
limit, certificate and key, which may be null. Serves until it is terminated.
"""

import json
import signal
import sys
from collections.abc import Callable
from socket import IPPROTO_TCP, TCP_NODELAY
from typing import Any

import gevent
from gevent import pywsgi, server
from gevent.pool import Pool
from gevent.ssl import SSLContext

import gpool
from bench import application
from bench.peers.tls import context
from gpool import StreamServer, WorkerPool

Listener = tuple[str, int]
#: More requests at once than any run has, where there is to be no limit.
PLENTY = 100_000
BACKLOG = 4_096  # gevent's 256 makes a thousand clients at once try again after a second


def answer(headers: list[tuple[str, str]]) -> bytes:
    """A whole response."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode() + application.BODY


ANSWER, LAST_ANSWER = answer(application.HEADERS), answer(application.CLOSING)


def handle(sock: Any, _address: Any) -> None:
    """Just enough HTTP for wrk, so that the difference is what serves it."""
    while True:
        request = sock.recv(4_096)
        if not request:
            return
        if b"Connection: close" in request:
            sock.sendall(LAST_ANSWER)
            return
        sock.sendall(ANSWER)


def nodelay(running: Any) -> Any:
    """The server with TCP_NODELAY on its listener, which gevent's servers leave to the user."""
    running.start()
    running.socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
    return running


def wsgi(listener: Listener, limit: int | None, ssl: dict[str, Any], **more: Any) -> Any:
    """The WSGI server of gpool, with its defaults."""
    if limit:
        more["max_workers"] = limit
    return gpool.WSGIServer(listener, application.application, **ssl, **more)


def pywsgi_(
    listener: Listener, limit: int | None, ssl: dict[str, Any], spawn: Any = "default", **more: Any
) -> Any:
    """The WSGI server of gevent, without a log."""
    more |= {"log": None, "spawn": Pool(limit) if limit else spawn}
    return pywsgi.WSGIServer(listener, application.announcing, **more, **ssl)


def pywsgi_gpool(listener: Listener, limit: int | None, ssl: dict[str, Any]) -> Any:
    """The same on gpool's pool, in which a connection has a worker for as long as it lasts."""
    pool: WorkerPool[Any] = WorkerPool(max_workers=limit or PLENTY)
    return pywsgi_(listener, None, ssl, pool, backlog=BACKLOG)


def bare(kind: Callable[..., Any], **settings: Any) -> Callable[..., Any]:
    """A server of connections, which has no use for what WSGI servers are told."""
    return lambda listener, _limit, _ssl: kind(listener, handle, **settings)


MAKERS: dict[str, Callable[[Listener, int | None, dict[str, Any]], Any]] = {
    "wsgi": wsgi,
    "wsgi-pure": wsgi,
    "wsgi-defer": lambda *given: wsgi(*given, defer_accept=True),
    "pywsgi-nagle": pywsgi_,
    "pywsgi": lambda *given: nodelay(pywsgi_(*given, backlog=BACKLOG)),
    "pywsgi-gpool": lambda *given: nodelay(pywsgi_gpool(*given)),
    "gpool": bare(StreamServer),
    "gpool-defer": bare(StreamServer, defer_accept=True),
    "gevent": lambda *given: nodelay(bare(server.StreamServer)(*given)),
    "gevent-pool": lambda *given: nodelay(bare(server.StreamServer, spawn=Pool(1_000))(*given)),
}


def main(settings: dict[str, Any]) -> None:
    """Serve until terminated."""
    certificate, key = settings["certificate"], settings["key"]
    ssl = {"ssl_context": context(certificate, key, SSLContext)} if certificate else {}
    make = MAKERS[settings["name"]]
    running = make(("127.0.0.1", settings["port"]), settings["limit"], ssl)
    running.start()
    if isinstance(running.pool, WorkerPool):
        pool: WorkerPool[Any] = running.pool
        application.running_workers.append(lambda: pool.stats().running)
    gevent.signal_handler(signal.SIGTERM, running.stop)
    running.serve_forever()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
