"""The application of a process of the cluster: it waits, says who it is, and is idempotent.

Its variables: CLUSTER_NAME; CLUSTER_MEAN, the seconds that a request takes on average (of a gamma
distribution of shape 4: the slowest in a hundred takes two and a half times as long);
CLUSTER_SLOW, a file that makes it ten times slower while it is there. A request for ``/held``
waits until whoever listens on the unix socket CLUSTER_GATE closes the connection.
"""

import os
import random
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import gevent

__all__ = ["TIMES", "app"]

NAME = os.environ.get("CLUSTER_NAME", "")
MEAN = float(os.environ.get("CLUSTER_MEAN", "0.05"))
SLOW = Path(os.environ.get("CLUSTER_SLOW", "slow"))
SHAPE = 4
TIMES = 10  # slower
dice = random.Random(NAME)  # noqa: S311  # no secret


def app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Answer after a while."""
    if environ["PATH_INFO"] == "/held":
        wait_at_the_gate()
    else:
        mean = MEAN * (TIMES if SLOW.exists() else 1)
        gevent.sleep(dice.gammavariate(SHAPE, mean / SHAPE))
    start_response("200 OK", [("Content-Length", "5"), ("X-Server", NAME)])
    return [b"done\n"]


def wait_at_the_gate() -> None:
    """Wait until somebody lets it pass."""
    with socket.socket(socket.AF_UNIX) as gate:
        gate.connect(os.environ["CLUSTER_GATE"])
        gate.recv(1)
