"""Log lines that repeat under pressure speak once a minute.

An overloaded server that logs every refused client adds to its own overload. fasthttp logs
its concurrency limit at most once a minute (server.go, ``Serve``); so does gpool, and it adds
how many times the line was held back, so that nothing goes unseen.
"""

import logging
from collections.abc import Callable
from time import monotonic

__all__ = ["AND_MORE", "INTERVAL", "QuietLog"]

INTERVAL = 60.0  # seconds between two lines of one kind; fasthttp's minute
AND_MORE = " (and %d more since the last such line)"


class QuietLog:
    """One kind of message that is written at most once every `interval` seconds.

    Args:
        logger: where the line goes.
        level: its level, as in `logging`.
        interval: seconds between two lines.
        clock: monotonic seconds; a test puts its own here.
    """

    __slots__ = ("_clock", "_held_back", "_interval", "_level", "_logger", "_next")

    def __init__(
        self,
        logger: logging.Logger,
        level: int = logging.WARNING,
        *,
        interval: float = INTERVAL,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._logger = logger
        self._level = level
        self._interval = interval
        self._clock = clock
        self._next = float("-inf")
        self._held_back = 0

    def __call__(self, message: str, *args: object) -> None:
        """Hub side. Write `message` ``% args``, or count it if one was written lately."""
        now = self._clock()
        if now < self._next:
            self._held_back += 1
            return
        if self._held_back:
            message += AND_MORE
            args = (*args, self._held_back)
        self._next = now + self._interval
        self._held_back = 0
        self._logger.log(self._level, message, *args)
