"""Which mutants a module has.

cosmic-ray's operators, as far as the plan names them, and one more that it lacks: leaving out a
statement. What is never run as such is not mutated: annotations, overloads, what only a type
checker reads, docstrings, ``__slots__``.

A mutant is known by what it does, not by its line, so that survivors stay listed when a module
grows above them.
"""

import ast
import pickle
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import cosmic_ray.plugins
from cosmic_ray.ast import ast_nodes, get_ast

__all__ = ["Mutant", "mutants_of"]

Position = tuple[int, int]

#: Statements that are left out, one at a time.
STATEMENTS = (
    ast.Assign,
    ast.AugAssign,
    ast.AnnAssign,
    ast.Break,
    ast.Continue,
    ast.Delete,
    ast.Expr,
    ast.Raise,
    ast.Return,
)


@dataclass(frozen=True)
class Mutant:
    """One change of a module.

    Attributes:
        operator: what kind of change.
        where: the function or class around it, "" for the module itself.
        line: of the change.
        before: the lines that it changes, in one.
        after: what they become.
        source: of the whole module, changed.
    """

    operator: str
    where: str
    line: int
    before: str
    after: str
    source: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is known by."""
        return self.where, self.before, self.after


def mutants_of(source: str, operators: Iterable[str]) -> list[Mutant]:
    """All mutants of `source`, each once, in the order of their lines."""
    tree = ast.parse(source)
    skipped = list(never_run(tree))
    found: dict[str, Mutant] = {}
    for name, position, mutated in [*by_cosmic_ray(source, operators), *left_out(source, tree)]:
        skip = any(first <= position < last for first, last in skipped)
        if not skip and compiles(mutated):
            before, after = difference(source, mutated)
            where = definition_at(tree, position[0])
            found.setdefault(mutated, Mutant(name, where, position[0], before, after, mutated))
    return sorted(found.values(), key=lambda mutant: mutant.line)


def by_cosmic_ray(source: str, operators: Iterable[str]) -> Iterator[tuple[str, Position, str]]:
    """The mutants of cosmic-ray's operators: operator, where, and the source that it makes."""
    wanted = re.compile("|".join(f"(?:{one})" for one in operators))
    tree = get_ast(source)
    fresh = pickle.dumps(tree)  # read anew faster than the source is
    nodes = list(ast_nodes(tree))
    for full in cosmic_ray.plugins.operator_names():
        name = full.rpartition("/")[2]
        if not wanted.fullmatch(name):
            continue
        operator = cosmic_ray.plugins.get_operator(full)()
        for place, node in enumerate(nodes):
            for index, (position, _) in enumerate(operator.mutation_positions(node)):
                mutated = changed(pickle.loads(fresh), place, operator, index)
                if mutated != source:
                    yield name, position, mutated


def changed(tree: Any, place: int, operator: Any, index: int) -> str:
    """The source of a tree after one mutation of the node at `place`."""
    node = next(islice(ast_nodes(tree), place, None))
    siblings = node.parent.children
    at = next(at for at, one in enumerate(siblings) if one is node)
    new = operator.mutate(node, index)
    siblings[at : at + 1] = [] if new is None else [new]
    code: str = tree.get_code()
    return code


def left_out(source: str, tree: ast.Module) -> Iterator[tuple[str, Position, str]]:
    """The mutants that lack a statement of a function."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        for node in inside(function):
            if isinstance(node, STATEMENTS) and not is_declaration(node, function):
                assert node.end_lineno is not None
                assert node.end_col_offset is not None
                begin = starts[node.lineno - 1] + node.col_offset
                end = starts[node.end_lineno - 1] + node.end_col_offset
                mutated = source[:begin] + "pass" + source[end:]
                yield "LeaveOut", (node.lineno, node.col_offset), mutated


def inside(function: ast.AST) -> Iterator[ast.AST]:
    """What is in a function, but not in the functions in it."""
    for node in ast.iter_child_nodes(function):
        yield node
        if not isinstance(node, ast.FunctionDef):
            yield from inside(node)


def is_declaration(node: ast.AST, function: ast.FunctionDef) -> bool:
    """Whether nothing is done by it: a docstring, "...", a variable's type, a None at the end."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.Return) and node is function.body[-1]:
        return node.value is None or ast.unparse(node.value) == "None"
    return isinstance(node, ast.AnnAssign) and node.value is None


def never_run(tree: ast.Module) -> Iterator[tuple[Position, Position]]:
    """Where nothing is run, or nothing that anybody relies on."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            yield from never_run_of(node)
        elif isinstance(node, ast.arg) and node.annotation:
            yield span(node.annotation)
        elif isinstance(node, ast.AnnAssign):
            is_alias = ast.unparse(node.annotation) == "TypeAlias"
            yield span(node if is_alias else node.annotation)
        elif isinstance(node, ast.If | ast.Assign):
            head = ast.unparse(node.test if isinstance(node, ast.If) else node.targets[0])
            if head in ("TYPE_CHECKING", "__slots__", "__all__"):
                yield span(node)


def never_run_of(function: ast.FunctionDef) -> Iterator[tuple[Position, Position]]:
    """The same, of a function: an overload, a decorator of form, a result's type."""
    if function.returns:
        yield span(function.returns)
    decorators = [ast.unparse(one) for one in function.decorator_list]
    if "overload" in decorators:
        yield span(function)
    if {"overload", "property"} & set(decorators):
        yield (function.decorator_list[0].lineno, 0), (function.lineno, 0)


def compiles(source: str) -> bool:
    """Whether it is Python: cosmic-ray takes the star of "only by keyword" for a product."""
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


def span(node: ast.expr | ast.stmt) -> tuple[Position, Position]:
    """Where a node begins and ends."""
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)


def definition_at(tree: ast.Module, line: int) -> str:
    """The qualified name of the innermost function or class at `line`."""
    names: list[str] = []
    body: list[ast.stmt] = tree.body
    while True:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
                if first <= line <= (node.end_lineno or 0):
                    names.append(node.name)
                    body = node.body
                    break
        else:
            return ".".join(names)


def difference(before: str, after: str) -> tuple[str, str]:
    """The lines that differ, without their indentation, each side in one."""
    old, new = before.splitlines(), after.splitlines()
    while old and new and old[0] == new[0]:
        del old[0], new[0]
    while old and new and old[-1] == new[-1]:
        del old[-1], new[-1]
    return " ".join(" ".join(old).split()), " ".join(" ".join(new).split())
