"""The mutants: that there are some, that they are mutants, that the lists are up to date."""

import ast
import tomllib

import pytest

pytest.importorskip("cosmic_ray", reason="cosmic-ray is not installed: bash .ci/mutation gets it")

from tests.mutation.__main__ import HERE, ROOT, read_equivalents
from tests.mutation.mutants import mutants_of

PLAN = tomllib.loads((HERE / "plan.toml").read_text(encoding="utf-8"))
OPERATORS = PLAN["operators"]["cosmic-ray"]

SOURCE = '''\
from typing import TypeAlias, overload

Number: TypeAlias = int | None


class Counter:
    """It counts."""

    __slots__ = ("count",)

    @property
    def twice(self) -> int | None:
        """A docstring is no statement."""
        return self.count + self.count

    @overload
    def add(self, more: int = 1) -> None: ...

    def add(self, more: int | None = None, *, much: int = 2) -> None:
        count: int
        if more is not None:
            self.count -= 1
        return None
'''


@pytest.fixture(scope="module")
def found():
    return mutants_of(SOURCE, OPERATORS)


def test_each_mutant_is_another_module_that_can_be_read(found):
    sources = [mutant.source for mutant in found]
    assert len(set(sources)) == len(sources)
    before = ast.dump(ast.parse(SOURCE))
    assert all(ast.dump(ast.parse(source)) != before for source in sources)


def test_what_is_never_run_has_no_mutants(found):
    """Annotations, overloads, docstrings, __slots__, declarations, a None at the end."""
    assert {(one.operator, one.where, one.after) for one in found} == {
        ("LeaveOut", "Counter.twice", "pass"),
        ("ReplaceBinaryOperator_Add_Mul", "Counter.twice", "return self.count * self.count"),
        ("ReplaceBinaryOperator_Add_Sub", "Counter.twice", "return self.count - self.count"),
        *(
            ("NumberReplacer", "Counter.add", f"{DEFINITION}{number}) -> None:")
            for number in (1, 3)
        ),
        ("AddNot", "Counter.add", "if not more is not None:"),
        ("ReplaceComparisonOperator_IsNot_Is", "Counter.add", "if more is None:"),
        ("LeaveOut", "Counter.add", "pass"),
        ("NumberReplacer", "Counter.add", "self.count -= 0"),
        ("NumberReplacer", "Counter.add", "self.count -= 2"),
    }


DEFINITION = "def add(self, more: int | None = None, *, much: int = "


@pytest.mark.parametrize("name", PLAN["modules"])
def test_the_tests_of_a_module_are_there(name):
    module = PLAN["modules"][name]
    assert all(
        (ROOT / path).exists() for path in [module["path"], *module["tests"], *module["more"]]
    )


def test_a_survivor_that_is_listed_is_still_in_the_source():
    """With its line as it was; whether it survives, only `bash .ci/mutation` can say."""
    for name, reasons in read_equivalents().items():
        source = " ".join(
            (ROOT / PLAN["modules"][name]["path"]).read_text(encoding="utf-8").split()
        )
        for where, before, _ in reasons:
            assert before in source, where
