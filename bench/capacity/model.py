"""gpool as queues: a core that serves one at a time, places for those who wait, and a limit.

A request takes its process's core (to be read and to begin), waits for something elsewhere, and
takes the core again (to go on and be answered). The core has one queue, first come, first served,
as the Hub has; nobody is interrupted. Who is in the application has one of `max_workers` places
from the begin to the end. Who finds none is refused, or waits for one, as `overflow` says.

The same load gives the same outcome: all that is random is in the `Load`. What the model leaves
out: the network, the kernel's queues, a core that others want too, and garbage collection.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

__all__ = ["SPREADS", "Load", "Outcome", "Server", "made_load", "percentile", "simulate"]

Values = NDArray[np.float64]

#: How the seconds of a request are spread around their mean; erlang is the sum of two steps.
SPREADS = ("constant", "erlang", "exponential", "lognormal")
STEPS = 2
SIGMA = 1.0  # of lognormal: one in a hundred takes 6.2 times the mean
BEGINS, BACK, LEAVES = range(3)


@dataclass(frozen=True, slots=True)
class Load:
    """Requests.

    Attributes:
        came: when each comes, seconds, in order.
        cpu: its seconds of the core.
        wait: its seconds elsewhere.
        process: the one that it goes to, where that is settled; else the model's `split` says.
    """

    came: Values
    cpu: Values
    wait: Values
    process: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True)
class Server:
    """What serves them.

    Attributes:
        max_workers: places of a process.
        processes: of them.
        overflow: reject or wait.
        split: random, or least: each goes to the process that has the fewest.
        max_queue: how many may wait for a place, with wait; of a process.
        queue_timeout: seconds for which one may.
        shared: whether all processes share one core; else each has one of its own.
        before: the share of the CPU part before the wait.
        refusal: CPU seconds of a refusal.
    """

    max_workers: int
    processes: int = 1
    overflow: str = "reject"
    split: str = "random"
    max_queue: int = 1_024
    queue_timeout: float = 30.0
    shared: bool = False
    before: float = 0.5
    refusal: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of them, by request.

    Attributes:
        took: seconds until the answer; not a number if it was refused.
        found: how many places of its process were taken when it came to it.
        process: which that was.
        busy: the share of the time for which the cores worked.
        most: the most requests that were in one process, those that wait for its core included.
    """

    took: Values
    found: NDArray[np.int64]
    process: NDArray[np.int64]
    busy: float
    most: int

    @property
    def refused(self) -> float:
        """The share that was refused."""
        return float(np.isnan(self.took).mean())

    def after(self, first: int) -> "Outcome":
        """The same without the first ones, which found it empty."""
        return Outcome(
            self.took[first:], self.found[first:], self.process[first:], self.busy, self.most
        )


def percentile(took: Values, share: float) -> float:
    """Seconds within which that share of the good answers came; 0 if there was none."""
    good = took[~np.isnan(took)]
    return float(np.quantile(good, share)) if len(good) else 0.0


def drawn(dice: np.random.Generator, spread: str, mean: float, count: int) -> Values:
    """So many durations of that mean.

    Raises:
        KeyError: there is no such spread.
    """
    draws: dict[str, Callable[[], Values]] = {
        "constant": lambda: np.full(count, mean),
        "erlang": lambda: dice.gamma(STEPS, mean / STEPS, count),
        "exponential": lambda: dice.exponential(mean, count),
        "lognormal": lambda: mean * dice.lognormal(-SIGMA * SIGMA / 2, SIGMA, count),
    }
    return draws[spread]()


def made_load(
    rate: float,
    count: int,
    cpu: float,
    wait: float,
    *,
    cpu_spread: str = "constant",
    wait_spread: str = "exponential",
    seed: int = 1,
) -> Load:
    """So many requests, which come at random moments (Poisson): `rate` a second."""
    dice = np.random.default_rng(seed)
    came = np.cumsum(dice.exponential(1 / rate, count))
    return Load(came, drawn(dice, cpu_spread, cpu, count), drawn(dice, wait_spread, wait, count))


def simulate(load: Load, server: Server, seed: int = 1) -> Outcome:
    """Let a load come to a server that is empty."""
    return Run(load, server, seed).outcome()


class Run:
    """One simulation: events in the order in which requests join the queue of their core.

    Args:
        load: what comes.
        server: where.
        seed: of the random split.
    """

    def __init__(self, load: Load, server: Server, seed: int) -> None:
        count, processes = len(load.came), server.processes
        self._server = server
        self._came: list[float] = load.came.tolist()
        self._first: list[float] = (load.cpu * server.before).tolist()
        self._second: list[float] = (load.cpu * (1 - server.before)).tolist()
        self._wait: list[float] = load.wait.tolist()
        dice = np.random.default_rng(seed + 1)
        given = dice.integers(0, processes, count) if load.process is None else load.process
        self._process: list[int] = given.tolist()
        self._chosen = load.process is None and server.split == "least" and processes > 1
        self._took = [float("nan")] * count
        self._found = [0] * count
        self._events: list[tuple[float, int, int]] = []
        self._core = [0 if server.shared else process for process in range(processes)]
        self._free = [0.0] * processes  # by core: when it will have done all that is in its queue
        self._used = 0.0
        self._running = [0] * processes  # of the pool, as the core's queue will find it
        self._open = [0] * processes  # in the process now
        self._most = 0
        self._waiting: list[deque[int]] = [deque() for _ in range(processes)]

    def outcome(self) -> Outcome:
        """Let all happen."""
        steps = (self._begins, self._back, self._leaves)
        events = self._events
        for request, now in enumerate(self._came):
            while events and events[0][0] <= now:
                when, kind, one = heappop(events)
                steps[kind](one, when)
            self._comes(request, now)
        while events:
            when, kind, one = heappop(events)
            steps[kind](one, when)
        cores = len(set(self._core))
        lasts = max(*self._free, self._came[-1]) * cores
        found, process = np.array(self._found), np.array(self._process)
        return Outcome(np.array(self._took), found, process, self._used / lasts, self._most)

    def _work(self, process: int, now: float, seconds: float) -> float:
        # The core takes this when it has done what is before it; returns when it is done.
        core = self._core[process]
        done = max(now, self._free[core]) + seconds
        self._free[core] = done
        self._used += seconds
        return done

    def _comes(self, request: int, now: float) -> None:
        server = self._server
        if self._chosen:
            self._process[request] = self._open.index(min(self._open))
        process = self._process[request]
        self._open[process] += 1
        self._most = max(self._most, self._open[process])
        self._found[request] = self._running[process]
        if self._running[process] < server.max_workers:
            self._running[process] += 1
            self._begins(request, now)
        elif server.overflow == "wait" and len(self._waiting[process]) < server.max_queue:
            self._waiting[process].append(request)
        else:
            self._leave_at(request, self._work(process, now, server.refusal))

    def _begins(self, request: int, now: float) -> None:
        # It has its place. Who waits for nothing keeps the core to its end.
        done = self._work(self._process[request], now, self._first[request])
        if self._wait[request]:
            heappush(self._events, (done + self._wait[request], BACK, request))
        else:
            self._back(request, now)

    def _back(self, request: int, now: float) -> None:
        process = self._process[request]
        done = self._work(process, now, self._second[request])
        self._running[process] -= 1
        self._took[request] = done - self._came[request]
        self._leave_at(request, done)
        self._let_in(process, done)

    def _let_in(self, process: int, now: float) -> None:
        waiting = self._waiting[process]
        while waiting:
            request = waiting.popleft()
            if now - self._came[request] <= self._server.queue_timeout:
                self._running[process] += 1
                heappush(self._events, (now, BEGINS, request))
                return
            self._leave_at(request, now)

    def _leave_at(self, request: int, when: float) -> None:
        heappush(self._events, (when, LEAVES, request))

    def _leaves(self, request: int, now: float) -> None:
        del now
        self._open[self._process[request]] -= 1
