"""A site under gunicorn with gpool's worker class, in one process besides the arbiter.

python -m tests.frameworks.under_gunicorn flask|django|falcon|bottle: as `tests.frameworks.serving`.
This module is gunicorn's configuration too. It imports nothing that patches: gunicorn's worker
class does, in the worker.
"""

import os
import sys
from typing import Any

bind = os.environ.get("SITE_BIND", "127.0.0.1:0")
worker_class = "gpool.gunicorn.Worker"
keepalive = 75
graceful_timeout = 60  # longer than any test waits for the end


def application(site: str) -> Any:
    """The site, as the tests want it; called in the worker."""
    from importlib import import_module

    from tests.frameworks.serving import Switched

    return Switched(import_module(f"tests.frameworks.{site}_site").app)


def post_worker_init(worker: Any) -> None:
    """Let the site know its pool, and the test when the drain begins."""
    worker.wsgi.pool = worker.hosting.pool
    stop = worker.hosting.stop

    def telling(timeout: float) -> None:
        print("stopping", flush=True)
        stop(timeout)

    worker.hosting.stop = telling


def on_exit(arbiter: Any) -> None:
    """All is over."""
    print("stopped", flush=True)


def main(site: str) -> None:
    """Take a free port, print it, and become gunicorn."""
    import socket

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(1_000)
    listener.set_inheritable(True)
    os.environ["SITE_BIND"] = f"fd://{listener.fileno()}"
    print(listener.getsockname()[1], flush=True)
    command = [sys.executable, "-m", "gunicorn", "-c", f"python:{__spec__.name}"]
    os.execv(sys.executable, [*command, f"{__spec__.name}:application('{site}')"])


if __name__ == "__main__":
    main(sys.argv[1])
