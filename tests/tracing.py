"""A plugin of pytest, for `make coverage` alone: switches that coverage can follow.

coverage keeps a stack of frames for each greenlet, but learns only from a call or a return whose
stack is the present one. What a greenlet runs between being switched to and its next call counts
for the other greenlet, so that of a worker which wakes up the first lines would seem never to be
run. Here the switch of a worker returns from a function of Python, which is such an event.
"""

from typing import Any

import greenlet

from gpool import worker, workers


class Followed(worker.Worker):
    """What is switched to as a worker, and the Hub as a worker sees it."""

    def switch(self, *args: Any) -> Any:
        return greenlet.greenlet.switch(self, *args)


def pytest_configure() -> None:
    workers.greenlet = Followed  # type: ignore[misc]  # the Hub is one as far as `switch` goes
    worker.Worker = Followed  # type: ignore[misc]
