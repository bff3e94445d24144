"""How a soak is watched: a bar and the last sample on a terminal, else a line now and then."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from bench.progress import minutes
from bench.soak.running import Figures, Plan, Tell

__all__ = ["watching"]

SELDOM = 30.0  # seconds between two lines


def said(sample: Figures) -> str:
    """A sample in a line."""
    seconds = max(sample["seconds"], 0.001)
    return (
        f"{sample['requests']:,} requests, {sample['requests'] / seconds:,.0f}/s,"
        f" {sample['anonymous_kib'] / 1_024:.1f} MiB, {sample['descriptors']} descriptors,"
        f" {sample['running']} workers, {sample['tainted']:,} tainted"
    )


def part(plan: Plan, sample: Figures) -> float:
    """How much of it is done, of 1."""
    parts = [sample["requests"] / plan.requests] if plan.requests else []
    parts += [sample["seconds"] / plan.seconds] if plan.seconds else []
    return min(max(parts, default=0.0), 1.0)


class Lines:
    """Where there is no terminal."""

    def __init__(self) -> None:
        self.next = 0.0

    def __call__(self, sample: Figures) -> None:
        """A line, if it is time for one."""
        if sample["seconds"] >= self.next:
            self.next = sample["seconds"] + SELDOM
            print(f"{minutes(sample['seconds'])}  {said(sample)}", file=sys.stderr, flush=True)


@contextmanager
def watching(plan: Plan) -> Iterator[Tell]:
    """Somebody who watches, as it suits where standard error goes."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines()
        return
    columns = (BarColumn(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    text = TextColumn("{task.description}")
    with Progress(*columns, text, console=console, transient=True) as progress:
        task = progress.add_task("warming up", total=1.0)

        def tell(sample: Figures) -> None:
            progress.update(task, completed=part(plan, sample), description=said(sample))

        yield tell
