"""How many requests are worth having in flight, found out while they run.

What an application waits for has room for so many at once: a database, a service behind it. Fewer
than that in flight leave it idle, and what is more only waits there. By Little's law that number
is its throughput when it has enough to do, times the time of a request when it has not too much.
The two cannot be measured at the same time, so they are measured in turns, a little above the limit
and a little below it:

    limit = throughput above x time below

which is what TCP's BBR does with the bandwidth and the round-trip time of a path, and bRPC's
limiter with a server's peak and its latency without load. When an application becomes slow because
it can do less, throughput above the limit stays what it is, and so does the limit. When each of its
requests just takes longer, throughput above the limit is higher than below, and the limit grows.

    CALM: nobody lacks room     --somebody does--> SEARCHING: above, below, above, ...
      ^   limit: HEADROOM times the most of late                 |
      +------------ nobody has, for QUIET seconds ---------------+

Guarantees:

- Nothing is limited but to `most` until it is known how much there usually is.
- The limit is never below `least`, nor above `most`.
- Time is what the `clock` says; nothing waits or is called back here.
- A call that has lasted for much longer than others (a WebSocket, a long poll) counts no more: it
  would take the room of those that can be limited.

Who waits and who is refused, is left to `gpool.wsgi.adapting`.
"""

from collections import OrderedDict
from collections.abc import Callable
from enum import auto
from math import exp
from time import monotonic

from gpool.config import at_least
from gpool.states import State, moved

__all__ = ["LEAST", "MOVES", "Calls", "Limit", "LimitState", "patience"]

LEAST = 4  # a limit of 1 or 2 has nothing below it to measure
HEADROOM = 2.0  # times the most of late: a burst is let in, a crowd that would do harm is not
MEMORY = 60.0  # seconds in which the most of late falls to a third
MEMORY_OF_LESS = 600.0  # the same of the usual time: if it grows for good, the search finds out
CALM_WINDOW = 1.0  # seconds between two looks while nobody lacks room
QUIET = 1.0  # seconds without anybody who lacks room, until it is calm again
ENOUGH = 32  # calls that a measurement needs
SETTLE = 1.0  # times what a call lasts, until a new limit has its effect
MEASURE = 2.0  # the same, for a measurement
LONGEST = 10.0  # seconds that a call is taken to last: one of an hour is not to hold the search up
SHORTEST = 0.02  # seconds of one; the clock of a busy process is no better
STEP = 1.25  # above the limit, and below it
FIRST_STEP = 1.5  # when it is not known how far away the right one is
LONGEST_STEP = 2.5
FULL = 0.9  # of the limit, in flight on average: else only bursts meet it
HARMLESS = 1.25  # times as long as below, or usual: when only bursts meet it, it may be higher
SLACK = 1.1  # times the limit that was found: waiting a little there, nothing is ever idle
OLD = 10.0  # seconds, and times what a call lasts, after which one counts no more
STANDING = 20  # how many times shorter the patience is while the queue does not get empty


class LimitState(State):
    """What the limit follows; `MOVES` is what may come next."""

    CALM = auto()  # how much there is
    ABOVE = auto()  # searching: the limit is above the best one that is known
    BELOW = auto()  # searching: it is below


MOVES: dict[LimitState, tuple[LimitState, ...]] = {
    LimitState.CALM: (LimitState.ABOVE,),
    LimitState.ABOVE: (LimitState.ABOVE, LimitState.BELOW, LimitState.CALM),
    LimitState.BELOW: (LimitState.ABOVE, LimitState.CALM),
}

CALM, ABOVE, BELOW = LimitState


def patience(delay: float, standing: float) -> float:
    """How long a request may wait for room; CoDel's idea, as Facebook has it for requests.

    A queue that gets empty now and then takes up a burst. One that does not only makes all that
    are in it late.

    Args:
        delay: seconds that one may wait at most.
        standing: seconds for which the queue has not been empty.
    """
    return delay if standing < delay else delay / STANDING


class Limit:
    """A limit of calls in flight. Any side.

    Args:
        most: the highest, 1 or more.
        least: the lowest; `most` if that is lower.

    Attributes:
        value: how many may be in flight now.
        state: see `LimitState`.
        lasts: seconds that a call in flight lasts, from its begin to its end; `LONGEST` at most.
    """

    __slots__ = (
        "_best",
        "_count",
        "_in_flight",
        "_least",
        "_most",
        "_peak",
        "_quiet_at",
        "_seconds",
        "_short",
        "_since",
        "_squares",
        "_step",
        "_throughput",
        "_time",
        "_usual_peak",
        "_usual_time",
        "lasts",
        "state",
        "value",
    )

    def __init__(self, most: int, least: int = LEAST) -> None:
        self._most = at_least("most", most, 1)
        self._least = min(at_least("least", least, 1), most)
        self.value = most
        self.state = CALM
        self.lasts = 0.0
        # What is known.
        self._best = float(most)
        self._throughput = 0.0  # calls a second, above; 0 if it is not known
        self._time = 0.0  # seconds of a call, below; 0 if it is not known
        self._step = STEP
        self._usual_peak = 0.0
        self._usual_time = 0.0  # in calm; 0 if it is not known
        self._quiet_at = 0.0
        # What is being measured.
        self._peak = self._in_flight = 0
        self._measure_from(0.0)

    def __repr__(self) -> str:
        return f"<Limit {self.value} {self.state.name}>"

    def lacked_room(self, now: float) -> None:
        """Tell that a call has not begun for want of room."""
        self._quiet_at = now + QUIET
        if self.state is CALM:
            if self._count >= ENOUGH:
                self._time = self._seconds / self._count
            self._step = FIRST_STEP
            self._throughput = 0.0
            self._move(ABOVE)
            self._measure_from(now + SETTLE * self.lasts)
        self._short = True

    def ended(self, began: float, now: float, in_flight: int) -> None:
        """Tell that a call has ended.

        Args:
            began: when it began.
            now: the time.
            in_flight: how many there were, this one among them.
        """
        if in_flight > self._peak:  # noqa: PLR1730  # a fifth of the time of max()
            self._peak = in_flight
        if now < self._since:
            return
        lasted = now - began
        self._count += 1
        self._seconds += lasted
        self._squares += lasted * lasted
        self._in_flight += in_flight
        if self._count >= ENOUGH:
            self._perhaps_measured(now)

    def _perhaps_measured(self, now: float) -> None:
        # The mean over the calls in flight at a moment, in which a long one is seen more often.
        lasts = min(self._squares / self._seconds, LONGEST) if self._seconds else 0.0
        took = now - self._since
        if self.state is CALM:
            if took >= CALM_WINDOW:
                self.lasts = lasts
                self._follow(now)
        elif took >= max(SHORTEST, MEASURE * lasts):
            self.lasts = lasts
            if self._short:
                self._search(now, took)
            elif now >= self._quiet_at:
                self._move(CALM)
                self._usual_time = 0.0  # it may have become another
                self._follow(now)
            else:
                self._measure_from(now)  # it says nothing about a limit that nobody has met

    def _follow(self, now: float) -> None:
        # Who is in flight only since others are does not count, or the limit would flee from them.
        self._time = time = self._seconds / self._count
        usual = self._usual_time or time
        step = CALM_WINDOW / (MEMORY if time < usual else MEMORY_OF_LESS)
        usual = self._usual_time = usual + (time - usual) * step
        kept = exp(-CALM_WINDOW / MEMORY)
        peak = self._peak * min(1.0, usual / time) if time else self._peak
        self._usual_peak = max(self._usual_peak * kept, peak)
        self._best = self._bounded(HEADROOM * self._usual_peak)
        self.value = int(self._best)
        self._measure_from(now)

    def _search(self, now: float, took: float) -> None:
        above = self.state is BELOW
        in_flight, throughput = self._in_flight / self._count, self._count / took
        time = in_flight / throughput  # Little's law
        harmless = HARMLESS * (self._usual_time if above else self._time)
        if above:
            self._time = time
        else:
            self._throughput = throughput
        if in_flight < FULL * self.value and time < harmless:
            # The throughput is what was asked for, and not what can be done.
            self._throughput, above = 0.0, True
            self._step = FIRST_STEP
            self._best = self._bounded(self._best * FIRST_STEP)
        if self._throughput and self._time:
            self._improve(SLACK * self._throughput * self._time)
        self._move(ABOVE if above else BELOW)
        self.value = int(
            self._bounded(self._best * self._step if above else self._best / self._step)
        )
        self._measure_from(now + SETTLE * self.lasts)

    def _improve(self, found: float) -> None:
        # No further than what was measured, since nothing is known beyond; but further next time.
        best, step = self._best, self._step
        near = min(max(found, best / step), best * step)
        self._step = max(step / 1.2, STEP) if near == found else min(step * 1.5, LONGEST_STEP)
        self._best = self._bounded(near)

    def _bounded(self, value: float) -> float:
        return max(self._least, min(self._most, value))

    def _measure_from(self, since: float) -> None:
        self._since = since
        self._count = 0
        self._seconds = self._squares = 0.0
        self._peak = self._in_flight = 0
        self._short = False

    def _move(self, state: LimitState) -> None:
        self.state = moved(MOVES, self.state, state)


class Calls:
    """The calls that are in flight, and whether there may be one more. Any side.

    Args:
        limit: of how many.
        clock: monotonic seconds.
    """

    __slots__ = ("_began", "_clock", "_last", "limit")

    def __init__(self, limit: Limit, clock: Callable[[], float] = monotonic) -> None:
        self.limit = limit
        self._clock = clock
        self._began: OrderedDict[int, float] = OrderedDict()  # the oldest first
        self._last = 0

    def __len__(self) -> int:
        return len(self._began)

    def __repr__(self) -> str:
        return f"<Calls {len(self)}/{self.limit.value}>"

    def have_room(self) -> bool:
        """Whether one more may begin."""
        return len(self._began) < self.limit.value

    def lacked_room(self) -> None:
        """Tell that one has not begun for want of room."""
        now = self._clock()
        self.limit.lacked_room(now)
        began = self._began
        oldest = now - OLD * max(self.limit.lasts, 1.0)
        while began and began[next(iter(began))] < oldest:
            began.popitem(last=False)

    def begin(self) -> int:
        """A call begins; returns what `end` is to be told."""
        self._last += 1
        self._began[self._last] = self._clock()
        return self._last

    def forget(self, call: int) -> None:
        """A call goes on, and counts no more."""
        self._began.pop(call, None)

    def end(self, call: int) -> None:
        """A call has ended; one that counts no more is passed over."""
        in_flight = len(self._began)
        began = self._began.pop(call, None)
        if began is not None:
            self.limit.ended(began, self._clock(), in_flight)
