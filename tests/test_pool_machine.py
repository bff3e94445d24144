"""A state machine of everything that can happen to a pool, in any order.

hypothesis serves items that return, block, raise, exit, leak a Timeout or save their own
``switch``; stops, starts and kills the pool; turns its clock; and fires what the items have left
behind. After every step the loop is let run until it only waits, and the invariants must hold.
"""

import itertools
from contextlib import suppress

import gevent
import pytest
from gevent.event import Event
from greenlet import GreenletExit, getcurrent
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
)

from gpool import PoolClosed, PoolState, WorkerPool
from gpool.worker import WorkerState
from tests.support import Clock, in_hub, settle

KINDS = (
    "return",
    "block",
    "raise",
    "block, raise",
    "exit",
    "leak",
    "save",
    "block, save",
    "save, block",
)
IDLE = 10.0


class OfItem(Exception):
    """Raised or thrown on behalf of one item; no other may ever see it."""

    def __init__(self, number):
        super().__init__(number)
        self.number = number


class Item:
    numbers = itertools.count()

    def __init__(self, kind):
        self.number = next(self.numbers)
        self.kind = kind
        self.gate = Event()
        self.began = 0
        self.ended = 0
        self.may_be_lost = False

    def __repr__(self):
        return f"<Item {self.number} {self.kind} began={self.began} ended={self.ended}>"


class PoolMachine(RuleBasedStateMachine):
    blocked = Bundle("blocked")

    def __init__(self):
        super().__init__()
        self.clock = Clock()
        self.accepted = []
        self.saved = []
        self.timeouts = []
        self.violations = []
        self.firing = None
        self.reported = 0

    @initialize(max_workers=st.integers(1, 4))
    def create(self, max_workers):
        self.pool = WorkerPool(
            self.work,
            max_workers=max_workers,
            max_idle_worker_duration=IDLE,
            on_error=self.on_error,
        )
        self.pool._clock = self.clock

    # ------------------------------------------------------------------ what items do

    def work(self, item):
        item.began += 1
        try:
            for act in item.kind.split(", "):
                getattr(self, f"do_{act}")(item)
        except OfItem as error:
            if error.number != item.number:
                self.violations.append((item, error))
            raise
        except GreenletExit:
            raise
        except BaseException as error:
            if item.number != self.firing:  # its own stray switch may disturb an item, no other's
                self.violations.append((item, error))
            raise
        finally:
            item.ended += 1

    def do_return(self, item):
        pass

    def do_block(self, item):
        if not item.gate.wait() and item.number != self.firing:
            self.violations.append((item, "woken, but not by its gate"))

    def do_raise(self, item):
        raise OfItem(item.number)

    def do_exit(self, item):
        raise GreenletExit

    def do_leak(self, item):
        timeout = gevent.Timeout(3_600, OfItem(item.number))
        timeout.start()
        self.timeouts.append(timeout)

    def do_save(self, item):
        greenlet = getcurrent()
        self.saved.append((item.number, greenlet.switch, ()))
        self.saved.append((item.number, greenlet.throw, (OfItem(item.number),)))

    def on_error(self, item, exc_info):
        self.reported += 1

    # ------------------------------------------------------------------ what happens to the pool

    @rule(target=blocked, kind=st.sampled_from(KINDS), hub=st.booleans())
    def serve(self, kind, hub):
        item = Item(kind)
        if self.pool.state is PoolState.STOPPED:
            with pytest.raises(PoolClosed):
                in_hub(self.pool.serve, item) if hub else self.pool.serve(item)
            assert item.began == 0
            return item
        was_full = self.pool.full()
        answer = in_hub(self.pool.serve, item) if hub else self.pool.serve(item)
        assert answer is not was_full
        if answer:
            self.accepted.append(item)
        settle()
        return item

    @rule(kinds=st.lists(st.sampled_from(KINDS), min_size=2, max_size=5))
    def serve_a_burst_without_a_turn_of_the_loop(self, kinds):
        if self.pool.state is PoolState.STOPPED:
            return
        for kind in kinds:
            item = Item(kind)
            item.gate.set()
            if self.pool.serve(item):
                self.accepted.append(item)

    @rule(item=consumes(blocked))
    def release(self, item):
        item.gate.set()

    @rule(item=consumes(blocked))
    def release_and_serve_at_once(self, item):
        item.gate.set()
        if self.pool.state is not PoolState.STOPPED:
            other = Item("return")
            if self.pool.serve(other):
                self.accepted.append(other)

    @rule(block=st.booleans())
    def kill(self, block):
        for item in self.accepted:
            item.may_be_lost = True
        self.pool.kill(block=block)

    @rule()
    def stop(self):
        self.pool.stop()

    @rule()
    def start(self):
        self.pool.start()

    @rule(seconds=st.sampled_from([0.0, 1.0, 9.9, IDLE, 25.0]))
    def advance_the_clock(self, seconds):
        self.clock.advance(seconds)
        in_hub(self.pool._clean)

    @precondition(lambda self: self.saved)
    @rule(data=st.data())
    def fire_what_an_item_has_saved(self, data):
        self.firing, func, args = data.draw(st.sampled_from(self.saved))
        with suppress(OfItem):  # thrown into a dead greenlet: it comes out where it was thrown
            in_hub(func, *args)
        self.firing = None

    @precondition(lambda self: self.saved)
    @rule()
    def forget_what_items_have_saved(self):
        self.saved.clear()

    @precondition(lambda self: self.timeouts)
    @rule()
    def leaked_timeout_fires(self):
        timeout = self.timeouts.pop()
        # What its timer would call: the throw it was started with.
        throw, args = timeout.timer.callback, timeout.timer.args
        timeout.close()
        with suppress(OfItem):
            in_hub(throw, *args)

    # ------------------------------------------------------------------ what must hold

    @invariant()
    def everything_adds_up(self):
        if not hasattr(self, "pool"):
            return
        settle()
        pool, stats = self.pool, self.pool.stats()
        assert not self.violations
        assert stats.running == stats.ready + stats.busy <= stats.max_workers
        assert len(set(map(id, pool._ready))) == len(pool._ready)
        assert set(pool._ready) <= pool._workers
        assert all(chan.state is WorkerState.READY for chan in pool._ready)
        times = [chan.last_use_time for chan in pool._ready]
        assert times == sorted(times)
        for item in self.accepted:
            assert item.began <= 1 and item.ended <= item.began
            assert item.began == 1 or item.may_be_lost
        running = [item for item in self.accepted if item.began > item.ended]
        assert stats.busy == len(pool) == len(running)
        assert stats.served == len(self.accepted)
        assert not pool._retiring
        if pool.state is not PoolState.STARTED:
            assert stats.ready == 0
        if pool.state is PoolState.STARTED and stats.running:
            assert pool._cleaner is not None

    def teardown(self):
        if not hasattr(self, "pool"):
            return
        for item in self.accepted:
            item.gate.set()
        for timeout in self.timeouts:
            timeout.close()
        settle()
        stats = self.pool.stats()
        assert (stats.running, stats.busy) == (stats.ready, 0)
        self.pool.stop()
        assert self.pool.join(timeout=5)
        assert self.pool.stats().running == 0


PoolMachine.TestCase.settings = settings(
    max_examples=150,
    stateful_step_count=40,
    deadline=None,  # timing has no place in a test
    suppress_health_check=[HealthCheck.too_slow],
)
test_pool_machine = PoolMachine.TestCase
