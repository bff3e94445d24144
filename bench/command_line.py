"""What `python -m bench` can be told, and what it does if it is told nothing."""

import argparse
import time
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from bench.servers import SERVERS
from bench.workloads import WORKLOADS

OUT = Path(__file__).parent / "out"
HANDOFF = "handoff"
USUAL = (*(name for name, workload in WORKLOADS.items() if workload.usual), HANDOFF)
ALL = (*WORKLOADS, HANDOFF)


@dataclass(frozen=True, slots=True)
class Scale:
    """What is measured, and how thoroughly.

    Attributes:
        workloads: those that are measured.
        servers: the same; each under the workloads it is for.
        repeat: runs of each server; None for each workload's own number.
        seconds: of each run; None for each workload's own.
    """

    workloads: tuple[str, ...] = USUAL
    servers: tuple[str, ...] = tuple(SERVERS)
    repeat: int | None = None
    seconds: int | None = None


#: In under two minutes, with as many repetitions as it takes to know the spread.
QUICK = Scale(
    ("keep-alive", "close", "wait"), ("floor", "wsgi", "pywsgi", "bjoern", "go-fasthttp"), 3, 1
)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says.

    Attributes:
        scale: what to measure.
        quick: whether that is the short one.
        to: the folder that figures, report and plots go to.
        against: figures to compare with afterwards; None for none.
        listing: only tell what can be measured.
    """

    scale: Scale
    quick: bool
    to: Path
    against: Path | None
    listing: bool


def parser() -> argparse.ArgumentParser:
    """The options, for argparse."""
    made = argparse.ArgumentParser(
        "python -m bench",
        description="Measure gpool's servers beside others, and say what came out.",
        epilog="Workloads and servers can be patterns: --workload 'idle-*'. See --list.",
    )
    add = made.add_argument
    add("--quick", action="store_true", help="a few servers and workloads, in under two minutes")
    add("--workload", action="append", metavar="NAME", help="only this; repeatable")
    add("--server", action="append", metavar="NAME", help="only this; repeatable")
    add("--repeat", type=positive, metavar="N", help="runs of each server (as --list says)")
    add("--seconds", type=positive, metavar="N", help="of each run (as --list says)")
    add("--to", type=Path, metavar="FOLDER", help="where the results go (bench/out/TIME)")
    add("--against", type=Path, metavar="FILE", help="figures to compare with: status 1 if worse")
    add("--list", action="store_true", help="tell what can be measured, and end")
    return made


def positive(text: str) -> int:
    """A number from 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def matching(patterns: Iterable[str], names: Iterable[str]) -> tuple[str, ...]:
    """The names that are meant, in their own order.

    Raises:
        ValueError: a pattern means none.
    """
    known, wanted = list(names), list(patterns)
    for pattern in wanted:
        if not any(fnmatch(name, pattern) for name in known):
            raise ValueError(f"{pattern} is none of {', '.join(known)}")
    return tuple(name for name in known if any(fnmatch(name, one) for one in wanted))


def chosen(
    command_line: argparse.ArgumentParser,
    patterns: Iterable[str] | None,
    names: Iterable[str],
    usual: Iterable[str] | None = None,
) -> tuple[str, ...]:
    """The names that are meant; where nothing is said the usual ones, which are all by default.

    Raises:
        SystemExit: a pattern means none; the command line has said so.
    """
    if not patterns:
        return tuple(names if usual is None else usual)
    try:
        return matching(patterns, names)
    except ValueError as why:
        command_line.error(str(why))


def options(arguments: list[str] | None = None) -> Options:
    """What the command line says, with what it leaves open filled in.

    Args:
        arguments: those of the process, if None.

    Raises:
        SystemExit: there is something wrong with them, or they ask for help.
    """
    command_line = parser()
    given = command_line.parse_args(arguments)
    usual = QUICK if given.quick else Scale()
    workloads = chosen(command_line, given.workload, ALL, usual.workloads)
    servers = chosen(command_line, given.server, SERVERS, usual.servers)
    if given.against and not given.against.is_file():
        command_line.error(f"--against {given.against}: there is no such file")
    return Options(
        scale=Scale(
            workloads, servers, given.repeat or usual.repeat, given.seconds or usual.seconds
        ),
        quick=given.quick,
        to=given.to or OUT / time.strftime("%Y-%m-%d-%H%M%S"),
        against=given.against,
        listing=given.list,
    )
