"""Measure all ways under all loads, and write down a table and a picture.

python -m bench.imbalance [--to FOLDER] [LOAD ...] measures those loads, and keeps what the folder
has of others.
"""

import argparse
import json
import sys
from pathlib import Path
from statistics import mean, median
from typing import Any

from matplotlib.figure import Figure

from bench.capacity.pages import filled
from bench.command_line import chosen, positive
from bench.figures import short
from bench.imbalance.measuring import PROCESSES, SCENARIOS, SECONDS, WAYS, Scenario, Way, measure
from bench.machine import machine
from bench.panels import style
from bench.report import markdown
from bench.sheets import Sheet

RESULTS = Path(__file__).parents[1] / "results"
PAGE = Path(__file__).parents[2] / "docs" / "processes.md"
REPEAT = 3
MOST_LATE = 20.0  # ms that a request may be sent too late: who is later has been disturbed
TRIES = 2
ABOUT = 1.1  # times: figures that are nearer are told as one
COLOURS = ("#0b7285", "#4c6cb3", "#c06a1f", "#dba9bd", "#b24d77")  # of WAYS
NOTES = [
    "connections, requests: shares of the processes from the largest, in percent; mean of the runs",
    "CV: coefficient of variation of the requests; max/min: of them, a dash where one had none",
    "p50, p99: ms, of requests that do not compute; a range where runs differ by a tenth",
    "refused: of those requests, with a 503",
    "a run in which the client sent a request over 20 ms late was repeated, once",
    "CPU us: of all processes, for each request",
]
HEADINGS = [
    "way",
    "connections %",
    "requests %",
    "CV",
    "max/min",
    "p50 ms",
    "p99 ms",
    "refused",
    "CPU us",
]


def middle(runs: list[dict[str, Any]], key: str) -> float:
    """The middle one of a figure."""
    return median(float(run[key]) for run in runs)


def shares(runs: list[dict[str, Any]], of: str) -> list[float]:
    """The mean share of the largest, of the second, and so on."""
    return [mean(ranked) for ranked in zip(*(run[of]["shares"] for run in runs), strict=True)]


def ranged(values: list[float]) -> str:
    """The lowest and the highest, where they are not about the same."""
    low, high = min(values), max(values)
    return short(high) if high < ABOUT * low else f"{short(low)} to {short(high)}"


def row(name: str, runs: list[dict[str, Any]]) -> list[str]:
    """One way's."""
    ratios = [run["requests"]["max_min"] for run in runs]
    percents = [
        " ".join(f"{one:.0%}".removesuffix("%") for one in shares(runs, of))
        for of in ("connections", "requests")
    ]
    return [
        WAYS[name].text,
        *percents,
        f"{mean(run['requests']['cv'] for run in runs):.2f}",
        "-" if None in ratios else short(mean(ratios)),
        short(middle(runs, "p50")),
        ranged([run["p99"] for run in runs]),
        f"{middle(runs, 'refused'):.1%}",
        short(middle(runs, "cpu_us")),
    ]


def sheets(figures: dict[str, Any]) -> list[Sheet]:
    """A table for each load."""
    return [
        Sheet(
            name,
            scenario.text,
            HEADINGS,
            [row(way, runs) for way, runs in figures["runs"][name].items()],
        )
        for name, scenario in SCENARIOS.items()
        if name in figures["runs"]
    ]


def report(figures: dict[str, Any]) -> str:
    """The same as a page."""
    about = figures["machine"]
    lines = [
        "# Imbalance between processes",
        "",
        (
            f"`make imbalance`, {about['date']}, {about['cpu']}, {about['cpus']} CPUs, "
            f"{about['system']}; {PROCESSES} processes and their client on all CPUs."
        ),
        "",
    ]
    for sheet in sheets(figures):
        runs = figures["settings"][sheet.name]
        times = f"{runs['repeat']} runs of {runs['seconds']:g} s"
        lines += [f"**{sheet.title}** ({times})", "", markdown(sheet), ""]
    return "\n".join([*lines, *(f"- {note}" for note in NOTES)]) + "\n"


def parts(figures: dict[str, Any]) -> dict[str, str]:
    """What the page of the documentation has of it."""
    _, _, tables = report(figures).partition("\n\n")
    return {"imbalance": tables.strip()}


def draw(figures: dict[str, Any], folder: Path) -> None:
    """Draw whose requests they were, and the p99, for each load."""
    names = [name for name in SCENARIOS if name in figures["runs"]]
    with style():
        figure = Figure(figsize=(11, 5.4), layout="constrained")
        panels = figure.subplots(2, len(names), squeeze=False)
        for across, name in enumerate(names):
            ways = figures["runs"][name]
            for at, (way, runs) in enumerate(ways.items()):
                colour, left = COLOURS[list(WAYS).index(way)], 0.0
                for number, share in enumerate(shares(runs, "requests")):
                    panels[0][across].barh(
                        at, share, left=left, color=colour, alpha=1 - 0.22 * number
                    )
                    left += share
                panels[1][across].barh(at, middle(runs, "p99"), color=colour)
            for down in (0, 1):
                axes = panels[down][across]
                labels = [WAYS[way].text for way in ways] if not across else []
                axes.set_yticks(range(len(labels)), labels)
                axes.invert_yaxis()
            panels[0][across].set_title(name, fontsize=9.5)
            panels[0][across].set_xlabel("share of requests")
            panels[1][across].set_xlabel("p99, ms (median)")
        figure.suptitle("Four processes on one address: whose requests they are, and their p99")
        figure.savefig(folder / "imbalance.svg", metadata={"Date": None})


def main(arguments: list[str] | None = None) -> None:
    """Measure, tell, and write it down."""
    command_line = argparse.ArgumentParser("python -m bench.imbalance")
    add = command_line.add_argument
    add("scenario", nargs="*", help=f"{', '.join(SCENARIOS)}; all by default")
    add("--page", type=Path, default=PAGE, metavar="FILE", help="that has a part for the tables")
    add("--to", type=Path, default=RESULTS, metavar="FOLDER")
    add("--repeat", type=positive, default=REPEAT, metavar="N", help="runs of each (%(default)s)")
    add("--seconds", type=float, default=SECONDS, metavar="N", help="of each (%(default)s)")
    given = command_line.parse_args(arguments)
    names = chosen(command_line, given.scenario, SCENARIOS)
    path = given.to / "imbalance.json"
    kept = json.loads(path.read_text()) if path.exists() else {"runs": {}, "settings": {}}
    about = {"repeat": given.repeat, "seconds": given.seconds}
    fresh: dict[str, Any] = {name: {way: [] for way in WAYS} for name in names}
    for seed in range(given.repeat):
        for name in names:
            for way, what in WAYS.items():
                run = undisturbed(what, SCENARIOS[name], seed + 1, given.seconds)
                fresh[name][way].append(run)
            print(f"{name}: done", file=sys.stderr)
    figures = {
        "machine": machine(),
        "settings": kept["settings"] | dict.fromkeys(names, about),
        "runs": {
            name: (kept["runs"] | fresh)[name] for name in SCENARIOS if name in kept["runs"] | fresh
        },
    }
    written(figures, given.to, given.page)


def undisturbed(way: Way, scenario: Scenario, seed: int, seconds: float) -> dict[str, Any]:
    """A run; another one if the client itself was late, and then the better one."""
    tries: list[dict[str, Any]] = []
    while len(tries) < TRIES and (not tries or tries[-1]["late"] > MOST_LATE):
        tries.append(measure(way, scenario, seed, seconds))
    return min(tries, key=lambda run: float(run["late"]))


def written(figures: dict[str, Any], folder: Path, page: Path) -> None:
    """Keep all of it, and tell."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "imbalance.json").write_text(json.dumps(figures, indent=1) + "\n")
    (folder / "imbalance.md").write_text(report(figures))
    draw(figures, folder)
    page.write_text(filled(page.read_text(), parts(figures)))
    print(report(figures))


if __name__ == "__main__":
    main()
