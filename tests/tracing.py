"""A plugin of coverage, for `make coverage` alone: what it cannot follow without help.

- It keeps a stack of frames for each greenlet, but learns only from a call or a return which stack
  is the present one. What a greenlet runs between being switched to and its next call it takes for
  lines of the file that the other one was in, so that some would seem never to be run, and others
  that were not would seem to be. Here each switch is told to it as a call that returns.
- It follows threads that `threading` starts; here, those that are started below that too, such as
  the one that watches the Hub.

A plugin, so that all of this holds in the processes that tests start, too.
"""

import _thread
import sys
import threading
from collections.abc import Callable
from typing import Any

from coverage.plugin_support import Plugins
from greenlet import settrace

start_new_thread = _thread.start_new_thread


def switched(event: str, args: tuple[Any, Any]) -> None:
    """In the greenlet that goes on; the interpreter traces nothing of this itself."""
    trace = sys.gettrace()
    if trace is not None:
        # The frame is not kept, or it would keep itself, and the greenlets too.
        trace(sys._getframe(), "call", None)
        trace(sys._getframe(), "return", None)


def start_followed(function: Callable[..., Any], *args: Any) -> int:
    def run(*args: Any, **named: Any) -> None:
        sys.settrace(threading.gettrace())
        function(*args, **named)

    return start_new_thread(run, *args)


def coverage_init(reg: Plugins, options: Any) -> None:
    settrace(switched)
    vars(_thread)["start_new_thread"] = start_followed
