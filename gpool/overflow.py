"""What happens at the limit: who waits for how long, and who is refused.

With ``overflow="wait"`` connections stay in the kernel's backlog while there is no room. With
``"reject"`` they are refused. fasthttp slept for 0.1 s after a refusal, so that other servers on
the address could accept, and kept its own free workers waiting for as long (server.go, ``Serve``;
since 2018 it does not sleep). Here a refusal begins a pause in which connections stay in the
backlog only while there is no room:

    CALM: the next one is refused --> WAITING: who comes --> REFUSING: who waited
      ^                                 waits              for all of the pause
      |                                |    ^                  |         |
      +------ nobody waits ------------+    +--- all of them --+         |
      +-------------- the backlog is empty ------------------------------+

Guarantees:

- The first connection that finds no room is refused at once.
- After that, whoever comes waits in the backlog, for a worker here or for another server on the
  address. Of those, only the ones that waited for all of `overflow_pause` are refused; the
  backlog is first come, first served, so they are counted, not remembered.
- Refusing never keeps a free worker from its next connection.

How there can be no room, and how a connection is refused, is left to the server.
"""

import math
from collections.abc import Callable
from enum import auto
from typing import Any, Literal, TypeAlias

from gpool.config import choice, seconds
from gpool.states import State, moved

__all__ = [
    "MOVES",
    "OVERFLOW_PAUSE",
    "POLICIES",
    "WAITING",
    "Overflow",
    "OverflowState",
    "Policy",
]

Policy: TypeAlias = Literal["reject", "wait"]
POLICIES: tuple[Policy, ...] = ("reject", "wait")
OVERFLOW_PAUSE = 0.1  # seconds; what fasthttp slept
BATCH = 100  # refused after a pause where the backlog cannot be measured; arbitrary


class OverflowState(State):
    """What becomes of a connection that would find no room; `MOVES` is what may follow."""

    CALM = auto()  # it is refused, and a pause begins
    WAITING = auto()  # it stays in the backlog
    REFUSING = auto()  # it has waited in vain, and is refused


MOVES: dict[OverflowState, tuple[OverflowState, ...]] = {
    OverflowState.CALM: (OverflowState.WAITING,),
    OverflowState.WAITING: (OverflowState.WAITING, OverflowState.REFUSING, OverflowState.CALM),
    OverflowState.REFUSING: (OverflowState.WAITING, OverflowState.CALM),
}

CALM, WAITING, REFUSING = OverflowState


class Overflow:
    """The policy of one server. All methods are for the Hub side.

    Args:
        policy: ``"reject"`` or ``"wait"``.
        pause: seconds that connections wait after a refusal, 0 or more; 0 refuses all at once.
        loop: gevent's.
        accepted: how many connections the server has accepted so far.
        backlog: how many are in the kernel's backlog, None if nobody can tell.
        resume: called when connections are to be accepted although there may be no room.

    Raises:
        ValueError: `policy` is not one of the two, or `pause` is negative.
    """

    __slots__ = (
        "_accepted",
        "_backlog",
        "_due",
        "_loop",
        "_pause",
        "_resume",
        "_stopped_state",
        "_timer",
        "state",
    )

    def __init__(
        self,
        policy: Policy,
        pause: float,
        *,
        loop: Any,
        accepted: Callable[[], int],
        backlog: Callable[[], int | None],
        resume: Callable[[], object],
    ) -> None:
        waits = choice("overflow", policy, POLICIES) == "wait"
        self._pause = seconds("overflow_pause", pause, zero=True)
        self._loop = loop
        self._accepted = accepted
        self._backlog = backlog
        self._resume = resume
        self._timer: Any = None
        self._due = 0  # when this many are accepted, nobody has waited for a whole pause
        # "wait" is a pause before the first refusal that nobody ends.
        self.state = self._stopped_state = WAITING if waits else CALM

    def __repr__(self) -> str:
        return f"<Overflow {self.state.name} pause={self._pause:g}>"

    def refused(self) -> None:
        """Tell that a connection was refused for want of room."""
        none_is_due = self.state is REFUSING and self._accepted() >= self._due
        if none_is_due or (self.state is CALM and self._pause):
            self._wait()

    def backlog_is_empty(self) -> None:
        """Tell that there was nobody to accept."""
        if self.state is REFUSING:
            self._move(CALM)

    def stop(self) -> None:
        """Forget that there was a refusal; the server has stopped."""
        self._stop_timer()
        if self.state is not self._stopped_state:
            self._move(self._stopped_state)

    def _wait(self) -> None:
        self._move(WAITING)
        self._due = self._accepted() + (self._backlog() or 0)
        if not math.isinf(self._pause):
            self._timer = self._loop.timer(self._pause)
            self._timer.start(self._pause_is_over)

    def _pause_is_over(self) -> None:
        self._stop_timer()
        waiting = self._backlog()
        if waiting is None:
            self._due = self._accepted() + BATCH
        if self._accepted() < self._due:
            self._move(REFUSING)
        elif waiting:  # those came since
            self._wait()
            return
        else:
            self._move(CALM)
        self._resume()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.close()
            self._timer = None

    def _move(self, state: OverflowState) -> None:
        self.state = moved(MOVES, self.state, state)
