"""An epoll of one's own: many descriptors that the loop watches as one.

What waits there costs the loop nothing until something has come, and who has it decides how many
have their turn then, and when.

Guarantees: without descriptors, or where it cannot be watched, there is none, and nothing is left
open; what was opened before a fork is known for the parent's.

Who is in it, and what becomes of those after a fork, is left to the classes below.
"""

from collections.abc import Callable
from contextlib import suppress
from os import getpid
from typing import Any

from gevent.monkey import get_original

__all__ = ["EPOLL", "EPOLLIN", "EPOLLOUT", "OwnEpoll"]

try:
    EPOLL: Any = get_original("select", "epoll")  # gevent's patches take it out of `select`
except AttributeError:  # not Linux
    EPOLL = None
EPOLLIN, EPOLLOUT = 1, 4  # sys/epoll.h
EV_READ = 1  # libev's


class OwnEpoll:
    """Has an epoll, and the watcher of it, or neither."""

    __slots__ = ("_epoll", "_pid", "_watcher")

    def __init__(self) -> None:
        self._epoll: Any = None
        self._watcher: Any = None
        self._pid = 0  # the process whose they are

    def _open_epoll(self, loop: Any, ready: Callable[[], object], priority: int = 0) -> bool:
        """Any side. Have one, if there can be one now; returns whether there is.

        Args:
            loop: gevent's.
            ready: called in the Hub while there is something to be told of.
            priority: of that among the loop's callbacks.
        """
        if self._epoll is None and EPOLL is not None:
            with suppress(OSError):
                epoll = EPOLL()
                watcher = loop.io(epoll.fileno(), EV_READ, ref=False)
                watcher.priority = priority
                watcher.start(ready)
                self._epoll, self._watcher, self._pid = epoll, watcher, getpid()
        return self._epoll is not None

    def _close_epoll(self) -> None:
        """Any side. Keep none."""
        if self._epoll is not None:
            self._watcher.close()
            self._epoll.close()
            self._epoll = self._watcher = None

    def _is_parents(self) -> bool:
        """Any side. Whether this process was forked since it was opened.

        The descriptors are copies then, but the epoll is one and the same: the child must neither
        take anybody out of it nor put anybody in.
        """
        return self._epoll is not None and self._pid != getpid()
