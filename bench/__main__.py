"""make bench: the hand-off, and servers under wrk, in one run.

Every repetition measures every server, so that they share the machine's moods; the table shows
medians. Absolute figures are the machine's, compare the ratios.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from bench.handoff import ROUNDS
from bench.load import WORKLOADS, cpus, measure, pinned
from bench.plot import plot
from bench.servers import SERVERS

OUT = Path(__file__).parent / "out"
READY = "WorkerPool.serve, a ready worker"
#: What the hand-off is compared with, and how many times cheaper it is meant to be.
GOALS = {"gevent.spawn": 6.0, "gevent Pool.spawn": 7.0}
MOST_NS = 1_500.0


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser("make bench", description=__doc__)
    parser.add_argument("--seconds", type=int, default=4, help="of each run of wrk (4)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each server (3)")
    parser.add_argument("--server", choices=SERVERS, action="append", help="only this; repeatable")
    parser.add_argument("--workload", choices=WORKLOADS, action="append", help="only this")
    parser.add_argument("--only", choices=["handoff", "load"], help="only this half")
    parser.add_argument(
        "--json", type=Path, help="where figures and picture go (bench/out/TIME.json)"
    )
    given = parser.parse_args()
    if given.seconds < 1 or given.repeat < 1:
        parser.error("--seconds and --repeat must be at least 1")
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
    """A progress bar."""
    return Progress(
        TextColumn("{task.description:45}"),
        BarColumn(),
        MofNCompleteColumn(),
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


def measure_load(given: argparse.Namespace) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Every workload on every server, in turns."""
    servers = given.server or list(SERVERS)
    workloads = given.workload or list(WORKLOADS)
    runs: dict[str, dict[str, list[dict[str, Any]]]] = {
        workload: {server: [] for server in servers} for workload in workloads
    }
    with bar() as progress:
        task = progress.add_task("", total=given.repeat * len(servers) * len(workloads))
        for _ in range(given.repeat):
            for workload in workloads:
                for server in servers:
                    progress.update(task, description=f"{workload}: {SERVERS[server][0]}")
                    taken = measure(server, WORKLOADS[workload], given.seconds)
                    runs[workload][server].append(taken)
                    progress.advance(task)
    return runs


def handoff_table(figures: dict[str, dict[str, float]]) -> Table:
    """Nanoseconds each, and how many hand-offs to a ready worker that is."""
    ready = figures[READY]["median"]
    table = Table(title="starting a handler, from the Hub, bursts of 64", title_justify="left")
    table.add_column("way")
    for title in ("ns, median", "min", "max", "times a ready worker"):
        table.add_column(title, justify="right")
    for name, taken in figures.items():
        row = [f"{taken[key]:,.0f}" for key in ("median", "min", "max")]
        table.add_row(name, *row, f"{taken['median'] / ready:.1f}")
    return table


def handoff_goals(figures: dict[str, dict[str, float]]) -> list[str]:
    """Whether the hand-off is as cheap as it is meant to be, a sentence each."""
    ready = figures[READY]["median"]
    lines = [f"hand-off to a ready worker: {ready:,.0f} ns (goal: at most {MOST_NS:,.0f})"]
    for name, goal in GOALS.items():
        ratio = figures[name]["median"] / ready
        lines.append(f"{name} costs {ratio:.1f} times that (goal: at least {goal:g})")
    return lines


def load_table(workload: str, runs: dict[str, list[dict[str, Any]]]) -> Table:
    """A row for each server: medians of its runs."""
    given = WORKLOADS[workload]
    title = f"{given.title}, {given.connections} connections"
    table = Table(title=title, title_justify="left")
    table.add_column("server")
    for heading in ("req/s", "p50 ms", "p99 ms", "p99.9 ms", "CPU us", "user", "system"):
        table.add_column(heading, justify="right")
    for heading in ("spread", "RSS MiB", "errors"):
        table.add_column(heading, justify="right")
    for server, taken in runs.items():
        median = {
            key: statistics.median(run[key] for run in taken)
            for key in ("rate", "p50", "p99", "p99.9", "user_us", "system_us", "peak_rss_kib")
        }
        costs = [run["user_us"] + run["system_us"] for run in taken]
        errors = sum(sum(run["errors"].values()) for run in taken)
        table.add_row(
            SERVERS[server][0],
            f"{median['rate']:,.0f}",
            f"{median['p50']:.2f}",
            f"{median['p99']:.2f}",
            f"{median['p99.9']:.2f}",
            f"{statistics.median(costs):.1f}",
            f"{median['user_us']:.1f}",
            f"{median['system_us']:.1f}",
            f"{(max(costs) - min(costs)) / statistics.median(costs):.0%}",
            f"{median['peak_rss_kib'] / 1024:.1f}",
            str(errors),
        )
    return table


def main() -> None:
    """Measure, tell, and write it down."""
    given = options()
    console = Console(width=120 if not sys.stdout.isatty() else None)
    figures: dict[str, Any] = {"machine": machine(), "handoff": {}, "load": {}}
    console.print(" ".join(f"{key}={value}" for key, value in figures["machine"].items()))
    if given.only != "load":
        figures["handoff"] = measure_handoff()
        console.print(
            handoff_table(figures["handoff"]), *handoff_goals(figures["handoff"]), sep="\n"
        )
    if given.only != "handoff":
        figures["load"] = measure_load(given)
        for workload, runs in figures["load"].items():
            console.print(load_table(workload, runs))
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
