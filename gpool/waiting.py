"""Waiting for a pool: a predicate with gevent's wait protocol on it.

gevent's servers and `gevent.wait` wait for anything that has ``rawlink`` and ``unlink``. A
`Condition` gives these two to a question about the pool ("is a slot free?", "is nobody
busy?"), so that whoever changes the pool only has to say "something changed" and only when
somebody waits.

Guarantees: a callback is called once, in the Hub, with the condition as its argument, and only
at a moment when the predicate holds; linking to a condition that already holds calls back on
the next turn of the loop. This is what `gevent.lock.Semaphore` does, on which
`gevent.baseserver.BaseServer` relies. What the predicate is about, is left to the pool.
"""

import sys
from collections.abc import Callable
from typing import Any

import gevent
from gevent.hub import Hub

__all__ = ["Condition", "Waited"]

Link = Callable[["Condition"], Any]


class Waited:
    """The conditions of one pool that somebody waits for now.

    Empty nearly always, so the hot path asks only whether it is.
    """

    __slots__ = ("conditions", "hub")

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.conditions: list[Condition] = []

    def changed(self) -> None:
        """Any side. The pool has changed: wake those whose condition holds now."""
        for condition in self.conditions:
            condition.schedule()


class Condition:
    """A predicate that greenlets and servers can wait for.

    Args:
        waited: where to be found while somebody waits.
        predicate: the question; cheap, and it must not block.
    """

    __slots__ = ("_links", "_predicate", "_scheduled", "_waited")

    def __init__(self, waited: Waited, predicate: Callable[[], bool]) -> None:
        self._waited = waited
        self._predicate = predicate
        self._links: list[Link] = []
        self._scheduled = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} holds={self._predicate()} waiting={len(self._links)}>"

    def locked(self) -> bool:
        """Any side. True while a waiter would have to wait; the name is a semaphore's."""
        return not self._predicate()

    def rawlink(self, callback: Link) -> None:
        """Any side. Have `callback(self)` called once, in the Hub, when the predicate holds.

        One that is linked is not linked twice: gevent's servers link themselves anew whenever they
        find the pool full, and nothing else would take the old ones away.
        """
        if not callable(callback):
            raise TypeError(f"a callable was expected, not {callback!r}")
        if not self._links:
            self._waited.conditions.append(self)
        if callback not in self._links:
            self._links.append(callback)
        self.schedule()

    def unlink(self, callback: Link) -> None:
        """Any side. Take `callback` back; one that is not linked is passed over."""
        if callback in self._links:
            self._links.remove(callback)
            if not self._links:
                self._waited.conditions.remove(self)

    def wait(self, timeout: float | None = None) -> bool:
        """Worker side. Wait until the predicate holds, at most `timeout` seconds.

        Returns:
            Whether it holds.
        """
        quietly: Any = False  # gevent.Timeout: leave the block, raise nothing
        with gevent.Timeout(timeout, quietly):
            while not self._predicate():
                gevent.wait([self])
        return self._predicate()

    def schedule(self) -> None:
        """Any side. Call the links back in the Hub if the predicate holds."""
        if not self._scheduled and self._predicate():
            self._scheduled = True
            self._waited.hub.loop.run_callback(self._notify)

    def _notify(self) -> None:
        # Hub side. A link may take what the predicate promised, so it is asked before each; one
        # that links itself anew waits for the next turn, hence the copy.
        self._scheduled = False
        for link in tuple(self._links):
            if not self._predicate():
                return
            self.unlink(link)
            try:
                link(self)
            except BaseException:
                self._waited.hub.handle_error(self, *sys.exc_info())
