"""The figures of a cluster as tables, for the terminal and for the page."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console

from bench.cluster.claims import claims
from bench.cluster.faults import FAULTS
from bench.report import markdown
from bench.sheets import Sheet
from bench.tables import goals_table, table

__all__ = ["report", "tell"]

Figures = dict[str, Any]
HELD = {True: "yes", False: "NO", None: "skipped"}


def judged(figures: Figures) -> Sheet:
    """What was asked, measured, and held."""
    rows = [[one.name, one.asked, one.measured, HELD[one.held]] for one in claims(figures)]
    return Sheet("claims", "What was asked of it", ["what", "asked", "measured", "held"], rows)


def phases(figures: Figures) -> Sheet:
    """What the clients notice of each fault."""
    rows = [
        [
            one["name"],
            FAULTS[one["name"]].title if one["name"] in FAULTS else "no fault",
            f"{one['requests']:,}",
            str(one["failed"]),
            f"{one['p50']:.0f}",
            f"{one['p99']:.0f}",
            f"{one['most']:.0f}",
            f"{one['up'] - one['healed']:.1f}" if "up" in one else "",
        ]
        for one in figures["faults"]["phases"]
    ]
    headings = ["phase", "what", "GETs", "failed", "p50 ms", "p99 ms", "longest ms", "back s"]
    notes = [
        "GETs: those that were due while the fault lasted; their latency begins when they were due",
        "back: from the end of the fault until the balancer asks the process again",
        (
            f"the longest of all, with those in flight when a fault began: "
            f"{figures['faults']['longest'] * 1e3:,.0f} ms"
        ),
    ]
    return Sheet("phases", "One of the processes in trouble", headings, rows, notes)


def crowds(figures: Figures) -> Sheet:
    """What full processes do to clients."""
    rows = [
        [
            row["overflow"],
            row["how"] + f", maxconn {row['most']}" * bool(row["most"]),
            "503" if row["retry"] else "",
            "one" if row["slow"] else "",
            f"{row['requests']:,}",
            f"{row['full']:.1f}",
            f"{row['by_full']:,}",
            f"{row['retries']:,}",
            f"{row['refused']:,}",
            f"{row['rate']:,.0f}",
            f"{row['p50']:.0f}",
            f"{row['p99']:.0f}",
            f"{row['most_ms']:,.0f}",
        ]
        for row in figures["crowded"]
    ]
    headings = ["overflow", "balance", "retry-on", "10x slower", "requests", "full", "503 by full"]
    headings += ["retries", "503 to clients", "requests/s", "p50 ms", "p99 ms", "longest ms"]
    crowd = figures["settings"]["crowd"]
    workers = f"{crowd['count']} x {crowd['max_workers']} workers"
    notes = [
        f"{crowd['requests']} requests in flight at any time, {workers}",
        "full: how many of the processes have no worker left, on average",
        "503 by full: answers of full processes, which the balancer sees; retries: it asks another",
    ]
    title = "Nine tenths of all workers in use"
    return Sheet("crowded", title, headings, rows, notes)


def sheets(figures: Figures) -> Iterator[Sheet]:
    """All but the claims."""
    yield phases(figures)
    yield crowds(figures)


def tell(console: Console, figures: Figures) -> None:
    """Say all of it."""
    for sheet in sheets(figures):
        console.print(table(sheet))
    console.print(goals_table(judged(figures)))


def about(figures: Figures) -> str:
    """On what, and how."""
    machine, settings = figures["machine"], figures["settings"]
    plan, crowd = settings["plan"], settings["crowd"]
    return (
        f"`make cluster`, {machine['date']}, {machine['cpu']}, {machine['cpus']} CPUs, "
        f"{machine['system']}; {settings['haproxy']}, CPython {machine['versions']['python']}, "
        f"gevent {machine['versions']['gevent']}, gpool of revision {machine['revision']}; "
        f"{plan['count']} processes in {settings['where']}. First {plan['rate']:g} GETs a second "
        f"at a fixed rate, of {plan['mean'] * 1e3:g} ms each in the application; then "
        f"{crowd['requests']} in flight, of {crowd['mean'] * 1e3:g} ms, for {crowd['seconds']:g} s."
    )


def report(figures: Figures) -> str:
    """All of it as a page."""
    lines = ["# Eight processes behind HAProxy", "", about(figures), ""]
    lines += [f"[![{SHOWS}](cluster.svg)](cluster.svg)", ""]
    for sheet in (judged(figures), *sheets(figures)):
        lines += [f"## {sheet.title}", "", markdown(sheet), ""]
    lines += ["## The configuration of HAProxy", "", "```haproxy", figures["configuration"], "```"]
    return "\n".join(map(str.rstrip, lines)) + "\n"


SHOWS = "Answers a second of each process, with the faults, and the latency of each second"
