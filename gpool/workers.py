"""The workers of a pool: how they are created, reused and ended.

This is fasthttp's ``workerPool`` (workerpool.go) itself, and the hot path of gpool; what gevent's
servers expect of a pool on top of it is `gpool.pool`. Read it in the order of an item: `serve`,
`_work`, back on the ready list; then `_retire` and the cleaner.

Guarantees:

- ``running == ready + busy <= max_workers`` whenever anyone can look, whatever an item raises,
  and however its worker is killed: running is the size of the set of workers, ready that of the
  stack, and busy is the difference, so that there is no count that could leak.
- **Reuse is as safe as a fresh greenlet.** Every item runs in a fresh copy of the context that
  the pool was created in. A worker that something still refers to when it is to be reused (a
  `gevent.Timeout` that was never cancelled, a saved ``getcurrent().switch``, a watcher) is
  tainted: it is retired, and the item goes to another. Whoever can switch to a greenlet holds a
  reference to it, so counting references finds all of them. The count is taken at the hand-off,
  with the Hub on top: at the release the callback that woke the worker still holds one.
- A worker is ready again before anyone can learn what came of its item.
- One Hub, no locks: between two switches nobody else runs.

It never looks into an item, and what is an error worth telling is left to `on_error`.
"""

import sys
from collections.abc import Callable
from contextvars import Context, copy_context
from enum import auto
from math import isinf
from sys import getrefcount
from time import monotonic
from types import TracebackType
from typing import Any, TypeAlias

from gevent.hub import get_hub
from greenlet import getcurrent, greenlet

from gpool.errors import PoolClosed
from gpool.states import State, moved
from gpool.waiting import Waited
from gpool.worker import (
    BUSY,
    ENDING,
    READY,
    RETIRED,
    ReadyList,
    WorkerChan,
    WorkerState,
    cut_all,
    cut_expired,
)

__all__ = ["MOVES", "ExcInfo", "PoolState", "Workers"]

ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None]


class PoolState(State):
    """Whether a pool takes items; `MOVES` is what may follow."""

    CREATED = auto()  # starts by itself with the first item
    STARTED = auto()
    STOPPED = auto()  # takes no item until it is started again


MOVES: dict[PoolState, tuple[PoolState, ...]] = {
    PoolState.CREATED: (PoolState.STARTED, PoolState.STOPPED),
    PoolState.STARTED: (PoolState.STOPPED,),
    PoolState.STOPPED: (PoolState.STARTED,),
}

STARTED = PoolState.STARTED  # one lookup less on the hot path


class Workers:
    """A bounded set of workers, for any items; `gpool.WorkerPool` has the types and arguments."""

    def __init__(
        self,
        worker_func: Callable[[Any], object],
        max_workers: int,
        max_idle_worker_duration: float,
        on_error: Callable[[Any, ExcInfo], object],
        on_item_end: Callable[[Any], object] | None,
    ) -> None:
        # Settings.
        self._worker_func = worker_func
        self._max_workers = max_workers
        self._max_idle = max_idle_worker_duration
        self._on_error = on_error
        self._on_item_end = on_item_end
        self._context = copy_context()
        self._clock = monotonic
        # The workers. How many are running, ready and busy are the sizes of these.
        self._state = PoolState.CREATED
        self._hub = get_hub()
        self._waited = Waited(self._hub)
        self._ready: ReadyList = []
        self._workers: set[WorkerChan] = set()
        self._retiring: set[WorkerChan] = set()
        self._cleaner: Any = None  # a timer of gevent's loop while there are workers
        self._parked_references = 0  # to a parked worker's greenlet; counted before the first
        # What has been done.
        self._created = self._reused = self._retired = self._tainted = 0
        self._refused = self._errors = 0

    # ------------------------------------------------------------------ an item: any side

    def serve(self, item: Any) -> bool:
        """Any side. Give `item` to a worker; never blocks.

        Called in the Hub, it switches to the worker at once and returns when that blocks or is
        done, as fasthttp's unbuffered channel does with GOMAXPROCS=1. Called in a greenlet, the
        worker starts on the next turn of the loop.

        Returns:
            False if all workers are busy; the item is still the caller's.

        Raises:
            PoolClosed: the pool was stopped.
            RuntimeError: the pool was started by another thread.
        """
        if getcurrent() is not self._hub:
            return self._serve_from_greenlet(item)
        ready = self._ready
        while ready:
            chan = ready.pop()
            if getrefcount(chan.worker) == self._parked_references:
                self._reused += 1
                chan.item = item  # from here on `WorkerChan.hand_off`, without its call
                chan.state = BUSY
                try:
                    chan.take().switch(None)
                except BaseException:
                    self._hub.handle_error(self, *sys.exc_info())
                return True
            self._retire_tainted(chan)
        return self._admit() and self._start_worker(self._new_worker(item))

    def _serve_from_greenlet(self, item: Any) -> bool:
        # Worker side. Only the Hub can see whether a parked worker is tainted, and only it may
        # switch to one; here a worker is claimed, and the Hub does the rest.
        self._check_open()
        if self._ready:
            chan = self._ready.pop()
            chan.move(WorkerState.CLAIMED)
            self._hub.loop.run_callback(self._hand_off_claimed, chan, item)
            return True
        if not self._admit():
            return False
        self._hub.loop.run_callback(self._start_worker, self._new_worker(item))
        return True

    def _check_open(self) -> None:
        # Any side. Whether the pool takes items from here; the first one starts it.
        if self._state is not STARTED:
            if self._state is PoolState.STOPPED:
                raise PoolClosed("the pool was stopped, call start() first")
            self.start()
        if get_hub() is not self._hub:
            raise RuntimeError("the pool was started by another thread, and belongs to its Hub")

    def _admit(self) -> bool:
        # Any side. Whether one more worker may be created.
        self._check_open()
        if len(self._workers) < self._max_workers:
            return True
        self._refused += 1
        return False

    def _hand_off_claimed(self, chan: WorkerChan, item: Any) -> None:
        # Hub side.
        if getrefcount(chan.worker) == self._parked_references:
            self._reused += 1
            chan.hand_off(item)
        else:  # it gives its slot back at once, to the worker that is created instead
            self._retire_tainted(chan)
            self._start_worker(self._new_worker(item))

    def fresh_context(self) -> Context:
        """Any side. A copy of the context that the pool was created in, as each item has one."""
        return self._context.copy()

    # ------------------------------------------------------------------ the life of a worker

    def _new_worker(self, item: Any) -> WorkerChan:
        # Any side.
        chan: WorkerChan = WorkerChan(self._hub, self._work)
        chan.item = item
        if self._cleaner is None:
            self._arm_cleaner(self._max_idle)
        self._workers.add(chan)
        self._created += 1
        return chan

    def _start_worker(self, chan: WorkerChan) -> bool:
        # Hub side. What comes out here was not an item's error: SystemExit on its way to the
        # main greenlet, or no memory for a greenlet's stack.
        if not self._parked_references:
            self._parked_references = self._count_parked_references()
        chan.worker.gr_context = self._context.copy()
        chan.move(BUSY)
        try:
            chan.worker.switch(chan)
        except BaseException:
            self._end(chan)
            self._hub.handle_error(self, *sys.exc_info())
        return True

    def _count_parked_references(self) -> int:
        # Hub side. A worker that is not BUSY parks at once, and nobody else knows this one.
        probe: WorkerChan = WorkerChan(self._hub, self._work)
        probe.worker.switch(probe)
        count = getrefcount(probe.worker)
        probe.move(RETIRED)
        probe.end()
        return count

    def _work(self, chan: WorkerChan) -> None:  # noqa: C901, PLR0912  # see below
        # Worker side. The whole life of a worker, in one function: it is the hot path, and each
        # call that it is spared is 5 % of a hand-off.
        enlist: Callable[[Any], None] = chan.channel.getters.append  # the stubs expect a Waiter
        worker = chan.worker
        wait = greenlet.switch.__get__(self._hub)  # gevent's would look for a `switch_out` first
        worker_func, on_item_end = self._worker_func, self._on_item_end
        fresh_context, now = self._context.copy, self._clock
        begins_empty = not len(self._context)
        ready, waited = self._ready, self._waited
        try:
            while True:
                if chan.state is not BUSY:
                    enlist(worker)
                    try:
                        wait()
                    except BaseException as stray:
                        # In the other states an item or the end is on its way already.
                        if chan.state is READY and isinstance(stray, ENDING):
                            raise
                    if chan.state is not BUSY:
                        if chan.state is RETIRED:
                            return
                        # A late callback of an item that is over, and no put: park again.
                        chan.channel.getters.clear()
                        continue
                item, chan.item = chan.item, None
                try:
                    try:
                        worker_func(item)
                    finally:
                        if on_item_end is not None:
                            on_item_end(item)
                except ENDING:
                    raise
                except BaseException:
                    self._report(item)
                # A parked worker keeps nothing of the item alive, nor what it put into its context.
                del item
                # If it begins empty, one that is empty is as good as new.
                context: Any = worker.gr_context
                if not begins_empty or len(context):
                    worker.gr_context = fresh_context()
                del context
                # Nothing switches from here on: it is ready before anyone learns the result.
                if chan.state is not BUSY or self._state is not STARTED:
                    return
                chan.last_use_time = now()
                chan.state = READY
                ready.append(chan)
                if waited.conditions:
                    waited.changed()
        finally:
            self._end(chan)

    def _report(self, item: Any) -> None:
        # Worker side, in an except clause.
        self._errors += 1
        try:
            self._on_error(item, sys.exc_info())  # type: ignore[arg-type]  # never (None, ...) here
        except ENDING:
            raise
        except BaseException:
            self._hub.handle_error(self._on_error, *sys.exc_info())

    def _retire(self, chan: WorkerChan) -> None:
        # Any side. End a parked worker that was taken off the ready list; its slot is free at
        # once. One callback each, so that the loop keeps its own pace when thousands end.
        chan.move(RETIRED)
        self._workers.discard(chan)
        self._retiring.add(chan)
        self._hub.loop.run_callback(chan.end)

    def _retire_tainted(self, chan: WorkerChan) -> None:
        self._tainted += 1
        self._retire(chan)

    def _end(self, chan: WorkerChan) -> None:
        # Either side; the worker's greenlet is over. A second call finds nothing to do.
        if chan.state is WorkerState.ENDED:
            return
        if chan.state is READY:  # killed while parked
            self._ready.remove(chan)
        chan.move(WorkerState.ENDED)
        self._workers.discard(chan)
        self._retiring.discard(chan)
        self._waited.changed()

    # ------------------------------------------------------------------ the cleaner: Hub side

    def _arm_cleaner(self, after: float) -> None:
        # Any side; it is not armed. ref=False: ready workers do not keep a program from ending.
        if not isinf(self._max_idle):
            self._cleaner = self._hub.loop.timer(max(after, 0.0), ref=False)
            self._cleaner.start(self._clean)

    def _disarm_cleaner(self) -> None:
        # Any side.
        if self._cleaner is not None:
            self._cleaner.close()
            self._cleaner = None

    def _clean(self) -> None:
        # Hub side. It is armed while there are workers, and for when the oldest ready one is due.
        # While none is ready, the next to be released is not due before a whole duration.
        now = self._clock()
        for chan in cut_expired(self._ready, now - self._max_idle):
            self._retired += 1
            self._retire(chan)
        self._disarm_cleaner()
        if self._workers:
            oldest = self._ready[0].last_use_time if self._ready else now
            self._arm_cleaner(oldest + self._max_idle - now)

    # ------------------------------------------------------------------ start and stop: any side

    def _move(self, state: PoolState) -> None:
        self._state = moved(MOVES, self._state, state)

    def start(self) -> None:
        """Any side. Take items; without it, the first item does that.

        Does nothing if the pool is started. After a `stop`, workers are reused again.
        """
        if self._state is STARTED:
            return
        self._move(STARTED)
        if self._workers:
            self._arm_cleaner(self._max_idle)
        elif not self._retiring:
            self._hub = self._waited.hub = get_hub()

    def stop(self) -> None:
        """Any side. Take no more items and end the workers, without waiting.

        Ready workers end on the next turn of the loop, busy ones after their item. Does nothing
        if the pool is stopped. `join` waits, `kill` hurries.
        """
        if self._state is PoolState.STOPPED:
            return
        self._move(PoolState.STOPPED)
        self._disarm_cleaner()
        for chan in cut_all(self._ready):
            self._retire(chan)
