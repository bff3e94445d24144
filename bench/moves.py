"""What has moved between two runs of the bench, beyond what runs differ by anyway.

A figure has moved if its median is outside of the other's lowest and highest run, on both sides,
and differs by more than a threshold; by three times as much where it is a p99, which a few
requests make. Where there was one run on a side nobody knows how far runs are apart, and the
threshold is three times as high.

Machines differ, and so do the days of one. So each run is also put beside the same repetition of a
reference in the same workload, the C floor, or pywsgi where the floor is not measured, or else
beside what a hello request cost the reference: it has moved only if that ratio has moved too, the
same way. Figures of different machines are judged by that ratio alone. Memory is no matter of
speed, and is taken as it is. Requests/s and latencies are left out where they are the load
generator's own: it had no CPU left, or asked at a fixed rate.
"""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from bench.figures import Figures, Run, client_bound, each, has, kind, medians, title
from bench.kinds import Kind
from bench.machine import HARDWARE

UNKNOWN_SPREAD = 3  # times the threshold, where there was one run
REFERENCES = ("floor", "pywsgi")
MACHINE = ("keep-alive", "cost")  # what tells how fast the machine is, where there is no reference


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure that is compared.

    Attributes:
        key: of `bench.figures`.
        name: what tables call it.
        more: whether more is better.
        speed: whether it depends on how fast the machine is.
        slack: times the threshold, that it may differ by.
    """

    key: str
    name: str
    more: bool = False
    speed: bool = True
    slack: float = 1.0


MEASURES = (
    Measure("cost", "CPU per request"),
    Measure("rate", "requests/s", more=True),
    Measure("p99", "p99", slack=3.0),
    Measure("kib", "KiB per idle connection", speed=False),
)


@dataclass(frozen=True, slots=True)
class Sides:
    """The values of one figure in both runs.

    Attributes:
        old: one for each repetition.
        new: the same.
    """

    old: list[float]
    new: list[float]

    @property
    def ratio(self) -> float:
        """The new median, of the old one."""
        return statistics.median(self.new) / statistics.median(self.old)

    @property
    def known(self) -> bool:
        """Whether the spread of both is."""
        return len(self.old) > 1 and len(self.new) > 1

    def moved(self, threshold: float) -> int:
        """1 if it is higher now, -1 if it is lower, 0 if nobody can say so."""
        before, now = statistics.median(self.old), statistics.median(self.new)
        bound = threshold if self.known else threshold * UNKNOWN_SPREAD
        if abs(self.ratio - 1) <= bound:
            return 0
        if min(self.old) <= now <= max(self.old) or min(self.new) <= before <= max(self.new):
            return 0
        return 1 if now > before else -1


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure of one server under one workload.

    Attributes:
        workload: its name.
        server: the same.
        title: what tables call the server.
        ours: whether it is one of gpool's.
        measure: which figure.
        raw: as it was measured.
        beside: the same as multiples of the reference's; None where there is none.
        reference: the title of that one.
        same: whether both were measured on the same machine.
    """

    workload: str
    server: str
    title: str
    ours: bool
    measure: Measure
    raw: Sides
    beside: Sides | None
    reference: str
    same: bool

    @property
    def judged(self) -> Sides | None:
        """By what it is judged how far it has moved; None if it cannot be."""
        if self.beside is not None:
            return self.beside
        return self.raw if self.same or not self.measure.speed else None

    def moved(self, threshold: float) -> int:
        """1 if it got better, -1 if it got worse, 0 if neither."""
        sides, bound = self.judged, threshold * self.measure.slack
        direction = sides.moved(bound) if sides else 0
        if self.same and direction != self.raw.moved(bound):
            return 0  # it was the reference, or the machine
        return direction if self.measure.more else -direction

    @property
    def ratio(self) -> float:
        """What is judged now, of what it was."""
        return (self.judged or self.raw).ratio

    def sentence(self, threshold: float) -> str:
        """What has moved, in words."""
        change = f"{abs(self.ratio - 1):.0%} {'higher' if self.ratio > 1 else 'lower'}"
        word = "better" if self.moved(threshold) > 0 else "worse"
        beside = f", beside {self.reference}" if self.reference else ""
        return f"{word}: {self.workload}, {self.title}: {self.measure.name} {change}{beside}"


def compare(old: Figures, new: Figures) -> list[Compared]:
    """Every figure that there is in both."""
    same = not differences(old, new, HARDWARE)
    return [
        one
        for workload in old["runs"]
        if workload in new["runs"]
        for server in old["runs"][workload]
        if server in new["runs"][workload]
        for one in compared(old, new, workload, server, same=same)
    ]


def compared(
    old: Figures, new: Figures, workload: str, server: str, *, same: bool
) -> Iterator[Compared]:
    """The figures of one server under one workload."""
    before, now = old["runs"][workload], new["runs"][workload]
    for measure in MEASURES:
        if not comparable(measure, before[server], now[server]):
            continue
        raw = Sides(each(before[server], measure.key), each(now[server], measure.key))
        if min(raw.old) <= 0 or min(raw.new) <= 0:
            continue  # no ratio of that
        reference, beside = put_beside((old, new), workload, server, measure, raw)
        yield Compared(
            workload,
            server,
            title(new, server),
            ours=kind(new, server) is Kind.OURS,
            measure=measure,
            raw=raw,
            beside=beside,
            reference=title(new, reference) if reference else "",
            same=same,
        )


def comparable(measure: Measure, *sides: list[Run]) -> bool:
    """Whether both have the figure, and it is the server's."""
    if not all(has(runs, measure.key) for runs in sides):
        return False
    if measure.key == "rate" and any(has(runs, "asked_rate") for runs in sides):
        return False
    return measure.key not in {"rate", "p99"} or not any(client_bound(runs) for runs in sides)


def put_beside(
    both: tuple[Figures, Figures], workload: str, server: str, measure: Measure, raw: Sides
) -> tuple[str, Sides | None]:
    """The reference, and the figure as multiples of its; none for what is no matter of speed."""
    if not measure.speed:
        return "", None
    before, now = (figures["runs"][workload] for figures in both)
    if reference := reference_of(measure, before, now, server):
        return reference, multiples(measure, before, now, server, reference)
    for name in REFERENCES:
        then, today = (medians(figures, *MACHINE).get(name) for figures in both)
        if name != server and then and today:
            return name, Sides(by(then, raw.old, measure), by(today, raw.new, measure))
    return "", None


def by(hello: float, values: list[float], measure: Measure) -> list[float]:
    """Values by what a hello request cost: a rate is the higher the less it was."""
    return [value * hello if measure.more else value / hello for value in values]


def reference_of(
    measure: Measure, before: dict[str, list[Run]], now: dict[str, list[Run]], server: str
) -> str:
    """The first reference whose figure both have."""
    for name in REFERENCES:
        there = (before.get(name, []), now.get(name, []))
        if name != server and comparable(measure, *there):
            return name
    return ""


def multiples(
    measure: Measure,
    before: dict[str, list[Run]],
    now: dict[str, list[Run]],
    server: str,
    reference: str,
) -> Sides:
    """A figure as multiples of the reference's."""
    return Sides(
        by_repetition(before[server], before[reference], measure.key),
        by_repetition(now[server], now[reference], measure.key),
    )


def by_repetition(runs: list[Run], reference: list[Run], key: str) -> list[float]:
    """Each run by the reference's of about the same time, if none is missing."""
    values, theirs = each(runs, key), each(reference, key)
    if len(values) != len(theirs):
        theirs = [statistics.median(theirs)] * len(values)
    return [value / their for value, their in zip(values, theirs, strict=True)]


def differences(old: Figures, new: Figures, keys: tuple[str, ...]) -> list[str]:
    """In what two machines differ, in words."""
    before, now = old["machine"], new["machine"]
    return [
        f"{key}: {before.get(key)}, now {now.get(key)}"
        for key in keys
        if before.get(key) != now.get(key)
    ]
