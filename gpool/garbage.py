"""Full garbage collections, kept to a share of the time.

A full collection of CPython looks at every object that may be part of a cycle, and nobody is served
meanwhile. There is one whenever a fourth more of them have come to stay, so a crowd brings several,
each longer than the one before: ten thousand uploads that arrive, up to 0.1 s. Here there is none
for some time after one, for the longer the longer the next one may take:

    ALLOWED --one has ended--> DEFERRED --seconds / share since it began--> ALLOWED

where the seconds are those that it took, or half as many as before it, if these are more.

Guarantees:

- Automatic full collections take `share` of the time at most, but for the last of them, unless
  objects come by the million: garbage that only a full one finds cannot fill the memory.
- The younger generations are collected as ever, so what is short-lived takes no more memory; and
  so is everything, when the application calls `gc.collect`.
- What there was at the start is looked at once, and then left out of full collections
  (`gc.freeze`): modules, classes and functions, which stay for as long as the process.
- `stop` leaves all as it was, but for a threshold that somebody else has set meanwhile.

This is about a whole process, so a `gpool.WSGIServer` does not do it; the command and the gunicorn
worker do, and so may a program of one's own. Nothing here is particular to a Hub: the callbacks of
`gc` are all that it needs, in whichever thread a collection happens to be.
"""

import gc
from collections.abc import Callable, Mapping
from enum import auto
from time import monotonic
from typing import Any

from gpool.config import share_of
from gpool.states import State, moved

__all__ = ["GC_SHARE", "MOVES", "CollectionState", "FullCollections"]

GC_SHARE = 0.0005  # after one of 20 ms none for 40 s: they are not what the slowest thousandth is
OLDEST = 2  # the generation that a full collection is of
MOST = 1_000_000  # objects more than were freed, with which there is one in any case; arbitrary


class CollectionState(State):
    """Whether there may be a full collection; `MOVES` is what may follow."""

    STOPPED = auto()  # as CPython has it
    ALLOWED = auto()
    DEFERRED = auto()


STOPPED, ALLOWED, DEFERRED = CollectionState

MOVES: dict[CollectionState, tuple[CollectionState, ...]] = {
    STOPPED: (ALLOWED,),
    ALLOWED: (DEFERRED, STOPPED),
    DEFERRED: (ALLOWED, STOPPED),
}


class FullCollections:
    """Keeps this process's full collections to a share of the time.

    Args:
        share: of the time, more than 0 and at most 1.
        clock: monotonic seconds; a test puts its own here.

    Raises:
        TypeError: `share` is not a number.
        ValueError: it is out of its range.

    Attributes:
        state: see `CollectionState`.
        share: as given.
    """

    def __init__(self, share: float = GC_SHARE, clock: Callable[[], float] = monotonic) -> None:
        self.share = share_of("share", share)
        self.state = STOPPED
        self._clock = clock
        self._began = 0.0  # the last one
        self._expected = 0.0  # seconds that the next one may take
        self._due = 0.0  # when the next one may be
        self._threshold = self._raised = 0  # of the oldest generation, while it is deferred

    def start(self) -> None:
        """Any side. Collect all, and begin; more than once is nothing more."""
        if self.state is STOPPED:
            self.state = moved(MOVES, self.state, ALLOWED)
            gc.callbacks.append(self._told)
            gc.collect()
            gc.freeze()

    def stop(self) -> None:
        """Any side. Leave all to CPython again."""
        if self.state is STOPPED:
            return
        if self.state is DEFERRED:
            self._allow()
        self.state = moved(MOVES, self.state, STOPPED)
        gc.callbacks.remove(self._told)
        gc.unfreeze()

    # ------------------------------------------------------------------ in any thread

    def _told(self, phase: str, info: Mapping[str, Any]) -> None:
        # A collection begins or has ended; there is never more than one.
        if info["generation"] == OLDEST:
            if phase == "start":
                self._began = self._clock()
            else:
                self._ended(self._clock() - self._began)
        elif self.state is DEFERRED and phase == "stop" and self._clock() >= self._due:
            self._allow()

    def _ended(self, took: float) -> None:
        # A short one says little of the next: the crowd may be here by then.
        self._expected = max(took, self._expected / 2)
        self._due = self._began + self._expected / self.share
        if self.state is ALLOWED:
            youngest, young, self._threshold = gc.get_threshold()
            self._raised = max(self._threshold, MOST // ((youngest + 1) * (young + 1)))
            gc.set_threshold(youngest, young, self._raised)
            self.state = moved(MOVES, self.state, DEFERRED)

    def _allow(self) -> None:
        youngest, young, oldest = gc.get_threshold()
        if oldest == self._raised:  # else the application has set what it wants
            gc.set_threshold(youngest, young, self._threshold)
        self.state = moved(MOVES, self.state, ALLOWED)
