"""Helpers of the tests; none of them waits for time to pass."""

from collections.abc import Callable
from typing import Any, TypeVar

import gevent
from gevent.hub import Waiter, get_hub

Result = TypeVar("Result")


class Clock:
    """Monotonic seconds that stand still until they are told to go on."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def in_hub(func: Callable[..., Result], *args: Any) -> Result:
    """Call `func` in the Hub, as a watcher's callback, and return what it returns."""
    waiter: Waiter[tuple[Result | None, BaseException | None]] = Waiter()

    def call() -> None:
        try:
            result = func(*args), None
        except BaseException as error:
            result = None, error
        waiter.switch(result)

    get_hub().loop.run_callback(call)
    value, error = waiter.get()
    if error is not None:
        raise error
    return value  # type: ignore[return-value]


def settle() -> None:
    """Let the loop run until it has nothing to do but to wait."""
    for _ in range(3):
        gevent.idle()
