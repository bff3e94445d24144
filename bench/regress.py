"""Compare two runs of the bench: python -m bench.regress OLD.json NEW.json [--threshold 0.05].

It says what has moved, by how much, and which way; `bench.moves` decides what that means. The exit
status is 1 if a figure of gpool got worse, and 2 if there was nothing to compare.
"""

import argparse
import statistics
import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from bench.figures import Figures, read, short
from bench.machine import HARDWARE
from bench.moves import UNKNOWN_SPREAD, Compared, Sides, compare, differences
from bench.sheets import Sheet
from bench.tables import LEAST_WIDTH, table

THRESHOLD = 0.05  # a part of the old median
WORSE, NOTHING = 1, 2  # exit statuses


def other_versions(old: Figures, new: Figures) -> list[str]:
    """What is of another version now, in words."""
    before = dict(old["machine"].get("versions", {}))
    now = dict(new["machine"].get("versions", {}))
    for figures, found in ((old, before), (new, now)):
        found.update({one["title"]: one["version"] for one in figures["servers"].values()})
    return [
        f"{name} {before[name]}, now {now[name]}"
        for name in before
        if name in now and before[name] != now[name]
    ]


def notes(old: Figures, new: Figures, found: list[Compared], threshold: float) -> list[str]:
    """What one has to know to believe it."""
    told = []
    if other := differences(old, new, HARDWARE):
        told.append(
            f"another machine ({'; '.join(other)}): judged by multiples of the reference alone"
        )
    told += [f"another version: {one}" for one in other_versions(old, new)]
    if any(one.judged and not one.judged.known for one in found):
        told.append(
            "where there was one run on a side nobody knows the spread: "
            f"such a figure counts as moved beyond {threshold * UNKNOWN_SPREAD:.0%}"
        )
    return told


def moved_sheet(moved: list[Compared], threshold: float) -> Sheet:
    """Old and new, and both as multiples of the reference."""
    rows = [
        [
            one.workload,
            one.title,
            one.measure.name,
            from_to(one.raw),
            from_to(one.beside) if one.beside else "-",
            f"{one.ratio:.2f}x",
            "better" if one.moved(threshold) > 0 else "WORSE",
        ]
        for one in moved
    ]
    headings = ["workload", "server", "figure", "old, new", "of reference", "now", ""]
    return Sheet("moved", "what has moved, the most first", headings, rows)


def from_to(sides: Sides) -> str:
    """Both medians."""
    return f"{short(statistics.median(sides.old))}, {short(statistics.median(sides.new))}"


def distance(one: Compared) -> float:
    """How far it has moved, whichever way."""
    return max(one.ratio, 1 / one.ratio)


def regress(old_path: Path, new_path: Path, console: Console, threshold: float = THRESHOLD) -> int:
    """Say what has moved.

    Args:
        old_path: the figures that were.
        new_path: those that are.
        console: where it is said.
        threshold: the part of the old median that a figure may differ by, above 0.

    Returns:
        The exit status: 1 if a figure of gpool got worse, 2 if there was nothing to compare.
    """
    old, new = read(old_path), read(new_path)
    found = [one for one in compare(old, new) if one.judged is not None]
    console.print(f"{new_path}, compared with {old_path}", markup=False, soft_wrap=True)
    for note in notes(old, new, found, threshold):
        console.print(note, markup=False, soft_wrap=True)
    if not found:
        console.print("they have nothing in common that could be compared")
        return NOTHING
    moved = sorted((one for one in found if one.moved(threshold)), key=distance, reverse=True)
    for one in moved:
        if one.ours:
            console.print(escape(one.sentence(threshold)), soft_wrap=True)
    if moved:
        console.print(table(moved_sheet(moved, threshold)))
    still = len(found) - len(moved)
    beyond = f"their spread and {threshold:.0%}"
    console.print(f"{still} of {len(found)} figures have not moved beyond {beyond}")
    return WORSE if any(one.ours and one.moved(threshold) < 0 for one in moved) else 0


def main() -> int:
    """Compare those of the command line."""
    parser = argparse.ArgumentParser("python -m bench.regress", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--threshold", type=float, default=THRESHOLD, help="0.05 is 5 %%")
    given = parser.parse_args()
    if given.threshold <= 0:
        parser.error("--threshold must be above 0")
    console = Console(width=None if sys.stdout.isatty() else LEAST_WIDTH)
    try:
        return regress(given.old, given.new, console, given.threshold)
    except (OSError, ValueError) as why:
        parser.error(str(why))


if __name__ == "__main__":
    sys.exit(main())
