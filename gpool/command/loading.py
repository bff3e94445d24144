"""From ``module:name`` to an application.

The name may have dots, and may be a call: ``module:create_app()``, with literals for arguments.
Without a name it is ``application`` or ``app``, whichever there is.

Guarantees: what is wrong with the name is an error of one line that says what there is instead;
what goes wrong inside the application's own modules is the application's own traceback, without
a line of ours.
"""

import ast
import importlib
import sys
from collections.abc import Callable
from difflib import get_close_matches
from types import ModuleType, TracebackType
from typing import Any

import click

__all__ = ["AppFailed", "load"]

USUAL = ("application", "app")


class AppFailed(Exception):
    """The application raised while it was imported or made.

    Attributes:
        error: what it raised, its traceback beginning in the application.
    """

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error))
        self.error = error


def load(app: str) -> Callable[..., Any]:
    """Import an application.

    Args:
        app: ``module``, ``module:name``, ``module:name.attribute`` or ``module:name(...)``.

    Raises:
        AppFailed: its own code raised.
        click.UsageError: there is no such thing, or it cannot be called.
    """
    name, colon, expression = app.partition(":")
    if not all(name.split(".")) or (colon and not expression):
        raise click.UsageError(f"{app!r} is not an application: module:name or module:factory().")
    module = import_module(name, app)
    if not expression:
        expression = next((one for one in USUAL if one in dir(module)), USUAL[0])
    found = evaluate(module, expression, app)
    if not callable(found):
        raise click.UsageError(f"{app!r} is {found!r}, which cannot be called.")
    return found  # type: ignore[no-any-return]  # as far as one can see


def import_module(name: str, app: str) -> ModuleType:
    """Import a module by its name."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise click.UsageError(
                f"{app!r}: there is no module {error.name!r} in {sys.path[0]}"
                f" (see --chdir) or among what is installed."
            ) from None
        raise AppFailed(own(error)) from None
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise AppFailed(own(error)) from None


def evaluate(module: ModuleType, expression: str, app: str) -> Any:
    """What `expression` is in `module`."""
    names, arguments = parse(expression, app)
    found: Any = module
    for name in names:
        found = attribute(found, name, app)
    if arguments is None:
        return found
    if not callable(found):
        raise click.UsageError(f"{app!r}: {found!r} cannot be called.")
    positional, named = arguments
    try:
        return found(*positional, **named)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit too: it is not for the application to end us
        raise AppFailed(own(error)) from None


def attribute(found: Any, name: str, app: str) -> Any:
    """What `found` has under a name."""
    try:
        return getattr(found, name)
    except AttributeError:
        near = get_close_matches(name, dir(found), n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise click.UsageError(f"{app!r}: {found!r} has no {name!r}.{hint}") from None
    except Exception as error:  # a module may have code for it, PEP 562
        raise AppFailed(own(error)) from None


def parse(expression: str, app: str) -> tuple[list[str], tuple[list[Any], dict[str, Any]] | None]:
    """The names of ``a.b.c``, and the arguments if it is a call."""
    arguments = None
    names: list[str] = []
    try:
        tree: ast.expr | None = ast.parse(expression, mode="eval").body
        if isinstance(tree, ast.Call):
            arguments = literals(tree)
            tree = tree.func
        while isinstance(tree, ast.Attribute):
            names.insert(0, tree.attr)
            tree = tree.value
    except (MemoryError, RecursionError, SyntaxError, ValueError):  # some are very deep
        tree = None
    if not isinstance(tree, ast.Name):
        raise click.UsageError(
            f"{app!r} is not an application: after the colon comes a name or a call with literals,"
            " such as app or create_app('production')."
        )
    return [tree.id, *names], arguments


def literals(call: ast.Call) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a call; raises ValueError if one is no literal."""
    named: dict[str, Any] = {}
    for one in call.keywords:
        if one.arg is None:
            raise ValueError("** is no literal")
        named[one.arg] = ast.literal_eval(one.value)
    return [ast.literal_eval(one) for one in call.args], named


def own(error: BaseException) -> BaseException:
    """The same error, with a traceback that begins behind this module and importlib's."""
    last: TracebackType | None = error.__traceback__
    while last is not None and is_ours(last):
        last = last.tb_next
    return error.with_traceback(last)


def is_ours(traceback: TracebackType) -> bool:
    """Whether it is a line of this module, or of what imports."""
    name = traceback.tb_frame.f_code.co_filename
    return name == __file__ or name.startswith("<frozen importlib") or name == importlib.__file__
