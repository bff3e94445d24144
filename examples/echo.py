"""An echo server on the worker pool: what comes in, goes out.

python examples/echo.py [HOST] [PORT], then: nc 127.0.0.1 9000
"""

import signal
import sys
from typing import Any

import gevent

from gpool import StreamServer


def echo(socket: Any, _address: Any) -> None:
    """Worker side. Send back what is received, until the client closes."""
    while data := socket.recv(65_536):
        socket.sendall(data)


def main(host: str = "127.0.0.1", port: str = "9000") -> None:
    """Serve until interrupted."""
    server = StreamServer((host, int(port)), echo, max_workers=1_000)
    gevent.signal_handler(signal.SIGINT, server.stop, 0)
    server.start()
    print(f"echoing on {host}:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
