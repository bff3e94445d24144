"""Where the microseconds of a hello world request go: for gpool, for pywsgi, for the C floor.

    python -m bench.profile                         # all, in under 3 minutes; into bench/out
    python -m bench.profile --write                 # and into docs/profile.md
    python -m bench.profile --callgrind wsgi        # instructions by function, in 20 seconds
    python -m bench.profile --callgrind wsgi --close

Three tools look at the same servers, each at what the others do not see: perf at CPU time, strace
at system calls, valgrind at instructions. `bench.profiling` has them.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import build
from bench.kinds import ROOT
from bench.machine import machine
from bench.profiling import callgrind, samples, syscalls
from bench.profiling.costs import Counted
from bench.profiling.names import Function
from bench.profiling.report import MODES, inserted, markdown
from bench.servers import SERVERS

Figures = dict[str, Any]

DEFAULT = ("floor", "wsgi", "wsgi-pure", "pywsgi")
REQUESTS = 3_200  # for each count
SECONDS = 2  # of load for a server's CPU time, and again as many for its samples
OUT = ROOT / "bench" / "out"
PAGE = ROOT / "docs" / "profile.md"
#: Debian's package of each program.
PACKAGES = {
    "perf": "linux-perf",
    "strace": "strace",
    "valgrind": "valgrind",
    "vgdb": "valgrind",
    "wrk": "wrk",
    "taskset": "util-linux",
}
TOP = 60  # functions that are kept
DETAILED = 12  # functions of which --callgrind tells the helpers, and so many of those


def missing(programs: Iterator[str] | tuple[str, ...]) -> list[str]:
    """Debian's packages of the programs that are not installed."""
    return sorted({PACKAGES[name] for name in programs if shutil.which(name) is None})


def options(arguments: list[str]) -> argparse.Namespace:
    """What was asked."""
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--server", action="append", choices=SERVERS, help="these instead of all")
    add("--requests", type=int, default=REQUESTS, help=f"for each count; {REQUESTS}")
    add("--write", action="store_true", help="the tables into docs/profile.md as well")
    add("--callgrind", metavar="SERVER", choices=SERVERS, help="only this, in detail")
    add("--close", action="store_true", help="with --callgrind: a connection per request")
    add("--top", type=int, default=40, help="with --callgrind: so many functions; 40")
    return parser.parse_args(arguments)


def profile(servers: list[str], requests: int) -> Figures:
    """Measure all; the two that take a time come first, and one after the other."""
    figures: Figures = {
        "machine": machine(),
        "settings": {"requests": requests, "seconds": SECONDS},
        "servers": {name: about(name) for name in servers},
    }
    figures["time"] = each(servers, "CPU time", lambda name, close: timed(name, close=close))
    figures["calls"] = each(
        servers,
        "system calls",
        lambda name, close: {
            call: asdict(counted)
            for call, counted in syscalls.count(name, requests=requests, close=close).items()
        },
    )
    figures["instructions"] = counted(servers, requests)
    return figures


def about(name: str) -> dict[str, str]:
    """What a server is."""
    return {"title": SERVERS[name].title, "version": SERVERS[name].version()}


def each(servers: list[str], what: str, measure: Callable[[str, bool], Figures]) -> Figures:
    """Measure each server in each mode."""
    measured: Figures = {mode: {} for mode in MODES}
    for mode in MODES:
        for name in servers:
            say(f"{what}: {name}, {mode}")
            measured[mode][name] = measure(name, mode == "close")
    return measured


def timed(name: str, *, close: bool) -> Figures:
    """CPU time, as JSON has it."""
    return asdict(samples.measure(name, seconds=SECONDS, close=close))


def counted(servers: list[str], requests: int) -> Figures:
    """Count instructions; two at once, since nothing is timed."""
    build.environment()  # compiles, which must not happen twice at a time
    with ThreadPoolExecutor(2) as pool:

        def begin(name: str, close: bool) -> Any:
            return pool.submit(callgrind.count, name, requests=requests, close=close)

        begun = each(servers, "instructions", begin)
        return {
            mode: {name: told(one.result(), name) for name, one in of.items()}
            for mode, of in begun.items()
        }


def told(counted: Counted, name: str) -> Figures:
    """Instructions, as JSON has them."""
    owners = counted.owners() if SERVERS[name].compiled else {}
    top = counted.top("owned" if owners else "own", TOP)
    return {
        "total": counted.instructions / counted.requests,
        "parts": counted.parts(),
        "owners": owners,
        "top": [
            {
                "name": what.name,
                "module": what.module,
                **{key: value / counted.requests for key, value in asdict(cost).items()},
            }
            for what, cost in top
        ],
    }


def say(line: str) -> None:
    """Tell how far it is."""
    print(line, file=sys.stderr, flush=True)


def detail(name: str, counted: Counted, top: int) -> Iterator[str]:
    """What --callgrind prints."""
    requests = counted.requests
    yield f"{name}: {counted.instructions / requests:,.0f} instructions per request"
    sums = {"what they are": counted.parts()}
    if SERVERS[name].compiled:
        sums["on whose behalf"] = counted.owners()
    for title, parts in sums.items():
        yield f"\nBy {title}"
        yield from (f"{value:10.1f}  {part}" for part, value in parts.items() if value >= 1)
    for key, title in (("owned", "with helpers"), ("own", "itself"), ("inclusive", "all it calls")):
        if key == "owned" and not SERVERS[name].compiled:
            continue
        yield f"\nFunctions by {title}\n{'helpers':>10} {'itself':>9} {'all':>9} {'calls':>7}"
        for what, cost in counted.top(key, top):
            yield row(what, asdict(cost), requests)
    if SERVERS[name].compiled:
        yield from helpers(counted)


def helpers(counted: Counted) -> Iterator[str]:
    """The functions that cost most with their helpers, and those helpers."""
    for what, _ in counted.top("owned", DETAILED):
        yield f"\nOf {what.name}:"
        for helper, cost in counted.helpers[what].most_common(DETAILED):
            yield f"{cost / counted.requests:10.1f}  {helper.name}  [{helper.module}]"


def row(what: Function, cost: dict[str, int], requests: int) -> str:
    """A function's line."""
    owned, own, inclusive, calls = (
        cost[key] / requests for key in ("owned", "own", "inclusive", "calls")
    )
    return f"{owned:10.1f} {own:9.1f} {inclusive:9.1f} {calls:7.2f}  {what.name}  [{what.module}]"


def keep(figures: Figures, page: Path | None) -> None:
    """Write the files."""
    tables = markdown(figures)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "profile.json").write_text(json.dumps(figures, indent=1) + "\n")
    (OUT / "profile.md").write_text(tables + "\n")
    if page:
        page.write_text(inserted(page.read_text(), tables))
    print(tables)


def main(arguments: list[str]) -> str | None:
    """Do what was asked; returns what is wrong."""
    given = options(arguments)
    needed = ("valgrind", "vgdb", "taskset") if given.callgrind else tuple(PACKAGES)
    if packages := missing(needed):
        return f"not installed; on Debian and Ubuntu: apt-get install {' '.join(packages)}"
    try:
        if given.callgrind:
            got = callgrind.count(given.callgrind, requests=given.requests, close=given.close)
            print("\n".join(detail(given.callgrind, got, given.top)))
        else:
            keep(
                profile(given.server or list(DEFAULT), given.requests),
                PAGE if given.write else None,
            )
    except RuntimeError as reason:
        return str(reason)
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
