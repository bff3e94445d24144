"""The figures of one run of the bench: what is in its JSON file, and how they are summed up.

The file says all that tables, reports and plots need, so that those of another machine, or of a
bench whose workloads have changed since, can be shown and compared:

- ``machine``: what they were measured on, with the versions; ``settings``: how;
- ``servers``: name: title, kind (`bench.kinds.Kind`), version, setting, and what it lacks;
- ``workloads``: name: title, and for one point of a sweep its axis and where it is on that;
- ``runs``: workload: server: a run for each repetition, see `bench.workloads`;
- ``handoff``: way to start a handler: nanoseconds;
- ``absent``: name: title and reason; ``failed``: runs that came to nothing, a sentence each;
- ``goals``: what was asked and what was measured.

Runs are summed up by their median; how far they are apart is the spread.
"""

import json
import math
import statistics
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.kinds import Kind

Run = dict[str, Any]
Runs = dict[str, dict[str, list[Run]]]
Figures = dict[str, Any]

OURS = "wsgi"
FULL = 0.95  # of the load generator's CPU; beyond, requests/s is the client's figure
MANY = 1_000  # from here on, decimals say nothing


def cost(run: Run) -> float:
    """CPU microseconds of a request."""
    total: float = run["user_us"] + run["system_us"]
    return total


def refused(run: Run) -> float:
    """The share of the answers that were 503."""
    statuses: dict[str, int] = run["statuses"]
    return statuses.get("503", 0) / max(1, sum(statuses.values()))


#: Figures that follow from others of the same run.
DERIVED: dict[str, Callable[[Run], float]] = {
    "cost": cost,
    "refused": refused,
    "goodput": lambda run: run["rate"] / run["unloaded_rate"],
    "times_unloaded_p99": lambda run: run["good_p99"] / run["unloaded_p99"],
    "times_alone_p99": lambda run: run["beside_p99"] / run["alone_p99"],
    "socket_errors": lambda run: sum(run["errors"].values()) - run["errors"].get("status", 0),
    "not_2xx": lambda run: run["errors"].get("status", 0),
    "rss_mib": lambda run: run["rss_kib"] / 1024,
    "peak_mib": lambda run: run["peak_rss_kib"] / 1024,
    "growth_mib": lambda run: run["growth_kib"] / 1024,
    "above_start_mib": lambda run: (run["peak_rss_kib"] - run["started_rss_kib"]) / 1024,
}


def each(runs: list[Run], key: str) -> list[float]:
    """One figure of every run, given or derived.

    Raises:
        KeyError: there are no runs, or one does not have it.
    """
    if not runs:
        raise KeyError(key)
    derive = DERIVED.get(key)
    try:
        return [float(derive(run) if derive else run[key]) for run in runs]
    except (TypeError, ZeroDivisionError) as why:  # None: the server cannot tell
        raise KeyError(key) from why


def median(runs: list[Run], key: str) -> float:
    """The middle one of those.

    Raises:
        KeyError: as `each`.
    """
    return statistics.median(each(runs, key))


def has(runs: list[Run], key: str) -> bool:
    """Whether there is that figure."""
    try:
        return bool(each(runs, key))
    except KeyError:
        return False


def spread(runs: list[Run], key: str = "cost") -> float:
    """How far apart the runs are in a figure, as a part of its median."""
    values = each(runs, key)
    return (max(values) - min(values)) / (statistics.median(values) or 1)


def client_bound(runs: list[Run]) -> bool:
    """Whether the load generator had no more to give, so that the requests/s are its own."""
    return has(runs, "client_busy") and median(runs, "client_busy") > FULL


def medians(figures: Figures, workload: str, key: str) -> dict[str, float]:
    """A figure of every server that has it under a workload."""
    servers = figures["runs"].get(workload, {})
    return {server: median(runs, key) for server, runs in servers.items() if has(runs, key)}


def kind(figures: Figures, server: str) -> Kind:
    """What a server is."""
    return Kind(figures["servers"][server]["kind"])


def title(figures: Figures, server: str) -> str:
    """What tables call it."""
    said: str = figures["servers"][server]["title"]
    return said


def points(figures: Figures, axis: str) -> list[tuple[float, str]]:
    """Where a sweep was measured, and the workload of each point, in order."""
    found = [
        (float(workload["at"]), name)
        for name, workload in figures["workloads"].items()
        if workload.get("axis") == axis and name in figures["runs"]
    ]
    return sorted(found)


def axes(figures: Figures) -> list[str]:
    """The sweeps that were measured."""
    named = (workload.get("axis") for workload in figures["workloads"].values())
    return [axis for axis in dict.fromkeys(filter(None, named)) if points(figures, axis)]


def plain(figures: Figures) -> list[str]:
    """The workloads that were measured and are not a point of a sweep."""
    workloads = figures["workloads"]
    return [name for name in figures["runs"] if not workloads[name].get("axis")]


def short(value: float) -> str:
    """A figure, without the digits that say nothing."""
    if not math.isfinite(value):
        return "never"
    if abs(value) >= 100:  # noqa: PLR2004  # three digits are as many as anything here is worth
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"  # noqa: PLR2004  # the same


def failures(figures: Figures) -> list[str]:
    """What came to nothing, each once."""
    counts: Counter[str] = Counter(figures.get("failed", []))
    return [one + (f" ({times} times)" if times > 1 else "") for one, times in counts.items()]


def read(path: Path) -> Figures:
    """The figures of a file.

    Raises:
        ValueError: it is not one of this bench.
        OSError: it cannot be read.
    """
    figures = json.loads(path.read_text())
    if not isinstance(figures, dict) or not figures.keys() >= {"machine", "servers", "runs"}:
        raise ValueError(f"{path} has no figures of this bench")
    return figures


def write(figures: Figures, path: Path) -> None:
    """Keep them."""
    path.write_text(json.dumps(figures, indent=1) + "\n")


def empty() -> Figures:
    """A run that has measured nothing yet."""
    names = ("machine", "servers", "workloads", "runs", "handoff", "absent")
    made: Figures = {name: {} for name in names}
    return made | {"settings": {"interrupted": False}, "failed": [], "goals": []}
