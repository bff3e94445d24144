"""The figures of one run as pictures, each as SVG and PNG.

- summary: CPU of a hello request, requests/s with a wait, memory of an idle connection;
- overview: a panel for each workload;
- sweeps: how cost, throughput and latency grow;
- latency: percentiles at half of what each server can do;
- overload: what is left of a server's throughput and latency at twice its limit.

A picture whose workloads were not measured is not drawn. The same figures give the same file.

python -m bench.plot RUN.json FOLDER
"""

import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from bench.comparing import BARE
from bench.figures import (
    OURS,
    Figures,
    axes,
    client_bound,
    kind,
    median,
    medians,
    plain,
    points,
    read,
    short,
    title,
)
from bench.panels import (
    ROW,
    UNIT,
    Bars,
    Line,
    Ranges,
    Row,
    bars,
    legend,
    lines,
    name_rows,
    ranges,
    style,
)
from bench.sheets import CLIENT, about, any_ranked, percent, spoken

WIDTH = 10.5  # inches
MARGIN = 1.35  # of titles above and of the caption below
PNG_DPI = 150
LETTERS = 16  # of a caption, to an inch


def row(figures: Figures, server: str) -> Row:
    """Its name and colour."""
    return Row(title(figures, server), kind(figures, server), bold=server == OURS)


def users(servers: Iterable[str]) -> list[str]:
    """Those that a user could pick, and the floor."""
    return [server for server in servers if server not in BARE]


def caption(figure: Figure, figures: Figures, more: str) -> None:
    """What one has to know to believe it."""
    machine = figures["machine"]
    versions = machine.get("versions", {})
    on = [machine.get("cpu", ""), f"CPython {versions.get('python', '?')}"]
    on += [f"gevent {versions.get('gevent', '?')}", machine.get("date", "")]
    absent = ", ".join(one["title"] for one in figures["absent"].values())
    more += f" Not here: {absent}." * bool(absent)
    told = f"Server and clients have a CPU each; medians. {', '.join(filter(None, on))}."
    text = textwrap.fill(f"{more} {told}", round(figure.get_figwidth() * LETTERS))
    figure.supxlabel(text, fontsize=8, color=UNIT, x=0.01, ha="left")


def sheet(height: float, width: float = WIDTH) -> Figure:
    """An empty picture."""
    engine = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08)
    return Figure(figsize=(width, height), layout=engine)


@dataclass(frozen=True, slots=True)
class Shown:
    """A figure of a workload.

    Attributes:
        workload: its name.
        key: of the figure.
        multiples: whether to tell how many times gpool's the others' are.
    """

    workload: str
    key: str
    multiples: bool = False


CHEAPEST = Shown("keep-alive", "cost", multiples=True)


def side_by_side(
    figures: Figures, servers: list[str], columns: list[Bars | Ranges], widths: list[float]
) -> Figure:
    """Columns that share their rows."""
    rows = [row(figures, server) for server in servers]
    figure = sheet(len(rows) * ROW + MARGIN)
    places = figure.subplots(1, len(columns), width_ratios=widths, squeeze=False, sharey=True)[0]
    for place, column in zip(places, columns, strict=True):
        if isinstance(column, Bars):
            bars(place, rows, column)
        else:
            ranges(place, rows, column)
    name_rows(places[0], rows)
    legend(figure, [one.kind for one in rows])
    return figure


def column(figures: Figures, servers: list[str], heading: tuple[str, str], of: Shown) -> Bars:
    """Bars of one figure; a mark where it is the load generator's."""
    found = medians(figures, of.workload, of.key)
    values = [found.get(server) for server in servers]
    said = [told(figures, of, server) if server in found else "" for server in servers]
    return Bars(*heading, values, found.get(OURS) if of.multiples else None, said)


def told(figures: Figures, of: Shown, server: str) -> str:
    """A value, with the mark."""
    runs = figures["runs"][of.workload][server]
    value = median(runs, of.key)
    if of.key == "goodput":
        return percent(value)
    return short(value) + CLIENT * (of.key == "rate" and client_bound(runs))


def marked(columns: list[Bars | Ranges]) -> str:
    """What the mark means, if there is one."""
    drawn = (text for one in columns if isinstance(one, Bars) for text in one.said)
    there = any(text.endswith(CLIENT) for text in drawn)
    return f" {CLIENT}: as much as the load generator can." * there


def summary(figures: Figures) -> Figure | None:
    """What the README shows."""
    servers = by_cost(figures)
    if not servers:
        return None
    wanted = (
        (("Hello world, keep-alive", "CPU µs per request, less is better"), CHEAPEST),
        (("Application waits 10 ms", "requests/s, more is better"), Shown("wait", "rate")),
        (
            ("Idle connection", "KiB of memory, less is better"),
            Shown(idlest(figures), "kib", multiples=True),
        ),
    )
    there = [one for one in wanted if medians(figures, one[1].workload, one[1].key)]
    columns: list[Bars | Ranges] = [column(figures, servers, *one) for one in there]
    figure = side_by_side(figures, servers, columns, [1.3, 1.0, 1.05][: len(columns)])
    caption(figure, figures, f"\N{MULTIPLICATION SIGN}: times gpool's.{marked(columns)}")
    return figure


def by_cost(figures: Figures) -> list[str]:
    """The servers, from the one that needs the least CPU for a request."""
    cost = medians(figures, CHEAPEST.workload, CHEAPEST.key)
    return users(sorted(cost, key=lambda server: cost[server]))


def idlest(figures: Figures) -> str:
    """The workload with the most idle connections."""
    found = [name for name in plain(figures) if medians(figures, name, "kib")]
    return max(found, key=lambda name: connections(figures, name), default="")


def connections(figures: Figures, name: str) -> int:
    """How many of them were idle."""
    return max(int(run["count"]) for runs in figures["runs"][name].values() for run in runs)


UNITS = {
    "cost": "CPU µs per request",
    "rate": "requests/s, more is better",
    "mib_per_second": "MiB/s, more is better",
    "kib": "KiB of memory each",
    "goodput": "share kept, more is better",
    "beside_p99": "p99 of others, ms",
    "p99": "p99, ms",
}
ACROSS = 5  # workloads beside each other
BAND = 14.0  # inches of so many


def overview(figures: Figures) -> Figure | None:
    """A panel for each workload, in bands that share their rows, the same in all of them."""
    names = [name for name in plain(figures) if any_ranked(figures, name)]
    if not names:
        return None
    servers = all_rows(figures, names)
    across = min(ACROSS, len(names))
    bands = [names[at : at + across] for at in range(0, len(names), across)]
    rows = [row(figures, server) for server in servers]
    figure = sheet(
        len(bands) * (len(rows) * LOW_ROW + 0.95) + 0.8, BAND * (across + 1) / (ACROSS + 1)
    )
    grid = figure.subplots(len(bands), across, squeeze=False, sharey="row")
    drawn: list[Bars | Ranges] = []
    for band, places in zip(bands, grid, strict=True):
        drawn += one_band(figures, servers, band, list(places))
    legend(figure, [one.kind for one in rows])
    less = "Less is better where nothing else is said."
    caption(figure, figures, f"{less}{marked(drawn)}")
    return figure


def all_rows(figures: Figures, names: list[str]) -> list[str]:
    """The servers in the order of their costs, then others; not those of a single workload."""
    counts = Counter(users(server for name in names for server in figures["runs"][name]))
    least = min(2, len(names))
    rest = (server for server, count in counts.items() if count >= least)
    return list(dict.fromkeys([*by_cost(figures), *rest]))


LOW_ROW = 0.235  # inches of a bar, where there are many


def one_band(
    figures: Figures, servers: list[str], names: list[str], places: list[Axes]
) -> list[Bars | Ranges]:
    """Some workloads beside each other."""
    rows = [row(figures, server) for server in servers]
    drawn: list[Bars | Ranges] = []
    for name, place in zip(names, places, strict=False):
        key = about(figures, name).by
        made = column(figures, servers, (name, UNITS[key]), Shown(name, key))
        bars(place, rows, made, room=1.55)
        drawn.append(made)
    for place in places[len(names) :]:
        place.set_axis_off()
    name_rows(places[0], rows)
    return drawn


SWEPT = (
    ("cost", "CPU of a request", "µs"),
    ("rate", "Throughput", "requests/s"),
    ("p99", "Latency", "p99, ms"),
)


def sweeps(figures: Figures) -> Figure | None:
    """A row of three panels for each axis."""
    swept = axes(figures)
    if not swept:
        return None
    figure = sheet(3.6 * len(swept) + 0.5, WIDTH * 1.25)
    places = figure.subplots(len(swept), len(SWEPT), squeeze=False)
    for axis, across in zip(swept, places, strict=True):
        for place, (key, heading, unit) in zip(across, SWEPT, strict=True):
            drawn = swept_lines(figures, axis, key)
            if not drawn:
                place.set_axis_off()
                continue
            lines(place, heading, unit, drawn)
            place.set_xlabel(spoken(axis))
    caption(figure, figures, "Both axes are logarithmic.")
    return figure


def swept_lines(figures: Figures, axis: str, key: str) -> list[Line]:
    """A line for each server."""
    found: dict[str, list[tuple[float, float]]] = {}
    for at, name in points(figures, axis):
        for server, value in medians(figures, name, key).items():
            if value > 0:
                found.setdefault(server, []).append((at, value))
    return [Line(row(figures, server), places) for server, places in found.items()]


def latency(figures: Figures) -> Figure | None:
    """Percentiles at half load."""
    name = next((name for name in plain(figures) if medians(figures, name, "asked_rate")), "")
    found = medians(figures, name, "p99")
    servers = users(sorted(found, key=lambda server: found[server]))
    if not servers:
        return None
    keys = ("p50", "p99", "p99.9")
    values = {key: medians(figures, name, key) for key in keys}
    shown = {key: [values[key].get(server) for server in servers] for key in keys}
    asked = medians(figures, name, "asked_rate")
    heading = ("Latency at half load", "ms, from when a request was due; log axis")
    columns: list[Bars | Ranges] = [
        Ranges(*heading, shown),
        Bars("Load", "requests/s asked", [asked.get(server) for server in servers]),
    ]
    figure = side_by_side(figures, servers, columns, [2.6, 1])
    caption(figure, figures, "Half of each server's own most on kept connections, open loop.")
    return figure


def overload(figures: Figures) -> Figure | None:
    """Goodput, refusals, and the latency of those who were let in."""
    name = next((name for name in plain(figures) if medians(figures, name, "goodput")), "")
    good = medians(figures, name, "goodput")
    servers = users(sorted(good, key=lambda server: good[server], reverse=True))
    if not servers:
        return None
    refused = medians(figures, name, "refused")
    alone, loaded = (medians(figures, name, key) for key in ("unloaded_p99", "good_p99"))
    rates, starved = medians(figures, name, "rate"), medians(figures, name, "starved")
    columns: list[Bars | Ranges] = [
        Bars(
            "Goodput at twice the limit",
            "of the most without overload",
            [good[server] for server in servers],
            said=[f"{percent(good[s])}   {short(rates[s])}/s" for s in servers],
        ),
        Bars(
            "Refused",
            "share of 503",
            [refused.get(server) for server in servers],
            said=[
                percent(refused.get(server, 0))
                + (f"   {starved[server]:,.0f} clients got nothing" if starved.get(server) else "")
                for server in servers
            ],
        ),
        Ranges(
            "p99 of those accepted",
            "ms, log axis",
            {
                "without overload": [alone.get(server) for server in servers],
                "with": [loaded.get(server) for server in servers],
            },
        ),
    ]
    figure = side_by_side(figures, servers, columns, [1.2, 0.8, 1.6])
    caption(figure, figures, "Twice as many clients as the server may answer at once.")
    return figure


PICTURES: dict[str, Callable[[Figures], Figure | None]] = {
    "summary": summary,
    "overview": overview,
    "sweeps": sweeps,
    "latency": latency,
    "overload": overload,
}


def plot(figures: Figures, folder: Path) -> list[str]:
    """Draw all there are figures for; the names of the pictures."""
    drawn = []
    with style():
        for name, make in PICTURES.items():
            figure = make(figures)
            if figure is not None:
                figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
                figure.savefig(folder / f"{name}.png", dpi=PNG_DPI)
                drawn.append(name)
    return drawn


def main(run: str, folder: str) -> None:
    """Draw those of a file."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    print(" ".join(plot(read(Path(run)), Path(folder))))


if __name__ == "__main__":
    main(*sys.argv[1:])
