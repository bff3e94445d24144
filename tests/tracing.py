"""A plugin of pytest, for `make coverage` alone: what coverage cannot follow without help.

- It keeps a stack of frames for each greenlet, but learns only from a call or a return whose stack
  is the present one. What a greenlet runs between being switched to and its next call counts for
  the other greenlet, so that of a worker which wakes up the first lines would seem never to be run.
  Here the switch of a worker returns from a function of Python, which is such an event.
- It follows threads that `threading` starts; the one that watches the Hub is started below that.
"""

import sys
import threading
from collections.abc import Callable
from typing import Any

import greenlet

from gpool import hubwatch, worker, workers

start_new_thread = vars(hubwatch)["start_new_thread"]


class Followed(worker.Worker):
    """What is switched to as a worker, and the Hub as a worker sees it."""

    def switch(self, *args: Any) -> Any:
        return greenlet.greenlet.switch(self, *args)


def start_followed(function: Callable[..., Any], args: tuple[Any, ...]) -> int:
    def run() -> None:
        sys.settrace(threading.gettrace())
        function(*args)

    started: int = start_new_thread(run, ())
    return started


def pytest_configure() -> None:
    # The Hub is one as far as `switch` goes.
    vars(workers)["greenlet"] = vars(worker)["Worker"] = Followed
    vars(hubwatch)["start_new_thread"] = start_followed
