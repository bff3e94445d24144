"""make bench: servers under many loads, and the hand-off; `python -m bench --help`.

Figures (report.json), tables (report.md) and plots go into a folder; the terminal shows the
tables too. Absolute figures are the machine's, compare the ratios.
"""

import json
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from bench.command_line import HANDOFF, Options, Scale, options
from bench.database import NoDatabaseError
from bench.database import running as database
from bench.figures import Figures, empty, write
from bench.goals import as_json, verdicts
from bench.kinds import Purpose
from bench.listing import listing
from bench.machine import machine
from bench.plan import carry_out, plan, prepare, tidy
from bench.plot import plot
from bench.processes import absent, cpus, pinned
from bench.progress import busy, watching
from bench.regress import regress
from bench.report import report
from bench.servers import SERVERS
from bench.tables import LEAST_WIDTH, tell
from bench.workloads import WORKLOADS

INTERRUPTED = 130  # the status that a shell gives a process that Ctrl-C has ended


def handoff() -> dict[str, dict[str, float]]:
    """Starting a handler, in a process of its own on the server's CPU."""
    with pinned(cpus()[0]):
        said = subprocess.check_output([sys.executable, "-m", "bench.handoff"], text=True)
    result: dict[str, dict[str, float]] = json.loads(said)
    return result


def find_servers(scale: Scale, figures: Figures) -> list[str]:
    """The servers that are there; of the others, why not."""
    wanted = {server for name in scale.workloads for server in servers_of(name)}
    names = [name for name in scale.servers if name in wanted]
    there = []
    with busy(f"compiling gpool if it has changed, and looking for {len(names)} servers") as say:
        for name in names:
            title = SERVERS[name].title
            say(f"looking for {title}")
            reason = absent([name]).get(name)
            if reason is None:
                there.append(name)
            else:
                figures["absent"][name] = {"title": title, "reason": reason}
    return there


def servers_of(workload: str) -> tuple[str, ...]:
    """Those a workload is for."""
    return () if workload == HANDOFF else WORKLOADS[workload].servers


def start_database(scale: Scale, figures: Figures, stack: ExitStack) -> Scale:
    """Start one where a workload needs it; what can be measured then."""
    needing = [name for name in scale.workloads if needs_database(name)]
    if needing:
        try:
            stack.enter_context(database())
        except NoDatabaseError as why:
            figures["absent"]["database"] = {"title": "PostgreSQL", "reason": str(why)}
            left = tuple(name for name in scale.workloads if name not in needing)
            return replace(scale, workloads=left)
    return scale


def needs_database(workload: str) -> bool:
    """Whether a workload needs one."""
    return workload != HANDOFF and WORKLOADS[workload].purpose is Purpose.DATABASE


def measured(given: Options) -> Figures:
    """All figures; those there are, if the user has had enough before the end."""
    figures = empty()
    figures["machine"] = machine()
    figures["settings"] |= {
        "repeat": given.scale.repeat,
        "seconds": given.scale.seconds,
        "quick": given.quick,
    }
    with ExitStack() as stack:
        scale = start_database(given.scale, figures, stack)
        steps = plan(scale, find_servers(scale, figures))
        prepare(steps, figures)
        if HANDOFF in scale.workloads:
            with busy("starting handlers"):
                figures["handoff"] = handoff()
        with watching(steps) as watcher:
            carry_out(steps, figures, watcher)
    tidy(figures)
    figures["goals"] = as_json(verdicts(figures))
    return figures


def keep(figures: Figures, folder: Path) -> list[str]:
    """Write figures, plots and report; the files there are."""
    folder.mkdir(parents=True, exist_ok=True)
    write(figures, folder / "report.json")
    pictures = plot(figures, folder)
    (folder / "report.md").write_text(report(figures, pictures))
    return ["report.json", "report.md", *(f"{name}.svg and .png" for name in pictures)]


def main() -> int:
    """Measure, tell, write it down, and compare; the exit status."""
    given = options()
    console = Console(width=None if sys.stdout.isatty() else LEAST_WIDTH)
    if given.listing:
        listing(console)
        return 0
    figures = measured(given)
    tell(console, figures)
    files = keep(figures, given.to)
    console.print(f"in {given.to}: {', '.join(files)}", soft_wrap=True, highlight=False)
    if figures["settings"]["interrupted"]:
        return INTERRUPTED
    return regress(given.against, given.to / "report.json", console) if given.against else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
