"""make soak: all kinds of requests and clients, all checked; `python -m bench.soak --help`."""

import json
import sys
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.__main__ import INTERRUPTED
from bench.progress import busy
from bench.soak.claims import Claim, claims
from bench.soak.command_line import options
from bench.soak.plot import draw
from bench.soak.report import report
from bench.soak.running import Figures, Silent, environment, run
from bench.soak.watching import watching
from bench.tables import LEAST_WIDTH

SAID = {True: "[green]held[/]", False: "[bold red]did not hold[/]", None: "not judged"}


def keep(figures: Figures, judged: list[Claim], folder: Path) -> list[str]:
    """Write figures, report and picture; the files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "soak.json").write_text(json.dumps(figures, separators=(",", ":")) + "\n")
    (folder / "soak.md").write_text(report(figures, judged))
    pictures = draw(figures, folder) if figures["samples"] else []
    return ["soak.json", "soak.md", *pictures]


def tell(console: Console, judged: list[Claim]) -> None:
    """The claims as a table."""
    table = Table("claim", "", "found", box=SIMPLE_HEAD)
    for one in judged:
        table.add_row(escape(one.name), SAID[one.holds], escape(one.found))
    console.print(table)


def main(arguments: list[str] | None = None) -> int:
    """Play, judge, tell and write; the exit status."""
    given = options(arguments)
    console = Console(width=None if sys.stdout.isatty() else LEAST_WIDTH)
    try:
        if not given.plan.pure:
            with busy("compiling gpool if it has changed"):
                environment(given.plan)
        with watching(given.plan) as watcher:
            figures = run(given.plan, watcher)
    except (Silent, RuntimeError) as why:
        console.print(f"[bold red]{escape(str(why))}")
        return 1
    judged = claims(figures)
    tell(console, judged)
    files = keep(figures, judged, given.to)
    console.print(f"in {given.to}: {', '.join(files)}", soft_wrap=True, highlight=False)
    return int(any(one.holds is False for one in judged))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
