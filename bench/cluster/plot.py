"""The faults as a picture: what each process answers over time, and what the clients wait."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bench.kinds import Kind
from bench.panels import FAINT, LIGHT, PALE, UNIT, style
from bench.plot import PNG_DPI, sheet

__all__ = ["draw"]

Figures = dict[str, Any]
OURS, TROUBLE = PALE[Kind.OURS], "#c06a1f"
ROW, BOTTOM = 0.55, 2.0  # inches
DRAWN = 2  # bins that are drawn as one


def rates(bins: list[int], seconds: float) -> tuple[list[float], list[float]]:
    """Answers a second, and when."""
    parts = [bins[at : at + DRAWN] for at in range(0, len(bins) - DRAWN + 1, DRAWN)]
    width = seconds * DRAWN
    return [at * width for at in range(len(parts))], [sum(part) / width for part in parts]


def row(axes: Axes, figures: Figures, name: str) -> None:
    """What one process answers."""
    xs, ys = rates(figures["answered"][name], figures["bin"])
    axes.fill_between(xs, ys, step="post", facecolor=LIGHT, edgecolor=OURS, linewidth=0.6)
    axes.set_ylabel(name, rotation=0, ha="right", va="center")
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.tick_params(labelsize=7, colors=UNIT)
    for phase in figures["phases"]:
        if phase["process"] == name:
            span = (phase["begin"], phase["healed"])
            axes.axvspan(*span, color=TROUBLE, alpha=0.25, linewidth=0)
            axes.annotate(
                phase["name"],
                (sum(span) / 2, 0.95),
                xycoords=("data", "axes fraction"),
                ha="center",
                va="top",
                fontsize=8.5,
                color=TROUBLE,
            )


def latency(axes: Axes, figures: Figures) -> None:
    """What the clients wait, with all faults marked."""
    axes.step(range(len(figures["p99"])), figures["p99"], where="post", color=OURS, linewidth=1.2)
    axes.set_yscale("log")
    axes.set_ylabel("p99, ms")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.set_xlabel("seconds; a process is in trouble where it is coloured")
    axes.grid(color=FAINT, linewidth=0.6)
    for phase in figures["phases"]:
        if phase["process"]:
            axes.axvspan(phase["begin"], phase["healed"], color=TROUBLE, alpha=0.25, linewidth=0)


def picture(figures: Figures) -> Figure:
    """A row for each process, all of their latency below."""
    names = figures["names"]
    figure = sheet(ROW * len(names) + BOTTOM)
    heights = [ROW] * len(names) + [BOTTOM - 0.6]
    axes = figure.subplots(len(names) + 1, 1, sharex=True, height_ratios=heights)
    top = max(max(rates(bins, figures["bin"])[1]) for bins in figures["answered"].values())
    for one, name in zip(axes, names, strict=False):
        row(one, figures, name)
        one.set_ylim(0, top)
    latency(axes[-1], figures)
    axes[-1].set_xlim(0, figures["phases"][-1]["end"])
    failed = figures["requests"] - figures["outcomes"].get("200", 0)
    told = f"Answers a second of each process: {figures['requests']:,} GETs, {failed} failed"
    figure.suptitle(told)
    return figure


def draw(figures: Figures, folder: Path) -> list[str]:
    """Draw the faults; the names of the files."""
    with style():
        made = picture(figures["faults"])
        made.savefig(folder / "cluster.svg", metadata={"Date": None})
        made.savefig(folder / "cluster.png", dpi=PNG_DPI)
    return ["cluster.svg", "cluster.png"]
