"""python -m tests.faults: the whole table, each error at each call of each scenario.

It plays some 6000 combinations in about a minute, prints what each function came to, and fails if
one of them broke something.
"""

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tests.faults.process import Died, Process
from tests.faults.running import Runner, combinations
from tests.faults.scenarios import SCENARIOS
from tests.faults.table import TABLE, fault

MEBIBYTE = 1 << 20
MOST_TEXT = 1_500  # characters of a failure
MOST_GROWTH = 8 * MEBIBYTE  # of memory; arenas are not given back, and 6000 leaks of 4 KiB are 24
CACHES = ("Block", "Framing")  # of which gpool remembers up to a bound


class Sweep:
    """The table, played.

    Args:
        compiler: cc.
        package: the folder of another gpool.
    """

    def __init__(self, compiler: str, package: Path | None) -> None:
        self._compiler = compiler
        self._package = package
        self._folder = tempfile.TemporaryDirectory(prefix="faults")
        self.failures: list[str] = []
        self.played: Counter[str] = Counter()
        self.fired: Counter[tuple[str, str]] = Counter()
        self.left: Counter[tuple[str, str]] = Counter()
        self._begin()

    def _begin(self) -> None:
        folder = Path(tempfile.mkdtemp(dir=self._folder.name))
        self._process = Process(self._compiler, folder, self._package)
        self._runner = Runner(self._process)

    def _begin_anew(self) -> None:
        self._process.process.kill()
        self._process.end()
        self._begin()

    def end(self) -> None:
        """End the process, and remove its files."""
        self._process.end()
        self._folder.cleanup()

    def learn(self, names: Iterable[str]) -> None:
        """What is right; until here caches may grow."""
        for name in names:
            self._runner.learn(name)
        self._before = self._process, self._process.ask("census")

    def play(self, name: str) -> None:
        """All of one scenario."""
        if name not in self._runner.right:
            self._runner.learn(name)
        for function, index, error in combinations(self._runner.right[name]):
            problem = self._play(name, function, index, error)
            if problem is not None:
                text = f"{name}: {function}[{index}] {error}: {problem}"
                self.failures.append(text[:MOST_TEXT])

    def _play(self, name: str, function: str, index: int, error: str) -> Exception | None:
        self.played[function] += 1
        try:
            result = self._runner.check(name, fault(function, index, error))
        except (AssertionError, Died, OSError) as problem:
            self._begin_anew()
            return problem
        self.fired[function, error] += result.fired
        self.left[function, error] += result.left
        return None

    def grown(self) -> list[str]:
        """What has become more since `learn`."""
        process, before = self._before
        if process is not self._process:
            return ["it is not the process of the beginning any more, so its memory tells nothing"]
        after = process.ask("census")
        growth = after["memory"] - before["memory"]
        print(f"memory: {growth / MEBIBYTE:+.1f} MiB")
        problems = [
            f"{name}: {before['objects'].get(name, 0)} -> {number} objects"
            for name, number in after["objects"].items()
            if number > before["objects"].get(name, 0) and name not in CACHES
        ]
        if growth > MOST_GROWTH:
            problems.append(f"memory: {growth / MEBIBYTE:+.1f} MiB")
        return problems


def report(sweep: Sweep) -> None:
    """Print what each function came to."""
    print(f"{'function':12} {'played':>7} {'fired':>7}  left to a deadline")
    for function, errors in TABLE.items():
        left = {error: sweep.left[function, error] for error in errors}
        text = ", ".join(f"{error} {number}" for error, number in left.items() if number)
        fired = sum(sweep.fired[function, error] for error in errors)
        print(f"{function:12} {sweep.played[function]:7} {fired:7}  {text}")
    print(f"{'all':12} {sweep.played.total():7} {sweep.fired.total():7}")


def pairs() -> list[tuple[str, str]]:
    """All functions with all their errors."""
    return [(function, error) for function, errors in TABLE.items() for error in errors]


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("scenarios", nargs="*", help="all by default", choices=[[], *SCENARIOS])
    parser.add_argument(
        "--package", type=Path, help="the folder of another gpool, as build/compiled"
    )
    options = parser.parse_args()
    compiler = shutil.which("cc")
    if compiler is None:
        print("cc is not installed: apt-get install gcc", file=sys.stderr)
        return 2
    sweep = Sweep(compiler, options.package)
    names = options.scenarios or list(SCENARIOS)
    try:
        sweep.learn(names)
        for name in names:
            sweep.play(name)
        problems = sweep.grown()
        if names == list(SCENARIOS):
            problems += [f"{one} never happened" for one in pairs() if not sweep.fired[one]]
    finally:
        sweep.end()
    report(sweep)
    problems += sweep.failures
    for problem in problems:
        print(problem, file=sys.stderr)
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
