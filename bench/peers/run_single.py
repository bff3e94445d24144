"""Serve one request at a time: bjoern and fastwsgi.

python -m bench.peers.run_single NAME PORT serves until it is terminated.
"""

import signal
import sys

from bench.application import application

HOST = "127.0.0.1"
BACKLOG = 4_096


def bjoern(port: int) -> None:
    """Its only setting is the backlog; the listener gives its sockets TCP_NODELAY."""
    import bjoern as server  # noqa: PLC0415  # the one that is asked for

    server.run(application, HOST, port, listen_backlog=BACKLOG)


def fastwsgi(port: int) -> None:
    """TCP_NODELAY, which it leaves off."""
    import fastwsgi as module  # noqa: PLC0415

    server = module.server
    server.backlog = BACKLOG
    server.tcp_nodelay = 1
    server.init(application, HOST, port)
    server.run()


MAKERS = {"bjoern": bjoern, "fastwsgi": fastwsgi}


def main(name: str, port: int) -> None:
    """Serve until terminated."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    MAKERS[name](port)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
