"""A soak as a picture: requests, memory, descriptors and workers over its time.

python -m bench.soak.plot SOAK.json FOLDER
"""

import json
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bench.kinds import Kind
from bench.panels import FAINT, PALE, UNIT, head, style
from bench.plot import LETTERS, PNG_DPI, sheet
from bench.soak.running import Figures

__all__ = ["draw", "rates"]

HEIGHT = 8.2  # inches
POINTS = 150  # of a line at most; each is a mean
OURS, OTHER = PALE[Kind.OURS], "#c06a1f"
MIB = 1_024


def thinned(values: Sequence[float]) -> list[float]:
    """Means of so many neighbours that `POINTS` are left."""
    of = max(1, -(-len(values) // POINTS))
    return [
        sum(part) / len(part) for part in (values[at : at + of] for at in range(0, len(values), of))
    ]


def rates(samples: Figures) -> list[float]:
    """Requests a second between two samples; the first has none before it.

    Without the last, which waits for all clients to end.
    """
    seconds, requests = samples["seconds"], samples["requests"]
    pairs = list(zip(seconds, seconds[1:], requests, requests[1:], strict=False))
    return [
        (more - some) / (late - early) for early, late, some, more in pairs[:-1] if late > early
    ]


def panel(axes: Axes, title: str, unit: str) -> None:
    """A place for lines that begins at 0."""
    head(axes, title, unit)
    axes.grid(color=FAINT, linewidth=0.6)
    axes.set_ylim(0, axes.get_ylim()[1] * 1.1)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def line(axes: Axes, minutes: list[float], values: Sequence[float], name: str, colour: str) -> None:
    """A line."""
    places = thinned(minutes[: len(values)])
    axes.plot(places, thinned(values), color=colour, linewidth=1.4, label=name)


def picture(figures: Figures) -> Figure:
    """All four panels."""
    samples, figure = figures["samples"], sheet(HEIGHT)
    minutes = [seconds / 60 for seconds in samples["seconds"]]
    memory = [kib / MIB for kib in samples["anonymous_kib"]]
    grid = figure.subplots(2, 2, sharex=True)
    (top, right), (left, bottom) = grid
    line(top, minutes[1:], rates(samples), "", OURS)
    line(right, minutes, memory, "", OURS)
    line(left, minutes, samples["descriptors"], "descriptors", OURS)
    line(left, minutes, samples["open"], "connections", OTHER)
    line(bottom, minutes, samples["running"], "running", OURS)
    line(bottom, minutes, samples["ready"], "ready", OTHER)
    for axes, title, unit in (
        (top, "Requests", "a second, each answer checked"),
        (right, "Memory of the server", "MiB, anonymous"),
        (left, "Descriptors", "open in the server"),
        (bottom, "Workers", "of both servers"),
    ):
        panel(axes, title, unit)
    for axes in (left, bottom):
        axes.legend(frameon=False, loc="upper right", bbox_to_anchor=(1, 1.17), ncols=2)
        axes.set_xlabel("minutes")
    caption(figure, figures)
    return figure


def caption(figure: Figure, figures: Figures) -> None:
    """What was done, and on what."""
    client, machine = figures["client"], figures["machine"]
    versions = machine["versions"]
    total = client["sent"] + client["recurring"]
    told = (
        f"{total:,} requests, seed {figures['plan']['seed']}. {machine['cpu']},"
        f" CPython {versions.get('python', '?')}, gevent {versions.get('gevent', '?')},"
        f" {machine['date']}."
    )
    text = textwrap.fill(told, round(figure.get_figwidth() * LETTERS))
    figure.supxlabel(text, fontsize=8, color=UNIT, x=0.01, ha="left")


def draw(figures: Figures, folder: Path) -> list[str]:
    """Draw it; the names of the files."""
    with style():
        made = picture(figures)
        made.savefig(folder / "soak.svg", metadata={"Date": None})
        made.savefig(folder / "soak.png", dpi=PNG_DPI)
    return ["soak.svg", "soak.png"]


def main(run: str, folder: str) -> None:
    """Draw that of a file."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    print(" ".join(draw(json.loads(Path(run).read_text()), Path(folder))))


if __name__ == "__main__":
    main(*sys.argv[1:])
