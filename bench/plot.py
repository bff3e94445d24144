"""The figures of one run as a picture.

python -m bench.plot RUN.json PICTURE.svg (or .png)
"""

import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "gpool"

from matplotlib import pyplot as plt  # noqa: E402  # after the backend is chosen
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.patches import Patch  # noqa: E402

from bench.figures import Run, costs, median  # noqa: E402
from bench.goals import LARGE  # noqa: E402
from bench.servers import SERVERS  # noqa: E402
from bench.workloads import WORKLOADS  # noqa: E402

OURS, ALSO_OURS, THEIRS, FLOOR = "#0b7285", "#66b2c0", "#ced4da", "#868e96"
UNIT = "#495057"
MEANING = {
    "gpool.WSGIServer": OURS,
    "other servers on gpool's pool": ALSO_OURS,
    "without gpool": THEIRS,
    "no Python": FLOOR,
}
COLOURS = {"wsgi": OURS, "wsgi-pure": OURS, "wsgi-defer": OURS, "floor": FLOOR}
WIDTH, ROW, MARGIN = 7.5, 0.27, 0.8  # inches: of a column, of a bar, of a panel's title
FEW = 3  # panels that look better in one column


@dataclass(frozen=True, slots=True)
class Bar:
    """One of a panel.

    Attributes:
        name: on its left.
        value: its length.
        said: on its right.
        colour: says whose it is.
    """

    name: str
    value: float
    said: str
    colour: str


@dataclass(frozen=True, slots=True)
class Panel:
    """What is shown together.

    Attributes:
        title: above it.
        unit: on the right of that.
        bars: from top to bottom.
    """

    title: str
    unit: str
    bars: list[Bar]


def colour(server: str) -> str:
    """Whose a server is."""
    return COLOURS.get(server, ALSO_OURS if "gpool" in server else THEIRS)


def number(value: float) -> str:
    """A value in at most as many digits as say something."""
    digits = max(0, 2 - math.floor(math.log10(value))) if value > 0 else 0
    return f"{value:,.{min(digits, 2)}f}"


def compared(figures: dict[str, float], than: str = "wsgi") -> list[Bar]:
    """The least on top, each with how many times ours it is."""
    ours = figures.get(than)
    return [
        Bar(
            SERVERS[server].title,
            value,
            number(value) + (f"   {value / ours:.2g}x" if ours and server != than else ""),
            colour(server),
        )
        for server, value in sorted(figures.items(), key=lambda figure: figure[1])
    ]


def handoff(run: dict[str, Any]) -> Iterator[Panel]:
    """Ways to start a handler."""
    taken = sorted((one["median"] / 1_000, name) for name, one in run["handoff"].items())
    bars = [
        Bar(name, us, number(us), ALSO_OURS if "WorkerPool" in name else THEIRS)
        for us, name in taken
    ]
    if bars:
        yield Panel("starting a handler", "CPU us", bars)


def small(run: dict[str, Any]) -> Iterator[Panel]:
    """What a request costs where bodies are small."""
    for name, servers in run["load"].items():
        workload = WORKLOADS[name]
        figures = {server: costs(runs) for server, runs in servers.items() if runs}
        if figures and not workload.carries:
            yield Panel(workload.title, "CPU us per request", compared(figures))


def large(run: dict[str, Any]) -> Iterator[Panel]:
    """Throughput where they are large."""
    bars = []
    for name, title in LARGE.items():
        for server, runs in run["load"].get(name, {}).items():
            if runs:
                value = median(runs, "mib_per_second")
                label = f"{title}, {SERVERS[server].title}"
                bars.append(Bar(label, value, number(value), colour(server)))
    if bars:
        yield Panel("large bodies", "MiB/s, more is better", bars)


def crowds(run: dict[str, Any]) -> Iterator[Panel]:
    """Idle connections and slow heads."""
    measured: dict[str, dict[str, list[Run]]] = run.get("crowds", {})
    idle = {
        server: median(runs, "kib") for server, runs in measured.get("idle", {}).items() if runs
    }
    if idle:
        yield Panel("an idle connection", "KiB of RSS", compared(idle))
    bars = []
    for server, runs in measured.get("slow-heads", {}).items():
        for key, when in (("alone_p99", "alone"), ("beside_p99", f"beside {runs[0]['count']:,}")):
            value = median(runs, key)
            name = f"{SERVERS[server].title}, {when}"
            bars.append(Bar(name, value, number(value), colour(server)))
    if bars:
        yield Panel("a normal client beside endless heads", "p99, ms", bars)


def draw(panel: Panel, axes: Axes) -> None:
    """Put a panel on paper."""
    rows = range(len(panel.bars))
    drawn = axes.barh(
        rows, [bar.value for bar in panel.bars], color=[bar.colour for bar in panel.bars]
    )
    axes.bar_label(drawn, [bar.said for bar in panel.bars], padding=4, fontsize=8)
    axes.set_yticks(rows, [bar.name for bar in panel.bars], fontsize=8)
    axes.invert_yaxis()
    axes.set_title(panel.title, loc="left", fontsize=9, fontweight="bold")
    axes.set_title(panel.unit, loc="right", fontsize=8, color=UNIT)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.margins(x=0.22, y=0.02)


def columns(panels: list[Panel]) -> list[list[Panel]]:
    """The panels in two columns of about the same height; a few, in one."""
    if len(panels) <= FEW:
        return [panels]
    heights = [height(panels[:cut]) for cut in range(len(panels) + 1)]
    cut = min(range(len(heights)), key=lambda cut: abs(heights[cut] - heights[-1] / 2))
    return [panels[:cut], panels[cut:]]


def height(panels: list[Panel]) -> float:
    """Inches that they take, one below the other."""
    return sum(len(panel.bars) * ROW + MARGIN for panel in panels)


def plot(run: dict[str, Any], to: Path) -> None:
    """Draw the figures of one run; nothing if there are none."""
    shown = [panel for part in (small, large, crowds, handoff) for panel in part(run)]
    if not shown:
        return
    sides = columns(shown)
    size = (WIDTH * len(sides), max(map(height, sides)) + MARGIN)
    figure = plt.figure(figsize=size, layout="constrained")
    for side, paper in zip(sides, figure.subfigures(1, len(sides), squeeze=False)[0], strict=True):
        bars = [len(panel.bars) for panel in side]
        axes = paper.subplots(len(side), 1, height_ratios=bars, squeeze=False)[:, 0]
        for panel, place in zip(side, axes, strict=True):
            draw(panel, place)
    figure.supxlabel(caption(run), fontsize=8)
    patches = [Patch(color=colour, label=label) for label, colour in MEANING.items()]
    figure.legend(handles=patches, loc="outside upper left", ncols=4, fontsize=8, frameon=False)
    # The same figures give the same file.
    figure.savefig(to, metadata={"Date": None} if to.suffix == ".svg" else None, dpi=110)
    plt.close(figure)


def caption(run: dict[str, Any]) -> str:
    """What one has to know to believe it."""
    machine = run["machine"]
    return (
        f"{machine['cpu']}, CPython {machine['python']}, gevent {machine['gevent']}; "
        "server and clients on a CPU each, medians of one run\n"
        "less is better where nothing else is said; x: times gpool.WSGIServer"
    )


if __name__ == "__main__":
    plot(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
