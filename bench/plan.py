"""What is run, in which order, and carrying it out.

Every repetition goes through all servers of a workload, one after another, and the repetitions of
all workloads follow each other, so that the servers share the machine's moods. A run that goes
wrong is noted, and takes no other with it; when the user has had enough (Ctrl-C), what there is
stays.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from bench.command_line import HANDOFF, Scale
from bench.figures import Figures, Run
from bench.servers import SERVERS
from bench.workloads import WORKLOADS, Workload


@dataclass(frozen=True, slots=True)
class Step:
    """One run of one server.

    Attributes:
        repetition: which, from 0.
        workload: its name.
        server: the same.
        seconds: that the server is loaded.
        lasts: about how many seconds it takes in all.
    """

    repetition: int
    workload: str
    server: str
    seconds: int
    lasts: float

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return f"{self.workload}: {SERVERS[self.server].title}"


class Watcher(Protocol):
    """Is told how it goes."""

    def begin(self, step: Step) -> None:
        """A run begins."""

    def end(self, step: Step, run: Run | None, failure: str) -> None:
        """It has ended, with figures or with a failure."""


def repeats(workload: Workload, scale: Scale) -> int:
    """Runs of each server under a workload."""
    return scale.repeat or workload.repeat


def able(name: str, servers: list[str]) -> list[str]:
    """Those of some servers that are for a workload and can do it."""
    return [
        server
        for server in WORKLOADS[name].servers
        if server in servers and name not in SERVERS[server].lacks
    ]


def plan(scale: Scale, servers: list[str]) -> list[Step]:
    """All runs, in order.

    Args:
        scale: what is asked for.
        servers: those that are there.
    """
    names = [name for name in scale.workloads if name != HANDOFF]
    most = max((repeats(WORKLOADS[name], scale) for name in names), default=0)
    return [
        step(repetition, name, server, scale)
        for repetition in range(most)
        for name in names
        if repetition < repeats(WORKLOADS[name], scale)
        for server in able(name, servers)
    ]


def step(repetition: int, name: str, server: str, scale: Scale) -> Step:
    """One of them."""
    workload = WORKLOADS[name]
    seconds = scale.seconds or workload.seconds
    return Step(repetition, name, server, seconds, workload.shape.lasts(seconds))


def carry_out(steps: list[Step], figures: Figures, watcher: Watcher) -> None:
    """Measure; figures and failures go where they belong.

    Args:
        steps: see `plan`.
        figures: has a place for the runs, see `prepare`.
        watcher: is told.
    """
    try:
        for one in steps:
            watcher.begin(one)
            watcher.end(one, *attempt(one, figures))
    except KeyboardInterrupt:
        figures["settings"]["interrupted"] = True


def attempt(one: Step, figures: Figures) -> tuple[Run | None, str]:
    """One run; what it has measured, or why it has not."""
    try:
        run = WORKLOADS[one.workload].measure(one.server, one.seconds)
    except Exception as why:  # a run of twenty minutes is not lost for one that goes wrong
        failure = str(why) or type(why).__name__
        figures["failed"].append(f"{one.title}: {failure}")
        return None, failure
    figures["runs"][one.workload][one.server].append(run)
    return run, ""


def prepare(steps: list[Step], figures: Figures) -> None:
    """Say in the figures what there will be: workloads, servers, and a place for every run."""
    servers = {one.server for one in steps}
    for one in sorted(steps, key=lambda one: one.repetition):
        workload = WORKLOADS[one.workload]
        figures["workloads"].setdefault(one.workload, about_workload(workload, one.seconds))
        figures["runs"].setdefault(one.workload, {}).setdefault(one.server, [])
    purposes = {WORKLOADS[one.workload].purpose for one in steps}
    for name in SERVERS:
        if name in servers:
            figures["servers"][name] = about_server(name, purposes)


def about_workload(workload: Workload, seconds: int) -> dict[str, Any]:
    """What the figures say of a workload."""
    return {
        "title": workload.title,
        "seconds": seconds,
        "purpose": workload.purpose.value,
        "connections": workload.connections,
        "latency": workload.latency,
        "carries": workload.carries,
        "axis": workload.axis,
        "at": workload.at,
    }


def about_server(name: str, purposes: set[Any]) -> dict[str, Any]:
    """What the figures say of a server."""
    server = SERVERS[name]
    settings: dict[str, list[str]] = {}
    for purpose in sorted(purposes):
        settings.setdefault(server.setting(purpose), []).append(purpose.value)
    told = [
        words if len(settings) == 1 else f"{'/'.join(of)}: {words}"
        for words, of in settings.items()
    ]
    return {
        "title": server.title,
        "kind": server.kind.value,
        "version": version_of(name),
        "setting": "; ".join(told),
        "lacks": dict(server.lacks),
    }


def version_of(name: str) -> str:
    """The version of a server."""
    try:
        return SERVERS[name].version()
    except Exception as why:  # it has started, so it is there: no reason not to measure it
        return f"unknown ({why})"


def tidy(figures: Figures) -> None:
    """Forget the places where nothing came."""
    runs = figures["runs"]
    for name in list(runs):
        runs[name] = {server: found for server, found in runs[name].items() if found}
        if not runs[name]:
            del runs[name]
