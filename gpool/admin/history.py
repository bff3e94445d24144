"""The last minutes, a sample a second: what the live page draws.

A sample has what there was at that moment, and what happened since the one before: rates, and
percentiles of the answers of that second alone. It is a plain dict, since all that becomes of it
is JSON.

Guarantees: at most `LENGTH` samples; their times are whole seconds and increase, so that samples
of several processes for the same second are the same; rates are never negative, also where a
count has become smaller because a sibling's figures are missing for a moment.

When samples are taken is left to the caller.
"""

from collections import deque
from typing import Any

from gpool.admin.snapshot import REASONS, Snapshot
from gpool.wsgi.tally import CLASSES, percentile

__all__ = ["INTERVAL", "LENGTH", "PERCENTILES", "History"]

INTERVAL = 1.0  # seconds between two samples
LENGTH = 300  # samples: five minutes
PERCENTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


class History:
    """A ring of samples."""

    def __init__(self) -> None:
        self._samples: deque[dict[str, Any]] = deque(maxlen=LENGTH)
        self._last: Snapshot | None = None

    def __len__(self) -> int:
        """How many samples there are."""
        return len(self._samples)

    def add(self, snapshot: Snapshot) -> None:
        """Any side. Take a sample; the first snapshot only tells what to count from.

        One in the same second as the last sample is not taken.
        """
        last = self._last
        if last is not None:
            if int(snapshot.taken) <= int(last.taken) and snapshot.taken >= last.taken:
                return
            if snapshot.taken > last.taken:
                self._samples.append(sample(last, snapshot))
            else:  # somebody has set the clock back
                self._samples.clear()
        self._last = snapshot

    def since(self, moment: float) -> list[dict[str, Any]]:
        """Any side. The samples later than `moment`, in seconds of the epoch; oldest first."""
        return [one for one in self._samples if one["t"] > moment]


def sample(before: Snapshot, now: Snapshot) -> dict[str, Any]:
    """What there is `now`, and what has happened since `before`."""
    seconds = now.taken - before.taken

    def rate(later: float, earlier: float) -> float:
        return round(max(later - earlier, 0) / seconds, 3)

    grown = [max(b - a, 0) for a, b in zip(before.buckets, now.buckets, strict=True)]
    requests = {name: rate(now.requests[name], before.requests[name]) for name in CLASSES}
    refused = {name: rate(now.refused[name], before.refused[name]) for name in REASONS}
    latency = {name: percentile(grown, fraction) for name, fraction in PERCENTILES.items()}
    return {
        "t": int(now.taken),
        "max_workers": now.max_workers,
        "limit": now.limit,
        "running": now.running,
        "ready": now.ready,
        "busy": now.busy,
        "connections": now.connections,
        "requests": requests,
        "refused": refused,
        "latency": latency,
        "sent": rate(now.sent, before.sent),
        "blocked": max(now.blocked - before.blocked, 0),
    }
