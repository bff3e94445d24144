"""The figures as tables for the terminal."""

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from bench.crowds import CROWDS
from bench.figures import Run, costs, median, refusals, socket_errors, spread
from bench.goals import MANY, READY, Verdict
from bench.servers import SERVERS
from bench.workloads import WORKLOADS

LEAST_WIDTH = 130  # of the widest


def table(title: str, first: str, *headings: str) -> Table:
    """An empty one; all columns but the first are figures."""
    made = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        collapse_padding=True,
    )
    made.add_column(first, no_wrap=True)
    for heading in headings:
        made.add_column(heading, justify="right")
    return made


def handoff_table(figures: dict[str, dict[str, float]]) -> Table:
    """Nanoseconds each, and how many hand-offs to a ready worker that is."""
    ready = figures[READY]["median"]
    title = "starting a handler, from the Hub, bursts of 64"
    made = table(title, "way", "ns, median", "min", "max", "times a ready worker")
    for name, taken in figures.items():
        row = [f"{taken[key]:,.0f}" for key in ("median", "min", "max")]
        made.add_row(name, *row, f"{taken['median'] / ready:.1f}")
    return made


def load_table(name: str, servers: dict[str, list[Run]]) -> Table:
    """A row for each server: medians of its runs."""
    workload = WORKLOADS[name]
    headings = ["req/s"]
    headings += ["MiB/s"] if workload.carries else []
    headings += ["p50 ms", "p99 ms"] if workload.latency else []
    headings += [
        "CPU us/req",
        "user",
        "system",
        "spread",
        "peak MiB",
        "growth",
        "errors",
        "not 2xx",
        "client",
    ]
    made = table(
        f"{name}: {workload.title}, {workload.connections} connections", "server", *headings
    )
    for server, runs in servers.items():
        if runs:
            made.add_row(SERVERS[server].title, *load_row(name, runs))
    return made


def load_row(name: str, runs: list[Run]) -> list[str]:
    """The figures of one server."""
    workload = WORKLOADS[name]
    rate = median(runs, "rate")
    cells = [short(rate)]
    cells += [f"{median(runs, 'mib_per_second'):,.0f}"] if workload.carries else []
    cells += [f"{median(runs, key):.2f}" for key in ("p50", "p99") if workload.latency]
    return [
        *cells,
        short(costs(runs)),
        short(median(runs, "user_us")),
        short(median(runs, "system_us")),
        f"{spread(runs):.0%}",
        f"{median(runs, 'peak_rss_kib') / 1024:.1f}",
        f"{median(runs, 'growth_kib') / 1024:+.1f}",
        str(socket_errors(runs)),
        str(refusals(runs)),
        f"{median(runs, 'client_busy'):.0%}",
    ]


def short(value: float) -> str:
    """A figure, without the decimals that say nothing."""
    return f"{value:,.0f}" if value >= MANY else f"{value:.1f}"


def idle_table(servers: dict[str, list[Run]]) -> Table:
    """What idle connections take."""
    made = table(f"idle: {CROWDS['idle'].title}", "server", "connections", "KiB each", "workers")
    for server, runs in servers.items():
        if runs:
            pooled = runs[0]["running"] is not None
            made.add_row(
                SERVERS[server].title,
                f"{runs[0]['count']:,}",
                f"{median(runs, 'kib'):.2f}",
                f"{median(runs, 'running'):,.0f}" if pooled else "no pool",
            )
    return made


def slow_table(servers: dict[str, list[Run]]) -> Table:
    """What a normal client notices."""
    headings = (
        "clients",
        "p50 ms",
        "beside",
        "p99 ms",
        "beside",
        "first gone",
        "last gone",
        "told",
    )
    made = table(f"slow-heads: {CROWDS['slow-heads'].title}", "server", *headings)
    for server, runs in servers.items():
        if runs:
            keys = ("alone_p50", "beside_p50", "alone_p99", "beside_p99")
            latencies = [f"{median(runs, key):.2f}" for key in keys]
            made.add_row(
                SERVERS[server].title, f"{runs[0]['count']:,}", *latencies, *how_gone(runs)
            )
    return made


def how_gone(runs: list[Run]) -> tuple[str, str, str]:
    """When slow clients were closed, first and last, and what they were told."""
    told = ", ".join(f"{status}: {count:,}" for status, count in runs[-1]["told"].items())
    left = max(run["left_open"] for run in runs)
    first = min((run["first_closed"] for run in runs if "first_closed" in run), default=None)
    last = max((run["last_closed"] for run in runs if "last_closed" in run), default=None)
    return (
        "never" if first is None else f"{first:.1f} s",
        f"{left:,} stay" if left or last is None else f"{last:.1f} s",
        told or "nothing",
    )


def goals_table(found: list[Verdict]) -> Table:
    """Asked and measured."""
    made = table("asked and measured", "what", "asked", "measured", "")
    for verdict in found:
        mark = "[green]yes[/]" if verdict.met else "[bold red]NO[/]"
        made.add_row(verdict.what, verdict.asked, verdict.measured, mark)
    return made


def tables(figures: dict[str, Any]) -> list[Table]:
    """All there are figures for."""
    made = [handoff_table(figures["handoff"])] if figures["handoff"] else []
    made += [load_table(name, servers) for name, servers in figures["load"].items()]
    crowds = {"idle": idle_table, "slow-heads": slow_table}
    made += [crowds[name](servers) for name, servers in figures["crowds"].items()]
    return made
