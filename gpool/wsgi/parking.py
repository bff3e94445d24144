"""The deadlines of connections: thousands of them, one timer.

A connection has one deadline at a time: until its next byte, its head, its body, its response are
there. Setting one costs an assignment nearly always: the connection stays where it is on a wheel
of seconds, and is moved only when its old place comes up, or when the new deadline is earlier.

Guarantees: a deadline is met within two ticks after it is due, never before (a `usual` one, which
is set by the clock of the last sweep, may be early by the time for which the Hub was blocked);
setting and dropping one costs the same however many there are; a connection that is dropped is not
kept alive. Who is due must have been so at the sweep before, so that the loop has had a turn since
to read what came in time: that the Hub was blocked is no client's fault.

What it means that a deadline is over, is left to the connection: `Timed.expired`.
"""

import logging
from collections.abc import Callable
from math import inf
from time import monotonic
from typing import Any, Protocol

__all__ = ["Deadlines", "Timed"]

logger = logging.getLogger("gpool.wsgi")

TICK = 0.25  # seconds between two sweeps; one of nothing costs 1 us


class Timed(Protocol):
    """What has a deadline.

    Attributes:
        deadline: monotonic seconds; infinite for none.
        slot: where it is on the wheel; 0 if it is not on it.
    """

    deadline: float
    slot: int

    def expired(self) -> None:
        """Hub side. The deadline is over."""


class Deadlines:
    """A wheel of deadlines, one sweep a tick.

    Args:
        usual: the seconds that are set most often: those of an idle connection.
        tick: seconds between two sweeps.
        clock: monotonic seconds; a test puts its own here.

    Attributes:
        now: the clock at the last sweep.
        usual: the deadline of what is set for the usual time now.
        usual_slot: its place on the wheel. What has an earlier one needs only its `deadline` set,
            to `usual`: that is the hot path, and it is written out where it is.
    """

    __slots__ = (
        "_clock",
        "_swept",
        "_tick",
        "_usual_time",
        "_wheel",
        "now",
        "usual",
        "usual_slot",
    )

    def __init__(
        self, usual: float = inf, tick: float = TICK, clock: Callable[[], float] = monotonic
    ) -> None:
        self._usual_time = usual
        self._tick = tick
        self._clock = clock
        self._wheel: dict[int, set[Any]] = {}
        self._swept = self._slot(clock()) - 1  # the last slot that needs no second look
        self.now = self.usual = 0.0
        self.usual_slot = 0
        self._read_clock()

    def _read_clock(self) -> None:
        self.now = self._clock()
        self.usual = self.now + self._usual_time
        self.usual_slot = 0 if self.usual == inf else self._slot(self.usual)

    def __len__(self) -> int:
        return sum(map(len, self._wheel.values()))

    def _slot(self, deadline: float) -> int:
        return int(deadline / self._tick)

    def set(self, timed: Timed, after: float) -> None:
        """Any side. Let `timed` expire in `after` seconds, and not when it was to before."""
        self.set_at(timed, self._clock() + after)

    def set_at(self, timed: Timed, deadline: float) -> None:
        """Any side. The same, for a time of the clock; infinite for never."""
        timed.deadline = deadline
        if deadline != inf:
            self._put(timed, deadline)

    def _put(self, timed: Timed, deadline: float) -> None:
        slot = max(self._slot(deadline), self._swept + 1)
        if not timed.slot or slot < timed.slot:
            self.drop(timed)
            timed.slot = slot
            self._wheel.setdefault(slot, set()).add(timed)

    def drop(self, timed: Timed) -> None:
        """Any side. Forget `timed`."""
        if timed.slot:
            members = self._wheel.get(timed.slot)
            if members is not None:
                members.discard(timed)
                if not members:
                    del self._wheel[timed.slot]
            timed.slot = 0

    def sweep(self) -> None:
        """Hub side. A tick has passed: find those that are due."""
        before = self.now
        self._read_clock()
        reached = self._slot(before)
        slots = range(self._swept + 1, reached + 1)
        self._swept = max(reached - 1, self._swept)
        for slot in slots:
            for timed in self._wheel.pop(slot, ()):
                if timed.slot == slot:  # one before it may have dropped it
                    self._look_at(timed, before)

    def _look_at(self, timed: Any, before: float) -> None:
        timed.slot = 0
        if timed.deadline >= before:
            if timed.deadline != inf:
                self._put(timed, timed.deadline)
            return
        try:
            timed.expired()
        except Exception:
            logger.exception("%r could not expire", timed)
