"""A run: the two processes, started, watched and ended; all that is known of it afterwards.

The server has the first CPU, the client the second, as everywhere in the bench. What is compared
in the end is taken when the server has come to rest: after the warm-up, and after the last client
has closed; no connection is open then, and all workers have ended for want of work.
"""

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gevent

from bench import build
from bench.kinds import ROOT
from bench.machine import machine
from bench.processes import allow_descriptors, cpus, end, pinned
from bench.soak.ledger import Ledger
from bench.soak.rules import cases, violations

__all__ = ["Figures", "Plan", "run"]

Figures = dict[str, Any]
Tell = Callable[[Figures], None]

PATIENCE = 60.0  # seconds for a process to say something
REST = 20.0  # seconds for the server to come to rest
LOOK = 0.02  # seconds between two looks at it
FILES = 8_192
FASTEST = 150_000  # requests a second that the ledger has room for, where there is no number
ROOM = 200_000  # and more of them, for those that are on their way when there are enough
LONG, LONG_MINUTES = 1_000_000, 2.0  # from where on a sample a second is enough
SERVER = ("-m", "bench.soak.serving")
CLIENT = ("-m", "bench.soak.client")
GROUPS = ("bulk", "mild", "nasty", "patient")
LIBUV = "libuv" in gevent.config.loop.__module__


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done.

    Attributes:
        requests: how many; None for any number.
        minutes: for how long at most; None for as long as it takes.
        seed: of all that is random.
        pure: whether gpool's sources serve, and not what is compiled of them.
        groups: of players, see `bench.soak.client`.
        server: the arguments of Python for the server's process.
    """

    requests: int | None
    minutes: float | None = None
    seed: int = 1
    pure: bool = False
    groups: Sequence[str] = GROUPS
    server: Sequence[str] = SERVER

    @property
    def seconds(self) -> float | None:
        """The same time."""
        return None if self.minutes is None else self.minutes * 60

    @property
    def long(self) -> bool:
        """Whether it is to say more than that nothing is broken."""
        return (self.requests or 0) >= LONG or (self.minutes or 0) >= LONG_MINUTES

    @property
    def every(self) -> float:
        """Seconds between two samples."""
        return 1.0 if self.long else 0.02

    @property
    def timeout(self) -> float:
        """Seconds that clients and applications have to be too slow."""
        return 1.0 if self.long else 0.5

    @property
    def room(self) -> int:
        """How many requests there may be."""
        return (self.requests or int((self.seconds or 0) * FASTEST)) + ROOM


class Silent(RuntimeError):
    """A process has ended, or says nothing."""


class Told:
    """A process that is told, and tells, by lines."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def hear(self) -> Figures:
        """The next line.

        Raises:
            Silent: there is none.
        """
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
            raise Silent(f"{self.process.args!r} says nothing")
        line = self.process.stdout.readline()
        if not line:
            raise Silent(f"{self.process.args!r} has ended, with status {self.process.wait()}")
        said: Figures = json.loads(line)
        return said

    def ask(self, word: str) -> Figures:
        """Say a line, and hear one."""
        self.say(word)
        return self.hear()

    def say(self, word: str) -> None:
        """Say a line."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # `hear` will tell
            self.process.stdin.write(word + "\n")
            self.process.stdin.flush()

    def finish(self) -> None:
        """Nothing more will be said."""
        assert self.process.stdin is not None
        self.process.stdin.close()


@contextmanager
def started(arguments: Sequence[str], environ: dict[str, str], cpu: set[int]) -> Iterator[Told]:
    """A process."""
    with pinned(cpu):
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    try:
        yield Told(process)
    finally:
        end(process)


def environment(plan: Plan) -> dict[str, str]:
    """Which gpool is found; and what Timeouts that nobody closes need with libuv.

    Their handlers leak them on purpose. libuv goes on writing to where such a timer was when its
    memory is another's (gevent issue 1805), unless gevent is to look after them.
    """
    given = {**os.environ, "PYTHONPATH": str(ROOT)} if plan.pure else build.environment()
    return {"GEVENT_DEBUG": "debug", **given} if LIBUV else given


def run(plan: Plan, tell: Tell) -> Figures:
    """Do it.

    Args:
        plan: what.
        tell: called now and then, with how far it is.

    Raises:
        Silent: one of the processes does not do its part.
    """
    allow_descriptors(FILES)
    samples: list[Figures] = []

    def keep(sample: Figures) -> None:
        samples.append(sample)
        tell(sample)

    figures: Figures = {"machine": machine(), "plan": told_plan(plan)}
    with tempfile.TemporaryDirectory(prefix="soak") as name:
        folder = Path(name)
        with Ledger(folder, plan.room) as ledger:
            play(plan, folder, figures, keep)
            figures["samples"] = in_columns(samples)
            sent = figures["client"]["sent"]
            figures["cases"] = [
                [case.outcome.name, case.begun, case.ended.name, times]
                for case, times in cases(ledger, sent).most_common()
            ]
            figures["violations"] = [str(one) for one in violations(ledger, sent)]
            figures["begun"] = sum(ledger.columns[0].first(sent))
    return figures


def told_plan(plan: Plan) -> Figures:
    """What the report says of it."""
    return {
        "requests": plan.requests,
        "minutes": plan.minutes,
        "seed": plan.seed,
        "pure": plan.pure,
        "groups": list(plan.groups),
    }


def play(plan: Plan, folder: Path, figures: Figures, tell: Tell) -> None:
    """Both processes, from their start to their end."""
    environ = environment(plan)
    server_cpu, client_cpu = cpus()
    about = [str(folder), json.dumps({"seed": plan.seed, "timeout": plan.timeout})]
    with started([*plan.server, *about], environ, server_cpu) as server:
        ports = server.hear()["ports"]
        settings = {
            "ports": ports,
            "seed": plan.seed,
            "timeout": plan.timeout,
            "requests": plan.requests,
            "seconds": plan.seconds,
            "groups": list(plan.groups),
            "every": plan.every,
        }
        about = [str(folder), json.dumps(settings)]
        with started([*CLIENT, *about], environ, client_cpu) as client:
            client.hear()
            figures["start"] = at_rest(server)
            client.say("go")
            figures["client"] = watched(client, server, tell)
            client.process.wait(PATIENCE)
        figures["end"] = at_rest(server)
        server.finish()
        figures["stopped"] = server.hear()
        figures["status"] = server.process.wait(PATIENCE)


def watched(client: Told, server: Told, tell: Tell) -> Figures:
    """Ask the server whenever the client says how far it is; returns what that says at last."""
    began = time.monotonic()
    while "sent" not in (said := client.hear()):
        sample = brief(server.ask("stats")) | {
            "seconds": round(time.monotonic() - began, 2),
            "requests": said["requests"],
        }
        tell(sample)
    return said


def brief(stats: Figures) -> Figures:
    """What is kept of a sample."""
    servers = stats["servers"].values()
    pools = {
        what: sum(one["pool"][what] for one in servers)
        for what in ("running", "ready", "tainted", "retired", "refused")
    }
    connections = {
        what: sum(one["server"][what] for one in servers) for what in ("accepted", "open")
    }
    return {
        "cpu": round(stats["cpu"], 2),
        "anonymous_kib": stats["anonymous_kib"],
        "resident_kib": stats["resident_kib"],
        "descriptors": sum(stats["descriptors"].values()),
        "kills": stats["kills"],
        **pools,
        **connections,
    }


def in_columns(samples: list[Figures]) -> dict[str, list[Any]]:
    """Samples as a list for each figure, which is shorter."""
    return {name: [one[name] for one in samples] for name in (samples[0] if samples else ())}


def at_rest(server: Told) -> Figures:
    """What the server says when it has nothing to do; or in vain has had the time for it."""
    latest = time.monotonic() + REST
    while not resting(server.ask("stats")) and time.monotonic() < latest:
        time.sleep(LOOK)
    return server.ask("all")


def resting(stats: Figures) -> bool:
    """Whether no connection is open, and no worker there."""
    return not any(
        one["pool"]["running"] or one["server"]["open"] or one["server"]["lingering"]
        for one in stats["servers"].values()
    )
