"""A watch over the Hub: what blocks it is reported while it does, with the stack, and counted.

A greenlet that computes for long, or calls what gevent does not know of, keeps everybody else
waiting, and nothing in the program can say so: the Hub does not run. So a thread of the operating
system looks (`Observer`), at a time that a timer on the Hub's loop writes down:

    Hub:     beat ... beat ... beat ........ blocked ............ beat: log, count the seconds
    thread:       look      look       look      look: report         look

Guarantees:

- **Nothing is added to a switch or a request**: a timer of the loop, and a thread that sleeps.
  gevent's own monitor traces every switch of greenlets (docs/decisions.md has the figures).
- **Each blocking is reported once, while it lasts**: the thread writes to stderr, past `logging`,
  whose locks are gevent's in a program that is monkey-patched; a greenlet of the blocked Hub may
  hold them, and a thread that waits for them gets a Hub of its own, and may wait for ever. So the
  report is there even if the Hub never comes back.
- When the Hub goes on, a greenlet logs the report (ERROR, with the time of the report) and for how
  long the Hub was blocked (WARNING), logger ``gpool.hub``. The report is kept from handlers that
  write to the file or terminal that stderr is: it is there already.
- An idle Hub is not blocked, since its timers run. Nor is one of a process that was stopped, or
  that had no turn on its machine: the thread was late itself, and starts to count anew.

C code that keeps the GIL stops the thread too. It is reported when it lets go of it, which the
report says, unless the Hub goes on before the thread has looked, as it may on a busy machine. On
Linux only, where a thread can be seen to have waited for the GIL; elsewhere this looks like a
stopped process. A turn of the loop that takes longer than the threshold is a blocked
Hub too, even if many greenlets share the blame; the report shows one of them.

To end what blocks the Hub is left to others (gunicorn's arbiter).
"""

import logging
import math
import os
import resource
import sys
import time
from _thread import LockType
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import auto
from time import monotonic
from typing import Any

import gevent
from gevent.hub import Hub, get_hub
from gevent.monkey import get_original

from gpool.config import seconds
from gpool.hubsight import Sight, look_at
from gpool.states import State, moved

__all__ = ["LINE", "MOVES", "THRESHOLD", "HubWatch", "WatchState"]

logger = logging.getLogger("gpool.hub")

start_new_thread = get_original("_thread", "start_new_thread")
allocate_lock = get_original("_thread", "allocate_lock")

LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"
THRESHOLD = 1.0  # seconds; arbitrary
SHORTEST = 0.05  # seconds; ten of the interpreter's switch intervals
LONGEST = 3_600.0  # seconds; arbitrary
BEAT = 0.25  # of a threshold between two beats
SUSPECT = 0.75  # of a threshold without a beat: three were missed, or nearly
LATE = 0.125  # of a threshold: the thread did not run when it should have
STDERR = 2


class WatchState(State):
    """Whether the Hub is watched; `MOVES` is what may follow."""

    STOPPED = auto()
    WATCHING = auto()


MOVES: dict[WatchState, tuple[WatchState, ...]] = {
    WatchState.STOPPED: (WatchState.WATCHING,),
    WatchState.WATCHING: (WatchState.STOPPED,),
}


@dataclass(frozen=True, slots=True)
class Report:
    """One blocking: when it was seen, in seconds since the epoch, and what there is to say."""

    at: float
    text: str


class HubWatch:
    """The watch over the Hub of the thread that starts it.

    Args:
        threshold: seconds, 0.05 to 3600, after which a Hub that has not run is blocked. It shows
            itself four times in it, so it is the time from the last of these that counts: up to a
            quarter more than what blocks it took.
        line: how a report looks on stderr, as the format of a `logging.Formatter`; of its fields
            it may have asctime, levelname, name, process and message.

    Attributes:
        blocked: how often the Hub was blocked.
        longest: seconds of the longest time, to a quarter of `threshold`; 0 before the first end.
        last: the innermost frame of the last time, ``"file:line in function"``, or None.

    Raises:
        TypeError: `threshold` is not a number.
        ValueError: it is out of its range, or `line` has other fields.
    """

    def __init__(self, threshold: float = THRESHOLD, *, line: str = LINE) -> None:
        self.threshold = seconds("threshold", threshold)
        if not SHORTEST <= self.threshold <= LONGEST:
            raise ValueError(f"threshold must be {SHORTEST} to {LONGEST} seconds, not {threshold}")
        self._line = line
        try:
            self._formatted(Report(0.0, ""))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                "line must be a format of asctime, levelname, name, process and message,"
                f" not {line!r}"
            ) from error
        self.blocked = 0
        self.longest = 0.0
        self.last: str | None = None
        self._state = WatchState.STOPPED
        self._pid = 0
        self._timer: Any = None
        self._observer: Observer | None = None
        self._gap = 0.0

    def __repr__(self) -> str:
        return f"<HubWatch {self._state.name} threshold={self.threshold} blocked={self.blocked}>"

    # ------------------------------------------------------------------ start and stop

    def start(self) -> None:
        """Any side. Watch the Hub of this thread; harmless if it is watched already.

        A fork leaves the thread behind, so the child has to start its own.
        """
        if self._state is WatchState.WATCHING:
            if self._pid == os.getpid():
                return
            self._end()
        hub = get_hub()
        observer = Observer(self.threshold, hub, self._tell)
        start_new_thread(observer.run, ())
        self._observer = observer
        self._pid = os.getpid()
        self._timer = hub.loop.timer(self.threshold * BEAT, self.threshold * BEAT, ref=False)
        self._timer.start(self._beat)
        self._state = moved(MOVES, self._state, WatchState.WATCHING)

    def stop(self) -> None:
        """Any side. End the watch, and soon its thread; log what is not logged yet."""
        if self._state is WatchState.WATCHING:
            self._beat()
            self._end()

    def _end(self) -> None:
        assert self._observer is not None  # it is watching
        self._timer.close()
        self._observer.over.release()
        self._state = moved(MOVES, self._state, WatchState.STOPPED)

    # ------------------------------------------------------------------ the Hub's beat

    def _beat(self) -> None:
        """Hub side. Show that the Hub runs; look after what was reported while it did not."""
        observer = self._observer
        assert observer is not None  # it is watching
        now = monotonic()
        gap = now - observer.beat
        observer.beat = now
        if gap > self.threshold:
            self._gap = gap - observer.stopped
        observer.stopped = 0.0
        if observer.reports:
            reports = [observer.reports.popleft() for _ in range(len(observer.reports))]
            self.longest = max(self.longest, self._gap)
            gevent.spawn(self._log, reports, self._gap)  # the Hub must not wait for a lock

    @staticmethod
    def _log(reports: list[Report], gap: float) -> None:
        for report in reports:
            record = logger.makeRecord(
                logger.name, logging.ERROR, __file__, 0, report.text, (), None
            )
            record.created, record.msecs = report.at, math.floor(report.at % 1 * 1_000)
            log_elsewhere(record)
        logger.warning("the Hub goes on; it was blocked for %.2f s", gap)

    # ------------------------------------------------------------------ the thread's part

    def _tell(self, sight: Sight, blocked: float, note: str) -> Report:
        """Observer's thread. Count a blocked Hub, and write the report to stderr."""
        self.blocked += 1
        self.last = sight.where
        text = f"the Hub is blocked, for {blocked:.2f} s so far, by {sight.who} at {sight.where}"
        stack = sight.format().rstrip("\n")
        report = Report(time.time(), f"{text}{note}; what runs there, innermost last:\n{stack}")
        write(self._formatted(report))
        return report

    def _formatted(self, report: Report) -> str:
        """Any side. The line on stderr; without `logging`, whose records ask for a thread."""
        asctime = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(report.at))
        fields = {
            "asctime": f"{asctime},{math.floor(report.at % 1 * 1_000):03d}",
            "levelname": "ERROR",
            "name": logger.name,
            "process": os.getpid(),
            "message": report.text,
        }
        return self._line % fields + "\n"


class Observer:
    """The thread's side of a watch: everything here runs in it, and nothing of gevent does.

    A Hub that has not run for three quarters of the threshold is suspected, and if it has not run a
    quarter later, it is blocked. One that was suspected because the process had been stopped has
    had the time to run by then.

    Args:
        threshold: as of the watch.
        hub: the one that is watched.
        tell: called with what was seen, for how many seconds the Hub has been blocked, and a note.

    Attributes:
        beat: monotonic seconds when the Hub ran last; the Hub writes it.
        stopped: seconds in which the process did not run at all, since the last beat.
        reports: what is to be logged; the Hub takes it.
        over: a lock, held while the thread is to go on.
    """

    def __init__(
        self, threshold: float, hub: Hub, tell: Callable[[Sight, float, str], Report]
    ) -> None:
        self._threshold = threshold
        self._hub = hub
        self._ident: int = hub.thread_ident
        self._tell = tell
        self._suspected = self._told = 0.0  # the last beat before what was suspected, and reported
        self._awake = 0.0  # when the process ran again, after a stop
        self.beat = monotonic()
        self.stopped = 0.0
        self.reports: deque[Report] = deque()
        self.over: LockType = allocate_lock()
        self.over.acquire()

    def run(self) -> None:
        """Look, until `over` is released."""
        due = self.beat + self._threshold * SUSPECT
        waits = 0  # of a new thread, whose first may be for the GIL
        while not self.over.acquire(timeout=max(due - monotonic(), 0.0)):
            late = monotonic() - due
            due = self.look(late, waits_of_this_thread() - waits)
            waits = waits_of_this_thread()

    def look(self, late: float, waits: int) -> float:
        """Report a blocked Hub.

        Args:
            late: seconds by which this look is late.
            waits: how often the thread went to sleep since the last one.

        Returns:
            When to look again, in monotonic seconds.
        """
        kept_gil = False
        if late > self._threshold * LATE:
            # Who waits for the GIL wakes up each switch interval to ask for it; on a busy machine
            # not as often. The waits of a look itself, and of a stop, are up to three.
            kept_gil = (waits - 3) * sys.getswitchinterval() * 8 > late
            if not kept_gil:
                self._awake, self._suspected = monotonic(), 0.0
                self.stopped += late
        now, beat = monotonic(), self.beat  # in this order: the Hub may go on in between
        since = max(beat, self._awake)
        if beat == self._told:
            return now + self._threshold
        if now - since < self._threshold * SUSPECT:
            return since + self._threshold * SUSPECT
        if beat != self._suspected and not kept_gil:
            self._suspected = beat
            return now + self._threshold * (1 - SUSPECT)
        if now - since < self._threshold:
            return since + self._threshold
        self._told = beat
        self._report(now - since, kept_gil)
        return now + self._threshold

    def _report(self, blocked: float, kept_gil: bool) -> None:
        note = " (which had the GIL until now: the call before may be what blocked)"
        sight = look_at(self._ident, self._hub)
        if sight is not None:
            self.reports.append(self._tell(sight, blocked, note if kept_gil else ""))


def waits_of_this_thread() -> int:
    """Observer's thread. How often it went to sleep: its voluntary context switches; else 0."""
    who = getattr(resource, "RUSAGE_THREAD", None)  # Linux has it, and FreeBSD
    return 0 if who is None else resource.getrusage(who).ru_nvcsw


def write(text: str) -> None:
    """Observer's thread. Write to stderr, if there is one: nothing here can be locked."""
    data = text.encode(errors="backslashreplace")
    if sys.__stderr__ is not None:  # else the descriptor may be anybody's, a client's socket
        with suppress(OSError):
            while data:
                data = data[os.write(STDERR, data) :]


def log_elsewhere(record: logging.LogRecord) -> None:
    """Worker side. Give `record` to the handlers that do not write where stderr goes.

    What `logging.Logger.handle` and ``callHandlers`` do, for a record that stderr has already.
    """
    if not logger.isEnabledFor(record.levelno) or logger.disabled or not logger.filter(record):
        return
    current: logging.Logger | None = logger
    while current is not None:
        for handler in current.handlers:
            if record.levelno >= handler.level and not writes_to_stderr(handler):
                handler.handle(record)
        current = current.parent if current.propagate else None


def writes_to_stderr(handler: logging.Handler) -> bool:
    """Any side. Whether what `handler` writes goes to the same file or terminal as stderr."""
    stream: Any = getattr(handler, "stream", None)
    try:
        return sys.__stderr__ is not None and os.path.sameopenfile(stream.fileno(), STDERR)
    except (AttributeError, OSError, ValueError):  # no stream, or none with a descriptor, or closed
        return False
