"""What all connections of one WSGI server share, and nothing of their own."""

from collections.abc import Callable
from typing import Any, Protocol

from gpool.lingering import Lingering
from gpool.wsgi.access import Observer
from gpool.wsgi.framing import Application
from gpool.wsgi.parking import Deadlines
from gpool.wsgi.request import Heads
from gpool.wsgi.response import BLOCKS, Dates
from gpool.wsgi.settings import Settings
from gpool.wsgi.slowlane import SlowLane

__all__ = ["Application", "Site"]


class Swept(Protocol):
    """What has deadlines of its own."""

    def sweep(self, before: float) -> None:
        """Hub side. A tick has passed: find those that were due `before`."""


class Site:
    """Shared by the connections of one server.

    Attributes:
        application: PEP 3333's.
        settings: times and sizes.
        slow: where slow connections wait.
        heads: reads requests; set by `read_with`.
        whole: the heads that are remembered (`Heads.whole`).
        blocks: the headers that are remembered (`gpool.wsgi.response.BLOCKS`).
        fresh_context: makes a context for a request that follows another in its worker; None if
            the pool wants to see each request.
        dates: the beginnings of responses.
        deadlines: of connections.
        lingering: the connections whose last answer is sent.
        loop: gevent's.
        parked: the connections that take no part in all this for now (`gpool.wsgi.parked`).
        serve: called in the Hub with an exchange that is to be run; False if no worker is free, or
            others wait for one.
        give: the same for one that has waited.
        no_worker: called in the Hub with a connection and its exchange when there was none; with
            None for the exchange when it has waited for too long.
        closed: called with a connection that is to be closed.
        hijacked: called with a connection that the application has taken.
        access: what is told of each answer: the access log, or more; None for nothing.
        keep_alive: whether connections may stay; not during a drain.
        sendfile: whether the kernel may send files; not with TLS.
        errors: how many requests the application has failed.
        request_timeout: the setting; read for each request.
        pumping: the connection whose requests the Hub serves at this moment.
    """

    __slots__ = (
        "_more",
        "access",
        "application",
        "blocks",
        "closed",
        "dates",
        "deadlines",
        "errors",
        "fresh_context",
        "give",
        "heads",
        "hijacked",
        "keep_alive",
        "lingering",
        "loop",
        "no_worker",
        "parked",
        "pumping",
        "request_timeout",
        "sendfile",
        "serve",
        "settings",
        "slow",
        "whole",
    )

    def __init__(
        self,
        application: Application,
        settings: Settings,
        *,
        loop: Any,
        software: str,
        lingering: Lingering,
        serve: Callable[[Any], bool],
        give: Callable[[Any], bool],
        no_worker: Callable[[Any, Any], object],
        closed: Callable[[Any], object],
        hijacked: Callable[[Any], object],
    ) -> None:
        self.application = application
        self.settings = settings
        self.request_timeout = settings.request_timeout
        self.loop = loop
        self.slow = SlowLane(loop)
        self.lingering = lingering
        self.serve = serve
        self.give = give
        self.no_worker = no_worker
        self.closed = closed
        self.hijacked = hijacked
        self.dates = Dates(software)
        self.blocks = BLOCKS
        self.deadlines = Deadlines(settings.keepalive_timeout)
        self.read_with(Heads(settings.limits, {}))
        self.fresh_context: Callable[[], Any] | None = None
        self.access: Observer | None = None
        self.parked: Swept | None = None
        self.keep_alive = True
        self.errors = 0
        self.sendfile = True
        self.pumping: Any = None
        self._more: Any = None  # a timer, while more deadlines are due

    def read_with(self, heads: Heads) -> None:
        """Any side. Set what reads requests."""
        self.heads = heads
        self.whole = heads.whole

    def tick(self) -> None:
        """Hub side. A `gpool.wsgi.parking.TICK` has passed."""
        self.dates.tick()
        if self.parked is not None:
            self.parked.sweep(self.deadlines.now)
        if self.deadlines.sweep() and self._more is None:
            self._more = self.loop.timer(0.0)
            self._more.start(self._go_on)
        if self.access is not None:
            self.access.flush()

    def _go_on(self) -> None:
        # Hub side. More are due than one turn of the loop is to be spent on.
        if self.deadlines.go_on():
            self._more.start(self._go_on)
        else:
            self._more.close()
            self._more = None
