"""The servers under load; the same application on each.

python -m bench.servers NAME serves on a free port of loopback, prints the port, and goes on until
it is terminated.
"""

import signal
import sys
from collections.abc import Callable, Iterable
from socket import IPPROTO_TCP, TCP_NODELAY
from typing import Any

import gevent
from gevent import pywsgi, server
from gevent.pool import Pool

from gpool import StreamServer, WorkerPool

LISTENER = ("127.0.0.1", 0)
BODY = b"Hello, World!"
HEADERS = [("Content-Type", "text/plain"), ("Content-Length", "13")]
# wrk counts a close that the answer has not announced as a read error, and pywsgi does not
# announce it on its own.
CLOSING = [*HEADERS, ("Connection", "close")]


def answer(headers: list[tuple[str, str]]) -> bytes:
    """A whole response."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode() + BODY


ANSWER, LAST_ANSWER = answer(HEADERS), answer(CLOSING)


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


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Hello world."""
    closing = environ.get("HTTP_CONNECTION") == "close"
    start_response("200 OK", list(CLOSING if closing else HEADERS))
    return [BODY]


def wsgi(**settings: Any) -> pywsgi.WSGIServer:
    """The WSGI server of gevent, without a log."""
    return pywsgi.WSGIServer(LISTENER, application, log=None, **settings)


#: name: (what the table calls it, the server). All but one have TCP_NODELAY on their listener;
#: pywsgi as shipped has not.
SERVERS: dict[str, tuple[str, Callable[[], server.StreamServer]]] = {
    "gpool": ("gpool.StreamServer", lambda: StreamServer(LISTENER, handle)),
    "gpool-defer": (
        "gpool, defer_accept",
        lambda: StreamServer(LISTENER, handle, defer_accept=True),
    ),
    "gevent": ("gevent StreamServer", lambda: server.StreamServer(LISTENER, handle)),
    "gevent-pool": (
        "gevent + Pool(1000)",
        lambda: server.StreamServer(LISTENER, handle, spawn=Pool(1_000)),
    ),
    "pywsgi-gpool": ("pywsgi + WorkerPool", lambda: wsgi(spawn=WorkerPool())),
    "pywsgi": ("pywsgi", wsgi),
    "pywsgi-nagle": ("pywsgi, Nagle on", wsgi),
}


def main(name: str) -> None:
    """Serve until terminated."""
    running = SERVERS[name][1]()
    running.start()
    if name != "pywsgi-nagle":
        running.socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
    gevent.signal_handler(signal.SIGTERM, running.stop)
    print(running.server_port, flush=True)
    running.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
