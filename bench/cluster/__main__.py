"""Measure a cluster, tell, and write it down: python -m bench.cluster.

The exit status is 0 if all that was asked for held.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gevent import socket
from rich.console import Console

from bench.cluster import crowded, faults
from bench.cluster.balancer import Balancing, configuration, program
from bench.cluster.claims import claims
from bench.cluster.places import Place, place, why_not
from bench.cluster.plot import draw
from bench.cluster.processes import Process
from bench.cluster.report import report, tell
from bench.command_line import positive
from bench.machine import machine, said
from bench.tables import LEAST_WIDTH

RESULTS = Path(__file__).parents[1] / "results"


def parser() -> argparse.ArgumentParser:
    """The options, for argparse."""
    made = argparse.ArgumentParser(
        "python -m bench.cluster",
        description="Processes of gpool behind HAProxy: faults, then nine tenths of all workers.",
    )
    add, plan, crowd = made.add_argument, faults.Plan(), crowded.Crowd()
    add("--processes", type=positive, default=plan.count, metavar="N", help="(%(default)s)")
    add("--rate", type=positive, default=plan.rate, metavar="N", help="GETs a second (%(default)s)")
    add("--fault", type=positive, default=plan.fault, metavar="S", help="seconds (%(default)s)")
    add("--crowd", type=positive, default=crowd.seconds, metavar="S", help="seconds (%(default)s)")
    add("--to", type=Path, default=RESULTS, metavar="FOLDER", help="(bench/results)")
    return made


def shown(where: Place) -> str:
    """The configuration of HAProxy, as a reader needs it."""
    processes = [Process(number, where, Path()) for number in where.numbers]
    with socket.socket() as listener:
        text = configuration(processes, Balancing(), Path("/run/haproxy"), listener.fileno())
        return text.replace(f"fd@{listener.fileno()}", ":80")


def measured(where: Place, plan: faults.Plan, crowd: crowded.Crowd, console: Console) -> Any:
    """All figures."""
    settings = {
        "plan": asdict(plan),
        "crowd": asdict(crowd) | {"requests": crowd.requests},
        "where": where.kind,
        "haproxy": said([program(), "-v"]).splitlines()[0].partition(" - ")[0],
    }
    with console.status("") as status:
        told = status.update
        return {
            "machine": machine(),
            "settings": settings,
            "configuration": shown(where),
            "faults": faults.summary(faults.play(where, plan, tell=told)),
            "crowded": crowded.play(where, crowd, tell=told),
        }


def main(arguments: list[str] | None = None) -> int:
    """Measure, tell, and write it down; the exit status."""
    given = parser().parse_args(arguments)
    plan = faults.Plan(count=given.processes, rate=given.rate, fault=given.fault)
    crowd = crowded.Crowd(count=given.processes, seconds=given.crowd)
    console = Console(stderr=True)
    if why := why_not():
        console.print(f"no network namespaces, so nothing is cut off: {why}", markup=False)
    try:
        with place(given.processes) as where:
            figures = measured(where, plan, crowd, console)
    except (OSError, TimeoutError) as why_none:
        console.print(f"failed: {why_none}", markup=False)
        return 2
    given.to.mkdir(parents=True, exist_ok=True)
    (given.to / "cluster.json").write_text(json.dumps(figures) + "\n")
    (given.to / "cluster.md").write_text(report(figures))
    draw(figures, given.to)
    tell(Console(width=None if sys.stdout.isatty() else LEAST_WIDTH), figures)
    return int(any(one.held is False for one in claims(figures)))


if __name__ == "__main__":
    sys.exit(main())
