"""What it costs to start a handler: a parked worker against a new greenlet.

Each way starts a function that does nothing, in bursts from the Hub as an accept loop does. The
time is that until the last one has ended: CPU time of this process, less that of calling the
function from the same loop. The ways take turns, so that a slow moment of the machine falls on
all of them.

python -m bench.handoff prints one line of JSON: nanoseconds each, the median of the rounds.
"""

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import gevent
from gevent.hub import Waiter, get_hub
from gevent.pool import Pool

from gpool import WorkerPool

BURST = 64  # handlers a turn of the loop
TURNS = 100  # bursts a round
ROUNDS = 15


def nothing(*_args: object) -> None:
    """A handler."""


def in_hub(func: Callable[[], object]) -> None:
    """Call `func` in the Hub, and wait."""
    waiter: Waiter[object] = Waiter()
    get_hub().loop.run_callback(lambda: waiter.switch(func()))
    waiter.get()


def one_round(start: Callable[..., Any], *, from_hub: bool = True) -> float:
    """CPU nanoseconds for each of BURST * TURNS handlers."""

    def burst() -> None:
        for _ in range(BURST):
            start(nothing)

    begin = time.process_time_ns()
    for _ in range(TURNS):
        if from_hub:
            in_hub(burst)
        else:
            burst()
        gevent.sleep(0)  # spawned greenlets run here
        gevent.sleep(0)
    return (time.process_time_ns() - begin) / (BURST * TURNS)


def ways() -> dict[str, Callable[[], float]]:
    """The ways to start a handler, by name."""
    serving = WorkerPool(nothing)
    spawning = WorkerPool()
    return {
        "calling it": lambda: one_round(nothing),
        "WorkerPool.serve, a ready worker": lambda: one_round(serving.serve),
        "WorkerPool.spawn, a ready worker": lambda: one_round(spawning.spawn),
        "WorkerPool.serve from a greenlet": lambda: one_round(serving.serve, from_hub=False),
        "gevent.spawn_raw": lambda: one_round(gevent.spawn_raw),
        "gevent.spawn": lambda: one_round(gevent.spawn),
        "gevent Pool.spawn": lambda: one_round(Pool(1_000).spawn),
    }


def measure(progress: Callable[[], object] = nothing) -> dict[str, dict[str, float]]:
    """Median, lowest and highest nanoseconds of every way, less that of calling it."""
    ways_ = ways()
    rounds: dict[str, list[float]] = {name: [] for name in ways_}
    for number in range(ROUNDS + 1):
        for name, run in ways_.items():
            taken = run()
            if number:  # the first warms up
                rounds[name].append(taken)
        progress()
    called = statistics.median(rounds.pop("calling it"))
    return {
        name: {
            "median": statistics.median(taken) - called,
            "min": min(taken) - called,
            "max": max(taken) - called,
        }
        for name, taken in rounds.items()
    }


if __name__ == "__main__":
    print(json.dumps(measure()))
