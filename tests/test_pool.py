"""The face of the pool: the contract of spawn=, joining, killing, the numbers."""

from contextlib import suppress

import gevent
import pytest
from gevent import event
from gevent.hub import get_hub
from greenlet import GreenletExit, getcurrent

import gpool
from gpool import PoolClosed, PoolFull, WorkerPool
from gpool.errors import IllegalMove
from gpool.pool import PoolState, run_job
from tests.support import in_hub, settle


@pytest.fixture
def pool():
    pool = WorkerPool(max_workers=2)
    yield pool
    pool.stop()
    pool.kill()
    assert pool.stats().running == 0


@pytest.fixture
def full(pool):
    """The pool, all workers busy, and the event that lets them go."""
    gate = event.Event()
    for _ in range(2):
        pool.spawn(gate.wait)
    settle()
    yield pool, gate
    gate.set()


# ---------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"max_workers": 0}, "max_workers must be at least 1, not 0"),
        ({"max_workers": -5}, "max_workers must be at least 1, not -5"),
        ({"max_idle_worker_duration": 0}, "max_idle_worker_duration must be more than 0 seconds"),
        ({"max_idle_worker_duration": -1.5}, "max_idle_worker_duration .* not -1.5"),
    ],
)
def test_a_setting_out_of_range_is_named_with_the_range(arguments, text):
    with pytest.raises(ValueError, match=text):
        WorkerPool(**arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {"max_workers": "1"},
        {"max_workers": 1.5},
        {"worker_func": 1},
        {"on_error": 1},
        {"on_item_end": 1},
    ],
)
def test_a_setting_of_the_wrong_type_is_named(arguments):
    with pytest.raises(TypeError, match=next(iter(arguments))):
        WorkerPool(**arguments)


def test_the_defaults_are_fasthttps():
    pool = WorkerPool()
    assert (pool.max_workers, pool._max_idle) == (262_144, 10.0)


# ---------------------------------------------------------------------- spawn


def test_spawn_runs_a_function_with_its_arguments(pool):
    calls = []
    pool.spawn(lambda *args, **kwargs: calls.append((args, kwargs)), 1, 2, three=3)
    in_hub(pool.spawn, calls.append, 4)
    pool.join()
    assert sorted(map(str, calls)) == ["((1, 2), {'three': 3})", "4"]


def test_spawn_in_the_hub_says_no_to_a_full_pool(full):
    pool, _ = full
    with pytest.raises(PoolFull, match="all 2 workers are busy"):
        in_hub(pool.spawn, int)


def test_spawn_in_a_greenlet_waits_for_a_worker(full):
    pool, gate = full
    done = event.Event()
    waiting = [gevent.spawn(pool.spawn, done.wait) for _ in range(5)]
    settle()
    assert not any(greenlet.ready() for greenlet in waiting)
    gate.set()
    done.set()
    gevent.joinall(waiting, raise_error=True)
    assert pool.join(timeout=5) and pool.stats().served == 7


def test_who_waits_for_a_worker_learns_that_the_pool_was_stopped(full):
    pool, gate = full
    waiting = gevent.spawn(pool.spawn, int)
    settle()
    pool.stop()
    gate.set()
    with pytest.raises(PoolClosed):
        waiting.get()


def test_a_pool_with_a_worker_func_is_not_for_spawn():
    pool = WorkerPool(print)
    assert not pool.runs_jobs and WorkerPool().runs_jobs
    with pytest.raises(TypeError, match=r"use serve\(item\)"):
        pool.spawn(int)


def test_a_pool_knows_which_function_its_workers_call():
    pool = WorkerPool(print)
    assert pool.runs(print) and not pool.runs(len)
    assert not WorkerPool().runs(run_job)  # that is its own affair


def test_an_error_in_a_job_comes_with_the_job():
    seen = []
    pool = WorkerPool(on_error=lambda job, info: seen.append((job, info[0])))
    pool.spawn(int, "x")
    pool.join()
    assert seen == [((int, ("x",), {}), ValueError)]
    pool.stop()


# ---------------------------------------------------------------------- the semaphore of BaseServer


def test_a_link_is_called_in_the_hub_when_a_slot_is_free(full):
    pool, gate = full
    calls = []
    pool._semaphore.rawlink(lambda sem: calls.append((sem, getcurrent() is get_hub(), pool.full())))
    settle()
    assert not calls
    gate.set()
    settle()
    assert calls == [(pool._semaphore, True, False)]


def test_a_link_on_a_pool_with_a_free_slot_is_called_on_the_next_turn(pool):
    calls = []
    pool._semaphore.rawlink(calls.append)
    settle()
    assert calls == [pool._semaphore]


def test_the_end_of_a_killed_worker_is_a_free_slot_too(full):
    pool, _ = full
    calls = []
    pool._semaphore.rawlink(calls.append)
    pool.kill()
    settle()
    assert calls


# ---------------------------------------------------------------------- counting, joining


def test_who_is_to_be_told_of_a_free_slot_is_told_once_in_the_hub(full):
    pool, gate = full
    told = []
    for _ in range(2):
        pool.when_available(told.append)
    settle()
    assert not told
    gate.set()
    settle()
    assert told == [pool._semaphore]


def test_ready_workers_count_as_free(full):
    pool, gate = full
    assert (pool.free_count(), len(pool), pool.size, pool.full()) == (0, 2, 2, True)
    gate.set()
    settle()
    assert (pool.free_count(), len(pool), pool.size, pool.full()) == (2, 0, 2, False)
    assert pool.stats().ready == 2


def test_an_empty_pool_is_true(pool):
    assert len(pool) == 0 and bool(pool)


def test_wait_available_waits_for_a_free_slot(full):
    pool, gate = full
    assert pool.wait_available(timeout=0.001) == 0
    gevent.spawn(gate.set)
    assert pool.wait_available() > 0


def test_join_waits_for_busy_workers_only(full):
    pool, gate = full
    assert pool.join(timeout=0.001) is False
    gevent.spawn(gate.set)
    assert pool.join() is True
    assert pool.stats().ready == 2


def test_stats_are_a_frozen_snapshot(pool):
    pool.spawn(int)
    pool.join()
    stats = pool.stats()
    with pytest.raises(AttributeError):
        stats.served = 7
    assert stats == gpool.PoolStats(
        max_workers=2,
        running=1,
        ready=1,
        busy=0,
        served=1,
        created=1,
        reused=0,
        retired=0,
        tainted=0,
        refused=0,
        errors=0,
    )


def test_what_a_worker_that_is_reused_has_served_is_counted_too(pool):
    for _ in range(3):
        pool.spawn(int)
        pool.join()
    stats = pool.stats()
    assert (stats.served, stats.created, stats.reused) == (3, 1, 2)


def test_repr_is_one_line_that_says_how_the_pool_is(full):
    pool, _ = full
    assert repr(pool) == "<WorkerPool STARTED running=2/2 ready=0 busy=2 served=2>"


def test_a_condition_is_looked_at_whenever_a_worker_becomes_free(full):
    pool, gate = full
    free = pool.condition(lambda: len(pool) == 0)
    assert not free.wait(0)
    gate.set()
    assert free.wait(5)


# ---------------------------------------------------------------------- kill


def test_kill_throws_into_busy_workers_and_waits_for_them(full):
    pool, _ = full
    in_hub(lambda: None)
    pool.kill()
    assert pool.stats().running == 0
    pool.spawn(int)  # as with gevent's pool, it takes items again
    pool.join()
    assert pool.stats().ready == 1


def test_kill_ends_ready_workers(pool):
    pool.spawn(int)
    pool.join()
    pool.kill()
    assert pool.stats().running == 0


def test_kill_waits_until_ready_workers_have_ended(pool):
    pool.spawn(int)
    pool.join()
    (chan,) = pool._ready
    pool.kill()
    assert chan.worker.dead
    pool.spawn(int)
    pool.join()
    (chan,) = pool._ready
    pool.kill(block=False)
    assert not chan.worker.dead
    settle()
    assert chan.worker.dead


def test_an_item_sees_the_exception_that_kill_was_given(pool):
    seen = []

    def item():
        try:
            gevent.sleep(60)
        except ValueError as error:
            seen.append(error)

    pool.spawn(item)
    settle()
    pool.kill(ValueError("stop it"), timeout=5)
    assert [str(error) for error in seen] == ["stop it"]
    # It survived, and yet its worker has ended: it was killed.
    assert (pool.stats().errors, pool.stats().running) == (0, 0)


def test_an_item_that_finishes_before_its_kill_arrives_ends_all_the_same(full):
    pool, gate = full
    gate.set()  # both wake up before the callbacks of kill
    pool.kill(timeout=5)
    assert pool.stats().running == 0


def test_an_item_accepted_before_a_kill_begins(pool):
    began = []
    pool.spawn(lambda: (began.append(1), gevent.sleep(60)))
    pool.kill()
    assert began and pool.stats().running == 0


def test_kill_without_block_returns_at_once(full):
    pool, _ = full
    pool.kill(block=False)
    assert len(pool) == 2
    settle()
    assert pool.stats().running == 0


def test_an_item_accepted_after_a_kill_is_served(pool):
    pool.spawn(int)
    pool.join()
    served = []

    def item():
        gevent.sleep(0)
        served.append(1)

    pool.kill(block=False)  # ends the worker that is ready now
    pool.spawn(item)
    pool.join()
    assert served and pool.stats().created == 2


def test_kill_gives_up_on_an_item_that_goes_on(pool):
    gate = event.Event()

    def stubborn():
        while not gate.is_set():
            with suppress(GreenletExit):
                gate.wait()

    pool.spawn(stubborn)
    settle()
    pool.kill(timeout=0.001)
    assert len(pool) == 1  # an honest count: it is still there
    gate.set()
    assert pool.join()


def test_a_worker_may_kill_its_own_pool(pool):
    pool.spawn(pool.kill)
    settle()
    assert pool.stats().running == 0


# ---------------------------------------------------------------------- states


def test_a_pool_starts_by_itself_and_a_stopped_one_does_not(pool):
    assert pool.state is PoolState.CREATED
    pool.spawn(int)
    assert pool.state is PoolState.STARTED
    pool.stop()
    with pytest.raises(PoolClosed):
        pool.spawn(int)


def test_an_illegal_move_changes_nothing(pool):
    with pytest.raises(IllegalMove):
        pool._move(PoolState.CREATED)
    assert pool.state is PoolState.CREATED
