"""What a pool and a server tell about themselves: frozen snapshots of their counts.

They are API: tests read them, and so may an application. Taking one costs a few microseconds and
never blocks.
"""

from dataclasses import dataclass

from gpool.limits import Refusal

__all__ = ["PoolStats", "ServerStats"]


@dataclass(frozen=True, slots=True)
class PoolStats:
    """What a pool holds now, and what it has done since it was created.

    Attributes:
        max_workers: upper bound of `running`.
        running: workers there are, ``ready + busy``.
        ready: workers that wait for an item.
        busy: workers that have one.
        served: items accepted.
        created: workers created; each was created for an item.
        reused: items given to a worker that was there already.
        retired: workers ended because nobody had needed them for `max_idle_worker_duration`.
        tainted: workers not reused because something still referred to them.
        refused: items refused because all workers were busy.
        errors: items that raised.
    """

    max_workers: int
    running: int
    ready: int
    busy: int
    served: int
    created: int
    reused: int
    retired: int
    tainted: int
    refused: int
    errors: int


@dataclass(frozen=True, slots=True)
class ServerStats:
    """What a server holds now, and what it has done.

    Attributes:
        open: admitted connections that are not closed, hijacked ones among them.
        hijacked: those that the application has for good.
        lingering: refused connections whose peer has not closed yet.
        accepted: connections accepted, refused ones among them.
        refused: how many were refused, by reason.
        errors: handlers that raised, whether logged or not.
    """

    open: int
    hijacked: int
    lingering: int
    accepted: int
    refused: dict[Refusal, int]
    errors: int
