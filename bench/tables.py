"""The figures as tables for the terminal, and what there is no table of."""

from collections.abc import Container, Iterator

from rich.box import SIMPLE_HEAD
from rich.console import Console, JustifyMethod, RenderableType
from rich.markup import escape
from rich.table import Table

from bench.figures import OURS, Figures, failures, title
from bench.sheets import Sheet, goals_sheet, sheets

LEAST_WIDTH = 150  # of the widest
#: In the report, but not on the terminal, where a row has to fit.
LEFT_OUT = {"kind"}
NARROW = 140  # columns; with fewer, these are left out too
LEFT_OUT_IF_NARROW = LEFT_OUT | {"user", "system", "p99.9 ms"}


def table(sheet: Sheet, bold: str = "", left_out: Container[str] = LEFT_OUT) -> Table:
    """A sheet; the row of that name stands out."""
    made = Table(
        title=escape(sheet.title),
        title_justify="left",
        title_style="bold",
        caption=escape("\n".join(sheet.notes)) or None,
        caption_justify="left",
        box=SIMPLE_HEAD,
        collapse_padding=True,
    )
    shown = [at for at, heading in enumerate(sheet.headings) if heading not in left_out]
    for at in shown:
        justify: JustifyMethod = "right" if at else "left"
        # A figure that is cut off would be another figure.
        made.add_column(sheet.headings[at], no_wrap=not at, justify=justify, overflow="fold")
    for row in sheet.rows:
        style = "bold cyan" if row[0] == bold else None
        made.add_row(*(escape(row[at]) for at in shown), style=style)
    return made


def goals_table(sheet: Sheet) -> Table:
    """Asked and measured, with what was not met in red."""
    made = table(Sheet(sheet.name, sheet.title, sheet.headings[:-1], []))
    made.add_column("")
    for *row, met in sheet.rows:
        mark = "[green]yes[/]" if met == "yes" else "[bold red]NO[/]"
        made.add_row(*map(escape, row), mark)
    return made


def told(figures: Figures, left_out: Container[str] = LEFT_OUT) -> Iterator[RenderableType]:
    """All there is to say about a run, in order."""
    ours = title(figures, OURS) if OURS in figures["servers"] else ""
    for sheet in sheets(figures):
        yield table(sheet, ours, left_out)
    if figures["settings"].get("interrupted"):
        yield "interrupted: what came after that is missing"
    for one in figures.get("absent", {}).values():
        yield escape(f"absent: {one['title']}: {one['reason']}")
    for name, server in figures["servers"].items():
        for workload, reason in server.get("lacks", {}).items():
            if workload in figures["runs"]:
                yield escape(f"cannot: {title(figures, name)}, {workload}: {reason}")
    for failure in failures(figures):
        yield escape(f"failed: {failure}")
    if goals := goals_sheet(figures):
        yield goals_table(goals)


def tell(console: Console, figures: Figures) -> None:
    """Say it."""
    left_out = LEFT_OUT_IF_NARROW if console.width < NARROW else LEFT_OUT
    for part in told(figures, left_out):
        console.print(part)
