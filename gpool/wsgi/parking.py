"""The deadlines of connections: thousands of them, one timer.

A connection has one deadline at a time: until its next byte, its head, its body, its response are
there. Setting one costs an assignment nearly always: the connection stays where it is on a wheel
of seconds, and is moved only when its old place comes up, or when the new deadline is earlier.

Guarantees: a deadline is met within two ticks after it is due, never before (a `usual` one, which
is set by the clock of the last sweep, may be early by the time for which the Hub was blocked);
setting and dropping one costs the same however many there are; a connection that is dropped is not
kept alive; one that has been set for the usual time is looked at in between, if somebody wants to.
Who is due must have been so at the sweep before, so that the loop has had a turn since to read what
came in time: that the Hub was blocked is no client's fault. A crowd that is due together expires in
several turns of the loop, so that the others are not kept waiting.

What it means that a deadline is over, is left to the connection: `Timed.expired`; what is to be
seen before, to whoever looks (`look_early`).
"""

import logging
from collections import deque
from collections.abc import Callable, Iterator
from math import inf
from time import monotonic
from typing import Any, Protocol

__all__ = ["Deadlines", "Timed"]

logger = logging.getLogger("gpool.wsgi")

TICK = 0.25  # seconds between two sweeps; one of nothing costs 1 us
TURN = 512  # are looked at before the loop has a turn; arbitrary
EXPIRY = 32  # so many looks does one take that expires: it is answered, and closed
FOREVER = 1e9  # seconds, 31 years: for the usual time, so that it can be subtracted again


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
        usual_time: seconds; a very long time if there is no usual one.
    """

    __slots__ = (
        "_clock",
        "_due",
        "_look",
        "_look_after",
        "_swept",
        "_tick",
        "_wheel",
        "now",
        "usual",
        "usual_slot",
        "usual_time",
    )

    def __init__(
        self, usual: float = inf, tick: float = TICK, clock: Callable[[], float] = monotonic
    ) -> None:
        self.usual_time = min(usual, FOREVER)
        self._look: Callable[[Any], float] | None = None
        self._look_after = self.usual_time
        self._tick = tick
        self._clock = clock
        # In dicts, for their order: what was made first is looked at first, and given up first, so
        # that memory is freed as it was taken, in one piece.
        self._wheel: dict[int, dict[Any, None]] = {}
        self._due: deque[tuple[int, float, Iterator[Any]]] = deque()  # off the wheel, to be seen
        self._swept = self._slot(clock()) - 1  # the last slot that needs no second look
        self.now = self.usual = 0.0
        self.usual_slot = 0
        self._read_clock()

    def _read_clock(self) -> None:
        self.now = self._clock()
        self.usual = self.now + self.usual_time
        self.usual_slot = self._slot(self.now + self._look_after)

    def look_early(self, look: Callable[[Any], float] | None, after: float = FOREVER) -> None:
        """Any side. Have `look` called with what is set from now on, before its deadline.

        Args:
            look: called by `sweep`; returns when to look again, at the deadline at the latest, or
                infinity if it has taken the other away. None for nobody.
            after: seconds after which it is called with what has the usual time.
        """
        self._look = look
        self._look_after = min(after, self.usual_time)
        self._read_clock()

    def look_at_first(self) -> None:
        """Hub side. Look now at one of those that would be looked at next."""
        last = self._slot(self._clock() + self._look_after)
        for slot in range(self._swept + 1, last + 1):
            members = self._wheel.get(slot)
            if members:
                timed, _ = members.popitem()
                if not members:
                    del self._wheel[slot]
                self._look_at(timed, -inf)
                return

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

    def set_usual(self, timed: Timed) -> None:
        """Any side. The same, for the usual time."""
        timed.deadline = self._clock() + self.usual_time
        self._put(timed, self.now + self._look_after)  # at `usual_slot`, for the hot path

    def _put(self, timed: Timed, when: float) -> None:
        slot = max(self._slot(when), self._swept + 1)
        if not timed.slot or slot < timed.slot:
            self.drop(timed)
            timed.slot = slot
            self._wheel.setdefault(slot, {})[timed] = None

    def drop(self, timed: Timed) -> None:
        """Any side. Forget `timed`."""
        if timed.slot:
            members = self._wheel.get(timed.slot)
            if members is not None:
                members.pop(timed, None)
                if not members:
                    del self._wheel[timed.slot]
            timed.slot = 0

    def sweep(self) -> bool:
        """Hub side. A tick has passed: find those that are due; returns what `go_on` does."""
        before = self.now
        self._read_clock()
        reached = self._slot(before)
        slots = range(self._swept + 1, reached + 1)
        self._swept = max(reached - 1, self._swept)
        for slot in slots:
            if slot in self._wheel:
                self._due.append((slot, before, iter(self._wheel.pop(slot))))
        return self.go_on()

    def go_on(self) -> bool:
        """Hub side. Look at more of them; whether there are some left, for the next turn."""
        left = TURN
        while self._due:
            slot, before, members = self._due[0]
            for timed in members:
                if timed.slot == slot:  # one before it may have dropped it
                    left -= EXPIRY if self._look_at(timed, before) else 1
                    if left <= 0:
                        return True
            self._due.popleft()
        return False

    def _look_at(self, timed: Any, before: float) -> bool:
        # Whether it is over.
        timed.slot = 0
        if timed.deadline >= before:
            again = timed.deadline if self._look is None else self._look(timed)
            if again != inf:
                self._put(timed, again)
            return False
        try:
            timed.expired()
        except Exception:
            logger.exception("%r could not expire", timed)
        return True
