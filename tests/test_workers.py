"""The life of a worker: reuse, isolation, errors, retirement."""

import contextvars
import gc
import logging
import math
import sys
import threading
import weakref
from contextlib import suppress

import gevent
import pytest
from gevent import event, local, lock, queue, socket, subprocess
from gevent.hub import get_hub
from greenlet import GreenletExit, getcurrent

from gpool import PoolClosed, PoolState, WorkerPool
from gpool.worker import Worker, WorkerState
from tests.support import in_hub, settle, turn


class Served:
    """A worker_func that records, and does what the item says."""

    def __init__(self) -> None:
        self.items: list[object] = []
        self.workers: list[weakref.ref[object]] = []  # weak: a strong reference would taint

    def __call__(self, item):
        self.items.append(item)
        self.workers.append(weakref.ref(getcurrent()))
        if callable(item):
            item()


@pytest.fixture
def served():
    return Served()


@pytest.fixture
def pool(served, clock):
    pool = WorkerPool(served, max_workers=3)
    pool._clock = clock
    yield pool
    pool.stop()
    pool.kill()
    assert (pool.stats().running, pool.stats().busy) == (0, 0)


def hold(pool, count):
    """Make `count` workers busy until the event that is returned is set."""
    gate = event.Event()
    for _ in range(count):
        assert pool.serve(gate.wait)
    settle()
    return gate


# ---------------------------------------------------------------------- serving


def test_in_the_hub_an_item_is_run_before_serve_returns(pool, served):
    assert in_hub(lambda: (pool.serve(1), list(served.items))) == (True, [1])


def test_in_a_greenlet_serve_does_not_switch(pool, served):
    assert pool.serve(1)
    assert not served.items
    settle()
    assert served.items == [1]


@pytest.mark.parametrize("through", ["hub", "greenlet"])
def test_the_worker_used_last_serves_next(pool, served, through):
    gates = [event.Event() for _ in range(3)]
    for gate in gates:
        in_hub(pool.serve, gate.wait)
    for number in (2, 0, 1):  # released in this order
        gates[number].set()
        settle()
    first, last = served.workers[2], served.workers[1]
    served.workers.clear()
    gate = event.Event()
    for _ in range(3):
        assert in_hub(pool.serve, gate.wait) if through == "hub" else pool.serve(gate.wait)
    settle()
    assert served.workers[0]() is last() and served.workers[2]() is first()
    gate.set()


def test_a_full_pool_refuses_without_blocking_and_creates_nothing(pool):
    gate = hold(pool, 3)
    assert pool.full()
    assert pool.serve(1) is False
    assert in_hub(pool.serve, 1) is False
    stats = pool.stats()
    assert (stats.running, stats.busy, stats.refused, stats.created) == (3, 3, 2, 3)
    gate.set()


def test_an_item_served_by_a_worker_that_just_finished_needs_no_other(pool):
    """Released before anyone can observe the result: one worker serves them all."""

    def client():
        for _ in range(100):
            done = event.Event()
            assert pool.serve(done.set)
            done.wait()

    gevent.spawn(client).get()
    assert pool.stats().created == 1


def test_an_item_may_give_the_pool_another(pool, served):
    pool.serve(lambda: pool.serve(2))
    settle()
    assert served.items[1] == 2
    assert pool.stats().created == 2  # the giver was still busy


# ---------------------------------------------------------------------- isolation

VAR = contextvars.ContextVar("VAR", default="fresh")


def test_every_item_runs_in_a_fresh_copy_of_the_pools_context():
    token = VAR.set("pool")
    seen = []

    def serve(value):
        seen.append(VAR.get())
        VAR.set(value)

    pool = WorkerPool(serve)
    VAR.reset(token)
    for value in ("one", "two", "three"):
        in_hub(pool.serve, value)
        assert VAR.get() == "fresh"
    assert seen == ["pool"] * 3 and pool.stats().created == 1
    pool.stop()


def test_an_item_sees_nothing_of_the_one_before_where_the_pool_was_created_with_nothing_set(served):
    """As in a program that has set none by then; an empty context need not be copied."""
    pool = contextvars.Context().run(WorkerPool, served)
    seen = []
    for value in ("one", "two"):
        in_hub(pool.serve, lambda value=value: (seen.append(VAR.get()), VAR.set(value)))
    assert seen == ["fresh"] * 2 and pool.stats().created == 1
    pool.stop()


def test_what_joins_several_calls_gets_a_fresh_context_for_each():
    token = VAR.set("pool")
    pool = WorkerPool(print)
    VAR.reset(token)
    for _ in range(2):
        context = pool.fresh_context()
        assert context[VAR] == "pool"
        context.run(VAR.set, "call")
    pool.stop()


def test_what_an_item_puts_into_its_context_is_let_go_of_when_it_ends(pool):
    class Value:
        pass

    kept = []

    def item():
        value = Value()
        kept.append(weakref.ref(value))
        VAR.set(value)

    in_hub(pool.serve, item)
    assert kept[0]() is None


def test_a_parked_worker_does_not_keep_its_item_alive(pool, served):
    class Item:
        pass

    item = Item()
    kept = weakref.ref(item)
    in_hub(pool.serve, item)
    served.items.clear()
    del item
    settle()  # the Hub's callback has it too
    assert kept() is None


def test_thread_locals_stay_with_the_worker(pool):
    """As in a thread pool; what keeps a database connection for the next item."""
    store = local.local()
    seen = []

    def item():
        seen.append(getattr(store, "connection", None))
        store.connection = "open"

    for _ in range(2):
        in_hub(pool.serve, item)
    assert seen == [None, "open"]


def leak_timeout(pool):
    """One item starts a Timeout and forgets it; says what the next item saw of it."""
    seen, leaked = [], []
    fired = event.Event()
    # As late as the leaked one, so that it has fired when this is set.
    timer = get_hub().loop.timer(0.001)

    def leak():
        leaked.append(gevent.Timeout.start_new(0.001, RuntimeError("of another")))
        timer.start(lambda: gevent.spawn(fired.set))

    def victim():
        try:
            fired.wait()
            gevent.sleep(0.001)
        except RuntimeError as error:
            seen.append(error)

    in_hub(pool.serve, leak)
    in_hub(pool.serve, victim)
    pool.join()
    timer.close()
    leaked.pop().close()  # at last, or libuv writes to where it was
    return seen


def test_a_leaked_timeout_never_reaches_another_item(pool, no_hub_errors):
    assert leak_timeout(pool) == []
    assert pool.stats().tainted == 1


def test_without_the_taint_check_a_leaked_timeout_does(pool, monkeypatch):
    """The test above shows something: it fails when the check is switched off."""
    monkeypatch.setattr("gpool.workers.getrefcount", lambda worker: pool._parked_references)
    in_hub(pool.serve, int)
    pool._parked_references = 0
    monkeypatch.setattr(type(pool), "_count_parked_references", lambda self: 1, raising=True)
    assert len(leak_timeout(pool)) == 1
    assert pool.stats().tainted == 0


@pytest.mark.parametrize("way", ["switch", "throw"])
def test_a_saved_switch_never_reaches_another_item(pool, served, way):
    saved = []
    seen = []

    def save():
        saved.append(getattr(getcurrent(), way))

    def victim():
        try:
            gevent.sleep(0)
        except BaseException as error:
            seen.append(error)

    in_hub(pool.serve, save)
    in_hub(pool.serve, victim)
    with suppress(GreenletExit, RuntimeError):
        in_hub(saved[0], RuntimeError)
    pool.join()
    assert not seen and pool.stats().tainted == 1


@pytest.mark.parametrize("through", ["hub", "greenlet"])
def test_a_tainted_worker_gives_its_slot_to_a_new_one_even_at_the_limit(through):
    workers = []
    pool = WorkerPool(lambda item: workers.append(getcurrent()), max_workers=1)
    for item in range(3):
        assert in_hub(pool.serve, item) if through == "hub" else pool.serve(item)
        settle()
    assert len(set(workers)) == 3
    stats = pool.stats()
    assert (stats.tainted, stats.running, stats.served, stats.refused) == (2, 1, 3, 0)
    pool.stop()


def test_a_reference_that_is_gone_again_taints_nothing(pool):
    saved = []
    in_hub(pool.serve, lambda: saved.append(getcurrent()))
    saved.clear()
    in_hub(pool.serve, int)
    assert pool.stats().tainted == 0 and pool.stats().created == 1


def blocking_calls():
    gevent.sleep(0)
    gevent.sleep(0.0001)
    turn()
    with gevent.Timeout(60):
        event.Event().wait(0.0001)
    with suppress(queue.Empty):
        queue.Queue().get(timeout=0.0001)
    with lock.RLock(), lock.BoundedSemaphore():
        gevent.spawn(gevent.sleep, 0).join()
    get_hub().threadpool.apply(int)
    result = event.AsyncResult()
    gevent.spawn(result.set, 1)
    result.get(timeout=1)
    one, other = socket.socketpair()
    with one, other:
        gevent.spawn(other.sendall, b"x")
        one.settimeout(1)
        one.recv(1)
    subprocess.check_call([sys.executable, "-S", "-c", ""])
    threading.current_thread()
    logging.getLogger("gpool.test").debug("a record knows its thread")
    with suppress(ZeroDivisionError):
        1 / 0  # noqa: B018


def test_ordinary_blocking_calls_do_not_taint_a_worker(pool):
    for _ in range(3):
        pool.serve(blocking_calls)
        pool.join()
    stats = pool.stats()
    assert (stats.created, stats.tainted, stats.errors) == (1, 0, 0)


# ---------------------------------------------------------------------- strays


def parked_worker(pool):
    """A ready worker and its greenlet, to which somebody has kept a reference."""
    in_hub(pool.serve, int)
    (chan,) = pool._ready
    return chan, chan.worker


@pytest.mark.parametrize("stray", ["switch", "throw"])
def test_a_stray_wake_of_a_parked_worker_changes_nothing(pool, served, stray):
    chan, greenlet = parked_worker(pool)
    for _ in range(3):
        if stray == "switch":
            in_hub(greenlet.switch, "not an item")
        else:
            in_hub(greenlet.throw, gevent.Timeout())
    del greenlet
    assert list(pool._ready) == [chan] and chan.state is WorkerState.READY
    assert len(chan.channel.getters) == 1
    in_hub(pool.serve, "an item")
    assert served.items[1:] == ["an item"]
    assert pool.stats().created == 1


@pytest.mark.parametrize("stray", ["switch", "throw"])
def test_a_stray_wake_on_the_way_to_an_item_does_not_lose_it(pool, served, stray):
    chan, greenlet = parked_worker(pool)
    loop = get_hub().loop
    if stray == "switch":
        loop.run_callback(greenlet.switch, "not an item")
    else:
        loop.run_callback(greenlet.throw, GreenletExit)
    pool.serve("an item")  # claims the worker; the hand-off comes after the stray
    assert chan.state is WorkerState.CLAIMED
    del greenlet
    settle()
    assert served.items[1:] == ["an item"]


def test_a_stray_wake_of_a_retired_worker_ends_it_once(pool, no_hub_errors):
    chan, greenlet = parked_worker(pool)
    get_hub().loop.run_callback(greenlet.switch)
    pool.stop()
    settle()
    assert chan.state is WorkerState.ENDED and greenlet.dead


def test_killing_a_parked_worker_frees_its_slot(pool):
    chan, greenlet = parked_worker(pool)
    in_hub(greenlet.throw, GreenletExit)
    assert (len(pool._ready), pool.stats().running, chan.state) == (0, 0, WorkerState.ENDED)
    in_hub(pool.serve, int)
    assert pool.stats().created == 2


# ---------------------------------------------------------------------- errors


def fail():
    raise RuntimeError("item")


def test_an_error_reaches_on_error_once_and_the_worker_lives_on():
    seen = []
    pool = WorkerPool(lambda item: item(), on_error=lambda item, info: seen.append((item, info)))
    for _ in range(2):
        in_hub(pool.serve, fail)
    assert [(item, info[0]) for item, info in seen] == [(fail, RuntimeError)] * 2
    stats = pool.stats()
    assert (stats.created, stats.errors, stats.ready) == (1, 2, 1)
    pool.stop()


def test_without_on_error_the_traceback_is_logged(pool, caplog):
    in_hub(pool.serve, fail)
    assert [record.name for record in caplog.records] == ["gpool.pool"]
    assert "RuntimeError: item" in caplog.text and "in fail" in caplog.text


def test_a_timeout_that_an_item_lets_through_is_an_error_like_others(pool, caplog):
    def item():
        with gevent.Timeout(0.001):
            gevent.sleep(60)

    pool.serve(item)
    pool.join()
    assert pool.stats().errors == 1 and pool.stats().ready == 1
    assert "0.001 seconds" in caplog.text


def test_an_on_error_that_raises_goes_to_the_hub_and_the_worker_lives_on(capsys):
    def on_error(item, info):
        raise ValueError("handler")

    pool = WorkerPool(lambda item: item(), on_error=on_error)
    in_hub(pool.serve, fail)
    assert "ValueError: handler" in capsys.readouterr().err
    assert pool.stats().ready == 1
    pool.stop()


def test_an_on_error_may_end_the_worker(no_hub_errors):
    def on_error(item, info):
        raise GreenletExit

    pool = WorkerPool(lambda item: item(), on_error=on_error)
    in_hub(pool.serve, fail)
    assert (pool.stats().running, pool.stats().errors) == (0, 1)
    pool.stop()


def test_on_item_end_is_called_whatever_comes_of_the_item(caplog):
    ended = []
    pool = WorkerPool(lambda item: item(), on_item_end=ended.append)
    in_hub(pool.serve, int)
    in_hub(pool.serve, fail)
    pool.serve(gevent.sleep)
    settle()

    def exit_():
        raise GreenletExit

    in_hub(pool.serve, exit_)
    assert ended == [int, fail, gevent.sleep, exit_]
    pool.stop()


def test_an_on_item_end_that_raises_is_an_error_of_the_item():
    seen = []

    def end(item):
        raise KeyError(item)

    pool = WorkerPool(
        int, on_item_end=end, on_error=lambda item, info: seen.append((item, info[0]))
    )
    in_hub(pool.serve, 5)
    assert seen == [(5, KeyError)] and pool.stats().ready == 1
    pool.stop()


def test_greenlet_exit_ends_the_worker_and_frees_its_slot(pool, no_hub_errors):
    def item():
        raise GreenletExit

    in_hub(pool.serve, item)
    stats = pool.stats()
    assert (stats.running, stats.errors) == (0, 0)


@pytest.mark.parametrize("ending", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("when", ["new", "reused", "resumed"])
@pytest.mark.parametrize("through", ["hub", "greenlet"])
def test_system_errors_go_to_the_main_greenlet_and_free_the_slot(
    pool, ending, when, through, capsys
):
    def item():
        if when == "resumed":
            gevent.sleep(0)
        raise ending

    if when == "reused":
        in_hub(pool.serve, int)
    answers = []
    if through == "hub":
        get_hub().loop.run_callback(lambda: answers.append(pool.serve(item)))
    else:
        answers.append(pool.serve(item))
    with pytest.raises(ending):
        settle()
    settle()
    assert answers == [True]  # what the item raised did not come out of serve
    assert pool.stats().running == 0
    settle()
    in_hub(pool.serve, int)
    assert pool.stats().ready == 1


def test_a_worker_that_cannot_start_leaks_no_slot(pool, monkeypatch, capsys):
    monkeypatch.setattr(type(pool), "_count_parked_references", lambda self: 1)

    class NoMemory:
        gr_context = None

        def switch(self, *args):
            raise MemoryError("no stack")

    monkeypatch.setattr("gpool.worker.Worker", lambda *args: NoMemory())
    in_hub(pool.serve, 1)
    assert pool.stats().running == 0
    assert "MemoryError: no stack" in capsys.readouterr().err


# ---------------------------------------------------------------------- the cleaner


def test_only_workers_unused_for_the_whole_duration_end(pool, clock):
    hold(pool, 3).set()
    settle()
    clock.advance(6)
    in_hub(pool.serve, int)
    clock.advance(4)  # two were used 10 seconds ago, one 4
    in_hub(pool._clean)
    settle()
    stats = pool.stats()
    assert (stats.running, stats.retired) == (1, 2)
    clock.advance(5.9)
    in_hub(pool._clean)
    assert pool.stats().running == 1
    clock.advance(0.1)
    in_hub(pool._clean)
    assert pool.stats().running == 0


def test_the_cleaner_is_due_when_the_oldest_ready_worker_is(pool, clock, monkeypatch):
    due = []
    monkeypatch.setattr(pool, "_arm_cleaner", due.append)
    gate = hold(pool, 2)
    clock.advance(10)
    in_hub(pool._clean)
    gate.set()
    settle()
    clock.advance(4)
    in_hub(pool._clean)
    # Nobody was ready: a whole duration. Then two were, released 4 seconds before.
    assert due[-2:] == [10.0, 6.0]


def test_the_oldest_is_the_one_that_was_released_first(pool, clock, monkeypatch):
    due = []
    monkeypatch.setattr(pool, "_arm_cleaner", due.append)
    first, second = hold(pool, 1), hold(pool, 1)
    first.set()
    settle()
    clock.advance(3)
    second.set()
    settle()
    clock.advance(1)
    in_hub(pool._clean)
    assert due[-1] == 6.0


def test_the_cleaner_runs_by_itself_and_only_while_there_are_workers(served):
    pool = WorkerPool(served, max_idle_worker_duration=0.001)
    for number in (1, 2):
        ended = event.Event()
        in_hub(pool.serve, lambda ended=ended: tell_the_end(served, ended))
        assert pool._cleaner is not None
        ended.wait()
        assert pool.stats().retired == number
        assert pool._cleaner is None


def tell_the_end(served, ended):
    """Have `ended` set when this worker's greenlet is gone."""
    served.ref = weakref.ref(getcurrent(), lambda _: ended.set())


def test_the_worker_on_which_references_are_counted_is_not_left_behind(pool):
    gc.collect()  # of other tests
    before = len(greenlets_of_workers())
    in_hub(pool.serve, int)
    assert len(greenlets_of_workers()) - before == pool.stats().running == 1


def greenlets_of_workers():
    return [thing for thing in gc.get_objects() if isinstance(thing, Worker) and not thing.dead]


def test_an_endless_duration_keeps_workers(served):
    pool = WorkerPool(served, max_idle_worker_duration=math.inf)
    in_hub(pool.serve, int)
    assert pool._cleaner is None and pool.stats().ready == 1
    pool.stop()


def test_ready_workers_do_not_keep_a_program_from_ending():
    code = "import gevent, gpool; p = gpool.WorkerPool(); p.spawn(int); gevent.wait(); print(p)"
    said = subprocess.check_output([sys.executable, "-c", code], timeout=9)
    assert b"ready=1 busy=0" in said


# ---------------------------------------------------------------------- start and stop


def test_a_stopped_pool_takes_no_item_and_ends_its_workers(pool):
    gate = hold(pool, 2)
    in_hub(pool.serve, int)
    pool.stop()
    pool.stop()
    settle()
    assert (pool.stats().running, pool.stats().busy) == (2, 2)
    with pytest.raises(PoolClosed, match=r"call start\(\) first"):
        pool.serve(1)
    with pytest.raises(PoolClosed):
        in_hub(pool.serve, 1)
    gate.set()
    assert pool.join(timeout=5)
    assert pool.stats().running == 0


def test_an_item_on_its_way_when_the_pool_stops_is_still_run(pool, served):
    in_hub(pool.serve, int)
    pool.serve("reused")
    pool.serve("new")
    pool.stop()
    pool.join()
    assert served.items == [int, "reused", "new"] and pool.stats().running == 0


def test_after_stop_and_start_workers_are_reused_again(pool):
    for _ in range(3):
        pool.start()
        pool.start()
        for _ in range(5):
            in_hub(pool.serve, int)
        assert pool.stats().running == 1
        pool.stop()
        settle()
    assert (pool.stats().created, pool.stats().reused) == (3, 12)


def test_workers_busy_over_a_stop_and_start_are_kept_and_cleaned(pool, clock):
    gate = hold(pool, 2)
    pool.stop()
    pool.start()
    gate.set()
    settle()
    assert pool.stats().ready == 2 and pool._cleaner is not None
    clock.advance(10)
    in_hub(pool._clean)
    assert pool.stats().retired == 2


def test_join_after_stop_waits_until_the_workers_have_ended(pool):
    chan, greenlet = parked_worker(pool)
    pool.stop()
    assert not greenlet.dead
    assert pool.join(timeout=5)
    assert greenlet.dead and chan.state is WorkerState.ENDED


def test_stop_does_not_wait_for_the_cleaners_sleep(pool):
    in_hub(pool.serve, int)
    timer = pool._cleaner
    assert timer.active
    pool.stop()
    assert pool._cleaner is None and pool.state is PoolState.STOPPED
    assert not timer.active


@pytest.mark.parametrize("ready", [0, 1])
def test_a_pool_belongs_to_the_thread_that_started_it(pool, ready):
    pool.start()
    for _ in range(ready):
        in_hub(pool.serve, int)
    seen = []

    def elsewhere():
        try:
            pool.serve(1)
        except RuntimeError as error:
            seen.append(str(error))
        get_hub().destroy()

    get_hub().threadpool.spawn(elsewhere).get()
    assert seen == ["the pool was started by another thread, and belongs to its Hub"]
    assert pool.stats().ready == ready


def test_a_stopped_pool_may_be_started_by_another_thread(pool, served):
    in_hub(pool.serve, 1)
    pool.stop()
    pool.join()

    def elsewhere():
        pool.start()
        pool.serve(2)
        pool.join()
        pool.stop()
        pool.join()
        get_hub().destroy()

    get_hub().threadpool.spawn(elsewhere).get()
    assert served.items == [1, 2]
    pool.start()  # and back
    in_hub(pool.serve, 3)
    assert served.items == [1, 2, 3]


def test_a_pool_whose_workers_have_not_ended_yet_belongs_to_their_thread_whoever_starts_it(
    pool, served
):
    in_hub(pool.serve, 1)
    pool.stop()
    thread = threading.Thread(target=pool.start)
    thread.start()
    thread.join()
    in_hub(pool.serve, 2)
    assert served.items == [1, 2]
