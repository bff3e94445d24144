"""What a normal client notices of slow attacks: python -m bench.attacks.

`bench.attackers` does one of them; here are the table, the page, and the command. The short form,
which asserts states and counters, is tests/neighbours/test_slow_attacks.py.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.attackers import ATTACKS, GPOOL, OURS, Plan, measure
from bench.command_line import chosen, positive
from bench.figures import Run, short
from bench.machine import machine
from bench.processes import DidNotStartError
from bench.report import cell, markdown
from bench.servers import SERVERS
from bench.sheets import Sheet
from bench.tables import LEAST_WIDTH, table

RESULTS = Path(__file__).parent / "results"
WHEN = ("alone", "arriving", "held")

# ---------------------------------------------------------------------- what came out

#: The columns: heading, and the figure of a run. First what clients notice:
NOTICED: dict[str, Callable[[Run], float]] = {
    "p50 ms": lambda run: run["alone"]["p50"],
    "p99 ms": lambda run: run["alone"]["p99"],
    "p50 arriving": lambda run: run["arriving"]["p50"],
    "p99 arriving": lambda run: run["arriving"]["p99"],
    "x alone": lambda run: run["arriving"]["p99"] / run["alone"]["p99"],
    "beside": lambda run: run["beside"]["arriving"]["p99"],
    "x beside": lambda run: run["arriving"]["p99"] / run["beside"]["arriving"]["p99"],
    "p50 held": lambda run: run["held"]["p50"],
    "p99 held": lambda run: run["held"]["p99"],
    "x alone ": lambda run: run["held"]["p99"] / run["alone"]["p99"],
    "beside ": lambda run: run["beside"]["held"]["p99"],
    "x beside ": lambda run: run["held"]["p99"] / run["beside"]["held"]["p99"],
    "late p99": lambda run: max(run[when]["late_p99"] for when in WHEN),
    "not 2xx": lambda run: sum(sum(run[when]["errors"].values()) for when in WHEN),
}
#: and then what it takes.
TAKEN: dict[str, Callable[[Run], float]] = {
    "CPU": lambda run: run["cpu"],
    "MiB more": lambda run: run["grown_kib"] / 1024,
    "open": lambda run: run["most"]["open"],
    "busy": lambda run: run["most"]["busy"],
    "left": lambda run: run["left_open"],
}
OF_NOTICED = [
    (
        "p50, p99: ms, of a normal client that sends 500 requests a second over 8 connections, "
        "from when each was due: alone, while the attackers come (arriving), and when all are "
        "there (held)"
    ),
    (
        "beside: the p99, in the same seconds, of a client like that at a second gpool on the same "
        "CPU, which nobody attacks and which goes before the attacked one: what the kernel and the "
        "attackers make everybody wait"
    ),
    "x alone, x beside: how many times that p99 the attacked one's is",
    "late: how late the client itself sent, ms; not 2xx: its requests that failed",
    "runs: of which these are the medians",
    "gpool-gc-share-1: full garbage collections are left to Python, --gc-share 1",
]
OF_TAKEN = [
    "CPU: cores that the server used (held)",
    "MiB more: memory of the server's process, the kernel's for its sockets not among it",
    "open, busy: the most connections and busy workers at one moment",
    "left: connections when the attackers have gone",
]


def said(runs: list[Run], figure: Callable[[Run], float]) -> str:
    """The median of the repetitions; a dash where the server does not tell."""
    try:
        return short(median(figure(run) for run in runs))
    except TypeError:  # None
        return "-"


def states(runs: list[Run]) -> str:
    """What the server has made of the attackers' connections, at the last look."""
    seen = runs[-1]["seen"]
    if seen is None:
        return "-"
    there = [f"{count:,} {state}" for state, count in seen["connections"].items() if count]
    told = [f"{count:,} {kind}" for kind, count in seen["requests"].items() if count]
    return f"{', '.join(there) or 'no connections'}; answers: {', '.join(told)}"


def sheets(figures: dict[str, Any]) -> list[Sheet]:
    """The figures as tables: the normal client, and what became of the attackers."""
    runs = [(name, runs) for name, runs in figures["runs"].items() if runs]
    noticed, taken = (
        [
            [name, *(said(of, figure) for figure in columns.values()), str(len(of))]
            for name, of in runs
        ]
        for columns in (NOTICED, TAKEN)
    )
    attackers = [[name, ATTACKS[name.partition(",")[0]].title, states(of)] for name, of in runs]
    count = figures["settings"]["connections"]
    return [
        Sheet(
            "attacks",
            f"{count:,} slow clients beside a normal one",
            ["attack", *NOTICED, "runs"],
            noticed,
            OF_NOTICED,
        ),
        Sheet("taken", "What it takes of the server", ["attack", *TAKEN, "runs"], taken, OF_TAKEN),
        Sheet(
            "attackers", "What became of them", ["attack", "what it sends", "seen last"], attackers
        ),
    ]


def report(figures: dict[str, Any]) -> str:
    """The same as a page."""
    about, settings = figures["machine"], figures["settings"]
    lines = [
        "# Slow attacks",
        "",
        (
            f"`python -m bench.attacks`, {about['date']}, {about['cpu']}, {about['cpus']} CPUs, "
            f"{about['system']}; slowhttptest with {settings['connections']:,} connections, "
            f"{settings['rate']:,} of which come in a second; medians."
        ),
        "",
    ]
    for sheet in sheets(figures):
        lines += [f"## {sheet.title}", "", markdown(sheet), ""]
    lines += [cell(f"failed: {failure}") for failure in figures["failed"]]
    return "\n".join(lines).rstrip() + "\n"


# ---------------------------------------------------------------------- the command


def parser() -> argparse.ArgumentParser:
    """The options, for argparse."""
    made = argparse.ArgumentParser(
        "python -m bench.attacks",
        description="Attack servers with slow clients, and say what a normal one notices.",
        epilog="Attacks: " + "; ".join(f"{name}: {one.title}" for name, one in ATTACKS.items()),
    )
    add, plan = made.add_argument, Plan()
    add("--attack", action="append", metavar="NAME", help="only this; repeatable; a pattern")
    add(
        "--server",
        action="append",
        metavar="NAME",
        help="{}, or any of bench's (gpool)".format(", ".join(OURS)),
    )
    add("--connections", type=positive, default=plan.connections, metavar="N", help="(%(default)s)")
    add("--rate", type=positive, default=plan.rate, metavar="N", help="a second (%(default)s)")
    add("--seconds", type=positive, default=plan.seconds, metavar="N", help="(%(default)s)")
    add("--repeat", type=positive, default=1, metavar="N", help="runs of each (%(default)s)")
    add("--to", type=Path, metavar="FOLDER", help="for attacks.json and .md (bench/results)")
    return made


def carry_out(
    steps: list[tuple[str, str]], plan: Plan, figures: dict[str, Any], console: Console
) -> None:
    """Measure, and note what goes wrong."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        bar = progress.add_task("", total=len(steps))
        for attack, server in steps:
            name = attack if server == GPOOL else f"{attack}, {server}"
            progress.update(bar, description=name)
            try:
                figures["runs"].setdefault(name, []).append(measure(ATTACKS[attack], server, plan))
            except (DidNotStartError, RuntimeError, OSError) as why:
                figures["failed"].append(f"{name}: {why}")
            progress.advance(bar)


def main(arguments: list[str] | None = None) -> int:
    """Measure, tell, and write it down; the exit status."""
    command_line = parser()
    given = command_line.parse_args(arguments)
    attacks = chosen(command_line, given.attack, ATTACKS)
    servers = chosen(command_line, given.server, OURS | SERVERS, (GPOOL,))
    plan = Plan(given.connections, given.rate, given.seconds)
    figures: dict[str, Any] = {
        "machine": machine(),
        "settings": asdict(plan) | {"repeat": given.repeat},
        "runs": {},
        "failed": [],
    }
    steps = [(attack, server) for attack in attacks for server in servers] * given.repeat
    carry_out(steps, plan, figures, Console(stderr=True))
    folder = given.to or RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "attacks.json").write_text(json.dumps(figures, indent=1) + "\n")
    (folder / "attacks.md").write_text(report(figures))
    console = Console(width=None if sys.stdout.isatty() else LEAST_WIDTH)
    for sheet in sheets(figures):
        console.print(table(sheet))
    for failure in figures["failed"]:
        console.print(f"failed: {failure}", markup=False)
    return bool(figures["failed"])


if __name__ == "__main__":
    sys.exit(main())
