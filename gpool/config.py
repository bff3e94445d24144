"""Checks of settings: every bad value is named, with the range that is allowed.

The same functions serve every constructor. The command's options have sentences of their own, in
`gpool.command.types`, since a user of these has written an option and not an argument.
"""

import math
from collections.abc import Collection
from typing import TypeVar

__all__ = ["at_least", "choice", "kind", "optional_at_least", "seconds", "share_of"]

Some = TypeVar("Some")


def at_least(name: str, value: int, minimum: int) -> int:
    """Return `value` if it is a whole number of at least `minimum`.

    Raises:
        TypeError: `value` is not an ``int`` (a ``bool`` is not taken for one).
        ValueError: it is below `minimum`.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number of at least {minimum}, not {value!r}")
    if value < minimum:
        raise ValueError(f"{name} must be at least {minimum}, not {value!r}")
    return value


def optional_at_least(name: str, value: int | None, minimum: int) -> int | None:
    """The same as `at_least`, but ``None`` stands for "no limit"."""
    return None if value is None else at_least(name, value, minimum)


def seconds(name: str, value: float, *, zero: bool = False) -> float:
    """Return `value` as a duration in seconds; ``math.inf`` stands for "never".

    Raises:
        TypeError: `value` is not a number.
        ValueError: it is negative, not a number (NaN), or zero where `zero` is not allowed.
    """
    allowed = "0 or more" if zero else "more than 0"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number of seconds, {allowed}, not {value!r}")
    if math.isnan(value) or value < 0 or (value == 0 and not zero):
        raise ValueError(f"{name} must be {allowed} seconds, not {value!r}")
    return float(value)


def share_of(name: str, value: float) -> float:
    """Return `value` as a share of a whole.

    Raises:
        TypeError: `value` is not a number.
        ValueError: it is not more than 0, or more than 1, or not a number (NaN).
    """
    allowed = "a number more than 0 and at most 1"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be {allowed}, not {value!r}")
    if not 0 < value <= 1:
        raise ValueError(f"{name} must be {allowed}, not {value!r}")
    return float(value)


def choice(name: str, value: str, allowed: Collection[str]) -> str:
    """Return `value` if it is one of `allowed`.

    Raises:
        ValueError: it is not; the text lists what is.
    """
    if value not in allowed:
        names = ", ".join(repr(one) for one in allowed)
        raise ValueError(f"{name} must be one of {names}, not {value!r}")
    return value


def kind(name: str, value: Some, allowed: type | tuple[type, ...], called: str) -> Some:
    """Return `value` if it is of a type in `allowed`.

    Args:
        name: of the setting.
        value: what was given.
        allowed: as for `isinstance`.
        called: what the text calls it, such as "a dict".

    Raises:
        TypeError: it is of another type.
    """
    if not isinstance(value, allowed):
        raise TypeError(f"{name} must be {called}, not {value!r}")
    return value
