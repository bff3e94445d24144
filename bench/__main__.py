"""make bench: the hand-off, servers under wrk, and servers with many idle or slow clients.

Every repetition measures every server, so that they share the machine's moods; the tables show
medians. Absolute figures are the machine's, compare the ratios.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from bench import crowd
from bench.crowds import CROWD, CROWDS, prepare
from bench.figures import Run, Runs
from bench.goals import as_json, verdicts
from bench.handoff import ROUNDS
from bench.load import WARM_UP, measure
from bench.plot import plot
from bench.processes import DidNotStartError, absent, cpus, pinned
from bench.servers import SERVERS
from bench.tables import LEAST_WIDTH, goals_table, tables
from bench.workloads import WORKLOADS

OUT = Path(__file__).parent / "out"
HANDOFF = "handoff"
PARTS = {HANDOFF: [HANDOFF], "load": list(WORKLOADS), "crowds": list(CROWDS)}
ALL = [name for part in PARTS.values() for name in part]


@dataclass(frozen=True, slots=True)
class Scale:
    """How thorough a run is.

    Attributes:
        seconds: of each run of wrk.
        repeat: runs of each server.
        crowd: idle or slow clients.
        servers: those that are measured.
    """

    seconds: int
    repeat: int
    crowd: int
    servers: tuple[str, ...]


USUAL = Scale(4, 3, CROWD, tuple(SERVERS))
QUICK = Scale(1, 1, 2_000, ("floor", "wsgi", "pywsgi"))


def parser() -> argparse.ArgumentParser:
    """What the command line can say."""
    made = argparse.ArgumentParser("make bench", description=__doc__)
    add = made.add_argument
    add("--quick", action="store_true", help="a look in under two minutes; prove nothing with it")
    add("--seconds", type=int, help=f"of each run of wrk ({USUAL.seconds})")
    add("--repeat", type=int, help=f"runs of each server ({USUAL.repeat})")
    add("--crowd", type=int, help=f"idle or slow clients ({USUAL.crowd:,})")
    add("--server", choices=SERVERS, action="append", help="only this; repeatable")
    add("--workload", choices=ALL, action="append", help="only this; repeatable")
    add("--only", choices=PARTS, help="only this part")
    add("--json", type=Path, help="where figures and picture go (bench/out/TIME.json)")
    return made


def options() -> argparse.Namespace:
    """What it says, with what it leaves open filled in."""
    command_line = parser()
    given = command_line.parse_args()
    usual = QUICK if given.quick else USUAL
    for name in ("seconds", "repeat", "crowd"):
        if getattr(given, name) is None:
            setattr(given, name, getattr(usual, name))
        if getattr(given, name) < 1:
            command_line.error(f"--{name} must be at least 1")
    given.server = given.server or list(usual.servers)
    given.workload = given.workload or (PARTS[given.only] if given.only else ALL)
    return given


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    model = [
        line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    wrk = subprocess.run(["wrk", "--version"], capture_output=True, text=True, check=False).stdout
    return {
        "cpu": model[0].partition(": ")[2] if model else platform.machine(),
        "cpus": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "gevent": version("gevent"),
        "greenlet": version("greenlet"),
        "gpool": version("gpool"),
        "wrk": wrk.split("[")[0].strip(),
        "server_on_cpu": sorted(cpus()[0]),
        "wrk_on_cpu": sorted(cpus()[1]),
    }


def bar() -> Progress:
    """A progress bar, in seconds of measuring."""
    return Progress(
        TextColumn("{task.description:50}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


def measure_handoff() -> dict[str, dict[str, float]]:
    """The hand-off, in a process of its own on the server's CPU."""
    with bar() as progress, pinned(cpus()[0]):
        task = progress.add_task(f"hand-off, {ROUNDS} rounds", total=None)
        said = subprocess.check_output([sys.executable, "-m", "bench.handoff"], text=True)
        progress.update(task, completed=1, total=1)
    result: dict[str, dict[str, float]] = json.loads(said)
    return result


@dataclass(frozen=True, slots=True)
class Step:
    """One run of one server.

    Attributes:
        title: what the progress bar says.
        lasts: about so many seconds.
        run: measures.
        runs: where the figures go.
    """

    title: str
    lasts: float
    run: Callable[[], Run]
    runs: list[Run]


def plan(given: argparse.Namespace, servers: list[str], figures: dict[str, Any]) -> list[Step]:
    """What one repetition does."""
    steps = []
    for name in [name for name in given.workload if name in WORKLOADS]:
        for server in chosen(WORKLOADS[name].servers, servers, name, figures["load"]):
            run = partial(measure, server, WORKLOADS[name], given.seconds)
            lasts = given.seconds + WARM_UP + 1
            steps.append(step(name, server, lasts, run, figures["load"]))
    for name in [name for name in given.workload if name in CROWDS]:
        for server in chosen(CROWDS[name].servers, servers, name, figures["crowds"]):
            run = partial(CROWDS[name].measure, server, given.crowd, given.seconds)
            lasts = crowd.LONGEST + given.seconds if name == "slow-heads" else 4
            steps.append(step(name, server, WARM_UP + 4 + lasts, run, figures["crowds"]))
    return steps


def chosen(able: tuple[str, ...], servers: list[str], name: str, runs: Runs) -> list[str]:
    """The servers that are measured under a workload, each with a place for its runs."""
    picked = [server for server in able if server in servers]
    if picked:
        runs[name] = {server: [] for server in picked}
    return picked


def step(name: str, server: str, lasts: float, run: Callable[[], Run], runs: Runs) -> Step:
    """One of the plan."""
    return Step(f"{name}: {SERVERS[server].title}", lasts, run, runs[name][server])


def carry_out(steps: list[Step], repeat: int) -> list[str]:
    """Measure, in turns; what has gone wrong.

    One server that breaks down does not take the figures of the others with it.
    """
    failed = []
    with bar() as progress:
        task = progress.add_task("", total=repeat * sum(one.lasts for one in steps))
        for _ in range(repeat):
            for one in steps:
                progress.update(task, description=one.title)
                try:
                    one.runs.append(one.run())
                except (DidNotStartError, RuntimeError, OSError, subprocess.SubprocessError) as why:
                    failed.append(f"{one.title}: {why}")
                progress.advance(task, one.lasts)
    return failed


def measured(given: argparse.Namespace) -> dict[str, Any]:
    """All figures."""
    figures: dict[str, Any] = {
        "machine": machine(),
        "settings": {key: getattr(given, key) for key in ("seconds", "repeat", "crowd")},
        "absent": absent(given.server),
        "handoff": measure_handoff() if HANDOFF in given.workload else {},
        "load": {},
        "crowds": {},
    }
    there = [server for server in given.server if server not in figures["absent"]]
    figures["failed"] = carry_out(plan(given, there, figures), given.repeat)
    figures["goals"] = as_json(verdicts(figures))
    return figures


def tell(console: Console, figures: dict[str, Any]) -> None:
    """Tables, and what there is no table of."""
    for made in tables(figures):
        console.print(made)
    for server, reason in figures["absent"].items():
        console.print(f"absent: {SERVERS[server].title}: {reason}", markup=False)
    for failure in figures["failed"]:
        console.print(f"failed: {failure}", markup=False)
    if found := verdicts(figures):
        console.print(goals_table(found))


def main() -> None:
    """Measure, tell, and write it down."""
    given = options()
    if any(name in CROWDS for name in given.workload) and (reason := prepare(given.crowd)):
        given.workload = [name for name in given.workload if name not in CROWDS]
        print(f"without {', '.join(CROWDS)}: {reason}", file=sys.stderr)
    figures = measured(given)
    console = Console(width=None if sys.stdout.isatty() else LEAST_WIDTH)
    console.print(" ".join(f"{key}={value}" for key, value in figures["machine"].items()))
    tell(console, figures)
    path = given.json or OUT / time.strftime("%Y-%m-%d-%H%M%S.json")
    path = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=1) + "\n")
    picture = path.with_suffix(".svg")
    plot(figures, picture)
    console.print(f"all figures: {path}\na picture:   {picture}", soft_wrap=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
