"""`bash .ci/mutation [MODULE ...]`: which mutants do the tests not notice?

Each mutant meets the tests of its module, and what survives meets more (`plan.toml`). What
survives those as well is told, unless `survivors.toml` says why nothing can be noticed. It ends
with an error if there is any other, or one that is listed and yet killed, or no mutant any more.

What came of each mutant is kept in build/mutation/MODULE.json; `--again` tests only those that
survived there, after tests have been written.
"""

import argparse
import json
import sys
import tomllib
from collections.abc import Container, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.runs import Bounds, Copies, Job, Outcome

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
BUILD = ROOT / "build" / "mutation"

FEW, ALL = 30, 1_000  # examples of hypothesis
STAGES = 2

Key = tuple[str, str, str]


class Module:
    """One module of the plan, and what came of its mutants."""

    def __init__(self, name: str, plan: dict[str, Any], operators: list[str]) -> None:
        self.name = name
        self.path: str = plan["path"]
        # Few examples of each test first, then all; and the tests that are farther away.
        self.stages: list[tuple[list[str], int]] = [
            (plan["tests"], FEW),
            ([*plan["tests"], *plan["more"]], ALL),
        ]
        self.source = (ROOT / self.path).read_text(encoding="utf-8")
        self.mutants = mutants_of(self.source, operators)
        self.outcomes: dict[int, Outcome] = {}
        self._file = BUILD / f"{name}.json"

    def remember(self) -> None:
        """Write down what came of each mutant."""
        said = [
            {"key": mutant.key, "line": mutant.line, "killed": outcome.killed, "by": outcome.by}
            for number, mutant in enumerate(self.mutants)
            if (outcome := self.outcomes.get(number))
        ]
        self._file.write_text(json.dumps(said, indent=1), encoding="utf-8")

    def recall(self) -> None:
        """Take what was killed the last time for killed."""
        if not self._file.exists():
            return
        killed = {
            (*one["key"], one["line"]): one["by"]
            for one in json.loads(self._file.read_text(encoding="utf-8"))
            if one["killed"]
        }
        for number, mutant in enumerate(self.mutants):
            by = killed.get((*mutant.key, mutant.line))
            if by is not None:
                self.outcomes[number] = Outcome(killed=True, by=by)

    def left(self, listed: Container[Key]) -> list[int]:
        """The numbers of those that are not known to be killed, and not listed."""
        return [
            number
            for number, mutant in enumerate(self.mutants)
            if not (number in self.outcomes and self.outcomes[number].killed)
            and mutant.key not in listed
        ]

    def survivors(self) -> list[Mutant]:
        """Those that no test has noticed."""
        return [self.mutants[at] for at, one in sorted(self.outcomes.items()) if not one.killed]


def main() -> int:
    """Run it; returns the status."""
    with (HERE / "plan.toml").open("rb") as file:
        plan = tomllib.load(file)
    parser = argparse.ArgumentParser(prog="bash .ci/mutation", description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=", ".join(plan["modules"]))
    parser.add_argument("--again", action="store_true", help="only what survived the last time")
    parser.add_argument(
        "--pause-while", type=Path, metavar="FILE", help="start none while it is there"
    )
    words = parser.parse_args()
    names = words.modules or list(plan["modules"])
    if unknown := set(names) - set(plan["modules"]):
        parser.error(f"no module of the plan: {', '.join(sorted(unknown))}")
    copies = Copies(ROOT, BUILD, Bounds(**plan["limits"]))
    equivalents = read_equivalents()
    operators = plan["operators"]["cosmic-ray"]
    modules = [Module(name, plan["modules"][name], operators) for name in names]
    for stage in range(STAGES):
        for module in modules:
            if words.again and not stage:
                module.recall()
            check_unchanged(module, stage, copies)
            # What is listed is not to be killed, so the first stage will do.
            left = module.left(equivalents.get(module.name, {}) if stage else {})
            test(module, stage, left, copies, words.pause_while)
    judged = [judge(module, equivalents.get(module.name, {})) for module in modules]
    print_table([row for row, _ in judged])
    return not all(well for _, well in judged)


def read_equivalents() -> dict[str, dict[Key, str]]:
    """The reasons in `survivors.toml`, by module and mutant."""
    with (HERE / "survivors.toml").open("rb") as file:
        listed = tomllib.load(file)
    return {
        name: {
            (one["where"], one["before"], after): one["reason"]
            for one in mutants
            for after in one["after"]
        }
        for name, mutants in listed.items()
    }


def check_unchanged(module: Module, stage: int, copies: Copies) -> None:
    """See that the tests pass as long as nothing is wrong."""
    tests, examples = module.stages[stage]
    job = Job(module.name, module.path, module.source, tests, examples)
    for _, outcome in copies.all([job]):
        if outcome.killed:
            said = (copies.free[-1] / "output").read_text(errors="replace")
            sys.exit(f"{module.name}: {tests} fail without a mutant: {outcome.by}\n{said[-2000:]}")


def test(
    module: Module, stage: int, numbers: list[int], copies: Copies, pause: Path | None
) -> None:
    """Test these mutants of a module."""
    begun = monotonic()
    tests, examples = module.stages[stage]

    def jobs() -> Iterator[Job]:
        for number in numbers:
            while pause is not None and pause.exists():
                sleep(1)
            yield Job(number, module.path, module.mutants[number].source, tests, examples)

    print(f"{module.name}: {len(numbers)} mutants, {' '.join(tests)}", flush=True)
    for number, outcome in copies.all(jobs()):
        module.outcomes[number] = outcome
        module.remember()
    print(f"{module.name}: {monotonic() - begun:.0f} s", flush=True)


def judge(module: Module, equivalents: dict[Key, str]) -> tuple[list[str], bool]:
    """Print what is not as it should be; returns a line of the table, and whether all is well."""
    survivors = module.survivors()
    keys = {mutant.key for mutant in survivors}
    surprises = [mutant for mutant in survivors if mutant.key not in equivalents]
    for mutant in surprises:
        print(f"{module.path}:{mutant.line}: survived in {mutant.where or 'the module'}")
        print(f"  - {mutant.before}\n  + {mutant.after}")
    stale = [key for key in equivalents if key not in keys]
    for where, before, after in stale:
        print(f"{module.path}: listed as equivalent, but killed or gone, in {where}")
        print(f"  - {before}\n  + {after}")
    total, equivalent = len(module.mutants), len(survivors) - len(surprises)
    killed = total - len(survivors)
    hangs = sum(outcome.by == "no end" for outcome in module.outcomes.values())
    shares = [f"{100 * killed / of:.1f} %" for of in (total, total - equivalent)]
    row = [module.name, total, killed, hangs, equivalent, len(surprises), *shares]
    return [str(one) for one in row], not (surprises or stale)


def print_table(rows: list[list[str]]) -> None:
    """Print what came of each module."""
    head = ["module", "mutants", "killed", "of them by no end", "listed", "left"]
    head += ["killed of all", "of those not listed"]
    widths = [max(len(row[at]) for row in [head, *rows]) for at in range(len(head))]
    for row in [head, *rows]:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )


if __name__ == "__main__":
    sys.exit(main())
