"""Several processes of gpool on one address, as an arbiter makes them.

python -m bench.imbalance.serving PORT PROCESSES WAY MAX_ACCEPT MAX_WORKERS OVERFLOW

WAY is shared (one listener, opened before the fork) or reuse_port (one each). They run on all
CPUs, and end with their process group.
"""

import os
import sys
from typing import Any

from bench.capacity.site import application

BACKLOG = 4_096


def serve(listener: Any, max_accept: int, max_workers: int, overflow: Any) -> None:
    """Be one of them; does not return."""
    from gevent import socket  # noqa: PLC0415  # a Hub is not to be there before the fork

    from gpool.wsgi.server import WSGIServer  # noqa: PLC0415  # the same

    shared = isinstance(listener, int)
    server = WSGIServer(
        socket.socket(fileno=listener) if shared else listener,
        application,
        None if shared else BACKLOG,
        max_workers=max_workers,
        overflow=overflow,
        reuse_port=not shared,
    )
    server.max_accept = max_accept
    server.serve_forever()


def main(port: str, processes: str, way: str, *limits: str) -> None:
    """Make them, and wait for the end."""
    from socket import AF_INET  # noqa: PLC0415  # as above

    from gpool.listener import bound  # noqa: PLC0415  # as above

    max_accept, max_workers, overflow = limits
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    listener: Any = ("127.0.0.1", int(port))
    if way == "shared":
        listener = bound(AF_INET, listener, BACKLOG, reuse_port=False)
    for _ in range(int(processes)):
        if not os.fork():
            serve(listener, int(max_accept), int(max_workers), overflow)
    os.wait()
    sys.exit("a process has ended")


if __name__ == "__main__":
    main(*sys.argv[1:])
