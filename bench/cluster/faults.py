"""One of the processes gets into trouble while clients ask, and out of it: what they notice.

The figures are raw: who has answered and whom the balancer has picked, each tenth of a second, and
the time of each fault. What they mean is left to `bench.cluster.claims`.
"""

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import gevent

from bench.cluster.balancer import Balancer, Balancing
from bench.cluster.client import Answer, Client, steady
from bench.cluster.places import Place
from bench.cluster.processes import Process
from bench.cluster.running import balanced, started

__all__ = ["BIN", "FAULTS", "Fault", "Plan", "Run", "play", "summary"]

BIN = 0.1  # seconds
OK = 200


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of it.

    Attributes:
        count: of the processes.
        max_workers: of each.
        mean: seconds that the application takes for a request.
        rate: requests a second of all clients.
        steady: seconds without a fault.
        fault: seconds of each.
        after: seconds behind each.
    """

    count: int = 8
    max_workers: int = 16
    mean: float = 0.05
    rate: float = 400
    steady: float = 10
    fault: float = 5
    after: float = 3


# ---------------------------------------------------------------------- what goes wrong

Act = Callable[[Process, Place], object]


def kill(process: Process, _: Place) -> None:
    """End it without a word."""
    process.tell(signal.SIGKILL)
    process.ended()


def again(process: Process, _: Place) -> None:
    """Start it once more; what still drains has time for that."""
    if process.runs:
        process.ended()
    process.start()


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong.

    Attributes:
        title: what it is.
        begin: it.
        end: it.
        leaves: of its fair share, how much may still be given to the process.
        cable: whether the place must have one.
    """

    title: str
    begin: Act
    end: Act
    leaves: float = 0.0
    cable: bool = False


FAULTS = {
    "killed": Fault("kill -9, and started again", kill, again),
    "drained": Fault("SIGTERM, and started again", lambda one, _: one.tell(signal.SIGTERM), again),
    "slowed": Fault(
        "its application takes ten times as long",
        lambda one, _: one.slow(),
        lambda one, _: one.quick(),
        leaves=0.5,
    ),
    "cut off": Fault(
        "all of its packets are lost, both ways",
        lambda one, where: where.cut(one.number),
        lambda one, where: where.heal(one.number),
        cable=True,
    ),
    "frozen": Fault(
        "SIGSTOP: its kernel takes connections, nobody answers",
        lambda one, _: one.tell(signal.SIGSTOP),
        lambda one, _: one.tell(signal.SIGCONT),
    ),
}


# ---------------------------------------------------------------------- a run


@dataclass(slots=True)
class Run:
    """What came of it, in monotonic seconds.

    Attributes:
        names: of the processes.
        answers: each request's.
        picks: when the balancer was looked at, and how often it had picked each until then.
        phases: name, process, begin, healed, end.
        statuses: with which those have ended that were told to.
        skipped: faults that could not be had, and why.
        retries: how often the balancer has asked again.
    """

    names: list[str]
    answers: list[Answer] = field(default_factory=list)
    picks: list[tuple[float, dict[str, int]]] = field(default_factory=list)
    phases: list[dict[str, Any]] = field(default_factory=list)
    statuses: dict[str, list[int]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    retries: int = 0


def watch(balancer: Balancer, run: Run) -> None:
    """Look at what the balancer does, again and again."""
    while True:
        shown = balancer.shown()
        picked = {name: int(shown[name]["lbtot"]) for name in run.names if name in shown}
        run.picks.append((monotonic(), picked))
        gevent.sleep(BIN)


@contextmanager
def asked(balancer: Balancer, plan: Plan, run: Run) -> Iterator[None]:
    """While this runs, clients ask, and are waited for at the end."""
    client, ended = Client(balancer.port), False
    watching = gevent.spawn(watch, balancer, run)
    asking = gevent.spawn(steady, client, plan.rate, lambda: ended)
    try:
        yield
    finally:
        ended = True
        asking.join()
        watching.kill()
        client.close()
        run.answers = client.answers
        run.retries = int(balancer.shown()["BACKEND"]["wretr"])


def suffer(
    fault: Fault, process: Process, where: Place, balancer: Balancer, plan: Plan
) -> dict[str, Any]:
    """Let a fault begin and end; the phase."""
    phase: dict[str, Any] = {"process": process.name, "begin": monotonic()}
    fault.begin(process, where)
    gevent.sleep(plan.fault)
    phase["healed"] = monotonic()
    fault.end(process, where)
    balancer.wait_until_up(process.name)
    phase["up"] = monotonic()
    gevent.sleep(plan.after)
    phase["end"] = monotonic()
    return phase


def play(
    where: Place,
    plan: Plan,
    faults: dict[str, Fault] = FAULTS,
    tell: Callable[[str], object] = lambda _: None,
) -> Run:
    """All faults, one after the other, each of another process."""
    arguments = ("--max-workers", str(plan.max_workers))
    variables = {"CLUSTER_MEAN": str(plan.mean)}
    with (
        started(where, where.numbers, arguments=arguments, variables=variables) as cluster,
        balanced(cluster, Balancing()) as balancer,
    ):
        run = Run([one.name for one in cluster.processes])
        with asked(balancer, plan, run):
            tell("steady")
            gevent.sleep(plan.after)  # until connections are there, and slow start is over
            phase = {"name": "steady", "process": "", "begin": monotonic()}
            gevent.sleep(plan.steady)
            run.phases.append(phase | {"healed": monotonic(), "end": monotonic()})
            for at, (name, fault) in enumerate(faults.items()):
                if fault.cable and not where.can_cut:
                    run.skipped[name] = f"{where.kind} have no cable"
                    continue
                tell(name)
                process = cluster.processes[at % len(cluster.processes)]
                phase = suffer(fault, process, where, balancer, plan)
                run.phases.append({"name": name} | phase)
        run.statuses = {one.name: one.statuses for one in cluster.processes}
    return run


# ---------------------------------------------------------------------- its figures


def summary(run: Run) -> dict[str, Any]:
    """The run in numbers, its time in seconds from the begin of the steady phase."""
    zero = run.phases[0]["begin"]
    times = ("begin", "healed", "up", "end")
    return {
        "bin": BIN,
        "names": run.names,
        "phases": [
            {key: round(value - zero, 3) if key in times else value for key, value in phase.items()}
            | noticed(run.answers, phase)
            for phase in run.phases
        ],
        "requests": len(run.answers),
        "outcomes": dict(Counter(str(one.status) for one in run.answers)),
        "longest": round(max(one.took for one in run.answers), 4),
        "answered": {name: binned(run, name, zero) for name in run.names},
        "p99": by_second(run, zero),
        "looks": [round(when - zero, 3) for when, _ in run.picks],
        "picked": {name: [picks.get(name, 0) for _, picks in run.picks] for name in run.names},
        "statuses": run.statuses,
        "skipped": run.skipped,
        "retries": run.retries,
    }


def noticed(answers: list[Answer], phase: dict[str, Any]) -> dict[str, Any]:
    """What the clients notice of a phase, until it is healed."""
    those = [one for one in answers if phase["begin"] <= one.due < phase["healed"]]
    took = sorted(one.took for one in those)
    return {
        "requests": len(those),
        "failed": sum(one.status != OK for one in those),
        "p50": percentile(took, 0.5),
        "p99": percentile(took, 0.99),
        "most": percentile(took, 1.0),
    }


def percentile(values: list[float], share: float) -> float:
    """Of sorted ones, in ms; 0 of none."""
    return round(values[min(len(values) - 1, int(len(values) * share))] * 1e3, 1) if values else 0.0


def binned(run: Run, name: str, zero: float) -> list[int]:
    """How many answers of a process came in each tenth of a second."""
    counts = Counter((one.done - zero) // BIN for one in run.answers if one.server == name)
    last = int((run.phases[-1]["end"] - zero) / BIN)
    return [counts[at] for at in range(last)]


def by_second(run: Run, zero: float) -> list[float]:
    """The p99 of the requests that were due in each second, in ms."""
    took: dict[int, list[float]] = {}
    for one in run.answers:
        took.setdefault(int((one.due - zero) // 1), []).append(one.took)
    last = int(run.phases[-1]["end"] - zero)
    return [percentile(sorted(took.get(second, [])), 0.99) for second in range(last)]
