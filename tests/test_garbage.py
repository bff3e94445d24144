"""Full collections and their share of the time, by a clock of our own, and in a new process."""

import gc
import subprocess
import sys
import threading

import pytest

from gpool.errors import IllegalMove
from gpool.garbage import MOST, MOVES, CollectionState, FullCollections
from gpool.states import moved

STOPPED, ALLOWED, DEFERRED = CollectionState
OLDEST = 2  # the generation


class Clock:
    """A clock that goes on by what a collection takes whenever one looks at it."""

    def __init__(self):
        self.now = 100.0
        self.takes = 0.0

    def __call__(self):
        self.now += self.takes
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(autouse=True)
def no_others():
    """No collections but those of the test, and all as it was at its end."""
    before = gc.get_threshold(), len(gc.callbacks)
    gc.disable()
    yield
    gc.enable()
    assert (gc.get_threshold(), len(gc.callbacks)) == before
    assert gc.get_freeze_count() == 0


@pytest.fixture
def started(clock):
    collections = FullCollections(0.25, clock)
    collections.start()
    gc.collect(0)  # no time has passed since the one that it begins with
    yield collections
    collections.stop()


@pytest.fixture
def thresholds():
    """Python's, which a test may change; they are back before what has `started` is stopped."""
    before = gc.get_threshold()
    yield before
    gc.set_threshold(*before)


def collect_all(clock, takes):
    clock.takes = takes
    gc.collect()
    clock.takes = 0.0


def test_after_a_full_one_there_is_none_until_its_share_has_passed(started, clock):
    allowed = gc.get_threshold()
    assert started.state is ALLOWED
    collect_all(clock, 2.0)  # from 102 to 104: the next one is due at 102 + 2 / 0.25
    assert started.state is DEFERRED
    youngest, young, oldest = gc.get_threshold()
    assert (youngest, young) == allowed[:OLDEST]
    assert oldest * (youngest + 1) * (young + 1) == pytest.approx(MOST, rel=0.1)
    clock.now = 109.9
    gc.collect(1)
    assert started.state is DEFERRED
    clock.now = 110.0
    gc.collect(0)
    assert started.state is ALLOWED
    assert gc.get_threshold() == allowed


def test_after_a_short_one_it_is_half_as_long_as_it_was_before(started, clock):
    collect_all(clock, 4.0)
    clock.now = 200.0
    collect_all(clock, 0.0)
    assert started._due == 200.0 + 4.0 / 2 / 0.25


def test_one_that_the_application_asks_for_counts_meanwhile(started, clock):
    collect_all(clock, 1.0)
    collect_all(clock, 5.0)  # from 107 to 112
    clock.now = 126.0
    gc.collect(0)
    assert started.state is DEFERRED
    clock.now = 127.0
    gc.collect(0)
    assert started.state is ALLOWED


def test_what_is_short_lived_is_collected_meanwhile(started, clock):
    class Cycle:
        gone = 0

        def __init__(self):
            self.own = self

        def __del__(self):
            Cycle.gone += 1

    collect_all(clock, 1.0)
    Cycle()
    gc.collect(0)
    assert started.state is DEFERRED
    assert Cycle.gone == 1


def test_a_threshold_that_the_application_sets_meanwhile_stays(started, clock, thresholds):
    collect_all(clock, 1.0)
    gc.set_threshold(500, 5, 50)
    clock.now += 100
    gc.collect(0)
    assert started.state is ALLOWED
    assert gc.get_threshold() == (500, 5, 50)


def test_one_that_has_them_more_seldom_keeps_its_threshold(clock, thresholds):
    gc.set_threshold(*thresholds[:OLDEST], 5_000)
    collections = FullCollections(0.25, clock)
    collections.start()
    assert (collections.state, gc.get_threshold()[OLDEST]) == (DEFERRED, 5_000)
    collections.stop()
    assert gc.get_threshold()[OLDEST] == 5_000


def test_the_others_that_the_application_sets_meanwhile_stay(started, clock, thresholds):
    collect_all(clock, 1.0)
    gc.set_threshold(500, 5, gc.get_threshold()[OLDEST])
    clock.now += 100
    gc.collect(0)
    assert gc.get_threshold() == (500, 5, thresholds[OLDEST])


def test_a_collection_in_another_thread_is_one_too(started, clock):
    clock.takes = 1.0
    thread = threading.Thread(target=gc.collect)
    thread.start()
    thread.join()
    assert started.state is DEFERRED


def test_what_was_there_at_the_start_is_left_out(started):
    assert gc.get_freeze_count() > 1_000
    assert not any(one is FullCollections for one in gc.get_objects(generation=OLDEST))


def test_it_begins_with_a_full_one(clock):
    collections = FullCollections(0.25, clock)
    clock.takes = 1.0
    collections.start()
    assert (collections.state, collections._due) == (DEFERRED, clock.now - 1.0 + 4.0)
    collections.stop()


def test_started_twice_it_is_told_once(started):
    told = gc.callbacks.count(started._told)
    started.start()
    assert gc.callbacks.count(started._told) == told == 1


def test_stopped_while_one_is_deferred_it_leaves_all_as_it_was(clock):
    before = gc.get_threshold()
    collections = FullCollections(0.25, clock)
    collections.start()
    collect_all(clock, 1.0)
    collections.stop()
    assert collections.state is STOPPED
    assert gc.get_threshold() == before
    collections.stop()
    collections.start()
    assert collections.state is DEFERRED
    collections.stop()


@pytest.mark.parametrize("share", [0, -0.5, 1.01, float("nan"), float("inf")])
def test_a_share_out_of_range_is_named_with_the_range(share):
    with pytest.raises(ValueError, match="share must be a number more than 0 and at most 1"):
        FullCollections(share)


@pytest.mark.parametrize("share", ["0.1", None, True])
def test_what_is_not_a_number_is_no_share(share):
    with pytest.raises(TypeError, match="share must be a number more than 0 and at most 1"):
        FullCollections(share)


@pytest.mark.parametrize(("state", "after"), [(STOPPED, DEFERRED), (DEFERRED, DEFERRED)])
def test_what_may_not_follow_is_refused(state, after):
    with pytest.raises(IllegalMove):
        moved(MOVES, state, after)


CROWD = """
import gc, sys
from gpool.garbage import FullCollections

full = 0

def count(phase, info):
    global full
    full += phase == "stop" and info["generation"] == 2

collections = FullCollections(1e-9)
gc.collect()
gc.callbacks.append(count)
if sys.argv[1] == "kept":
    collections.start()
crowd = [[] for _ in range(int(sys.argv[2]))]
print(full)
"""


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="its collector has no full ones of its own")
@pytest.mark.parametrize(
    ("how", "crowd", "least", "most"),
    [
        ("left to Python", 2_000_000, 4, 99),
        ("kept", 500_000, 1, 1),  # that with which it begins
        ("kept", 4_000_000, 2, 5),  # those for want of memory
    ],
)
def test_a_crowd_that_comes_brings_no_full_ones_but_for_millions(how, crowd, least, most):
    words = [sys.executable, "-c", CROWD, how, str(crowd)]
    assert least <= int(subprocess.check_output(words, text=True, timeout=60)) <= most
