"""The figures as rows and columns of text.

They are the same for the terminal (`bench.tables`) and for the Markdown report (`bench.report`).

What a workload is about follows from what its runs say: memory of idle connections, goodput of a
server that is overloaded, what a client notices of slow ones, the latency at half load, or else
what a request costs. A column is there where any server has its figure. The best server is on top.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from bench.figures import (
    OURS,
    Figures,
    Run,
    axes,
    client_bound,
    each,
    kind,
    median,
    medians,
    plain,
    points,
    short,
    spread,
    title,
)

READY = "WorkerPool.serve, a ready worker"  # what `bench.handoff` calls it
CLIENT = "*"  # marks requests/s that are the load generator's
CLIENT_NOTE = f"{CLIENT} the load generator's CPU was full: the server could do more requests/s"


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table.

    Attributes:
        name: of the workload, or what else it is about.
        title: a line above it.
        headings: the first is of names, all others of figures.
        rows: as many cells as there are headings.
        notes: sentences below it.
    """

    name: str
    title: str
    headings: list[str]
    rows: list[list[str]]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Column:
    """One figure of every server.

    Attributes:
        heading: above it.
        say: the cell, of a server's runs; KeyError where there is none.
    """

    heading: str
    say: Callable[[list[Run]], str]


@dataclass(frozen=True, slots=True)
class About:
    """What a workload is about.

    Attributes:
        by: the figure that says who is best.
        more: whether the most is best, not the least.
        columns: in order, that with the times of gpool's figure behind those of `first`.
        first: how many come before it.
    """

    by: str
    more: bool
    columns: tuple[Column, ...]
    first: int


def middle(heading: str, key: str, unit: Callable[[float], str] = short) -> Column:
    """The median of a figure."""
    return Column(heading, lambda runs: unit(median(runs, key)))


def total(heading: str, key: str) -> Column:
    """All of the repetitions together."""
    return Column(heading, lambda runs: f"{sum(each(runs, key)):,.0f}")


def percent(value: float) -> str:
    """A share."""
    return f"{value:.1%}" if 0 < value < 0.01 else f"{value:.0%}"  # noqa: PLR2004  # under 1 %


def rate(runs: list[Run]) -> str:
    """Requests/s, marked where they are the load generator's."""
    return f"{median(runs, 'rate'):,.0f}" + CLIENT * client_bound(runs)


def spread_of(key: str) -> Column:
    """How far apart the repetitions are; nobody knows where there was one."""
    return Column("spread", lambda runs: percent(spread(runs, key)) if runs[1:] else "-")


def how_gone(runs: list[Run]) -> str:
    """When the slow clients were closed."""
    left = max(each(runs, "left_open"))
    if left:
        return f"{left:,.0f} stay"
    return f"{min(each(runs, 'first_closed')):.1f} to {max(each(runs, 'last_closed')):.1f} s"


def told(runs: list[Run]) -> str:
    """And what they were told."""
    said = ", ".join(f"{status}: {count:,}" for status, count in runs[-1]["told"].items())
    return said or "nothing"


RATE = Column("req/s", rate)
ERRORS = total("errors", "socket_errors")
LATENCY = tuple(middle(f"{key} ms", key) for key in ("p50", "p99", "p99.9"))
COST = (
    middle("CPU us/req", "cost"),
    middle("user", "user_us"),
    middle("system", "system_us"),
)
REST = (
    middle("RSS MiB", "rss_mib"),
    ERRORS,
    total("not 2xx", "not_2xx"),
    spread_of("cost"),
    middle("client", "client_busy", percent),
)
IDLE = (
    middle("connections", "count"),
    middle("KiB each", "kib"),
    middle("running workers", "running"),
    spread_of("kib"),
)
OVERLOAD = (
    RATE,
    middle("of its most", "goodput", percent),
    middle("503", "refused", percent),
    middle("clients never answered", "starved"),
    middle("p99 ms of 200", "good_p99"),
    middle("x unloaded", "times_unloaded_p99"),
    ERRORS,
    middle("RSS MiB", "rss_mib"),
    spread_of("rate"),
)
SLOW = (
    middle("clients", "count"),
    middle("p50 ms alone", "alone_p50"),
    middle("beside", "beside_p50"),
    middle("p99 ms alone", "alone_p99"),
    middle("beside", "beside_p99"),
    Column("slow ones closed after", how_gone),
    Column("told", told),
    ERRORS,
)
HALF = (middle("asked/s", "asked_rate"), RATE, *LATENCY, middle("max ms", "max"), *COST[:1], ERRORS)
COSTS = About("cost", more=False, columns=(*COST, RATE, *LATENCY, *REST), first=1)
RATES = About("rate", more=True, columns=(RATE, *LATENCY, *COST, *REST), first=1)
GROWTH = (middle("peak MiB", "peak_mib"), middle("growth MiB", "growth_mib"))
CARRIED = (middle("MiB/s", "mib_per_second"), RATE, *LATENCY, *COST, *GROWTH, *REST)
CARRIES = About("mib_per_second", more=True, columns=CARRIED, first=1)
#: The first whose figure there is.
MORE_ABOUT = (
    About("kib", more=False, columns=IDLE, first=2),
    About("goodput", more=True, columns=OVERLOAD, first=2),
    About("beside_p99", more=False, columns=SLOW, first=5),
)
WAITS = {"wait", "database"}  # purposes where servers differ in how much they do at once


def about(figures: Figures, name: str) -> About:
    """What a workload is about."""
    workload = figures["workloads"][name]
    for one in MORE_ABOUT:
        if medians(figures, name, one.by):
            return one
    if medians(figures, name, "asked_rate"):
        return About("p99", more=False, columns=HALF, first=4)
    if workload.get("carries"):
        return CARRIES
    return RATES if workload.get("purpose") in WAITS else COSTS


def ranked(figures: Figures, name: str, of: About) -> list[str]:
    """The servers that have the figure, the best on top."""
    found = medians(figures, name, of.by)
    return sorted(found, key=lambda server: found[server], reverse=of.more)


def load_sheet(figures: Figures, name: str) -> Sheet:
    """A row for each server under a workload: medians of its runs."""
    of, servers = about(figures, name), figures["runs"][name]
    order = ranked(figures, name, of)
    columns = shown(figures, name, of)
    first = [column.heading for column in columns].index(of.columns[of.first - 1].heading) + 1
    columns.insert(first, times(of.by, servers.get(OURS, [])))
    rows = [
        [
            title(figures, server),
            kind(figures, server).value,
            *(said(column, servers[server]) or "-" for column in columns),
        ]
        for server in order
    ]
    headings = ["server", "kind", *(column.heading for column in columns)]
    return Sheet(
        name, f"{name}: {figures['workloads'][name]['title']}", headings, rows, notes(rows)
    )


def shown(figures: Figures, name: str, of: About) -> list[Column]:
    """The columns of a workload that a server has a figure for."""
    servers = figures["runs"][name]
    latency = figures["workloads"][name].get("latency", True)
    return [
        column
        for column in of.columns
        if any(said(column, runs) for runs in servers.values())
        and (latency or column not in LATENCY)
    ]


def said(column: Column, runs: list[Run]) -> str:
    """A cell; empty where there is no such figure."""
    try:
        return column.say(runs)
    except KeyError:
        return ""


def times(key: str, ours: list[Run]) -> Column:
    """How many times gpool's figure each is."""

    def say(runs: list[Run]) -> str:
        own = median(ours, key)
        return f"{short(median(runs, key) / own)}x" if own else ""

    return Column("x gpool", say)


def notes(rows: list[list[str]]) -> list[str]:
    """What the marks in the cells mean."""
    marked = any(cell.endswith(CLIENT) for row in rows for cell in row)
    return [CLIENT_NOTE] if marked else []


SWEPT = (("CPU us/req", "cost", short), ("req/s", "rate", short), ("p99 ms", "p99", short))


def sweep_sheets(figures: Figures, axis: str) -> list[Sheet]:
    """How cost, throughput and latency grow: a row for each server, a column for each point."""
    stops = points(figures, axis)
    made = []
    for what, key, unit in SWEPT:
        by_point = [medians(figures, name, key) for _, name in stops]
        servers = dict.fromkeys(server for found in by_point for server in found)
        rows = [
            [title(figures, server)]
            + [unit(found[server]) if server in found else "-" for found in by_point]
            for server in servers
        ]
        headings = ["server", *(f"{at:,.0f}" for at, _ in stops)]
        if rows:
            made.append(Sheet(f"{axis}, {key}", f"{what}, by {spoken(axis)}", headings, rows))
    return made


#: Axes as they are said; see the workloads of `bench.workloads`.
SPOKEN = {
    "connections": "number of connections",
    "max_workers": "max_workers, as many clients, 10 ms wait",
}


def spoken(axis: str) -> str:
    """An axis as it is said."""
    return SPOKEN.get(axis, axis)


HANDOFFS = ("median", "min", "max")


def handoff_sheet(figures: Figures) -> Sheet | None:
    """Nanoseconds each, and how many hand-offs to a ready worker that is."""
    taken = figures.get("handoff") or {}
    if READY not in taken:
        return None
    ready = taken[READY]["median"]
    rows = [
        [way, *(f"{one[key]:,.0f}" for key in HANDOFFS), f"{one['median'] / ready:.1f}x"]
        for way, one in taken.items()
    ]
    headings = ["way", "ns, median", "min", "max", "x a ready worker"]
    return Sheet("handoff", "starting a handler, from the Hub, bursts of 64", headings, rows)


def goals_sheet(figures: Figures) -> Sheet | None:
    """Asked and measured."""
    rows = [
        [goal["what"], goal["asked"], goal["measured"], "yes" if goal["met"] else "NO"]
        for goal in figures.get("goals", [])
    ]
    if not rows:
        return None
    return Sheet("goals", "asked and measured", ["what", "asked", "measured", "met"], rows)


def sheets(figures: Figures) -> list[Sheet]:
    """All there are figures for, in the order of the workloads."""
    made = [load_sheet(figures, name) for name in plain(figures) if any_ranked(figures, name)]
    made += [sheet for axis in axes(figures) for sheet in sweep_sheets(figures, axis)]
    return made + [sheet for sheet in (handoff_sheet(figures),) if sheet]


def any_ranked(figures: Figures, name: str) -> bool:
    """Whether a server has got through a workload."""
    return bool(ranked(figures, name, about(figures, name)))
