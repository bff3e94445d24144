"""What gpool is meant to reach, and what this run says about it.

Bounds are on ratios within a run wherever that is possible: they hold on another machine too.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from bench.figures import Run, costs, median, refusals, socket_errors
from bench.workloads import WORKLOADS

READY = "WorkerPool.serve, a ready worker"
LARGE = {
    "post": "POST of 1 MiB",
    "1-iterable": "1 MiB, iterable",
    "1-file": "1 MiB, file",
    "100-iterable": "100 MiB, iterable",
    "100-file": "100 MiB, file",
}
# header_timeout, two ticks of gpool's deadlines (parking.py), and what the crowd, which is nice,
# takes to notice.
GONE_AFTER = 10.0 + 2.0 + 0.5
MANY = 1_000  # from here on, decimals say nothing


class Figures:
    """The figures of a run, by name; a KeyError where something has not been measured."""

    def __init__(self, figures: dict[str, Any]) -> None:
        self.handoff: dict[str, dict[str, float]] = figures["handoff"]
        self.load: dict[str, dict[str, list[Run]]] = figures["load"]
        self.crowds: dict[str, dict[str, list[Run]]] = figures["crowds"]

    def times_the_cost(self, workload: str, of: str, than: str) -> float:
        """How many times the CPU time of a request one server takes of another's."""
        return costs(self.load[workload][of]) / costs(self.load[workload][than])

    def times_the_rate(self, workload: str, of: str = "wsgi", than: str = "pywsgi") -> float:
        """How many times the requests/s."""
        servers = self.load[workload]
        return median(servers[of], "rate") / median(servers[than], "rate")

    def own(self, workload: str, key: str) -> float:
        """A figure of gpool.WSGIServer."""
        return median(self.load[workload]["wsgi"], key)

    def idle(self, key: str) -> float:
        """The same with idle connections."""
        return median(self.crowds["idle"]["wsgi"], key)

    def slow(self, key: str) -> float:
        """The same beside slow heads; for ever if some were left open."""
        runs = self.crowds["slow-heads"]["wsgi"]
        if key == "last_closed" and any(run["left_open"] for run in runs):
            return math.inf
        return median(runs, key)

    def large(self) -> list[list[Run]]:
        """The runs with large bodies, of gpool.WSGIServer."""
        return [self.load[name]["wsgi"] for name in LARGE if self.load.get(name, {}).get("wsgi")]

    def most_growth(self) -> float:
        """MiB by which RSS has grown between the warm-up and the end, the most of them."""
        return max_of(median(runs, "growth_kib") / 1024 for runs in self.large())

    def most_above_start(self) -> float:
        """MiB of the peak above the RSS before the first request, the most of them."""
        return max_of(
            (median(runs, "peak_rss_kib") - median(runs, "started_rss_kib")) / 1024
            for runs in self.large()
        )

    def failures(self) -> float:
        """Socket errors and answers that are not 2xx, under every load."""
        measured = [servers["wsgi"] for servers in self.load.values() if servers.get("wsgi")]
        return max_of(socket_errors(runs) + refusals(runs) for runs in measured)


def max_of(values: Iterator[float]) -> float:
    """The greatest.

    Raises:
        KeyError: there is none.
    """
    greatest = max(values, default=None)
    if greatest is None:
        raise KeyError("nothing measured")
    return greatest


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
    measure: Callable[[Figures], float]
    unit: str = "x"
    least: bool = False

    def said(self, value: float) -> str:
        """A value with its unit."""
        if math.isinf(value):
            return "never"
        number = f"{value:,.0f}" if value.is_integer() or value >= MANY else f"{value:.3g}"
        return number + (self.unit if self.unit in {"", "x"} else f" {self.unit}")


@dataclass(frozen=True, slots=True)
class Verdict:
    """A row of the table, and of the JSON file."""

    what: str
    asked: str
    measured: str
    met: bool


def at_least(what: str, bound: float, measure: Callable[[Figures], float]) -> Goal:
    """A ratio that is better the higher it is."""
    return Goal(what, bound, measure, least=True)


def no_slower(name: str) -> Goal:
    """At least the throughput of pywsgi with a large body."""
    return at_least(f"{LARGE[name]}: our MiB/s, of pywsgi's", 1, lambda f: f.times_the_rate(name))


GOALS = (
    Goal("hand-off to a ready worker", 1_500, lambda f: f.handoff[READY]["median"], "ns"),
    at_least(
        "gevent.spawn, of a hand-off's CPU",
        6,
        lambda f: f.handoff["gevent.spawn"]["median"] / f.handoff[READY]["median"],
    ),
    at_least(
        "gevent Pool.spawn, of a hand-off's CPU",
        7,
        lambda f: f.handoff["gevent Pool.spawn"]["median"] / f.handoff[READY]["median"],
    ),
    at_least(
        "keep-alive: pywsgi's CPU per request, of ours",
        6,
        lambda f: f.times_the_cost("keep-alive", "pywsgi", "wsgi"),
    ),
    Goal(
        "keep-alive: our CPU per request, of the C floor's",
        1.7,
        lambda f: f.times_the_cost("keep-alive", "wsgi", "floor"),
    ),
    at_least(
        "one connection a request: pywsgi's CPU, of ours",
        3.5,
        lambda f: f.times_the_cost("close", "pywsgi", "wsgi"),
    ),
    at_least(
        "pipelined: requests/s, of our own keep-alive",
        3,
        lambda f: f.own("pipelined", "rate") / f.own("keep-alive", "rate"),
    ),
    at_least("10 ms wait: our requests/s, of pywsgi's", 3, lambda f: f.times_the_rate("wait")),
    at_least(
        "10 ms wait: pywsgi's CPU per request, of ours",
        3,
        lambda f: f.times_the_cost("wait", "pywsgi", "wsgi"),
    ),
    Goal("10 ms wait: p99", 100, lambda f: f.own("wait", "p99"), "ms"),
    Goal("idle connections: RSS of each", 3, lambda f: f.idle("kib"), "KiB"),
    Goal("idle connections: running workers", 1, lambda f: f.idle("running"), ""),
    Goal(
        "slow heads: a normal client's p99, of that without them",
        2,
        lambda f: f.slow("beside_p99") / f.slow("alone_p99"),
    ),
    Goal("slow heads: the last is closed after", GONE_AFTER, lambda f: f.slow("last_closed"), "s"),
    *map(no_slower, LARGE),
    Goal("large bodies: RSS growth in a run, at worst", 4, Figures.most_growth, "MiB"),
    Goal("large bodies: peak RSS above the start, at worst", 16, Figures.most_above_start, "MiB"),
    Goal("all loads: errors and answers that are not 2xx", 0, Figures.failures, ""),
)
assert WORKLOADS.keys() >= LARGE.keys()


def verdicts(figures: dict[str, Any]) -> list[Verdict]:
    """Every goal on which this run says something."""
    measured = Figures(figures)
    found = []
    for goal in GOALS:
        try:
            value = float(goal.measure(measured))
        except KeyError:
            continue
        met = value >= goal.bound if goal.least else value <= goal.bound
        asked = f"{'at least' if goal.least else 'at most'} {goal.said(float(goal.bound))}"
        found.append(Verdict(goal.what, asked, goal.said(value), met))
    return found


def as_json(found: list[Verdict]) -> list[dict[str, Any]]:
    """For the file."""
    return [asdict(verdict) for verdict in found]
