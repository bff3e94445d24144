"""Serve by threads: waitress and cheroot.

python -m bench.peers.run_threads NAME SETTINGS, an object in JSON with port, threads, certificate
and key, of which the latter may be null. Serves until it is terminated.
"""

import json
import logging
import signal
import sys
from typing import Any

from bench.application import application
from bench.kinds import KEEPALIVE

HOST = "127.0.0.1"
BACKLOG = 4_096
PLENTY = 20_000  # connections
BUFFERS = 4 * 2**20  # bytes, above the largest body, which would go through a file at 0.5 or 1 MiB


def waitress(given: dict[str, Any]) -> None:
    """The limits out of the way, and poll(2), since select(2) cannot see more than 1 024."""
    from waitress import serve  # noqa: PLC0415  # the one that is asked for

    # It writes a line whenever a request has to wait for a thread.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    serve(
        application,
        host=HOST,
        port=given["port"],
        threads=given["threads"],
        backlog=BACKLOG,
        connection_limit=PLENTY,
        asyncore_use_poll=True,
        channel_timeout=KEEPALIVE,
        inbuf_overflow=BUFFERS,
        outbuf_overflow=BUFFERS,
        _quiet=True,
    )


def cheroot(given: dict[str, Any]) -> None:
    """As many kept connections as there are, and a timeout as the others have it."""
    from cheroot.ssl.builtin import BuiltinSSLAdapter  # noqa: PLC0415
    from cheroot.wsgi import Server  # noqa: PLC0415

    server: Any = Server(
        (HOST, given["port"]),
        application,
        numthreads=given["threads"],
        max=given["threads"],
        request_queue_size=BACKLOG,
        timeout=KEEPALIVE,
    )
    server.keep_alive_conn_limit = None
    if given["certificate"]:
        server.ssl_adapter = BuiltinSSLAdapter(given["certificate"], given["key"])
    try:
        server.start()
    finally:
        server.stop()


MAKERS = {"waitress": waitress, "cheroot": cheroot}


def main(name: str, given: dict[str, Any]) -> None:
    """Serve until terminated."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    MAKERS[name](given)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
