"""What gpool is meant to reach, and what a run says about it.

Bounds are on ratios within a run wherever that is possible: they hold on another machine too.
A goal about which a run says nothing, because a workload or a peer is missing, is not shown.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

from bench.comparing import (
    ALL,
    BLOCKING,
    PYTHON,
    Found,
    Measure,
    at_worst,
    failures,
    handoffs,
    last_closed,
    of,
    own,
    times_ours,
    times_that_of,
    times_the_best,
)
from bench.figures import MANY, Figures
from bench.sheets import READY

# header_timeout, two ticks of gpool's deadlines (parking.py), and what the crowd, which is nice,
# takes to notice.
GONE_AFTER = 10.0 + 2.0 + 0.5


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound.

    Attributes:
        what: the sentence of the table.
        bound: the value that is asked for.
        measure: finds the value that there is.
        unit: of both; "x" for ratios.
        least: whether `bound` is a lower bound.
    """

    what: str
    bound: float
    measure: Measure
    unit: str = "x"
    least: bool = False

    def said(self, value: float) -> str:
        """A value with its unit."""
        if math.isinf(value):
            return "never" if self.unit == "s" else "no end of it"
        number = f"{value:,.0f}" if value.is_integer() or value >= MANY else f"{value:.3g}"
        return number + (self.unit if self.unit in {"", "x"} else f" {self.unit}")

    def asked(self) -> str:
        """The bound, in words."""
        return f"{'at least' if self.least else 'at most'} {self.said(float(self.bound))}"

    def met(self, value: float) -> bool:
        """Whether a value keeps to the bound."""
        return value >= self.bound if self.least else value <= self.bound


@dataclass(frozen=True, slots=True)
class Verdict:
    """A row of the table, and of the JSON file."""

    what: str
    asked: str
    measured: str
    met: bool


def at_least(what: str, bound: float, measure: Measure) -> Goal:
    """A ratio that is better the higher it is."""
    return Goal(what, bound, measure, least=True)


def first(workload: str, called: str) -> tuple[Goal, Goal]:
    """To be the first of all Python servers, in requests/s and in p99."""
    most = times_the_best(workload, "rate", PYTHON, max)
    least = times_the_best(workload, "p99", PYTHON, min)
    return (
        at_least(f"{called}: our requests/s, of the best other Python server's", 1, most),
        Goal(f"{called}: our p99, of the best other Python server's", 1, least),
    )


def least_memory(workload: str, called: str) -> Goal:
    """The least for an idle connection."""
    measure = times_the_best(workload, "kib", ALL, min)
    return Goal(f"{called}: our RSS of each, of the next best server's", 1, measure)


def no_slower(workload: str, called: str) -> Goal:
    """At least the throughput of pywsgi with a large body."""
    measure = times_that_of(workload, "mib_per_second", "pywsgi")
    return at_least(f"{called}: our MiB/s, of pywsgi's", 1, measure)


def own_ratio(workload: str, than: str, key: str) -> Measure:
    """How many times our figure under another workload ours is under this one."""

    def measure(figures: Figures) -> Found:
        return Found(of(figures, workload, key) / of(figures, than, key))

    return measure


KEEP_ALIVE = (
    Goal(
        "keep-alive: our CPU per request, of bjoern's",
        1.15,
        times_that_of("keep-alive", "cost", "bjoern"),
    ),
    Goal(
        "keep-alive: our CPU per request, of Go fasthttp's",
        1.25,
        times_that_of("keep-alive", "cost", "go-fasthttp"),
    ),
    Goal(
        "keep-alive: the same, not compiled",
        1.35,
        times_that_of("keep-alive", "cost", "go-fasthttp", "wsgi-pure"),
    ),
    Goal(
        "keep-alive: our CPU per request, of the best server's for blocking code",
        1,
        times_the_best("keep-alive", "cost", BLOCKING, min),
    ),
    Goal(
        "keep-alive: our CPU per request, of the C floor's",
        1.7,
        times_that_of("keep-alive", "cost", "floor"),
    ),
    at_least(
        "keep-alive: pywsgi's CPU per request, of ours",
        6,
        times_ours("keep-alive", "cost", "pywsgi"),
    ),
)
CLOSE = (
    Goal(
        "one connection a request: our CPU, of Go fasthttp's",
        1,
        times_that_of("close", "cost", "go-fasthttp"),
    ),
    at_least(
        "one connection a request: pywsgi's CPU, of ours",
        3.5,
        times_ours("close", "cost", "pywsgi"),
    ),
)
WAITS = (
    *first("wait", "10 ms wait"),
    at_least("10 ms wait: our requests/s, of pywsgi's", 3, times_that_of("wait", "rate", "pywsgi")),
    at_least(
        "10 ms wait: pywsgi's CPU per request, of ours", 3, times_ours("wait", "cost", "pywsgi")
    ),
    Goal("10 ms wait: p99", 100, own("wait", "p99"), "ms"),
    *first("database", "database"),
)
CROWDS = (
    Goal("10 000 idle connections: RSS of each", 2.5, own("idle-10000", "kib"), "KiB"),
    least_memory("idle-10000", "10 000 idle connections"),
    least_memory("idle-1000", "1 000 idle connections"),
    Goal("10 000 idle connections: running workers", 1, own("idle-10000", "running"), ""),
    at_least(
        "twice the limit: our good requests/s, of our most without overload",
        0.95,
        own("overload", "goodput"),
    ),
    Goal(
        "twice the limit: p99 of the accepted, of that without overload",
        2,
        own("overload", "times_unloaded_p99"),
    ),
    Goal(
        "slow clients: a normal client's p99, of that without them",
        2,
        own("slow", "times_alone_p99"),
    ),
    Goal("slow clients: the last is closed after", GONE_AFTER, last_closed("slow"), "s"),
)
LARGE = (
    no_slower("post-1m", "POST of 1 MiB"),
    no_slower("response-1m", "answer of 1 MiB"),
    no_slower("1-iterable", "1 MiB, iterable"),
    no_slower("1-file", "1 MiB, file"),
    no_slower("100-iterable", "100 MiB, iterable"),
    no_slower("100-file", "100 MiB, file"),
    Goal("large bodies: RSS growth in a run, at worst", 4, at_worst("growth_mib"), "MiB"),
    Goal(
        "large bodies: peak RSS above the start, at worst", 16, at_worst("above_start_mib"), "MiB"
    ),
)
HANDOFF = (
    Goal(
        "hand-off to a ready worker",
        1_500,
        lambda figures: Found(figures["handoff"][READY]["median"]),
        "ns",
    ),
    at_least("gevent.spawn, of a hand-off's CPU", 6, handoffs("gevent.spawn", READY)),
    at_least("gevent Pool.spawn, of a hand-off's CPU", 7, handoffs("gevent Pool.spawn", READY)),
)
GOALS = (
    *KEEP_ALIVE,
    *CLOSE,
    at_least(
        "pipelined: our requests/s, of our own keep-alive",
        3,
        own_ratio("pipelined", "keep-alive", "rate"),
    ),
    *WAITS,
    *CROWDS,
    *LARGE,
    *HANDOFF,
    Goal("all loads: errors, and answers that are not as meant", 0, failures, ""),
)


def verdict(goal: Goal, figures: Figures) -> Verdict:
    """What a run says of a goal.

    Raises:
        KeyError: nothing.
    """
    found = goal.measure(figures)
    value = float(found.value)
    beside = f" ({found.beside})" if found.beside else ""
    return Verdict(goal.what, goal.asked(), goal.said(value) + beside, goal.met(value))


def verdicts(figures: Figures) -> list[Verdict]:
    """Every goal on which this run says something."""
    found = []
    for goal in GOALS:
        try:
            found.append(verdict(goal, figures))
        except KeyError:
            continue
    return found


def as_json(found: list[Verdict]) -> list[dict[str, Any]]:
    """For the file."""
    return [asdict(one) for one in found]
