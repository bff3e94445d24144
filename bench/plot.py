"""The figures of one run as a picture.

python -m bench.plot RUN.json PICTURE.svg
"""

import json
import statistics
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "gpool"

from matplotlib import pyplot as plt  # noqa: E402  # after the backend is chosen
from matplotlib.axes import Axes  # noqa: E402

from bench.load import WORKLOADS  # noqa: E402
from bench.servers import SERVERS  # noqa: E402

OURS, THEIRS = "#0b7285", "#ced4da"
WIDTH, ROW, MARGIN = 9.0, 0.33, 0.75  # inches


def bars(axes: Axes, title: str, figures: dict[str, float], unit: str) -> None:
    """One panel: the least on top, gpool's in colour."""
    ordered = dict(sorted(figures.items(), key=lambda figure: figure[1], reverse=True))
    colours = [OURS if "gpool" in name or "WorkerPool" in name else THEIRS for name in ordered]
    drawn = axes.barh(list(ordered), list(ordered.values()), color=colours)
    axes.bar_label(drawn, [f"{value:,.3g}" for value in ordered.values()], padding=4)
    axes.set_title(f"{title}, {unit} (less is better)", loc="left", fontsize=10)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.margins(x=0.12)


def panels(run: dict[str, Any]) -> list[tuple[str, dict[str, float], str]]:
    """What there is to show: title, figures, unit."""
    shown = []
    if run["handoff"]:
        taken = {name: one["median"] / 1_000 for name, one in run["handoff"].items()}
        shown.append(("starting a handler", taken, "CPU us"))
    for workload, servers in run["load"].items():
        costs = {
            SERVERS[server][0]: statistics.median(one["user_us"] + one["system_us"] for one in runs)
            for server, runs in servers.items()
        }
        shown.append((WORKLOADS[workload].title, costs, "CPU us per request"))
    return shown


def plot(run: dict[str, Any], to: Path) -> None:
    """Draw the figures of one run."""
    shown = panels(run)
    rows = [len(figures) for _, figures, _ in shown]
    figure, axes = plt.subplots(
        len(shown),
        1,
        figsize=(WIDTH, sum(rows) * ROW + len(rows) * MARGIN),
        gridspec_kw={"height_ratios": rows},
        squeeze=False,
        layout="constrained",
    )
    for (title, figures, unit), panel in zip(shown, axes[:, 0], strict=True):
        bars(panel, title, figures, unit)
    machine = run["machine"]
    figure.supxlabel(
        f"{machine['cpu']}, CPython {machine['python']}, gevent {machine['gevent']}; "
        "server and wrk on a CPU each, medians of one run",
        fontsize=8,
    )
    # The same figures give the same file.
    figure.savefig(to, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    plot(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
