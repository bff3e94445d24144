"""A worker: one greenlet that runs items in a loop, and the stack on which it waits.

`WorkerChan` is fasthttp's ``workerChan``: the channel a worker is parked on, and when it was
last used. The channel is gevent's (`gevent.queue.Channel`), unbuffered: a put from the Hub
switches to the worker at once. `ReadyList` is fasthttp's ``ready`` slice.

Guarantees:

- **A stray switch or throw is not an item.** What wakes a parked worker is only a hint; whether
  there is an item, the worker reads off its state, which the Hub sets before the put.
- **Who takes a worker off the ready list owns it**, so that expiry and hand-off cannot both win.
- **The ready list is sorted by last use**, by construction: releases append, so the bottom is
  the oldest and expiry cuts a prefix.

When a worker may be reused, how many there are and when they end, is left to the pool.
"""

from bisect import bisect_right
from collections.abc import Callable
from enum import auto
from operator import attrgetter
from typing import Any, TypeAlias

from gevent.hub import Hub
from gevent.queue import Channel
from greenlet import GreenletExit, greenlet

from gpool.states import State, moved

__all__ = [
    "ENDING",
    "MOVES",
    "ReadyList",
    "Worker",
    "WorkerChan",
    "WorkerState",
    "cut_all",
    "cut_expired",
]

#: What ends a worker instead of being an error of its item: `GreenletExit` quietly, the other
#: two on their way to where gevent sends them (the main greenlet).
ENDING = (GreenletExit, SystemExit, KeyboardInterrupt)


class WorkerState(State):
    """Where a worker is; `MOVES` is what may follow."""

    CLAIMED = auto()  # has an item on its way through the Hub: new, or taken off the ready list
    BUSY = auto()  # runs an item
    LEAVING = auto()  # was killed: ends with its item, should that survive the kill
    READY = auto()  # parked, on the ready list
    RETIRED = auto()  # parked, off the ready list for good: ends when it is switched to
    ENDED = auto()  # its greenlet is over, or about to be without running anything more


MOVES: dict[WorkerState, tuple[WorkerState, ...]] = {
    WorkerState.CLAIMED: (WorkerState.BUSY, WorkerState.RETIRED),
    WorkerState.BUSY: (WorkerState.READY, WorkerState.LEAVING, WorkerState.ENDED),
    WorkerState.LEAVING: (WorkerState.ENDED,),
    WorkerState.READY: (
        WorkerState.BUSY,
        WorkerState.CLAIMED,
        WorkerState.RETIRED,
        WorkerState.ENDED,
    ),
    WorkerState.RETIRED: (WorkerState.ENDED,),
    WorkerState.ENDED: (),
}

# The hot path writes these; a module's global is one lookup less than an enum's member.
BUSY = WorkerState.BUSY
READY = WorkerState.READY
RETIRED = WorkerState.RETIRED


class Worker(greenlet):
    """The greenlet of a worker.

    A throw that comes after its end, such as that of a leaked `gevent.Timeout`, is of no effect,
    as it is with `gevent.Greenlet`. A plain greenlet would pass it to its parent, the Hub, and
    with gevent's cffi loops (libuv's is one) it would come out in the main greenlet.
    """

    __slots__ = ()

    def throw(self, *args: Any) -> Any:
        """Hub side. Raise an exception where this worker waits, unless it has ended."""
        return None if self.dead else super().throw(*args)


class WorkerChan:
    """The channel of one worker, its greenlet, its state and its last use.

    A parked worker stands among the channel's ``getters`` itself, where `Channel.put` would find it
    and call its ``switch``; a hand-off does that without its detours. `Channel.get` would put a
    `Waiter` there, and make it and a timer that never runs anew for every wait (docs/decisions.md
    has the measurements).

    Attributes:
        channel: on which the worker is parked.
        worker: the greenlet.
        state: see `MOVES`. Written by `move`, except on the hot path (BUSY and READY).
        item: what the worker is to run next, None otherwise.
        last_use_time: monotonic seconds of its last release.
    """

    __slots__ = ("channel", "item", "last_use_time", "state", "take", "worker")

    def __init__(self, hub: Hub, loop: Callable[["WorkerChan"], None]) -> None:
        self.channel: Channel[Any] = Channel()
        self.take = self.channel.getters.popleft
        self.worker = Worker(loop, hub)
        self.state = WorkerState.CLAIMED
        self.item: Any = None
        self.last_use_time = 0.0

    def __repr__(self) -> str:
        return f"<WorkerChan {self.state.name}>"

    def move(self, state: WorkerState) -> None:
        """Any side. Change the state.

        Raises:
            IllegalMove: `MOVES` does not have it; the state is as it was.
        """
        self.state = moved(MOVES, self.state, state)

    def hand_off(self, item: Any) -> None:
        """Hub side. Give a parked worker its next item, and switch to it.

        Returns when the worker blocks or has parked again. What comes out is not an item's error,
        but SystemExit or KeyboardInterrupt on its way to the main greenlet.
        """
        self.item = item
        self.state = BUSY
        self.take().switch(None)

    def end(self) -> None:
        """Hub side. Switch to a retired worker, which ends; a stray switch may have done so."""
        if self.state is RETIRED:
            self.take().switch(None)


#: The stack of parked workers: the last one used is on top, the oldest at the bottom. ``append``
#: pushes, ``pop`` takes the top.
ReadyList: TypeAlias = list[WorkerChan]


def cut_expired(ready: ReadyList, cutoff: float) -> list[WorkerChan]:
    """Hub side. Cut off and return the workers last used at `cutoff` or before.

    A binary search, then one cut; fasthttp's ``clean``.
    """
    end = bisect_right(ready, cutoff, key=attrgetter("last_use_time"))
    expired = ready[:end]
    del ready[:end]
    return expired


def cut_all(ready: ReadyList) -> list[WorkerChan]:
    """Any side. Cut off and return all of them."""
    cut = ready[:]
    ready.clear()
    return cut
