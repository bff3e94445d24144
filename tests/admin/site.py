"""A site and its admin listener in a process of their own, for a browser.

python -m tests.admin.site WORKERS PORT: prints the port of the site and that of the admin listener,
which is PORT if it is not 0. It ends with its input; a word in it drains the site. As one of
several: WORKERS FD DIRECTORY, the descriptor of a shared admin listener and that of the spool.
"""

from gevent import monkey

monkey.patch_all()

import os  # noqa: E402  # after the patch, as in any application
import socket  # noqa: E402
import sys  # noqa: E402
from typing import Any  # noqa: E402

from gevent.event import Event  # noqa: E402
from gevent.os import tp_read  # noqa: E402

from gpool.admin.server import Admin  # noqa: E402
from gpool.admin.spool import Spool  # noqa: E402
from gpool.hosting import Hosting  # noqa: E402

gate = Event()
taken: list[Any] = []


def application(environ: Any, start_response: Any) -> Any:
    """/missing, /hold until somebody asks for /open, /hijack; else a 200."""
    path = environ["PATH_INFO"]
    if path == "/hijack":
        taken.append(environ["gpool.hijack"]())
        return []
    if path == "/hold":
        gate.wait()
    start_response("404 Not Found" if path == "/missing" else "200 OK", [])
    return [b"ok"]


def main(workers: int, port_or_fd: int, directory: str = "") -> None:
    """Serve until the input ends, and then drain."""
    address: Any = ("127.0.0.1", port_or_fd)
    spool = None
    if directory:
        address = socket.socket(fileno=port_or_fd)
        spool = Spool(directory, "test", pid=os.getpid())
    hosting = Hosting([("127.0.0.1", 0)], application, max_workers=workers, overflow_pause=0)
    admin = Admin(hosting, address, spool=spool, title="shop.wsgi:<app>")
    admin.start()
    hosting.start()
    print(hosting.servers[0].server_port, admin.server.server_port, flush=True)
    while tp_read(sys.stdin.fileno(), 100):
        hosting.stop(60)
    gate.set()
    hosting.stop(0)
    admin.stop()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
