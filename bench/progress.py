"""How a run of the bench is watched: a bar and the last results on a terminal, else lines."""

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from bench.figures import OURS, Run, has, median, short
from bench.plan import Step, Watcher
from bench.servers import SERVERS

LAST = 8  # results that stay in sight
#: What there is to say about a run, in a line: heading, figure, digits of the widest.
SAID = (
    ("req/s", "rate"),
    ("p99 ms", "p99"),
    ("CPU us", "cost"),
    ("KiB each", "kib"),
)


class Bar:
    """On a terminal.

    Attributes:
        progress: a bar over all runs.
        last: rows of the latest results, with a style.
    """

    def __init__(self, steps: list[Step]) -> None:
        self.progress = Progress(
            TextColumn("{task.description:48.48}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self.runs = self.progress.add_task("", total=len(steps))
        self.last: deque[tuple[str, list[str]]] = deque(maxlen=LAST)

    def __rich__(self) -> RenderableType:
        """The last results above the bar."""
        table = Table("workload", "server", box=SIMPLE_HEAD, collapse_padding=True)
        for heading, _ in SAID:
            table.add_column(heading, justify="right", min_width=8)
        for style, cells in self.last:
            table.add_row(*map(escape, cells), style=style)
        return Group(table, self.progress) if self.last else self.progress

    def begin(self, step: Step) -> None:
        """Say what is measured now."""
        self.progress.update(self.runs, description=escape(step.title))

    def end(self, step: Step, run: Run | None, failure: str) -> None:
        """Show what came out."""
        cells = figures_of(run) if run else [failure]
        style = "bold cyan" if step.server == OURS else "red" if failure else ""
        self.last.append((style, [step.workload, SERVERS[step.server].title, *cells]))
        self.progress.advance(self.runs)


def figures_of(run: Run) -> list[str]:
    """A run in a few figures."""
    return [short(median([run], key)) if has([run], key) else "" for _, key in SAID]


class Lines:
    """Elsewhere: a line when a workload begins, and one for each failure."""

    def __init__(self, steps: list[Step]) -> None:
        self.steps = steps
        self.at = 0
        self.now: tuple[int, str] | None = None
        self.began = time.monotonic()

    def begin(self, step: Step) -> None:
        """Say which workload it is, if that is news."""
        if (step.repetition, step.workload) == self.now:
            return
        self.now = (step.repetition, step.workload)
        same = [one for one in self.steps if (one.repetition, one.workload) == self.now]
        left = sum(one.lasts for one in self.steps[self.at :])
        word = f"repetition {step.repetition + 1}: {step.workload}, {len(same)} servers"
        self.say(f"{word}, about {minutes(left)} left")

    def end(self, step: Step, run: Run | None, failure: str) -> None:
        """Say what went wrong."""
        del run
        self.at += 1
        if failure:
            self.say(f"failed: {step.title}: {failure}")

    def say(self, text: str) -> None:
        """A line, with the time since the beginning."""
        print(f"{minutes(time.monotonic() - self.began)}  {text}", file=sys.stderr, flush=True)


def minutes(seconds: float) -> str:
    """Minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


@contextmanager
def watching(steps: list[Step]) -> Iterator[Watcher]:
    """Somebody who watches, as it suits where standard error goes."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines(steps)
        return
    bar = Bar(steps)
    with Live(bar, console=console, transient=True, refresh_per_second=4):
        yield bar


@contextmanager
def busy(text: str) -> Iterator[Callable[[str], None]]:
    """What goes on beside the runs: a spinner, whose text can be changed, or else a line."""
    console = Console(stderr=True)
    if not console.is_terminal:
        print(text, file=sys.stderr, flush=True)
        yield lambda _: None
        return
    with console.status(escape(text)) as status:
        yield lambda changed: status.update(escape(changed))
