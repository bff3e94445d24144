"""How figures are drawn: bars that share their rows, ranges on a line, lines on log axes.

Nothing here knows what is measured; `bench.plot` does. Servers have the colour of what they are,
gpool a strong one and bold names, all others pale ones. Values stand where they are, not on an
axis, and the ends of lines have names instead of a legend.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Annotation
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from bench.figures import short
from bench.kinds import Kind

DARK, UNIT, FAINT = "#212529", "#495057", "#dee2e6"
PALE = {
    Kind.OURS: "#0b7285",
    Kind.GEVENT: "#a9b9dd",
    Kind.THREADS: "#e5b995",
    Kind.ONE: "#cfc48f",
    Kind.ASGI: "#dba9bd",
    Kind.GO: "#96cbac",
    Kind.FLOOR: "#adb5bd",
}
LIGHT = "#7fbcc8"  # gpool in another way than usual
#: The same for lines and names, which pale ones would hide.
STRONG = PALE | {
    Kind.GEVENT: "#4c6cb3",
    Kind.THREADS: "#c06a1f",
    Kind.ONE: "#8c7d1e",
    Kind.ASGI: "#b24d77",
    Kind.GO: "#2f8f58",
    Kind.FLOOR: "#6c757d",
}
MEANING = {Kind.FLOOR: "C, without HTTP"}  # where the kind's name does not say it
ROW = 0.27  # inches of a bar
SIZE = 9.5  # points
STYLE = {
    "font.size": SIZE,
    "text.color": DARK,
    "axes.labelcolor": DARK,
    "xtick.color": UNIT,
    "ytick.color": DARK,
    "svg.hashsalt": "gpool",  # the same figures give the same file
    "axes.spines.top": False,
    "axes.spines.right": False,
}


@contextmanager
def style() -> Iterator[None]:
    """What is drawn and saved in here has our style."""
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]  # its stubs know each key by name
        yield


@dataclass(frozen=True, slots=True)
class Row:
    """A server's place from top to bottom.

    Attributes:
        name: on its left.
        kind: gives its colour.
        bold: whether it stands out.
    """

    name: str
    kind: Kind
    bold: bool = False

    @property
    def pale(self) -> str:
        """The colour of its bars."""
        return LIGHT if self.kind is Kind.OURS and not self.bold else PALE[self.kind]


@dataclass(frozen=True, slots=True)
class Bars:
    """A column of bars.

    Attributes:
        title: above it.
        unit: below that.
        values: one for each row; None where there is none.
        ratio: the value whose multiples are told.
        said: what is told of a value; the value if it is empty.
    """

    title: str
    unit: str
    values: Sequence[float | None]
    ratio: float | None = None
    said: Sequence[str] = ()


def head(axes: Axes, title: str, unit: str, *, over: float = 0) -> None:
    """A title, and below it the unit, at the left edge."""
    axes.annotate(
        title,
        (0, 1),
        (over, 20),
        xycoords="axes fraction",
        textcoords="offset points",
        fontweight="bold",
        fontsize=SIZE + 1.5,
    )
    axes.annotate(
        unit, (0, 1), (over, 7), xycoords="axes fraction", textcoords="offset points", color=UNIT
    )


def name_rows(axes: Axes, rows: Sequence[Row]) -> None:
    """The names on the left, from top to bottom."""
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        if row.bold:
            label.set(color=PALE[Kind.OURS], fontweight="bold")


def bare_rows(axes: Axes, count: int) -> None:
    """No frame, no ticks; the first row on top."""
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_xticks([])
    axes.set_ylim(count - 0.4, -0.6)


def bars(axes: Axes, rows: Sequence[Row], column: Bars, *, room: float = 1.42) -> None:
    """Draw a column of bars; `room` is its width in lengths of the longest."""
    longest = max((value for value in column.values if value is not None), default=1) or 1
    bare_rows(axes, len(rows))
    axes.set_xlim(0, longest * room)
    head(axes, column.title, column.unit)
    for at, (row, value) in enumerate(zip(rows, column.values, strict=True)):
        if value is None:
            told(axes, 0, at, "\N{EN DASH}", color="#adb5bd")
            continue
        axes.barh(at, value, height=0.72, color=row.pale)
        said = column.said[at] if column.said else short(value)
        weight = "bold" if row.bold else "normal"
        written = told(axes, value, at, said, fontweight=weight)
        if column.ratio and not row.bold:
            multiple(written, value / column.ratio)


def told(axes: Axes, x: float, y: float, text: str, **looks: Any) -> Annotation:
    """A value at the end of its bar."""
    return axes.annotate(
        text, (x, y), (5, 0), textcoords="offset points", va="center_baseline", **looks
    )


def multiple(beside: Annotation, ratio: float) -> None:
    """How many times gpool's it is, behind the value."""
    digits = 0 if ratio >= 10 else 1 if ratio >= 2 else 2  # noqa: PLR2004  # two are enough
    assert isinstance(beside.axes, Axes)
    beside.axes.annotate(
        f"{ratio:.{digits}f}\N{MULTIPLICATION SIGN}",
        (1, 0),
        (6, 0),
        xycoords=beside,
        textcoords="offset points",
        color="#868e96",
        fontsize=SIZE - 1,
        va="bottom",
    )


@dataclass(frozen=True, slots=True)
class Ranges:
    """A column of points on a log axis, those of a row on a line.

    Attributes:
        title: above it.
        unit: below that.
        points: name of a point: its value for each row; None where there is none.
    """

    title: str
    unit: str
    points: Mapping[str, Sequence[float | None]]


MARKERS = ("o", "D", "s", "|")


def ranges(axes: Axes, rows: Sequence[Row], column: Ranges) -> None:
    """Draw such a column; the names of the points are told above it."""
    bare_rows(axes, len(rows))
    axes.set_xscale("log")
    for at, row in enumerate(rows):
        found = [
            (value[at], mark) for value, mark in zip(column.points.values(), MARKERS, strict=False)
        ]
        there = [(value, mark) for value, mark in found if value]
        line_of(axes, at, row, there)
    log_axis(axes, "x")
    axes.spines["bottom"].set_visible(False)
    axes.grid(axis="x", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.margins(x=0.16)
    head(axes, column.title, column.unit)
    marks = [
        Line2D([], [], color=UNIT, marker=mark, linestyle="", markersize=5.5, label=name)
        for name, mark in zip(column.points, MARKERS, strict=False)
    ]
    axes.legend(
        handles=marks,
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=len(marks),
        frameon=False,
        handletextpad=0.1,
        columnspacing=1.1,
        borderaxespad=0.1,
        fontsize=SIZE - 0.5,
    )


def line_of(axes: Axes, at: int, row: Row, points: list[tuple[float, str]]) -> None:
    """One row of ranges, with the values of its ends."""
    if not points:
        return
    colour, width = STRONG[row.kind], 3.0 if row.bold else 1.8
    low, high = min(points)[0], max(points)[0]
    axes.plot([low, high], [at, at], color=colour, linewidth=width, alpha=0.45, zorder=2)
    for value, mark in points:
        axes.plot(
            value, at, marker=mark, color=colour, markersize=6.5 if row.bold else 5.5, zorder=3
        )
    looks: dict[str, Any] = {"fontweight": "bold" if row.bold else "normal", "fontsize": SIZE - 1}
    for value, side, where in ((low, -8, "right"), (high, 8, "left")):
        axes.annotate(
            short(value),
            (value, at),
            (side, 0),
            textcoords="offset points",
            ha=where,
            va="center_baseline",
            **looks,
        )


def log_axis(axes: Axes, which: str) -> None:
    """A log axis with powers of ten, written out."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(FuncFormatter(lambda value, _: written(value)))
    axis.set_minor_formatter(NullFormatter())
    axis.set_minor_locator(NullLocator())


def written(value: float) -> str:
    """A figure of an axis."""
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


@dataclass(frozen=True, slots=True)
class Line:
    """A server over a sweep.

    Attributes:
        row: its name and kind.
        points: where on the axis, and the value there.
    """

    row: Row
    points: Sequence[tuple[float, float]]


def lines(axes: Axes, title: str, unit: str, drawn: Sequence[Line]) -> None:
    """Lines on log axes, with their names at their ends."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    for line in drawn:
        places, values = zip(*line.points, strict=True)
        axes.plot(
            places,
            values,
            color=STRONG[line.row.kind],
            linewidth=2.8 if line.row.bold else 1.6,
            marker="o",
            markersize=5 if line.row.bold else 4,
            zorder=3 if line.row.bold else 2,
            clip_on=False,
        )
    head(axes, title, unit)
    low, high = decades([value for line in drawn for _, value in line.points])
    axes.set_ylim(low, high)
    log_axis(axes, "x")
    log_axis(axes, "y")
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    name_ends(axes, drawn)


def decades(values: Sequence[float]) -> tuple[float, float]:
    """Bounds of a log axis around values, wide enough for two figures on it."""
    low, high = math.log10(min(values)), math.log10(max(values))
    least, most = low - 0.12, high + 0.12
    if math.floor(most) - math.ceil(least) < 1:  # fewer than two powers of ten in it
        least, most = min(least, math.floor(low)), max(most, math.ceil(high))
    return 10**least, 10**most


def name_ends(axes: Axes, drawn: Sequence[Line]) -> None:
    """A name at the end of each line, moved apart where they would overlap."""
    low, high = (math.log10(bound) for bound in axes.get_ylim())
    height = (axes.get_figure(root=True) or Figure()).get_size_inches()[1]  # inches, at most
    least = (SIZE + 3) / 72 / (height * 0.36) * (high - low)
    order = sorted(drawn, key=lambda line: line.points[-1][1])
    places = apart([math.log10(line.points[-1][1]) for line in order], least)
    for line, place in zip(order, places, strict=True):
        axes.annotate(
            line.row.name,
            (line.points[-1][0], 10**place),
            (9, 0),
            textcoords="offset points",
            va="center",
            color=STRONG[line.row.kind],
            fontweight="bold" if line.row.bold else "normal",
            annotation_clip=False,
        )


def apart(places: Sequence[float], least: float) -> list[float]:
    """Ascending places, moved so that neighbours are at least so far from each other."""
    moved = list(places)
    for _ in range(100):
        close = [
            at for at, (one, next_) in enumerate(pairwise(moved)) if next_ - one < least * 0.99
        ]
        for at in close:
            push = (least - (moved[at + 1] - moved[at])) / 2
            moved[at], moved[at + 1] = moved[at] - push, moved[at + 1] + push
        if not close:
            break
    return moved


def legend(figure: Figure, kinds: Sequence[Kind]) -> None:
    """What the colours mean, above it all."""
    patches = [
        Patch(color=PALE[kind], label=MEANING.get(kind, kind.value))
        for kind in Kind
        if kind in kinds
    ]
    figure.legend(
        handles=patches,
        loc="outside upper left",
        ncols=len(patches),
        frameon=False,
        handlelength=1,
        handleheight=1,
        columnspacing=1.5,
        handletextpad=0.5,
    )
