"""The model beside gpool: the same requests to both, at loads from low to too high.

Each process is the command `gpool`, compiled where there is a compiler, with the application of
`bench.capacity.site`; all of them on the first CPU, and the client on the second. What a request
costs in CPU, gpool's own share included, is measured first, at a load of 30 %; the model is told
that, and the moments and the durations of every request, and nothing else. So what it says differs
from what is measured by what is wrong with it, and not by chance.

python -m bench.capacity.measuring [--to FOLDER] [SETTING ...] measures those settings (all; in four
minutes) and keeps what the folder has of others; FOLDER is bench/results by default.
"""

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from bench.capacity.client import Client, Said
from bench.capacity.model import Load, Outcome, Server, made_load, percentile, simulate
from bench.command_line import chosen
from bench.kinds import Purpose, Setup
from bench.kinds import Server as Measured
from bench.machine import machine
from bench.peers.own import own
from bench.processes import cpus, free_port, pinned, started, wait_until_it_answers

__all__ = ["LOADS", "SETTINGS", "Case", "measured", "simulated"]

RESULTS = Path(__file__).parents[1] / "results"
LOADS = (0.3, 0.6, 0.8, 0.9, 0.95, 1.1)
SECONDS = 5.0  # of a load
LEARNING = 2.0  # seconds in which the cost of a request is measured, and the server gets warm
GUESS = 150e-6  # seconds of it that are gpool's, until that is known
LEARNING_LOAD = 0.3
FEWEST = 50  # requests
MOST_OTHERS = 0.02  # of the server's core: whoever else has used more has disturbed
TRIES = 2


@dataclass(frozen=True, slots=True)
class Case:
    """What is measured.

    Attributes:
        text: what it is.
        cpu: seconds that the application computes.
        wait: the mean seconds that it waits.
        server: the model of what serves it.
        spread: of the wait.
    """

    text: str
    cpu: float
    wait: float
    server: Server
    spread: str = "exponential"

    def capacity(self, cost: float) -> float:
        """Requests a second that there is room for, where each takes `cost` seconds of a core."""
        server = self.server
        cores = 1 if server.shared else server.processes
        places = server.processes * server.max_workers / (self.wait + cost)
        return min(cores / cost, places)


SETTINGS = {
    "computes": Case("one process, 2 ms of computing and no wait", 2e-3, 0.0, Server(100)),
    "reject": Case("one process, 20 workers, 40 ms of waiting", 2e-4, 0.04, Server(20)),
    "wait": Case(
        'the same with overflow="wait"', 2e-4, 0.04, Server(20, overflow="wait", max_queue=1_024)
    ),
    "both": Case(
        "one process, 1 ms of computing, 20 ms of waiting (lognormal)",
        1e-3,
        0.02,
        Server(64),
        "lognormal",
    ),
    "eight": Case(
        "eight processes on one core, 10 workers each, 50 ms of waiting, chosen by chance",
        2e-4,
        0.05,
        Server(10, processes=8, shared=True),
    ),
    "least": Case(
        "the same, each to the process that has the fewest requests",
        2e-4,
        0.05,
        Server(10, processes=8, shared=True, split="least"),
    ),
}


# ---------------------------------------------------------------------- the real one


def gpool(server: Server, *, compiled: bool) -> Measured:
    """Our command, as the bench starts servers."""

    def told(setup: Setup) -> list[object]:
        given = ["--bind", setup.address, "--max-workers", server.max_workers]
        given += ["--overflow", server.overflow, "--max-queue", server.max_queue]
        return [*given, "bench.capacity.site:application"]

    return own("gpool", told, "as the case says", compiled=compiled)


@contextmanager
def running(server: Server, *, compiled: bool = True) -> Iterator[tuple[list[int], list[int]]]:
    """Its processes, while this runs: their numbers and their ports.

    Raises:
        DidNotStartError: one does not, and why.
    """
    kind, pids, ports = gpool(server, compiled=compiled), [], []
    with ExitStack() as stack:
        for _ in range(server.processes):
            setup = Setup(free_port(), Purpose.HELLO, kind.chosen(Purpose.HELLO))
            complaints = stack.enter_context(tempfile.TemporaryFile("w+", errors="replace"))
            process = stack.enter_context(started(kind, setup, complaints))
            wait_until_it_answers(process, setup.port, complaints, secure=False)
            pids.append(process.pid)
            ports.append(setup.port)
        yield pids, ports


def chooser(split: str, processes: int) -> Callable[[int, list[int]], int]:
    """How the client chooses a process."""
    if split == "least":
        return lambda _, in_flight: in_flight.index(min(in_flight))
    dice = random.Random(1)  # noqa: S311  # no secret
    return lambda _, in_flight: dice.randrange(processes)  # noqa: ARG005


def load_of(case: Case, rate: float, seconds: float, seed: int) -> Load:
    """The requests; `cpu` is the application's."""
    count = max(FEWEST, round(rate * seconds))
    load = made_load(rate, count, case.cpu, case.wait, wait_spread=case.spread, seed=seed)
    return Load(load.came, load.cpu, np.round(load.wait, 6))


def sent(client: Client, load: Load) -> list[Said]:
    """What becomes of them."""
    durations = zip(load.cpu, load.wait, strict=True)
    paths = [f"/{round(cpu * 1e6)}/{round(wait * 1e6)}" for cpu, wait in durations]
    return client.ask(load.came.tolist(), paths)


def scheduled(pids: list[int]) -> tuple[float, float]:
    """Seconds that the processes have had a core so far, and that they have waited for one.

    In finer steps than /proc/PID/stat has.
    """
    threads = (path for pid in pids for path in Path(f"/proc/{pid}/task").iterdir())
    fields = [(path / "schedstat").read_text().split() for path in threads]
    ran, waited = (sum(int(one[at]) for one in fields) / 1e9 for at in (0, 1))
    return ran, waited


def figures(took: Any, lasts: float) -> dict[str, float]:
    """Of one run, by what became of each request: seconds, or not a number."""
    return {
        "p50": percentile(took, 0.5) * 1e3,
        "p99": percentile(took, 0.99) * 1e3,
        "rate": float((~np.isnan(took)).sum()) / lasts,
        "refused": float(np.isnan(took).mean()),
    }


def measured(case: Case, seconds: float = SECONDS, *, compiled: bool = True) -> dict[str, Any]:
    """One setting at all loads: measured, and simulated.

    Raises:
        DidNotStartError: there is no gpool here.
        RuntimeError: a request had no answer at all.
    """
    server = case.server
    choose = chooser(server.split, server.processes)
    with (
        running(server, compiled=compiled) as (pids, ports),
        pinned(cpus()[1]),
        Client(ports, choose=choose) as client,
    ):
        ask = partial(asked, case, pids, client)
        rate = LEARNING_LOAD * case.capacity(case.cpu + GUESS)
        ask(load_of(case, rate, min(LEARNING, seconds), 1))
        cost = undisturbed(ask, load_of(case, rate, min(LEARNING, seconds), 2))["cost"]
        runs = []
        for number, part in enumerate(LOADS):
            load = load_of(case, part * case.capacity(cost), seconds, number + 3)
            runs.append(
                {
                    "load": part,
                    "asked": len(load.came) / float(load.came[-1]),
                    "measured": undisturbed(ask, load),
                    "simulated": simulated(case, load, cost),
                }
            )
    return {"text": case.text, "cost": cost, "capacity": case.capacity(cost), "runs": runs}


def asked(case: Case, pids: list[int], client: Client, load: Load) -> dict[str, Any]:
    """A load's figures, and what says whether they can be believed.

    Returns:
        The `figures`; `cost`: CPU seconds of a good answer; `late`: by how many ms a request was
        sent too late at most; `others`: the share of the time for which the process waited for a
        core, which somebody else had; None of several processes, which wait for each other.
    """
    client.late, before, began = 0.0, scheduled(pids), monotonic()
    said = sent(client, load)
    lasted = monotonic() - began
    spent, waited = (now - then for now, then in zip(scheduled(pids), before, strict=True))
    lost = sum(one.status not in (200, 503) for one in said)
    if lost:
        raise RuntimeError(f"{case.text}: {lost} of {len(said)} requests had no answer")
    took = np.array([one.took if one.status == 200 else np.nan for one in said])  # noqa: PLR2004
    ended = load.came + np.array([one.took for one in said])
    return figures(took, float(ended.max())) | {
        "cost": spent / max(int((~np.isnan(took)).sum()), 1),
        "late": client.late * 1e3,
        "others": waited / lasted if len(pids) == 1 else None,
    }


def undisturbed(ask: Callable[[Load], dict[str, Any]], load: Load) -> dict[str, Any]:
    """The same, tried again if others have had the server's core; the least disturbed."""
    tries: list[dict[str, Any]] = []
    while len(tries) < TRIES and (not tries or (tries[-1]["others"] or 0.0) > MOST_OTHERS):
        tries.append(ask(load))
    return min(tries, key=lambda one: one["others"] or 0.0)


def simulated(case: Case, load: Load, cost: float) -> dict[str, float]:
    """What the model makes of the same, where a request takes that much of a core."""
    # All of the application's computing is before its wait; gpool's is half before, half after.
    own = max(cost - case.cpu, 0.0)
    server = Server(
        **asdict(case.server) | {"before": (case.cpu + own / 2) / cost, "refusal": own / 2}
    )
    costs = Load(load.came, np.full(len(load.came), cost), load.wait, load.process)
    outcome: Outcome = simulate(costs, server)
    ended = np.nan_to_num(outcome.took) + load.came
    return figures(outcome.took, float(ended.max())) | {"busy": outcome.busy}


def main(arguments: list[str] | None = None) -> None:
    """Measure, and write it down."""
    command_line = argparse.ArgumentParser("python -m bench.capacity.measuring")
    command_line.add_argument("setting", nargs="*", help=f"{', '.join(SETTINGS)}; all by default")
    command_line.add_argument("--to", type=Path, default=RESULTS, metavar="FOLDER")
    command_line.add_argument("--seconds", type=float, default=SECONDS, help="(%(default)s)")
    given = command_line.parse_args(arguments)
    names = chosen(command_line, given.setting, SETTINGS)
    path = given.to / "capacity.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    for name in names:
        about = machine() | {"seconds": given.seconds}
        kept.setdefault("settings", {})[name] = measured(SETTINGS[name], given.seconds) | {
            "machine": about
        }
        path.write_text(json.dumps(kept, indent=1) + "\n")
        print(f"{name}: done", file=sys.stderr)


if __name__ == "__main__":
    main()
