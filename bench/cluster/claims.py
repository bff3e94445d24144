"""What was asked of a cluster, what was measured, and whether it held: from the figures alone.

Load has moved away from a process when the balancer does not pick it any more, or, where it is slow
but well, when it picks it for less than half of its fair share. What is said is the end of the
last tenth of a second in which it still did, the one in which the fault began among them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from statistics import mean
from typing import Any

from bench.cluster.faults import FAULTS

__all__ = ["Claim", "claims", "fairness", "moved"]

Figures = dict[str, Any]
MOVED = 1.0  # second
FAIR = 1.1  # the most that a process answers, to the least
SMOOTH = 3  # looks, over which picks are counted where some are allowed


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that was asked for.

    Attributes:
        name: what.
        asked: how much.
        measured: how much it was.
        held: whether that is enough; None if it could not be measured.
    """

    name: str
    asked: str
    measured: str
    held: bool | None


def fairness(figures: Figures) -> float:
    """The most that a process has answered in the steady phase, to the least."""
    first = figures["phases"][0]
    begin, end = (round(first[key] / figures["bin"]) for key in ("begin", "healed"))
    counts = [sum(bins[begin:end]) for bins in figures["answered"].values()]
    ratio: float = max(counts) / max(1, min(counts))
    return ratio


def picks(figures: Figures, phase: Figures, every: int) -> Iterator[tuple[float, float, float]]:
    """Of a phase: from when, until when, which share of its fair share its process was given."""
    counted = list(zip(*figures["picked"].values(), strict=True))
    own = figures["names"].index(phase["process"])
    looks = list(zip(figures["looks"], counted, strict=True))
    for (early, before), (late, after) in pairwise(looks[::every]):
        if phase["begin"] < late and early < phase["healed"]:
            given = [more - less for less, more in zip(before, after, strict=True)]
            yield early, late, given[own] * len(given) / max(1, sum(given))


def moved(figures: Figures, phase: Figures) -> float:
    """Seconds from the begin of a fault until its process had no more than it may."""
    leaves = FAULTS[phase["name"]].leaves
    those = picks(figures, phase, SMOOTH if leaves else 1)
    return max((late - phase["begin"] for _, late, share in those if share > leaves), default=0.0)


def left(figures: Figures, phase: Figures) -> float:
    """The share of its fair share that a process had, from a second after its fault on."""
    since = phase["begin"] + MOVED
    shares = [share for early, _, share in picks(figures, phase, 1) if early >= since]
    return mean(shares) if shares else 0.0


def claims(figures: Figures) -> list[Claim]:
    """All of them, of both parts."""
    return [*of_faults(figures["faults"]), *of_crowds(figures["crowded"])]


def of_faults(figures: Figures) -> Iterator[Claim]:
    """What is said of processes in trouble."""
    outcomes = figures["outcomes"]
    failed = figures["requests"] - outcomes.get("200", 0)
    told = f"{failed} of {figures['requests']:,}"
    yield Claim("GETs that failed, in all phases", "0", told, failed == 0)
    ratio = fairness(figures)
    yield Claim(
        "steady: the most answers of a process, to the least",
        f"at most {FAIR:g}",
        f"{ratio:.3f}",
        ratio <= FAIR,
    )
    for phase in figures["phases"][1:]:
        seconds, share = moved(figures, phase), left(figures, phase)
        yield Claim(
            f"{phase['name']}: load has moved away",
            f"within {MOVED:g} s",
            f"{seconds:.1f} s; {share:.0%} of its share after that",
            seconds <= MOVED,
        )
    yield from drained(figures)
    for name, why in figures["skipped"].items():
        yield Claim(f"{name}: load has moved away", f"within {MOVED:g} s", f"skipped: {why}", None)


def drained(figures: Figures) -> Iterator[Claim]:
    """Whoever was told to end has done so in order."""
    for phase in figures["phases"]:
        if phase["name"] == "drained":
            statuses = figures["statuses"][phase["process"]]
            yield Claim("drained: exit status", "0", str(statuses[0]), statuses[0] == 0)


def of_crowds(rows: list[Figures]) -> Iterator[Claim]:
    """What is said of full processes."""
    tried = [row for row in rows if row["overflow"] == "reject" and row["retry"]]
    refused = sum(row["refused"] + row["failed"] for row in tried)
    told = f"{refused} of {sum(row['requests'] for row in tried):,}"
    yield Claim("90 % of all workers, retry-on 503: clients refused", "0", told, refused == 0)
    by_full = sum(row["by_full"] for row in tried)
    yield Claim("though full processes have refused", "some", f"{by_full:,}", by_full > 0)
    plain = [row for row in rows if row["overflow"] == "reject" and not row["retry"]]
    without = sum(row["refused"] for row in plain)
    yield Claim("without retry-on 503: clients refused", "some", f"{without:,}", without > 0)
