"""The model beside measurements: tables, a picture, and the page of the documentation.

python -m bench.capacity.report [--to FOLDER] [--page FILE] makes them of the folder's
capacity.json; bench/results and docs/capacity.md by default.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from bench.capacity.__main__ import EXAMPLE, parser, told
from bench.capacity.answer import Wish, answer
from bench.capacity.idle import MILLION
from bench.capacity.measuring import RESULTS, SETTINGS, load_of, simulated
from bench.capacity.pages import filled
from bench.figures import short
from bench.panels import UNIT, style
from bench.report import markdown
from bench.sheets import Sheet

__all__ = ["draw", "error", "example", "parts", "report"]

PAGE = Path(__file__).parents[2] / "docs" / "capacity.md"
HEADINGS = [
    "load",
    "asked/s",
    "good/s",
    "model",
    "refused",
    "model",
    "p50 ms",
    "model",
    "p99 ms",
    "model",
    "error",
]
LINE = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.1)  # loads of the lines
LINE_SECONDS = 60.0  # that are simulated for each of their points
OVER_SECONDS = 5.0  # the same, where it gets ever longer; as measured
REAL, MODEL, FAINT = "#0b7285", "#c06a1f", "#adb5bd"
STEADY = 0.95  # up to this load there is a steady state, and an error that means something
DISTURBED = 0.05  # of the server's core
NOTHING = 0.005  # a part that is 0 %
KIB = 1024
TITLE = 46  # characters of a line


def error(run: dict[str, Any], key: str = "p99") -> float:
    """By which part of the measured figure the model is off."""
    real: float = run["measured"][key]
    made: float = run["simulated"][key]
    return (made - real) / real


def percent(part: float) -> str:
    """With its sign, where it has one."""
    return f"{part:+.0%}" if abs(part) >= NOTHING else "0%"


def disturbed(run: dict[str, Any]) -> bool:
    """Whether the process waited so much for its core that the run says little."""
    return bool((run["measured"]["others"] or 0.0) > DISTURBED)


def row(run: dict[str, Any]) -> list[str]:
    """One load."""
    real, model = run["measured"], run["simulated"]
    cells = [f"{run['load']:.0%}" + "*" * disturbed(run), short(run["asked"])]
    cells += [short(real["rate"]), short(model["rate"])]
    cells += [f"{real['refused']:.1%}", f"{model['refused']:.1%}"]
    for key in ("p50", "p99"):
        cells += [short(real[key]), short(model[key])]
    return [*cells, percent(error(run))]


def sheet(name: str, setting: dict[str, Any]) -> Sheet:
    """One setting."""
    title = (
        f"{setting['text']}: room for {short(setting['capacity'])} requests a second, "
        f"{setting['cost'] * 1e3:.2f} ms of CPU each"
    )
    return Sheet(name, title, HEADINGS, [row(run) for run in setting["runs"]])


def errors(figures: dict[str, Any]) -> str:
    """How far off it is altogether, in a sentence."""
    runs = [
        run
        for setting in figures["settings"].values()
        for run in setting["runs"]
        if run["load"] <= STEADY and not disturbed(run)
    ]
    p50, p99 = ([error(run, key) for run in runs] for key in ("p50", "p99"))
    rate = max(abs(error(run, "rate")) for run in runs)
    refused = max(abs(one["simulated"]["refused"] - one["measured"]["refused"]) for one in runs)
    off = [
        f"{percent(median(all_of))} ({percent(min(all_of))} to {percent(max(all_of))})"
        for all_of in (p50, p99)
    ]
    return (
        f"Up to a load of {STEADY:.0%}, over {len(runs)} runs, the model's p50 is off by {off[0]} "
        f"in the middle (and at the extremes), its p99 by {off[1]}; its good answers a second by "
        f"{rate:.1%} at most, its share of refusals by {refused * 100:.1f} points at most."
    )


def conditions(figures: dict[str, Any]) -> str:
    """On what, and how undisturbed."""
    settings = list(figures["settings"].values())
    about = settings[0]["machine"]
    runs = [run["measured"] for setting in settings for run in setting["runs"]]
    others, late = (max(one[key] or 0.0 for one in runs) for key in ("others", "late"))
    return (
        f"{about['date']}, {about['cpu']}, {about['cpus']} CPUs, {about['system']}; "
        f"{about['seconds']:g} s a run. A process that was alone waited for its core for "
        f"{others:.1%} of the time at most, which somebody else had; an asterisk marks runs with "
        f"more than {DISTURBED:.0%}, and the errors leave those out. A request was sent "
        f"{late:.1f} ms late at most."
    )


def tables(figures: dict[str, Any]) -> Iterator[str]:
    """All of them."""
    yield conditions(figures)
    for name, setting in figures["settings"].items():
        made = sheet(name, setting)
        yield f"**{made.title}**"
        yield markdown(made)


# ---------------------------------------------------------------------- idle connections


def idle_table(figures: dict[str, Any]) -> Iterator[str]:
    """What one costs, and a million."""
    largest = max(figures["idle"]["runs"], key=lambda run: run["count"])
    slabs = sorted(largest["slabs"].items(), key=lambda one: -one[1]["bytes"])
    kernel = sum(one["bytes"] for _, one in slabs)
    rows = [["gpool's process", f"{largest['kib'] * KIB:,.0f}"]]
    rows += [[f"kernel, {name}", f"{one['bytes']:,.0f}"] for name, one in slabs]
    rows += [
        ["kernel, slabs together", f"{kernel:,.0f}"],
        ["kernel, buffers of sockets", f"{largest['buffer_bytes']:,.0f}"],
        ["kernel, by what MemAvailable fell", f"{largest['available_bytes']:,.0f}"],
        ["gpool's process, with TLS", f"{figures['idle']['tls']['kib'] * KIB:,.0f}"],
    ]
    for one in rows:
        one.append(f"{float(one[1].replace(',', '')) * MILLION / 2**30:,.2f}")
    yield markdown(Sheet("idle", "", ["what", "bytes of one", "GiB of a million"], rows))
    over_tls = figures["idle"]["tls"]["count"]
    counts = ", ".join(
        f"{run['kib']:.3f} KiB each with {run['count']:,}" for run in figures["idle"]["runs"]
    )
    yield (
        f"Measured with {largest['count']:,} connections, of {largest['servers']} servers, since a "
        f"process may not open more files here, and {over_tls:,} over TLS. **The column "
        "of a million is extrapolated**; nobody has had a million here. gpool's process took "
        f"{counts}. Each was in {largest['watches']:.2f} watches of epoll and, of "
        f"conntrack, in {largest['tracked']:.1f} flows."
    )


def limits_table(figures: dict[str, Any]) -> str:
    """What bounds their number on the machine where it was measured."""
    about = figures["idle"]
    rows = [[f"`{name}`", value] for name, value in about["limits"].items()]
    title = f"with {about['machine']['memory_mib'] / KIB:.0f} GiB"
    return markdown(Sheet("limits", "", ["what", title], rows))


# ---------------------------------------------------------------------- the page


def example() -> str:
    """The command's answer to its own example."""
    given = parser().parse_args(EXAMPLE.split()[3:])
    wish = Wish(**vars(given))
    return "\n".join(["```console", f"$ {EXAMPLE}", *told(wish, answer(wish)), "```"])


def parts(figures: dict[str, Any]) -> dict[str, str]:
    """What the page has of it."""
    made = {"example": example()}
    if "settings" in figures:
        made["measured"] = "\n\n".join(tables(figures))
        made["errors"] = errors(figures)
    if "idle" in figures:
        made["idle"] = "\n\n".join(idle_table(figures))
        made["limits"] = limits_table(figures)
    return made


def report(figures: dict[str, Any]) -> str:
    """A page of its own."""
    made = parts(figures)
    names = [name for name in ("errors", "measured", "idle", "limits") if name in made]
    return (
        "\n\n".join(["# Capacity: the model beside gpool", *(made[name] for name in names)]) + "\n"
    )


def lines(name: str, setting: dict[str, Any]) -> dict[str, list[float]]:
    """What the model says over the load, of longer runs than the measured ones: p99, refused."""
    case, found = SETTINGS[name], []
    for part in LINE:
        rate = part * setting["capacity"]
        load = load_of(case, rate, LINE_SECONDS if part < 1 else OVER_SECONDS, 99)
        found.append(simulated(case, load, setting["cost"]))
    return {key: [one[key] for one in found] for key in ("p99", "refused")}


def panel(axes: Axes, name: str, setting: dict[str, Any]) -> None:
    """One setting's p99 over its load, and what is refused."""
    runs, loads = setting["runs"], np.array(LINE) * 100
    model, at = lines(name, setting), [run["load"] * 100 for run in runs]
    axes.plot(loads, model["p99"], color=MODEL, label="p99, simulated for longer")
    for key, marker, colour, words in (
        ("simulated", "x", MODEL, "p99, simulated with the same requests"),
        ("measured", "o", REAL, "p99, measured"),
    ):
        values = [run[key]["p99"] for run in runs]
        axes.plot(at, values, marker, color=colour, label=words, markersize=5)
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set_ylim(low / 1.5, high * 1.5)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_title(fill(setting["text"], TITLE), fontsize=8.5)
    share = axes.twinx()
    share.plot(loads, np.array(model["refused"]) * 100, "--", color=FAINT, linewidth=1.2)
    share.plot(at, [run["measured"]["refused"] * 100 for run in runs], "_", color=UNIT)
    share.set_ylim(0, 100)
    share.set_yticks([0, 25], ["0", "25 %"], color=UNIT)


def draw(figures: dict[str, Any], folder: Path) -> None:
    """Draw p99 against load."""
    settings = figures["settings"]
    with style():
        figure = Figure(figsize=(11, 6.4), layout="constrained")
        panels = figure.subplots(2, (len(settings) + 1) // 2, squeeze=False).ravel()
        for axes, (name, setting) in zip(panels, settings.items(), strict=False):
            panel(axes, name, setting)
        panels[0].set_ylabel("p99, ms")
        panels[len(panels) // 2].set_ylabel("p99, ms")
        for axes in panels[len(panels) // 2 :]:
            axes.set_xlabel("load, % of what there is room for")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
        figure.suptitle("p99 in ms; right and dashed: refused", fontsize=9.5)
        figure.savefig(folder / "capacity.svg", metadata={"Date": None})


def main(arguments: list[str] | None = None) -> None:
    """Write all of it."""
    command_line = argparse.ArgumentParser("python -m bench.capacity.report")
    command_line.add_argument("--to", type=Path, default=RESULTS, metavar="FOLDER")
    command_line.add_argument("--page", type=Path, default=PAGE, metavar="FILE")
    given = command_line.parse_args(arguments)
    figures = json.loads((given.to / "capacity.json").read_text())
    (given.to / "capacity.md").write_text(report(figures))
    draw(figures, given.to)
    given.page.write_text(filled(given.page.read_text(), parts(figures)))
    print(errors(figures))


if __name__ == "__main__":
    main()
