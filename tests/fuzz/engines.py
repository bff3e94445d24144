"""How inputs are made and run for some time: guided by coverage, or not where there is no atheris.

Both report what they have done as `Progress`, and write an input on which a target fails to a file;
libFuzzer's process is watched through what it says.

Guarantees: a file that was written makes the target fail again, by itself.
"""

import re
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from random import Random
from time import monotonic

from tests.fuzz.mutate import mutated_input
from tests.fuzz.targets import Target

__all__ = ["Progress", "Run", "engine"]

KEPT = 500  # inputs that the plain engine mutates; arbitrary
OFTEN = 0.2  # seconds between two reports
LONGEST = 8_192  # bytes of an input; more finds no more, and takes longer
STATUS = re.compile(r"#(\d+)\t.* cov: (\d+) ft: (\d+) corp: (\d+)")
CRASH = re.compile(r"Test unit written to (.+)")


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        executions: how many inputs were run.
        coverage: how many branches were seen; 0 if nobody looks.
        features: of libFuzzer, which also counts how often; 0 the same.
        corpus: how many inputs are kept.
        crash: the file of an input on which the target fails.
        text: what it fails with.
    """

    executions: int = 0
    coverage: int = 0
    features: int = 0
    corpus: int = 0
    crash: Path | None = None
    text: str = ""


@dataclass(frozen=True)
class Run:
    """What is to be run.

    Attributes:
        target: which.
        seconds: how long.
        out: a folder for the inputs that are kept, and those on which the target fails.
        seed: of the plain engine.
    """

    target: Target
    seconds: float
    out: Path
    seed: int = 0

    @property
    def kept(self) -> Path:
        """Where inputs are kept that add coverage."""
        folder = self.out / self.target.name
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def engine(run: Run, *, plain: bool = False) -> Generator[Progress, None, None]:
    """Run a target with the best engine that there is; `plain`: with the other."""
    return mutating(run) if plain or find_spec("atheris") is None else guided(run)


def mutating(run: Run) -> Generator[Progress, None, None]:
    """Mutate the corpus at random, and what was made of it."""
    random, target = Random(run.seed), run.target
    inputs = [path.read_bytes() for path in target.corpus()]
    executions, until, tell = 0, monotonic() + run.seconds, monotonic()
    while monotonic() < until:
        known = (
            random.choice(inputs) if inputs and random.random() < 0.5 else target.good(random)
        )  # half of them
        data = mutated_input(known, target.good(random), random)[:LONGEST]
        executions += 1
        try:
            accepted = target.run(data)
        except Exception as error:
            crash = written(run, data)
            yield Progress(executions, corpus=len(inputs), crash=crash, text=repr(error))
            return
        if accepted and len(inputs) < KEPT:
            inputs.append(data)
        if monotonic() > tell:
            tell = monotonic() + OFTEN
            yield Progress(executions, corpus=len(inputs))
    yield Progress(executions, corpus=len(inputs))


def written(run: Run, data: bytes) -> Path:
    """A file of an input on which the target fails."""
    run.out.mkdir(parents=True, exist_ok=True)
    path = run.out / f"{run.target.name}-{blake2b(data, digest_size=8).hexdigest()}"
    path.write_bytes(data)
    return path


def guided(run: Run) -> Generator[Progress, None, None]:
    """Run libFuzzer, and read what it says."""
    command = [
        *(sys.executable, "-m", "tests.fuzz.guided", run.target.name),
        *(
            f"-max_total_time={max(int(run.seconds), 1)}",
            f"-max_len={LONGEST}",
            "-use_value_profile=1",
        ),
        *(f"-artifact_prefix={run.out / run.target.name}-", "-print_final_stats=1", "-timeout=30"),
        *(str(run.kept), str(run.target.folder)),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stderr is not None
        now, said = Progress(), ""
        try:
            for raw in process.stderr:
                line = raw.decode("latin-1")
                now = seen(now, line, said)
                said = "" if line.startswith(("#", "INFO")) else (said + line)[-4_000:]
                yield now
        finally:
            process.terminate()
    if process.returncode and now.crash is None:
        raise RuntimeError(f"libFuzzer has ended with {process.returncode}: {said}")


def seen(now: Progress, line: str, said: str) -> Progress:
    """What a line of libFuzzer's changes; `said`: those before it that are no reports."""
    status = STATUS.match(line)
    if status is not None:
        executions, coverage, features, corpus = map(int, status.groups())
        return Progress(executions, coverage, features, corpus)
    crash = CRASH.search(line)
    if crash is None:
        return now
    return Progress(now.executions, now.coverage, now.features, now.corpus, Path(crash[1]), said)
