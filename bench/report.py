"""The report of one run, in Markdown: how to read it, on what it was measured, and every table.

It says nothing that is not in the figures; python -m bench.report RUN.json > REPORT.md makes it
again, with the pictures that lie beside the file.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.figures import OURS, Figures, axes, failures, plain, read, title
from bench.kinds import Kind
from bench.plot import PICTURES
from bench.sheets import (
    Sheet,
    any_ranked,
    goals_sheet,
    handoff_sheet,
    load_sheet,
    sweep_sheets,
)

READING = """\
Each server is one process on a CPU of its own, at the best setting that we have found for it; what
loads it has another CPU. Every run has a server process of its own. Repetitions take turns: each
goes through all servers, so that they share the machine's moods. Figures are medians of the
repetitions; *spread* is the distance between the lowest and the highest, as a part of the median,
and a dash where there was one run. **Absolute figures are this machine's: compare the ratios.**

- *CPU us/req*: what a good answer (2xx) costs in CPU time of all processes of the server,
  microseconds. It holds still where requests/s depends on who loads the server.
- *req/s*: good answers a second. An asterisk says that the load generator had no CPU left
  (*client*): the server could do more.
- *x gpool*: how many times the figure of gpool.WSGIServer.
- *p50*, *p99*, *p99.9*: latencies, of requests that wait for each other's answers on a connection
  (closed loop); at half load, from the moment when a request was due, whatever became of those
  before it (open loop).
- *errors*: connections that broke, and answers that did not come in time; *not 2xx*: other answers.
- *RSS*: memory of all processes of the server at the end; *peak*: at most; *growth*: since the
  warm-up.

What a server is says what it is to be compared with:

- **cooperative**: blocking code runs in greenlets of gevent, as with gpool;
- **threads**: blocking code runs in threads;
- **one request at a time**: all others wait meanwhile; there is no server for code that waits;
- **asyncio**: the application is another one, written for it;
- **Go**: the same, in Go;
- **floor**: a loop around epoll in C that does not look at the request: what the kernel costs."""
ABOUT_PICTURES = {
    "summary": "CPU of a hello request, requests/s with a wait, and memory of an idle connection",
    "overview": "all workloads",
    "sweeps": "cost, throughput and latency over connections and workers",
    "latency": "latency percentiles at half load",
    "overload": "goodput, refusals and latency at twice the limit",
}

WORDS = {"server", "kind", "way", "what", "told"}  # columns that have no figures


def cell(text: str) -> str:
    """A cell's text, safe in a table."""
    return text.replace("|", "\\|").replace("*", "\\*").replace("\n", " ")


def markdown(sheet: Sheet, bold: str = "") -> str:
    """A sheet as a table; the row of that name stands out."""
    align = ["---" if heading in WORDS else "---:" for heading in sheet.headings]
    lines = [sheet.headings, align]
    for row in sheet.rows:
        strong = "**" if row[0] == bold else ""
        lines.append([f"{strong}{cell(one)}{strong}" if one else "" for one in row])
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return "\n\n".join([text, *map(cell, sheet.notes)])


def machine(figures: Figures) -> Iterator[str]:
    """On what, when, and how."""
    told, settings = figures["machine"], figures["settings"]
    versions = ", ".join(f"{name} {one}" for name, one in told.get("versions", {}).items())
    rows = {
        "date": told.get("date"),
        "gpool": f"commit {told['revision']}" if told.get("revision") else "not of a checkout",
        "CPU": f"{told.get('cpu')}, {told.get('cpus')} of them",
        "server, clients on CPU": f"{told.get('server_on_cpu')}, {told.get('clients_on_cpu')}",
        "memory": f"{told['memory_mib']:,} MiB" if "memory_mib" in told else None,
        "system": told.get("system"),
        "load average before": told.get("load_before"),
        "versions": versions,
        "repetitions": settings.get("repeat") or "as each workload has it",
        "seconds of a run": settings.get("seconds") or "as each workload has it",
    }
    lines = [
        f"| {name} | {cell(str(value))} |" for name, value in rows.items() if value is not None
    ]
    yield "\n".join(["| | |", "|---|---|", *lines])


def servers(figures: Figures) -> Iterator[str]:
    """Their versions and settings."""
    order = list(Kind)
    told = sorted(figures["servers"].values(), key=lambda one: order.index(Kind(one["kind"])))
    rows = [[one["title"], one["kind"], one["version"], one["setting"] or "-"] for one in told]
    lines = [f"| {' | '.join(map(cell, row))} |" for row in rows]
    yield "\n".join(["| server | kind | version | setting |", "|---|---|---|---|", *lines])


def pictures_of(pictures: Sequence[str], *names: str) -> Iterator[str]:
    """Those that were drawn."""
    for name in names:
        if name in pictures:
            yield f"[![{ABOUT_PICTURES[name]}]({name}.svg)]({name}.svg)"


def workloads(figures: Figures, pictures: Sequence[str]) -> Iterator[str]:
    """A section for each."""
    ours = title(figures, OURS) if OURS in figures["servers"] else ""
    beside = {"overload": ["overload"], "half-load": ["latency"]}
    for name in plain(figures):
        if any_ranked(figures, name):
            sheet = load_sheet(figures, name)
            yield f"### {name}"
            yield how(figures, name)
            yield markdown(sheet, ours)
            yield from cannot(figures, name)
            yield from pictures_of(pictures, *beside.get(name, []))


def how(figures: Figures, name: str) -> str:
    """What a workload is, and how often it was measured."""
    workload = figures["workloads"][name]
    most = max(len(runs) for runs in figures["runs"][name].values())
    times = "one run" if most == 1 else f"{most} runs"
    text = str(workload["title"])
    seconds = f" of {workload['seconds']} s" if "seconds" in workload else ""
    return f"{text[:1].upper()}{text[1:]}. {times.capitalize()}{seconds} each."


def cannot(figures: Figures, name: str) -> Iterator[str]:
    """Who does not do this, and why."""
    for server in figures["servers"].values():
        if reason := server.get("lacks", {}).get(name):
            yield f"Without {server['title']}: {reason}."


def sweeps(figures: Figures, pictures: Sequence[str]) -> Iterator[str]:
    """How it all grows."""
    if not axes(figures):
        return
    yield "## How cost grows"
    yield from pictures_of(pictures, "sweeps")
    for axis in axes(figures):
        for sheet in sweep_sheets(figures, axis):
            yield f"{sheet.title}:"
            yield markdown(sheet)


def goals(figures: Figures) -> Iterator[str]:
    """Asked and measured."""
    if sheet := goals_sheet(figures):
        yield "## Asked and measured"
        met = sum(row[-1] == "yes" for row in sheet.rows)
        yield f"{met} of {len(sheet.rows)} are met."
        yield markdown(sheet)


def missing(figures: Figures) -> Iterator[str]:
    """What was not measured, and what came to nothing."""
    if absent := figures.get("absent"):
        yield "## Absent"
        yield "\n".join(f"- {one['title']}: {cell(one['reason'])}" for one in absent.values())
    if failed := failures(figures):
        yield "## Failed"
        yield "\n".join(f"- {cell(failure)}" for failure in failed)


def parts(figures: Figures, pictures: Sequence[str]) -> Iterator[str]:
    """All of it, in order."""
    yield "# gpool beside others"
    yield "What `make bench` has measured and written; nothing here was written by hand."
    if figures["settings"].get("interrupted"):
        yield "**This run was interrupted: what came after that is missing.**"
    if figures["settings"].get("quick"):
        yield "**This was the quick one: few servers, short runs.**"
    yield from pictures_of(pictures, "summary")
    yield "## How to read it"
    yield READING
    yield "## The machine"
    yield from machine(figures)
    yield "## The servers"
    yield from servers(figures)
    yield "## The workloads"
    yield from pictures_of(pictures, "overview")
    yield from workloads(figures, pictures)
    yield from sweeps(figures, pictures)
    if sheet := handoff_sheet(figures):
        yield "## The hand-off"
        yield f"CPU time of {sheet.title}; a worker of the pool that is ready, or a new greenlet."
        yield markdown(sheet)
    yield from goals(figures)
    yield from missing(figures)


def report(figures: Figures, pictures: Sequence[str]) -> str:
    """The report.

    Args:
        figures: of one run.
        pictures: names of those that lie beside it, see `bench.plot`.
    """
    return "\n\n".join(parts(figures, pictures)) + "\n"


def main(run: str) -> None:
    """Print that of a file."""
    path = Path(run)
    there = [name for name in PICTURES if path.with_name(f"{name}.svg").exists()]
    print(report(read(path), there), end="")


if __name__ == "__main__":
    main(*sys.argv[1:])
