"""One way to share an address, under one load: who got what.

Each process answers with its number, so the client (`bench.capacity.client`) knows whose each
connection and each request was. Servers and client run on all CPUs, as they would.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.capacity.client import Client, Said
from bench.capacity.measuring import figures
from bench.kinds import Purpose, Setup
from bench.peers.own import own
from bench.processes import (
    Serving,
    cpu_seconds,
    free_port,
    started,
    wait_until_it_answers,
)

__all__ = ["PROCESSES", "SCENARIOS", "WAYS", "Scenario", "Way", "measure", "spread_of"]

PROCESSES = 4
SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Way:
    """How processes share an address.

    Attributes:
        text: what it is.
        way: shared or reuse_port.
        max_accept: connections that a process accepts in one turn of its loop.
    """

    text: str
    way: str
    max_accept: int


WAYS = {
    "shared-1": Way("one listener, max_accept 1", "shared", 1),
    "shared-8": Way("one listener, max_accept 8", "shared", 8),
    "shared-100": Way("one listener, max_accept 100", "shared", 100),
    "reuse-1": Way("SO_REUSEPORT, max_accept 1", "reuse_port", 1),
    "reuse-100": Way("SO_REUSEPORT, max_accept 100", "reuse_port", 100),
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """A load.

    Attributes:
        text: what it is.
        rate: requests a second, at random moments.
        wait: seconds that each waits.
        connections: that are opened at once and kept; 0 for one for each request.
        slow: every so many-th request computes, and so blocks its process; 0 for none.
        slow_cpu: seconds of that.
        max_workers: of a process.
        overflow: its policy.
    """

    text: str
    rate: float
    wait: float
    connections: int = 0
    slow: int = 0
    slow_cpu: float = 0.0
    max_workers: int = 1_000
    overflow: str = "reject"


SCENARIOS = {
    "short-low": Scenario("a connection for each request, 100 a second", 100, 0.005),
    "short-high": Scenario("a connection for each request, 1 200 a second", 1_200, 0.005),
    "kept": Scenario(
        "200 kept connections, opened at once; 800 requests a second, 10 workers a process",
        800,
        0.02,
        connections=200,
        max_workers=10,
    ),
    "kept-wait": Scenario(
        'the same with overflow="wait"',
        800,
        0.02,
        connections=200,
        max_workers=10,
        overflow="wait",
    ),
    "blocked": Scenario(
        "a connection for each request, 300 a second, one in 60 computes for 100 ms",
        300,
        0.005,
        slow=60,
        slow_cpu=0.1,
    ),
}


@contextmanager
def running(way: Way, scenario: Scenario, processes: int, *, compiled: bool) -> Iterator[Serving]:
    """The processes, while this runs.

    Raises:
        DidNotStartError: they do not, and why.
    """

    def told(setup: Setup) -> list[object]:
        numbers = (setup.port, processes, way.way, way.max_accept, scenario.max_workers)
        return [*numbers, scenario.overflow]

    server = own("bench.imbalance.serving", told, "as the scenario says", compiled=compiled)
    setup = Setup(free_port(), Purpose.HELLO, server.chosen(Purpose.HELLO))
    with (
        tempfile.TemporaryFile("w+", errors="replace") as complaints,
        started(server, setup, complaints) as process,
    ):
        wait_until_it_answers(process, setup.port, complaints, secure=False)
        warm_up(setup.port, processes)
        yield Serving(process.pid, setup.port)


def warm_up(port: int, processes: int) -> None:
    """Ask until every process has answered."""
    seen: set[str] = set()
    while len(seen) < processes:
        with Client([port], keep=False) as client:
            seen |= {one.by for one in client.ask([0.0] * 50, ["/0/1000"] * 50)}
        seen.discard("")


def paths_of(scenario: Scenario, count: int) -> list[str]:
    """What is asked for."""
    wait = round(scenario.wait * 1e6)
    slow = f"/{round(scenario.slow_cpu * 1e6)}/{wait}"
    return [
        slow if scenario.slow and number % scenario.slow == scenario.slow - 1 else f"/0/{wait}"
        for number in range(count)
    ]


def spread_of(counts: list[int], processes: int) -> dict[str, Any]:
    """How uneven: the shares from the largest, max/min, and the coefficient of variation.

    Args:
        counts: of those processes that had any.
        processes: how many there are.
    """
    all_of = np.array(sorted(counts, reverse=True) + [0] * (processes - len(counts)), dtype=float)
    return {
        "shares": (all_of / all_of.sum()).tolist(),
        "max_min": float(all_of[0] / all_of[-1]) if all_of[-1] else None,
        "cv": float(all_of.std() / all_of.mean()),
    }


def measure(
    way: Way,
    scenario: Scenario,
    seed: int,
    seconds: float = SECONDS,
    processes: int = PROCESSES,
    *,
    compiled: bool = True,
) -> dict[str, Any]:
    """One run.

    Returns:
        `requests` and `connections`: see `spread_of`; p50, p99 and the refused share of requests
        that do not compute; `cpu_us`: CPU time of a request.

    Raises:
        DidNotStartError: they do not start.
        RuntimeError: some request had no answer.
    """
    count = max(round(scenario.rate * seconds), processes)
    due = np.cumsum(np.random.default_rng(seed).exponential(1 / scenario.rate, count))
    paths = paths_of(scenario, count)
    with (
        running(way, scenario, processes, compiled=compiled) as serving,
        Client([serving.port], keep=bool(scenario.connections)) as client,
    ):
        client.connect(scenario.connections)
        before = sum(cpu_seconds(serving.pid))
        said = client.ask(due.tolist(), paths)
        spent = sum(cpu_seconds(serving.pid)) - before
    lost = sum(one.status not in (200, 503) for one in said)
    if lost:
        raise RuntimeError(f"{way.text}, {scenario.text}: {lost} requests had no answer")
    quick = [one for one, path in zip(said, paths, strict=True) if path == paths[0]]
    took = np.array([one.took if one.status == 200 else np.nan for one in quick])  # noqa: PLR2004
    return {
        "requests": spread_of(list(Counter(by(said)).values()), processes),
        "connections": spread_of(list(Counter(owners(said).values()).values()), processes),
        **figures(took, float(due[-1])),
        "cpu_us": spent * 1e6 / count,
        "late": client.late * 1e3,
    }


def by(said: list[Said]) -> list[str]:
    """The process of each good answer."""
    return [one.by for one in said if one.by]


def owners(said: list[Said]) -> dict[int, str]:
    """The process of each connection that had a good answer."""
    return {one.connection: one.by for one in said if one.by}
