"""What goals are made of: ratios of gpool's figures and those of others, all of one run.

Which others count follows from what they are (`bench.kinds.Kind`), not from their names: a
peer that is added to the bench counts from then on. A KeyError says that something a ratio needs
has not been measured.
"""

import math
from collections.abc import Callable, Container
from dataclasses import dataclass

from bench.figures import OURS, Figures, each, has, kind, median, medians, title
from bench.kinds import Kind

#: Blocking code runs in them as it is: many requests at once, each written as if it were alone.
BLOCKING = (Kind.GEVENT, Kind.THREADS)
PYTHON = (*BLOCKING, Kind.ONE, Kind.ASGI)
ALL = (*PYTHON, Kind.GO)
#: They answer without HTTP to speak of, for what TCP alone costs; no user would pick them.
BARE = ("gpool", "gpool-defer", "gevent", "gevent-pool")


@dataclass(frozen=True, slots=True)
class Found:
    """What was measured.

    Attributes:
        value: in the goal's unit.
        beside: the server that it was measured beside, if it is a ratio.
    """

    value: float
    beside: str = ""


Measure = Callable[[Figures], Found]


def of(figures: Figures, workload: str, key: str, server: str = OURS) -> float:
    """One figure of one server."""
    return median(figures["runs"][workload][server], key)


def own(workload: str, key: str) -> Measure:
    """A figure of gpool's WSGI server."""
    return lambda figures: Found(of(figures, workload, key))


def times_that_of(workload: str, key: str, than: str, whose: str = OURS) -> Measure:
    """How many times another server's figure gpool's is."""

    def measure(figures: Figures) -> Found:
        theirs = of(figures, workload, key, than)
        return Found(of(figures, workload, key, whose) / theirs)

    return measure


def times_ours(workload: str, key: str, whose: str) -> Measure:
    """How many times gpool's figure another server's is."""
    return times_that_of(workload, key, OURS, whose)


def times_the_best(
    workload: str, key: str, kinds: Container[Kind], best: Callable[[list[float]], float]
) -> Measure:
    """How many times the figure of the best of those of some kinds gpool's is."""

    def measure(figures: Figures) -> Found:
        found = {
            server: value
            for server, value in medians(figures, workload, key).items()
            if kind(figures, server) in kinds and server not in BARE
        }
        if not found:
            raise KeyError(workload)
        value = best(list(found.values()))
        name = next(server for server in found if found[server] == value)
        ours = of(figures, workload, key)
        # An idle connection can take nothing that is seen: no ratio is too much then.
        return Found(ours / value if value > 0 else math.inf, title(figures, name))

    return measure


def handoffs(way: str, ready: str) -> Measure:
    """How many hand-offs to a ready worker a way to start a handler is."""

    def measure(figures: Figures) -> Found:
        taken = figures["handoff"]
        return Found(taken[way]["median"] / taken[ready]["median"])

    return measure


def last_closed(workload: str) -> Measure:
    """Seconds until the last slow client was closed; for ever if some were left open."""

    def measure(figures: Figures) -> Found:
        runs = figures["runs"][workload][OURS]
        if any(run["left_open"] for run in runs):
            return Found(math.inf)
        return Found(median(runs, "last_closed"))

    return measure


def carrying(figures: Figures) -> list[str]:
    """The workloads with large bodies."""
    workloads = figures["workloads"]
    return [name for name in figures["runs"] if workloads[name].get("carries")]


def at_worst(key: str) -> Measure:
    """The most of a figure that gpool needed under any workload with large bodies."""

    def measure(figures: Figures) -> Found:
        values = {
            name: of(figures, name, key)
            for name in carrying(figures)
            if has(figures["runs"][name].get(OURS, []), key)
        }
        worst = max(values, key=values.__getitem__, default=None)
        if worst is None:
            raise KeyError(key)
        return Found(values[worst], worst)

    return measure


def failures(figures: Figures) -> Found:
    """Errors, and answers that are not 2xx where none is meant to be, of gpool, of all loads."""
    most: dict[str, float] = {}
    for name, servers in figures["runs"].items():
        runs = servers.get(OURS, [])
        keys = ["socket_errors"] + ["not_2xx"] * (not has(runs, "goodput"))
        if has(runs, "socket_errors"):
            most[name] = sum(sum(each(runs, key)) for key in keys)
    if not most:
        raise KeyError("errors")
    worst = max(most, key=most.__getitem__)
    return Found(sum(most.values()), worst if most[worst] else "")
