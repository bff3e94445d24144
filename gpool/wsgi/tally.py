"""Counts of answers: by class of status, their bytes, and a histogram of their times.

An `Observer` like the access log, which keeps sums instead of lines. The times go into buckets of
fixed bounds, from which Prometheus and `percentile` estimate what they need; a bucket costs one
search in a tuple, whatever there is to remember.

Guarantees: each answer is counted once, under one class; what is not an answer of the application
is not timed (a refusal takes no time, a WebSocket hours, and both would say nothing of it); the
counts only grow. 0.35 us an answer.

Showing the counts is left to `gpool.admin`.
"""

from bisect import bisect_left
from collections.abc import Sequence
from time import time

from gevent.hub import get_hub
from greenlet import getcurrent

from gpool.wsgi.access import Observer
from gpool.wsgi.framing import Environ

__all__ = ["BOUNDS", "CLASSES", "Tally", "percentile"]

#: The classes of RFC 9110 section 15; "none" for connections that the application took without
#: an upgrade, so that nobody knows what it said.
CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx", "none")
TIMED = ("2", "3", "4", "5")
BARE = 3  # characters of a status without a reason: the server's own

#: Upper bounds of the buckets, in seconds; one more bucket holds what took longer. Each is 2 to 3
#: times the one before.
BOUNDS = (
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    25.0,
    60.0,
)


class Tally(Observer):
    """The counts of one process; made in the thread of its Hub.

    Attributes:
        buckets: how many answers took how long; those of `BOUNDS`, and the rest.
        seconds: the sum of those times.
        sent: bytes of bodies.
    """

    __slots__ = ("_by_digit", "_hub", "_none", "buckets", "seconds", "sent")

    def __init__(self) -> None:
        self._hub = get_hub()
        self._by_digit = {name[0]: 0 for name in CLASSES if name != "none"}
        self._none = 0
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0
        self.sent = 0

    def __repr__(self) -> str:
        return f"<Tally {self.requests()}>"

    def add(self, environ: Environ, status: str, sent: int, started: float) -> None:
        """Any side. An answer is done; see `gpool.wsgi.access.Observer`.

        A connection that the application took has no status here: it counts as 1xx if the client
        had asked for an upgrade (a WebSocket's 101), else as "none".
        """
        digit = status[:1]
        self.sent += sent
        if digit in TIMED:
            self._by_digit[digit] += 1
            if len(status) != BARE or getcurrent() is not self._hub:
                seconds = time() - started
                if seconds > 0:  # or somebody has set the clock
                    self.seconds += seconds
                self.buckets[bisect_left(BOUNDS, seconds)] += 1
        elif digit == "1" or "HTTP_UPGRADE" in environ:
            self._by_digit["1"] += 1
        else:
            self._none += 1

    def requests(self) -> dict[str, int]:
        """Any side. How many answers there were, by `CLASSES`."""
        counts = {f"{digit}xx": count for digit, count in self._by_digit.items()}
        return counts | {"none": self._none}


def percentile(buckets: Sequence[int], fraction: float) -> float | None:
    """Any side. Estimate below which time a `fraction` of the answers were done.

    As Prometheus's histogram_quantile does it: a bucket's answers are taken to be spread evenly
    between its bounds. Where the last bucket has it, the answer is its lower bound.

    Args:
        buckets: the counts of each bucket, or what they have grown by.
        fraction: from 0 to 1.

    Returns:
        Seconds; None if there was no answer.
    """
    total = sum(buckets)
    if not total:
        return None
    wanted, lower = fraction * total, 0.0
    for count, upper in zip(buckets, BOUNDS, strict=False):
        if count and wanted <= count:
            return lower + (upper - lower) * max(wanted, 0.0) / count
        wanted -= count
        lower = upper
    return BOUNDS[-1]
