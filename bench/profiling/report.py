"""The profile as Markdown: tables per request, and their place in a page of the documentation."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

__all__ = ["BEGIN", "END", "inserted", "markdown"]

Figures = dict[str, Any]

BEGIN = "<!-- profile: begin, written by python -m bench.profile --write -->"
END = "<!-- profile: end -->"
MODES = {"keep-alive": "keep-alive", "close": "a connection per request"}
OURS = "gpool's modules, compiled"
LEAST_US = 0.05  # what rounds to less than 0.1 is counted as the rest
TOP = 15  # functions in the page; the terminal shows more


def markdown(figures: Figures) -> str:
    """All tables."""
    lines = [about(figures["machine"])]
    for title, key, table in (
        ("CPU time", "time", time_table),
        ("System calls", "calls", calls_table),
        ("Instructions in user space", "instructions", instructions_table),
        ("On whose behalf", "instructions", owners_table),
    ):
        for mode, words in MODES.items():
            measured = figures.get(key, {}).get(mode)
            if measured:
                lines += ["", f"### {title}, {words}", "", *table(figures, measured)]
    return "\n".join([*lines, *functions(figures)])


def about(machine: Figures) -> str:
    """On what it was measured."""
    versions = ", ".join(f"{name} {one}" for name, one in machine.get("versions", {}).items())
    return (
        f"Measured {machine['date']} on {machine['cpu']} ({machine['cpus']} CPUs, "
        f"{machine['system']}). {versions}."
    )


def table(first: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """A table with a first column of words and others of numbers."""
    cells = list(first)
    yield f"| {' | '.join(cells)} |"
    yield f"|---|{'---:|' * (len(cells) - 1)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def head(unit: str, figures: Figures, servers: Iterable[str]) -> list[str]:
    """That of a table with a column for each server."""
    return [unit, *(figures["servers"][name]["title"] for name in servers)]


def folded(parts: dict[str, float]) -> dict[str, float]:
    """The same with gpool's modules in one; each alone is too small to be seen in a time."""
    sums: dict[str, float] = {}
    for part, value in parts.items():
        name = OURS if part.startswith("gpool.") else part
        sums[name] = sums.get(name, 0) + value
    return sums


def time_table(figures: Figures, measured: Figures) -> Iterator[str]:
    """Microseconds by part."""
    measured = {name: {**one, "parts": folded(one["parts"])} for name, one in measured.items()}
    parts = ranked({name: one["parts"] for name, one in measured.items()})
    shown = [p for p in parts if any(o["parts"].get(p, 0) >= LEAST_US for o in measured.values())]
    rows = [[p, *(number(one["parts"].get(p, 0), 1) for one in measured.values())] for p in shown]
    sums = {
        "**all**": lambda one: one["user_us"] + one["system_us"],
        "of this in the kernel": kernel,
    }
    rows += [[words, *(f"{f(one):.1f}" for one in measured.values())] for words, f in sums.items()]
    share = [f"{kernel(o) / (o['user_us'] + o['system_us']):.0%}" for o in measured.values()]
    return table(
        head("µs per request", figures, measured),
        [*rows, ["the kernel's share", *share]],
    )


def kernel(one: Figures) -> float:
    """Microseconds in the kernel, by the samples."""
    return math.fsum(us for part, us in one["parts"].items() if part.startswith("kernel"))


def calls_table(figures: Figures, measured: Figures) -> Iterator[str]:
    """System calls, and how many of them failed."""
    names = ranked({s: {n: c["calls"] for n, c in one.items()} for s, one in measured.items()})
    rows = [[f"`{name}`", *(calls(one.get(name)) for one in measured.values())] for name in names]
    total = [f"{sum(c['calls'] for c in one.values()):.2f}" for one in measured.values()]
    return table(head("calls per request", figures, measured), [*rows, ["**all**", *total]])


def calls(one: Figures | None) -> str:
    """So many, of which so many failed."""
    if one is None:
        return ""
    failed = f" ({one['errors']:.2f} fail)" if one["errors"] >= 0.005 else ""  # noqa: PLR2004  # as
    return f"{one['calls']:.2f}{failed}"


def instructions_table(figures: Figures, measured: Figures) -> Iterator[str]:
    """Instructions by what the function is."""
    some = {name: {**one, "parts": folded(one["parts"])} for name, one in measured.items()}
    return by_part(figures, some, "parts")


def owners_table(figures: Figures, measured: Figures) -> Iterator[str]:
    """Instructions by on whose behalf; known for compiled servers only."""
    some = {name: one for name, one in measured.items() if one["owners"]}
    return by_part(figures, some, "owners") if some else iter(())


def by_part(figures: Figures, measured: Figures, key: str) -> Iterator[str]:
    """A table of instructions; what is less than one in a request is left out."""
    parts = ranked({name: one[key] for name, one in measured.items()})
    shown = [part for part in parts if any(o[key].get(part, 0) >= 1 for o in measured.values())]
    rows = [[p, *(number(one[key].get(p, 0), 0) for one in measured.values())] for p in shown]
    total = [f"{one['total']:,.0f}" for one in measured.values()]
    return table(head("instructions per request", figures, measured), [*rows, ["**all**", *total]])


def functions(figures: Figures) -> Iterator[str]:
    """The functions that cost most, with their helpers."""
    for name, one in figures.get("instructions", {}).get("keep-alive", {}).items():
        if one["owners"]:
            yield from ("", f"### Functions of {figures['servers'][name]['title']}, keep-alive", "")
            rows = [
                [f"`{f['name']}`", f["module"], f"{f['owned']:,.0f}", f"{f['own']:,.0f}"]
                for f in one["top"][:TOP]
            ]
            yield from table(["function", "module", "with its helpers", "itself"], rows)


def ranked(measured: dict[str, dict[str, float]]) -> list[str]:
    """All parts, those first that some server spends most on."""
    most: dict[str, float] = {}
    for parts in measured.values():
        for part, value in parts.items():
            most[part] = max(value, most.get(part, 0))
    return sorted(most, key=lambda part: -most[part])


def number(value: float, digits: int) -> str:
    """Empty if it rounds to nothing."""
    text = f"{value:,.{digits}f}"
    return text if any(c in "123456789" for c in text) else ""


def inserted(page: str, tables: str) -> str:
    """A page with other tables between its markers.

    Raises:
        ValueError: the markers are not there.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no place for the tables: {BEGIN} ... {END}")
    return f"{before}{BEGIN}\n{tables}\n{END}{after}"
