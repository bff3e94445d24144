"""The servers under load; the same application on each.

python -m bench.servers NAME serves on a free port of loopback, prints the port, and goes on until
it is terminated.
"""

import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from socket import IPPROTO_TCP, TCP_NODELAY
from typing import Any

import gevent
from gevent import pywsgi, server
from gevent.pool import Pool

import gpool
from bench import application
from gpool import StreamServer, WorkerPool

LISTENER = ("127.0.0.1", 0)


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


def wsgi(**settings: Any) -> Any:
    """The WSGI server of gpool."""
    return gpool.WSGIServer(LISTENER, application.application, **settings)


def nodelay(running: Any) -> Any:
    """The server with TCP_NODELAY on its listener, which gevent's servers leave to the user."""
    running.start()
    running.socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
    return running


def pywsgi_(**settings: Any) -> Any:
    """The WSGI server of gevent, without a log."""
    return pywsgi.WSGIServer(LISTENER, application.announcing, log=None, **settings)


@dataclass(frozen=True, slots=True)
class Server:
    """One that can be measured.

    Attributes:
        title: what tables call it.
        make: the server, in its own process; None for the program in C.
        compiled: whether gpool is used as a wheel has it, or as it lies here.
    """

    title: str
    make: Callable[[], Any] | None
    compiled: bool = False


SERVERS = {
    "floor": Server("epoll loop in C (floor)", None),
    "wsgi": Server("gpool.WSGIServer", wsgi, compiled=True),
    "wsgi-pure": Server("gpool.WSGIServer, not compiled", wsgi),
    "wsgi-defer": Server(
        "gpool.WSGIServer, defer_accept", lambda: wsgi(defer_accept=True), compiled=True
    ),
    "pywsgi": Server("pywsgi", lambda: nodelay(pywsgi_())),
    "pywsgi-gpool": Server("pywsgi + WorkerPool", lambda: nodelay(pywsgi_(spawn=WorkerPool()))),
    "pywsgi-nagle": Server("pywsgi, Nagle on", pywsgi_),
    "gpool": Server("gpool.StreamServer", lambda: StreamServer(LISTENER, handle)),
    "gpool-defer": Server(
        "gpool.StreamServer, defer_accept",
        lambda: StreamServer(LISTENER, handle, defer_accept=True),
    ),
    "gevent": Server("gevent StreamServer", lambda: nodelay(server.StreamServer(LISTENER, handle))),
    "gevent-pool": Server(
        "gevent + Pool(1000)",
        lambda: nodelay(server.StreamServer(LISTENER, handle, spawn=Pool(1_000))),
    ),
}


def command(name: str) -> list[str]:
    """How to start it."""
    if SERVERS[name].make is None:
        return [sys.executable, "-m", "bench.floor"]
    return [sys.executable, "-m", "bench.servers", name]


def main(name: str) -> None:
    """Serve until terminated."""
    make = SERVERS[name].make
    assert make is not None, "the floor is not served from here"
    running = make()
    running.start()
    if isinstance(running.pool, WorkerPool):
        pool: WorkerPool[Any] = running.pool
        application.running_workers.append(lambda: pool.stats().running)
    gevent.signal_handler(signal.SIGTERM, running.stop)
    print(running.server_port, flush=True)
    running.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
