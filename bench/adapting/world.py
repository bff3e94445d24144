"""A simulated world: clients, a server that admits requests, and what its application waits for.

Events in the order of their time, and nothing random but what comes from the world's own seed: the
same seed gives the same run. Requests are nothing but times. The server's CPU costs nothing here,
nor does the network; what a real server makes of it is `bench.adapting.measuring`'s.
"""

import random
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from typing import NamedTuple, Protocol

from gpool.adaptive import patience

__all__ = ["Admitting", "Answer", "Backend", "Door", "Patience", "World"]

LOOK = 0.1  # seconds between two notes of the limit
TICK = 0.005  # seconds between two looks at those who wait

Patience = Callable[[float], float]


class World:
    """Events, and the time.

    Args:
        seed: of all that is random.
    """

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.random = random.Random(seed)  # noqa: S311  # no secret
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._made = 0

    def after(self, seconds: float, event: Callable[[], object]) -> None:
        """Let something happen."""
        self._made += 1  # those of one time happen in the order in which they were made
        heappush(self._events, (self.now + seconds, self._made, event))

    def run(self, until: float) -> None:
        """Let all happen that is to happen by then."""
        while self._events and self._events[0][0] <= until:
            self.now, _, event = heappop(self._events)
            event()


class Backend:
    """What the application waits for: so many at once, first come, first served.

    Args:
        world: where.
        places: how many it serves at once.
        work: returns the seconds of the next one's service.
        crowded: how many may be in it until each makes all slower; infinite for any number.
    """

    def __init__(
        self, world: World, places: float, work: Callable[[], float], crowded: float = float("inf")
    ) -> None:
        self._world = world
        self._places = places
        self._work = work
        self._crowded = crowded
        self._busy = 0
        self._waiting: deque[Callable[[], object]] = deque()

    def ask(self, done: Callable[[], object]) -> None:
        """Have something done, and be told."""
        if self._busy < self._places:
            self._serve(done)
        else:
            self._waiting.append(done)

    def _serve(self, done: Callable[[], object]) -> None:
        self._busy += 1
        crowd = max(self._busy / self._crowded, 1.0)
        self._world.after(self._work() * crowd**1.5, lambda: self._served(done))

    def _served(self, done: Callable[[], object]) -> None:
        self._busy -= 1
        if self._waiting and self._busy < self._places:
            self._serve(self._waiting.popleft())
        done()


class Admitting(Protocol):
    """What has a limit, and learns from what becomes of requests: `gpool.adaptive.Limit`.

    Attributes:
        value: the limit.
    """

    value: int

    def lacked_room(self, now: float) -> None:
        """Be told that a request found no room."""

    def ended(self, began: float, now: float, in_flight: int) -> None:
        """Be told that a request has ended."""


class Answer(NamedTuple):
    """What became of one request.

    Attributes:
        came: when it did.
        took: seconds until it was answered.
        good: whether it was served, and not refused.
        client: whose.
    """

    came: float
    took: float
    good: bool
    client: int


class Door:
    """A server: it lets requests in, has them wait, or refuses them.

    Args:
        world: where.
        backend: what requests wait for once they are in.
        limit: of those.
        bound: how many may wait for room.
        patience: how long one may, by the seconds for which the queue has not been empty.
    """

    def __init__(
        self,
        world: World,
        backend: Backend,
        limit: Admitting,
        bound: int = 0,
        patience: Patience = lambda _: float("inf"),
    ) -> None:
        self.answers: list[Answer] = []
        self.limits: list[tuple[float, int]] = []
        self._world = world
        self._backend = backend
        self._limit = limit
        self._bound = bound
        self._patience = patience
        self._in_flight = 0
        self._waiting: deque[tuple[float, int, Callable[[bool], object]]] = deque()
        self._empty_at = 0.0
        self._look()
        if bound:
            self._tick()

    def ask(self, client: int, told: Callable[[bool], object]) -> None:
        """A request comes; `told` hears whether it was served when it is answered."""
        now = self._world.now
        if not self._waiting and self._in_flight < self._limit.value:
            self._begin(now, client, told)
            return
        self._limit.lacked_room(now)
        if not self._waiting:
            self._empty_at = now
        if len(self._waiting) < self._bound:
            self._waiting.append((now, client, told))
        else:
            self._answer(now, client, told, good=False)

    def _begin(self, came: float, client: int, told: Callable[[bool], object]) -> None:
        self._in_flight += 1
        began = self._world.now

        def done() -> None:
            in_flight, self._in_flight = self._in_flight, self._in_flight - 1
            self._limit.ended(began, self._world.now, in_flight)
            self._answer(came, client, told, good=True)
            self._let_in()

        self._backend.ask(done)

    def _answer(
        self, came: float, client: int, told: Callable[[bool], object], *, good: bool
    ) -> None:
        self.answers.append(Answer(came, self._world.now - came, good, client))
        told(good)

    def _let_in(self) -> None:
        now = self._world.now
        while self._waiting:
            came, client, told = self._waiting[0]
            late = now - came >= self._patience(now - self._empty_at)
            if not late and self._in_flight >= self._limit.value:
                return
            self._waiting.popleft()
            if late:
                self._answer(came, client, told, good=False)
            else:
                self._begin(came, client, told)

    def _tick(self) -> None:
        self._let_in()
        self._world.after(TICK, self._tick)

    def _look(self) -> None:
        self.limits.append((self._world.now, self._limit.value))
        self._world.after(LOOK, self._look)


def codel(standing: float) -> float:
    """Gpool's patience, with its default."""
    return patience(0.1, standing)
