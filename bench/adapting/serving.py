"""A gpool whose application waits for something with few places; a process for `measuring`.

python -m bench.adapting.serving POLICY SECONDS: writes its port, serves for that long, writes the
limit that it had, every tenth of a second.
"""

import json
import sys
from collections.abc import Callable
from time import monotonic
from typing import Any

import gevent
from gevent.lock import BoundedSemaphore

from bench.adapting.plan import BEGINS, ENDS, MAX_WORKERS, PLACES, SLOWER, WORK
from gpool.wsgi.server import WSGIServer

LOOK = 0.1  # seconds between two looks at the limit


class Site:
    """An application, and what it waits for."""

    def __init__(self) -> None:
        self._places = BoundedSemaphore(PLACES)
        self._began = monotonic()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        """Answer when there was a place; ``/begin`` lets the time of the plan begin."""
        path = environ["PATH_INFO"]
        if path == "/begin":
            self._began = monotonic()
        with self._places:
            in_trouble = BEGINS <= monotonic() - self._began < ENDS
            gevent.sleep(WORK * (SLOWER if in_trouble else 1))
        start_response("200 OK", [("Content-Length", "5")])
        return [b"done\n"]


def main(policy: Any, seconds: float) -> None:
    """Serve."""
    server = WSGIServer(
        ("127.0.0.1", 0), Site(), max_workers=MAX_WORKERS, overflow=policy, overflow_pause=0.1
    )
    server.start()
    print(server.address[1], flush=True)
    limits: list[int] = []
    while len(limits) * LOOK < seconds:
        limits.append(server.limit)
        gevent.sleep(LOOK)
    server.stop(timeout=0)
    print(json.dumps(limits), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
