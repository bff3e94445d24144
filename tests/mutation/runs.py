"""Tests a mutant: a fork that finds it in a copy of the tree, and pytest in it.

Starting pytest takes longer than most of the tests, so what it imports is imported once, before
the fork; gpool and its tests are imported in the fork, which is thrown away. The tree itself is
never changed.
"""

import os
import re
import resource
import select
import shutil
import signal
import sys
from collections.abc import Iterable, Iterator
from compileall import compile_dir
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

# Before the fork, for all of them. None of these makes a Hub or a thread.
import gevent
import gevent.backdoor
import gevent.event
import gevent.fileobject
import gevent.local
import gevent.lock
import gevent.pool
import gevent.pywsgi
import gevent.queue
import gevent.server
import gevent.ssl
import gevent.subprocess
import h11  # noqa: F401
import hypothesis.stateful  # noqa: F401
import pytest
import rich.console  # noqa: F401
from hypothesis import Phase, settings

__all__ = ["Bounds", "Copies", "Job", "Outcome", "Run"]

COPIED = ("gpool", "tests", "bench", "examples", "docs", "pyproject.toml", "hatch_build.py")
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
QUIET = [
    "-x",
    "-o",
    "faulthandler_timeout=0",
    "-q",
    "--assert=plain",
    "--tb=line",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:xdist",
]
NOT_RUN = (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED)
SLOW = ("machine",)  # in the name of a test that may take longer


@dataclass(frozen=True)
class Bounds:
    """When a mutant counts as hanging; see `plan.toml`."""

    processes: int
    nice: int
    hang: float
    seconds: float


@dataclass(frozen=True)
class Job:
    """What to test, and how.

    Attributes:
        what: it is, the caller's.
        path: of the module.
        source: what stands there.
        tests: the files.
        examples: how many a test of hypothesis may try.
    """

    what: Any
    path: str
    source: str
    tests: list[str]
    examples: int


@dataclass(frozen=True)
class Outcome:
    """What the tests said.

    Attributes:
        killed: whether one of them failed, or there was no end.
        by: which one; "no end" if it was that, "import" if no test was reached.
    """

    killed: bool
    by: str = ""


@dataclass
class Run:
    """One fork.

    Attributes:
        job: what it is for.
        pid: of the fork.
        copy: the folder that it works in.
        spent: seconds; those in which all of this stood still are not in it.
    """

    job: Job
    pid: int
    copy: Path
    pidfd: int
    spent: float = 0.0


class Hurry:
    """A plugin of pytest: what is quick comes first, and tests that hang are seen to sooner.

    One that waits gets a `gevent.Timeout`, from `tests/conftest.py`. One that never waits does not
    let that happen: it is ended by its use of the processor.
    """

    def __init__(self, seconds: float, examples: int) -> None:
        self._seconds = seconds
        self._examples = examples

    def pytest_runtest_setup(self, item: Any) -> None:
        """Of pytest."""
        slow = any(one in item.nodeid for one in SLOW)
        signal.setitimer(signal.ITIMER_PROF, self._seconds * (3 if slow else 1))

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Of pytest."""
        items.sort(key=lambda item: hasattr(getattr(item, "obj", None), "hypothesis"))
        for item in items:
            few(item, self._examples)
            if item.get_closest_marker("limit") is None and not any(
                one in item.nodeid for one in SLOW
            ):
                item.add_marker(pytest.mark.limit(self._seconds))


def few(item: Any, examples: int) -> None:
    """Let a test of hypothesis try no more than so many examples."""
    test: Any = getattr(item, "obj", None)
    own = getattr(test, "_hypothesis_internal_use_settings", None)
    if own is not None and own.max_examples > examples:
        wrapped = getattr(test, "__func__", test)
        wrapped._hypothesis_internal_use_settings = settings(own, max_examples=examples)


@dataclass
class Copies:
    """Copies of the tree, one for each fork that runs at a time."""

    root: Path
    into: Path
    bounds: Bounds
    free: list[Path] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)

    def __post_init__(self) -> None:
        for number in range(self.bounds.processes):
            copy = self.into / f"copy-{number}"
            shutil.rmtree(copy, ignore_errors=True)
            copy.mkdir(parents=True)
            for name in COPIED:
                source = self.root / name
                if source.is_dir():
                    shutil.copytree(
                        source, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.so")
                    )
                else:
                    shutil.copy2(source, copy / name)
            for name in ("gpool", "tests"):
                compile_dir(copy / name, quiet=2)
            self.free.append(copy)

    def all(self, jobs: Iterable[Job]) -> Iterator[tuple[Any, Outcome]]:
        """Test each job; returns what it is, as its outcome comes."""
        waiting = iter(jobs)
        more = True
        while more or self.runs:
            while more and self.free:
                job = next(waiting, None)
                if job is None:
                    more = False
                else:
                    self.start(job)
            if self.runs:
                yield from self.ended()

    def start(self, job: Job) -> None:
        """Fork for one of them."""
        copy = self.free.pop()
        (copy / job.path).write_text(job.source, encoding="utf-8")
        sys.stdout.flush()
        pid = os.fork()
        if not pid:
            try:
                os._exit(in_the_fork(copy, job, self.bounds))
            finally:
                os._exit(70)  # whatever came out
        self.runs.append(Run(job, pid, copy, os.pidfd_open(pid)))

    def ended(self) -> Iterator[tuple[Any, Outcome]]:
        """Wait for a moment, and tell which have ended."""
        before = monotonic()
        ready, _, _ = select.select([run.pidfd for run in self.runs], [], [], 0.5)
        passed = min(monotonic() - before, 1.0)
        for run in tuple(self.runs):
            run.spent += passed
            late = run.spent > self.bounds.seconds
            if run.pidfd not in ready and not late:
                continue
            if late:
                os.killpg(run.pid, signal.SIGKILL)
            _, status = os.waitpid(run.pid, 0)
            os.close(run.pidfd)
            # What it has started itself, and left.
            with suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)
            shutil.copy2(self.root / run.job.path, run.copy / run.job.path)
            self.runs.remove(run)
            self.free.append(run.copy)
            yield run.job.what, outcome(status, (run.copy / "output").read_text(errors="replace"))


def in_the_fork(copy: Path, job: Job, bounds: Bounds) -> int:
    """Run the tests; returns pytest's status."""
    os.setpgid(0, 0)
    os.setpriority(os.PRIO_PROCESS, 0, max(bounds.nice, os.getpriority(os.PRIO_PROCESS, 0)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    memory = 4 << 30  # what grows without end is not to take the machine with it
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    output = os.open(copy / "output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(copy)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("gpool", "tests")]:
        del sys.modules[name]
    sys.path[0] = str(copy)
    sys.dont_write_bytecode = True
    os.environ["PYTHONPATH"] = str(copy)
    # The same examples for each mutant, none that an earlier one has found, and the first that
    # fails is enough.
    settings.register_profile(
        "mutation",
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
    )
    settings.load_profile("mutation")
    gevent.reinit()
    status = int(pytest.main([*QUIET, *job.tests], plugins=[Hurry(bounds.hang, job.examples)]))
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def outcome(status: int, output: str) -> Outcome:
    """What a fork's end means."""
    if os.WIFSIGNALED(status):
        return Outcome(killed=True, by="no end")
    code = os.WEXITSTATUS(status)
    if code == 0:
        return Outcome(killed=False)
    # An import that fails in a conftest is told as a wrong use of pytest.
    if code in NOT_RUN and "while loading conftest" not in output:
        raise RuntimeError(output)
    found = FAILED.search(output)
    return Outcome(killed=True, by=found[1] if found else "import")
