"""States are enums, and a table says which may follow which.

The table is the documentation; `moved` enforces it. Only what changes on the hot path is written
without it: the two states of a worker with every item (`gpool.workers`), and those of an HTTP
connection with every request, ACTIVE and IDLE (`gpool.wsgi.connection`).
"""

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

from gpool.errors import IllegalMove

__all__ = ["State", "moved"]


class State(Enum):
    """An enum of states.

    Its members are hashed as the singletons they are: Enum's own hash is a call of 0.1 us.
    """

    __hash__ = object.__hash__


Some = TypeVar("Some", bound=State)


def moved(moves: Mapping[Some, tuple[Some, ...]], current: Some, following: Some) -> Some:
    """Return `following` if `moves` has it after `current`.

    Raises:
        IllegalMove: it has not.
    """
    if following not in moves[current]:
        raise IllegalMove(
            f"{type(current).__name__}.{current.name} cannot be followed by {following.name}"
        )
    return following
