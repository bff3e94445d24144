"""What `python -m bench.soak` can be told."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from bench.command_line import OUT, positive
from bench.soak.running import Plan

__all__ = ["Options", "options"]

MINUTES = 1.0


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says.

    Attributes:
        plan: what to do.
        to: the folder that figures, report and plot go to.
    """

    plan: Plan
    to: Path


def parser() -> argparse.ArgumentParser:
    """The options, for argparse."""
    made = argparse.ArgumentParser(
        "python -m bench.soak",
        description="Load gpool with all kinds of requests and clients, check each byte of each"
        " answer, and that each request was run once or refused; then that nothing is left.",
        epilog="Without a limit it takes a minute. Status 0 if all claims held, 1 if one did not:"
        " each of these is named.",
    )
    add = made.add_argument
    add("--minutes", type=minutes, metavar="M", help=f"play for so long ({MINUTES:g})")
    add("--requests", type=positive, metavar="N", help="play until so many are sent")
    add("--seed", type=int, default=1, metavar="N", help="of all that is random (1)")
    add("--pure", action="store_true", help="serve with gpool's sources, not compiled")
    add("--to", type=Path, metavar="FOLDER", help="where the results go (bench/out/soak)")
    return made


def minutes(text: str) -> float:
    """A time above 0."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("must be above 0")
    return value


def options(arguments: list[str] | None = None) -> Options:
    """What the command line says, with what it leaves open filled in.

    Args:
        arguments: those of the process, if None.

    Raises:
        SystemExit: there is something wrong with them, or they ask for help.
    """
    given = parser().parse_args(arguments)
    limited = given.requests is not None or given.minutes is not None
    plan = Plan(
        given.requests,
        given.minutes if limited else MINUTES,
        seed=given.seed,
        pure=given.pure,
    )
    return Options(plan, given.to or OUT / "soak")
