"""How many processes, and which limits: python -m bench.capacity --help."""

import argparse
import re
import sys
from collections.abc import Callable, Iterator

from bench.capacity.answer import Answer, NoAnswerError, Wish, answer
from bench.capacity.model import SPREADS

UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}
EXAMPLE = "python -m bench.capacity --rate 5000 --cpu 0.4ms --wait 30ms --p99 120ms"
ABOUT = f"""\
How many processes it takes, and which max_workers and max_connections, by simulation. Each process
has a core of its own, and refuses requests that find no worker (overflow="reject"). For example:

  {EXAMPLE}
"""
FINDING = """\
Durations have a unit: 250us, 0.4ms, 30ms, 1.5s. The CPU part of a request is what the process
uses (user and system time) divided by the requests of the same time; gpool's own share is in it.
The wait is what is left of its mean time where there is little load. Spreads are constant, erlang
(of two steps, with p99 3.3 times the mean), exponential (4.6 times) and lognormal (6.2 times).
docs/capacity.md says how far all this is from measurements.
"""


def duration(least: float, most: float) -> Callable[[str], float]:
    """The type of an option that is a duration in that range, seconds."""

    def parsed(text: str) -> float:
        match = re.fullmatch(r"([0-9]*\.?[0-9]+)(us|ms|s|m)", text)
        if not match and text != "0":
            raise argparse.ArgumentTypeError(f"{text!r} is no duration: 250us, 0.4ms, 30ms, 1.5s")
        seconds = float(match[1]) * UNITS[match[2]] if match else 0.0
        if not least <= seconds <= most:
            raise argparse.ArgumentTypeError(
                f"{text} is out of its range: {said(least)} to {said(most)}"
            )
        return seconds

    return parsed


def number(kind: Callable[[str], float], least: float, most: float) -> Callable[[str], float]:
    """The type of an option that is a number in that range."""

    def parsed(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is out of its range: {least:g} to {most:g}")
        return value

    return parsed


def share(text: str) -> float:
    """The type of an option that is a percentage."""
    return number(float, 0.001, 50)(text.removesuffix("%")) / 100


def said(seconds: float) -> str:
    """A duration in words."""
    for unit, factor in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= factor:
            return f"{seconds / factor:.4g} {unit}"
    return f"{seconds * 1e6:.4g} us"


def parser() -> argparse.ArgumentParser:
    """The options, for argparse."""
    made = argparse.ArgumentParser(
        "python -m bench.capacity",
        description=ABOUT,
        epilog=FINDING,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add, wish = made.add_argument, Wish(1, 1, 1, 1)
    requests, cpu, wait = number(float, 0.1, 1e6), duration(1e-6, 10), duration(0, 600)
    add("--rate", type=requests, required=True, metavar="N", help="requests a second, 0.1 to 1e6")
    add("--cpu", type=cpu, required=True, metavar="TIME", help="of a core, 1us to 10s each")
    add("--wait", type=wait, required=True, metavar="TIME", help="for others, 0 to 600s each")
    add("--p99", type=duration(1e-4, 3600), required=True, metavar="TIME", help="the target")
    add("--cpu-spread", choices=SPREADS, default=wish.cpu_spread, help="(%(default)s)")
    add("--wait-spread", choices=SPREADS, default=wish.wait_spread, help="(%(default)s)")
    add(
        "--split",
        choices=("random", "least"),
        default=wish.split,
        help="which process gets a request: any, or the one with the fewest (%(default)s)",
    )
    add(
        "--refused",
        type=share,
        default=wish.refused,
        metavar="PERCENT",
        help="that may be refused, 0.001%% to 50%% (0.01%%)",
    )
    add(
        "--clients",
        type=number(int, 0, 1e8),
        default=wish.clients,
        metavar="N",
        help="connections that clients keep open and idle, all together (%(default)s)",
    )
    add(
        "--spare",
        type=number(int, 0, 100),
        default=wish.spare,
        metavar="N",
        help="processes more, so that as many may be missing (%(default)s)",
    )
    return made


def told(wish: Wish, found: Answer) -> Iterator[str]:
    """The answer, in lines."""
    spare = f" ({wish.spare} of them may be missing)" if wish.spare else ""
    yield f"processes        {found.processes}{spare}"
    yield f"max_workers      {found.max_workers} each"
    yield f"max_connections  {found.max_connections} each"
    yield f"utilisation      {found.busy:.0%} of each core"
    yield f"p50, p99         {said(found.p50)}, {said(found.p99)} (target {said(wish.p99)})"
    yield f"refused          {found.refused:.4%}"
    yield ""
    yield "By formula, without what requests wait for the core:"
    yield (
        f"  Little's law: {found.little:.1f} in all applications at a time; "
        f"simulated {found.inside:.1f}"
    )
    yield f"  Erlang B: {found.erlang:.4%} refused with so many workers"


def main(arguments: list[str] | None = None) -> int:
    """Say it; the exit status."""
    given = parser().parse_args(arguments)
    wish = Wish(**vars(given))
    try:
        found = answer(wish)
    except NoAnswerError as why:
        print(f"python -m bench.capacity: {why}", file=sys.stderr)
        return 1
    print("\n".join(told(wish, found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
