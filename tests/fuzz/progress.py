"""The terminal of `python -m tests.fuzz`: one line a target, and what has failed."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console
from rich.live import Live
from rich.table import Table

from tests.fuzz.engines import Progress

__all__ = ["Board"]


class Board:
    """The state of all targets.

    Args:
        console: rich's; where it is no terminal, the table is printed once, at the end.
        names: of the targets.
        seconds: for each of them.
    """

    def __init__(self, console: Console, names: list[str], seconds: float) -> None:
        self._console = console
        self._seconds = seconds
        self._states = dict.fromkeys(names, Progress())
        self._begun: dict[str, float] = {}
        self._ended: dict[str, float] = {}
        self._first: dict[str, int] = {}

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Keep the table up to date."""
        with Live(get_renderable=self.table, console=self._console, refresh_per_second=4):
            yield

    def begin(self, name: str) -> None:
        """A target's time begins."""
        self._begun[name] = monotonic()

    def end(self, name: str) -> None:
        """It is over."""
        self._ended[name] = monotonic()

    def tell(self, name: str, progress: Progress) -> None:
        """It has come so far."""
        if progress.coverage:
            self._first.setdefault(name, progress.coverage)
        self._states[name] = progress

    def table(self) -> Table:
        """All there is to know."""
        table = Table("target", *COLUMNS, "found", title=f"{self._seconds:g} s a target")
        for column in table.columns[1:]:
            column.justify = "right"
        for name, state in self._states.items():
            spent = self._ended.get(name, monotonic()) - self._begun.get(name, monotonic())
            rate = f"{state.executions / spent:,.0f}" if spent else ""
            growth = f"{self._first[name]} to {state.coverage}" if name in self._first else ""
            found = (
                "[red]a failure" if state.crash else "[green]nothing" if name in self._ended else ""
            )
            table.add_row(
                name,
                f"{spent:.0f}",
                f"{state.executions:,}",
                rate,
                growth,
                str(state.corpus),
                found,
            )
        return table


COLUMNS = ("seconds", "inputs", "a second", "branches", "kept")
