"""The worker pool: greenlets that are reused instead of spawned.

fasthttp's ``workerPool`` for gevent. A bounded number of workers, each a greenlet parked on its
own channel, wait on a stack. `WorkerPool.serve` takes the one used last, or creates one while
fewer than `max_workers` run, or answers False; it never blocks. Workers that nobody has needed
for a while end. A hand-off to a parked worker costs about a tenth of a `gevent.spawn`.

How workers live is in `gpool.workers`, with its guarantees. This module adds what a user of
`gevent.pool.Pool` and gevent's servers expect: the whole contract of ``spawn=`` in
`gevent.baseserver.BaseServer` and in gunicorn's gevent worker, joining and killing, and the
numbers. Two things it promises on top:

- An accepted item is run once, unless `kill` comes first.
- Ready workers do not count as taken: `free_count` and ``len`` are about items, as they are in a
  pool that spawns.

Sockets, protocols and which errors are worth a log line are left to the server.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar, cast, overload

from greenlet import GreenletExit, getcurrent

from gpool.config import at_least, seconds
from gpool.errors import PoolFull
from gpool.stats import PoolStats
from gpool.waiting import Condition
from gpool.worker import BUSY, READY, WorkerChan, WorkerState, cut_all
from gpool.workers import ExcInfo, PoolState, Workers

__all__ = [
    "MAX_IDLE_WORKER_DURATION",
    "MAX_WORKERS",
    "PoolState",
    "PoolStats",
    "WorkerPool",
]

MAX_WORKERS = 262_144  # fasthttp's default concurrency, 256 * 1024
MAX_IDLE_WORKER_DURATION = 10.0  # seconds, as in fasthttp

logger = logging.getLogger("gpool.pool")

Item = TypeVar("Item")
Job: TypeAlias = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


def run_job(job: Job) -> None:
    """Worker side. What a pool without a `worker_func` does with an item, which is a job."""
    func, args, kwargs = job
    func(*args, **kwargs)


def log_error(_item: object, exc_info: ExcInfo) -> None:
    """Worker side. What becomes of an item's error unless `on_error` is given."""
    logger.error("an item raised", exc_info=exc_info)


class WorkerPool(Workers, Generic[Item]):
    """A bounded pool of reused greenlets.

    A server of gevent takes it as ``spawn=WorkerPool(max_workers=1000)``; a server of your own
    calls ``WorkerPool(serve_connection).serve(connection)``. It starts with its first item.

    `threading.local` and `gevent.local` values stay with the worker, as in a thread pool. That is
    what makes persistent database connections work here (Django's ``CONN_MAX_AGE``, SQLAlchemy's
    scoped session); `on_item_end` is for those who want to clean up.

    Args:
        worker_func: called on a worker with each item given to `serve`. A pool without one is
            for `spawn`: its items are jobs, ``(func, args, kwargs)``.
        max_workers: the most workers there may be, 1 or more.
        max_idle_worker_duration: seconds after which an unused worker ends, more than 0;
            ``math.inf`` keeps them.
        on_error: called on the worker with an item that raised and its ``exc_info``. Without
            one, the traceback goes to the logger ``gpool.pool``. `GreenletExit`, `SystemExit`
            and `KeyboardInterrupt` are not errors: they end the worker, the latter two on their
            way to the main greenlet.
        on_item_end: called on the worker with each item after it was run, whatever came of it.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is out of its range.
    """

    @overload
    def __init__(
        self: "WorkerPool[Job]",
        worker_func: None = None,
        *,
        max_workers: int = ...,
        max_idle_worker_duration: float = ...,
        on_error: Callable[[Job, ExcInfo], object] | None = ...,
        on_item_end: Callable[[Job], object] | None = ...,
    ) -> None: ...

    @overload
    def __init__(
        self,
        worker_func: Callable[[Item], object],
        *,
        max_workers: int = ...,
        max_idle_worker_duration: float = ...,
        on_error: Callable[[Item, ExcInfo], object] | None = ...,
        on_item_end: Callable[[Item], object] | None = ...,
    ) -> None: ...

    def __init__(  # type: ignore[misc]  # the first overload fixes Item, which mypy cannot see
        self,
        worker_func: Callable[[Item], object] | None = None,
        *,
        max_workers: int = MAX_WORKERS,
        max_idle_worker_duration: float = MAX_IDLE_WORKER_DURATION,
        on_error: Callable[[Item, ExcInfo], object] | None = None,
        on_item_end: Callable[[Item], object] | None = None,
    ) -> None:
        for name, hook in (
            ("worker_func", worker_func),
            ("on_error", on_error),
            ("on_item_end", on_item_end),
        ):
            if hook is not None and not callable(hook):
                raise TypeError(f"{name} must be a callable or None, not {hook!r}")
        super().__init__(
            worker_func or cast("Callable[[Item], object]", run_job),
            at_least("max_workers", max_workers, 1),
            seconds("max_idle_worker_duration", max_idle_worker_duration),
            on_error or log_error,
            on_item_end,
        )
        self._runs_jobs = worker_func is None
        # The name and the two methods, rawlink and unlink, are BaseServer's; see `Condition`.
        self._semaphore = Condition(self._waited, lambda: not self.full())
        self._all_done = Condition(self._waited, lambda: not (len(self) or self._retiring))

    if TYPE_CHECKING:

        def serve(self, item: Item) -> bool:
            """Any side. See `Workers`, which knows no types of items."""

    # ------------------------------------------------------------------ the contract of spawn=

    def spawn(self, func: Callable[..., object], *args: Any, **kwargs: Any) -> None:
        """Any side. Run ``func(*args, **kwargs)`` on a worker.

        While all workers are busy, a greenlet waits here for one, as with `gevent.pool.Pool`.
        There is no handle on the job: errors go to `on_error`, with the tuple ``(func, args,
        kwargs)`` as the item.

        Raises:
            PoolFull: all workers are busy and the caller is the Hub, which cannot wait.
            PoolClosed: the pool was stopped.
            TypeError: the pool has a `worker_func`.
        """
        if not self._runs_jobs:
            raise TypeError("this pool has a worker_func: use serve(item)")
        job = cast("Item", (func, args, kwargs))
        while not self.serve(job):
            if getcurrent() is self._hub:
                raise PoolFull(f"all {self._max_workers} workers are busy")
            self._semaphore.wait()

    def full(self) -> bool:
        """Any side. Whether `serve` would refuse: none is ready, and no more may be created."""
        return not self._ready and len(self._workers) >= self._max_workers

    def free_count(self) -> int:
        """Any side. How many items could be served now; ready workers count as free."""
        return self._max_workers - len(self)

    def wait_available(self, timeout: float | None = None) -> int:
        """Worker side. Wait until the pool is not full.

        Args:
            timeout: seconds at most, None for no limit.

        Returns:
            `free_count`, which is 0 if `timeout` was over first.
        """
        self._semaphore.wait(timeout)
        return self.free_count()

    def when_available(self, callback: Callable[[Condition], object]) -> None:
        """Any side. Have `callback` called once, in the Hub, when the pool is not full.

        One that waits already does not wait twice.
        """
        self._semaphore.rawlink(callback)

    def condition(self, predicate: Callable[[], bool]) -> Condition:
        """Any side. A condition that is looked at whenever a worker has become free.

        Args:
            predicate: the question; cheap, and it must not block.
        """
        return Condition(self._waited, predicate)

    def join(self, timeout: float | None = None, raise_error: bool = False) -> bool:  # noqa: ARG002
        """Worker side. Wait until no worker is busy, and no ending one is left.

        Args:
            timeout: seconds at most, None for no limit.
            raise_error: there for `gevent.pool.Pool`; errors have gone to `on_error` already.

        Returns:
            False if `timeout` was over first.
        """
        return self._all_done.wait(timeout)

    def kill(
        self,
        exception: type[BaseException] | BaseException = GreenletExit,
        block: bool = True,
        timeout: float | None = None,
    ) -> None:
        """Any side. End all workers there are now: throw `exception` into the busy ones.

        The pool stays as it is, started or stopped, and takes items if it did, as
        `gevent.pool.Pool` does.

        Args:
            exception: what the items see.
            block: whether to wait until the workers have ended; not in the Hub.
            timeout: seconds to wait at most, None for no limit.
        """
        for chan in cut_all(self._ready):
            self._retire(chan)
        victims = self._workers | self._retiring
        for chan in victims:
            # A callback: an item on its way through the Hub gets there first.
            self._hub.loop.run_callback(self._kill_worker, chan, exception)
        if block:
            gone = Condition(
                self._waited,
                lambda: victims.isdisjoint(self._workers) and victims.isdisjoint(self._retiring),
            )
            gone.wait(timeout)

    def _kill_worker(
        self, chan: WorkerChan, exception: type[BaseException] | BaseException
    ) -> None:
        # Hub side. Whether it has finished its item since, is seen here.
        if chan.state is BUSY:
            chan.move(WorkerState.LEAVING)
            chan.worker.throw(exception)
        elif chan.state is READY:
            self._ready.remove(chan)
            self._retire(chan)

    # ------------------------------------------------------------------ the numbers: any side

    @property
    def size(self) -> int:
        """`max_workers`, under the name that gunicorn and `gevent.pool.Pool` have for it."""
        return self._max_workers

    @property
    def max_workers(self) -> int:
        """The most workers there may be."""
        return self._max_workers

    @property
    def runs_jobs(self) -> bool:
        """Whether the pool has no `worker_func`, so that `spawn` works and items are jobs."""
        return self._runs_jobs

    def runs(self, worker_func: Callable[..., object]) -> bool:
        """Any side. Whether its workers call `worker_func`."""
        return not self._runs_jobs and self._worker_func is worker_func

    @property
    def state(self) -> PoolState:
        """Whether the pool takes items."""
        return self._state

    def stats(self) -> PoolStats:
        """Any side. A frozen snapshot of the counts."""
        running, ready = len(self._workers), len(self._ready)
        return PoolStats(
            max_workers=self._max_workers,
            running=running,
            ready=ready,
            busy=running - ready,
            served=self._created + self._reused,
            created=self._created,
            reused=self._reused,
            retired=self._retired,
            tainted=self._tainted,
            refused=self._refused,
            errors=self._errors,
        )

    def __len__(self) -> int:
        """How many items are being run; 0 after a `join`, as with `gevent.pool.Pool`."""
        return len(self._workers) - len(self._ready)

    def __bool__(self) -> bool:
        """Always True: `gevent.baseserver.BaseServer.stop` joins and kills only a true pool."""
        return True

    def __repr__(self) -> str:
        stats = self.stats()
        return (
            f"<{type(self).__name__} {self._state.name} running={stats.running}"
            f"/{stats.max_workers} ready={stats.ready} busy={stats.busy} served={stats.served}>"
        )
