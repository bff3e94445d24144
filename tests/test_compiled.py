"""The compiled build: what its .pxd files say of a class is what the class says itself.

They lie beside the modules that are compiled (hatch_build.py). An attribute that is missing in one
would break the build, which then quietly falls back to pure Python.
"""

import ast
import os
import re
from importlib import import_module
from pathlib import Path

import pytest

import gpool

PACKAGE = Path(gpool.__file__).parent
DECLARED = sorted(PACKAGE.rglob("*.pxd"))


def module_of(path):
    return "gpool." + ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def declared(path):
    """The classes of a .pxd file, and their attributes."""
    classes = {}
    for line in path.read_text().splitlines():
        if found := re.match(r"cdef class (\w+)", line):
            attributes = classes[found[1]] = set()
        elif found := re.match(r"    cdef (?:public )?\w+ (\w+(?:, \w+)*)$", line):
            attributes |= set(found[1].split(", "))
    return classes


def slots(path):
    """The classes of a module that have __slots__, and these; for others, what __init__ sets."""
    classes = {}
    for node in ast.parse(path.with_suffix(".py").read_text()).body:
        if not isinstance(node, ast.ClassDef):
            continue
        attributes = classes[node.name] = set()
        for statement in ast.walk(node):
            if isinstance(statement, ast.Assign) and "__slots__" in map(
                ast.unparse, statement.targets
            ):
                attributes |= set(ast.literal_eval(statement.value))
            elif isinstance(statement, ast.Assign | ast.AnnAssign):
                targets = getattr(statement, "targets", None) or [statement.target]
                names = [
                    name
                    for target in targets
                    for name in re.findall(r"self\.(\w+)$", ast.unparse(target))
                ]
                attributes |= set(names)
    return classes


@pytest.mark.parametrize("path", DECLARED, ids=module_of)
def test_a_declared_class_has_the_attributes_of_the_class(path):
    own = slots(path)
    inherited = set().union(
        *(attributes for each in DECLARED for attributes in declared(each).values())
    )
    for name, attributes in declared(path).items():
        assert attributes <= own[name] | {"__weakref__"}, name
        assert own[name] <= attributes | inherited, name


@pytest.mark.parametrize("path", DECLARED, ids=module_of)
def test_all_modules_are_compiled_or_none(path):
    """Which, says who runs the tests."""
    compiled = not import_module(module_of(path)).__file__.endswith(".py")
    assert compiled == (os.environ.get("TESTED_PACKAGE") == "compiled")
