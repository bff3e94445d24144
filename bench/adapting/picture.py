"""The simulation as a picture: three troubles from left to right, over their time.

The answers in time tell what is left of the application, their p99 what it is like for who is
served, and the limit what the policy has made of it.
"""

from collections.abc import Callable
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.adapting.scenarios import BEGINS, ENDS, LASTS, SCENARIOS
from bench.adapting.world import Door
from bench.panels import style

__all__ = ["COLOURS", "PNG_DPI", "draw", "is_shown"]

SHOWN = ("slower", "latency", "collapse")
COLOURS = {
    "reject": "#c06a1f",
    "wait": "#b24d77",
    "vegas": "#8c7d1e",
    "gradient2": "#6c757d",
    "adaptive": "#00796b",
    "known": "#9db8b4",
}
IN_TIME = 1.0  # seconds after which an answer is of no use
SETTLED = 5.0  # seconds at the begin and at the end that are not shown
PNG_DPI = 150
Line = tuple[list[float], list[float]]


def is_shown(scenario: str, policy: str) -> bool:
    """Whether the picture has it."""
    return scenario in SHOWN and policy in COLOURS


def in_time(door: Door) -> Line:
    """Answers a second that came in time."""
    seconds = range(int(LASTS) - 1)
    counts = dict.fromkeys(seconds, 0)
    for answer in door.answers:
        if answer.good and answer.took <= IN_TIME and answer.came < len(seconds):
            counts[int(answer.came)] += 1
    return [float(second) for second in seconds], [float(count) for count in counts.values()]


def p99(door: Door) -> Line:
    """The p99 of the requests that were served, by the second in which they came, in ms."""
    times: dict[int, list[float]] = {}
    for answer in door.answers:
        if answer.good:
            times.setdefault(int(answer.came), []).append(answer.took)
    seconds = sorted(times)
    return [float(second) for second in seconds], [
        sorted(times[second])[int(len(times[second]) * 0.99)] * 1e3 for second in seconds
    ]


def limits(door: Door) -> Line:
    """The limit."""
    return [when for when, _ in door.limits], [float(limit) for _, limit in door.limits]


ROWS: dict[str, Callable[[Door], Line]] = {
    "answers within 1 s, a second": in_time,
    "p99 of those served, ms": p99,
    "limit of requests in flight": limits,
}


def panel(axes: Axes, doors: dict[tuple[str, str], Door], scenario: str, row: str) -> None:
    """One scenario's of one row."""
    for policy, colour in COLOURS.items():
        ours = policy == "adaptive"
        xs, ys = ROWS[row](doors[scenario, policy])
        width, order = (2.2, 5) if ours else (1.2, 3)
        axes.plot(xs, ys, color=colour, label=policy, linewidth=width, zorder=order)
    axes.axvspan(BEGINS, ENDS, color="#00000010", linewidth=0)
    axes.set_xlim(SETTLED, LASTS - SETTLED)
    if row != next(iter(ROWS)):
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)


def draw(doors: dict[tuple[str, str], Door], folder: Path) -> None:
    """Draw what was played, as adapting.svg and adapting.png."""
    with style():
        figure = Figure(figsize=(11, 8), layout="constrained")
        panels = figure.subplots(len(ROWS), len(SHOWN), sharex=True, sharey="row")
        for across, scenario in enumerate(SHOWN):
            panels[0][across].set_title(SCENARIOS[scenario].text, fontsize=9.5)
            for down, row in enumerate(ROWS):
                panel(panels[down][across], doors, scenario, row)
                if not across:
                    panels[down][across].set_ylabel(row)
            panels[-1][across].set_xlabel("seconds; trouble is grey")
        handles, labels = panels[0][0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="outside lower center", ncols=len(COLOURS), frameon=False
        )
        figure.suptitle("An application becomes slow: six policies, simulated")
        figure.savefig(folder / "adapting.svg", metadata={"Date": None})
        figure.savefig(folder / "adapting.png", dpi=PNG_DPI)
