"""Deadlines, on a clock of the test.

`due` is what the caller of `set` means: so many seconds from the moment of the call, which may be
up to a tick after the last sweep.
"""

import gc
import weakref
from itertools import pairwise
from math import inf

import pytest

from gpool.wsgi.parking import EXPIRY, TURN, Deadlines
from tests.support import Clock

TICK = 1.0
ROUNDING = 1e-6  # seconds; floats are no place for exact sums


class Timed:
    """What has a deadline; does as it is told when that is over."""

    def __init__(self, on_expired=None):
        self.deadline = inf
        self.slot = 0
        self.expirations = []
        self.on_expired = on_expired

    def expired(self):
        self.expirations.append(self.on_expired() if self.on_expired else None)


class Wheel:
    """Deadlines that are swept once a tick, at a phase of the test."""

    def __init__(self, usual=inf, phase=0.0):
        self.clock = Clock()
        self.clock.advance(phase)
        self.deadlines = Deadlines(usual, TICK, self.clock)
        self.next_sweep = self.clock.now + TICK

    def advance(self, seconds):
        """Let time pass, with the sweeps that there are."""
        until = self.clock.now + seconds
        while self.next_sweep <= until:
            self.clock.now = self.next_sweep
            self.next_sweep += TICK
            self.deadlines.sweep()
        self.clock.now = until

    def until(self, condition, most=100):
        """Let it, until `condition` holds; returns when that was."""
        for _ in range(most):
            if condition():
                return self.clock.now
            self.advance(self.next_sweep - self.clock.now)
        raise AssertionError("it never holds")


@pytest.fixture
def wheel():
    return Wheel()


PHASES = [0.0, 0.1, 0.5, 0.9, 0.999]
AFTERS = [0.0, 0.001, 0.1, 0.5, 0.999, 1.0, 1.001, 2.5, 10.0, 75.0]


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("set_at", [0.0, 0.3, 0.999])
@pytest.mark.parametrize("after", AFTERS)
def test_a_deadline_is_met_once_never_early_and_within_two_ticks(phase, set_at, after):
    wheel, timed = Wheel(phase=phase), Timed()
    wheel.advance(3 * TICK + set_at)
    due = wheel.clock.now + after
    wheel.deadlines.set(timed, after)
    met = wheel.until(lambda: timed.expirations)
    assert due <= met <= timed.deadline + 2 * TICK + ROUNDING
    wheel.advance(100)
    assert len(timed.expirations) == 1 and len(wheel.deadlines) == 0


def test_without_an_end_nothing_expires(wheel):
    timed = Timed()
    wheel.deadlines.set(timed, inf)
    wheel.advance(1_000)
    assert not timed.expirations and len(wheel.deadlines) == 0 and timed.deadline == inf


def test_a_deadline_can_be_taken_back_by_an_infinite_one(wheel):
    timed = Timed()
    wheel.deadlines.set(timed, 5)
    wheel.deadlines.set(timed, inf)
    wheel.advance(100)
    assert not timed.expirations and len(wheel.deadlines) == 0
    wheel.deadlines.set(timed, 5)
    wheel.advance(100)
    assert len(timed.expirations) == 1


@pytest.mark.parametrize("first", [0.0, 1.0, 5.0, 20.0])
@pytest.mark.parametrize("second", [0.0, 1.0, 5.0, 20.0])
@pytest.mark.parametrize("between", [0.0, 0.7, 1.7])
def test_the_last_one_that_was_set_counts(first, second, between):
    """Later or earlier, before or after a sweep; and it has one place on the wheel."""
    wheel, timed = Wheel(), Timed()
    wheel.deadlines.set(timed, first)
    wheel.advance(between)
    if not timed.expirations:
        due = wheel.clock.now + second
        wheel.deadlines.set(timed, second)
        assert len(wheel.deadlines) == 1
        assert due <= wheel.until(lambda: timed.expirations) <= due + 2 * TICK + ROUNDING
    wheel.advance(100)
    assert len(timed.expirations) == 1 and len(wheel.deadlines) == 0


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("set_at", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("before", [None, 1.0, 4.5, 20.0])
def test_the_usual_time_may_be_set_as_connections_do_it(phase, set_at, before):
    """`HTTPConnection.finish` has it written out."""
    wheel, timed = Wheel(4.5, phase), Timed()
    deadlines = wheel.deadlines
    if before is not None:
        deadlines.set(timed, before)
    wheel.advance(set_at)
    timed.deadline = deadlines.usual
    if not 0 < timed.slot <= deadlines.usual_slot:
        deadlines.set(timed, 4.5)
    due = wheel.clock.now + 4.5
    met = wheel.until(lambda: timed.expirations)
    assert due <= met <= due + 3 * TICK + ROUNDING  # `usual` is up to a tick later than that
    wheel.advance(100)
    assert len(timed.expirations) == 1 and len(deadlines) == 0


def test_without_a_usual_time_it_is_never_over():
    wheel, timed = Wheel(inf), Timed()
    wheel.deadlines.set_usual(timed)
    assert timed.deadline == wheel.clock.now + wheel.deadlines.usual_time
    wheel.advance(10_000)
    assert not timed.expirations and len(wheel.deadlines) == 1


@pytest.mark.parametrize("set_at", [0.0, 0.3, 0.9])
def test_the_usual_time_may_be_set_in_words(wheel, set_at):
    wheel, timed = Wheel(4.5), Timed()
    wheel.advance(set_at)
    wheel.deadlines.set_usual(timed)
    due = wheel.clock.now + 4.5
    assert due <= wheel.until(lambda: timed.expirations) <= due + 2 * TICK + ROUNDING


def test_what_is_set_again_and_again_expires_when_that_ends(wheel):
    timed = Timed()
    for _ in range(200):
        wheel.deadlines.set(timed, 3)
        wheel.advance(0.7)
    assert not timed.expirations and len(wheel.deadlines) == 1
    wheel.advance(10)
    assert len(timed.expirations) == 1


def test_a_time_of_the_clock_can_be_set_too(wheel):
    """What is left of a request's time, after a wait within it."""
    timed = Timed()
    wheel.deadlines.set(timed, 1)
    wheel.deadlines.set_at(timed, wheel.clock.now + 7)
    due = wheel.clock.now + 7
    assert due <= wheel.until(lambda: timed.expirations) <= due + 2 * TICK
    wheel.deadlines.set(timed, 1)
    wheel.deadlines.set_at(timed, inf)
    wheel.advance(100)
    assert len(timed.expirations) == 1


def test_a_deadline_in_the_past_is_met_with_the_next_sweep(wheel):
    """What is left of a request's time may be less than nothing."""
    timed = Timed()
    wheel.deadlines.set(timed, -10)
    assert not timed.expirations
    wheel.until(lambda: timed.expirations, most=3)


def test_what_is_dropped_does_not_expire(wheel):
    timed = Timed()
    wheel.deadlines.drop(timed)
    wheel.deadlines.set(timed, 5)
    wheel.deadlines.drop(timed)
    wheel.deadlines.drop(timed)
    assert len(wheel.deadlines) == 0 and timed.slot == 0
    wheel.advance(100)
    assert not timed.expirations


def test_what_is_dropped_is_not_kept_alive(wheel):
    gc.disable()
    try:
        for set_twice in (False, True):
            timed = Timed()
            gone = weakref.ref(timed)
            wheel.deadlines.set(timed, 50)
            if set_twice:
                wheel.deadlines.set(timed, 5)
                wheel.deadlines.set(timed, 20)
            wheel.deadlines.drop(timed)
            del timed
            assert gone() is None
    finally:
        gc.enable()


def test_what_has_expired_is_not_kept_alive(wheel):
    gone = weakref.ref(timed := Timed())
    wheel.deadlines.set(timed, 5)
    wheel.advance(100)
    del timed
    assert gone() is None


# ---------------------------------------------------------------------- a look in between


class Looker:
    """Looks, and does as it is told."""

    def __init__(self, wheel, again=None):
        self.wheel = wheel
        self.again = again or (lambda timed: timed.deadline)
        self.seen = []

    def __call__(self, timed):
        self.seen.append((timed, self.wheel.clock.now))
        return self.again(timed)


def test_who_has_the_usual_time_is_looked_at_before_it_is_over():
    wheel, timed = Wheel(20), Timed()
    look = Looker(wheel)
    wheel.deadlines.look_early(look, 5)
    begun = wheel.clock.now
    wheel.deadlines.set_usual(timed)
    wheel.until(lambda: look.seen)
    assert begun + 5 <= look.seen[0][1] <= begun + 5 + 2 * TICK
    assert begun + 20 <= wheel.until(lambda: timed.expirations) <= begun + 20 + 2 * TICK
    assert {one for one, _ in look.seen} == {timed}


def test_a_look_may_be_repeated_and_may_take_the_other_away():
    wheel, timed = Wheel(20), Timed()
    look = Looker(wheel, lambda _: wheel.clock.now + 3 if len(look.seen) < 3 else inf)
    wheel.deadlines.look_early(look, 5)
    wheel.deadlines.set_usual(timed)
    wheel.advance(100)
    times = [when for _, when in look.seen]
    assert len(times) == 3 and not timed.expirations and len(wheel.deadlines) == 0
    assert all(3 <= later - before <= 3 + 2 * TICK for before, later in pairwise(times))


def test_who_has_another_time_is_not_looked_at_before():
    wheel, timed = Wheel(20), Timed()
    look = Looker(wheel)
    wheel.deadlines.look_early(look, 5)
    wheel.deadlines.set(timed, 8)
    wheel.advance(7)
    assert not look.seen and not timed.expirations


def test_the_hot_path_does_not_put_a_look_off():
    """A deadline is moved by an assignment, at once and later; the look finds that out."""
    wheel, timed = Wheel(20), Timed()
    look = Looker(wheel)
    wheel.deadlines.look_early(look, 5)
    wheel.advance(1.9)
    wheel.deadlines.set_usual(timed)
    assert 0 < timed.slot <= wheel.deadlines.usual_slot
    wheel.advance(4)
    assert 0 < timed.slot <= wheel.deadlines.usual_slot
    timed.deadline = wheel.deadlines.usual
    wheel.advance(3)
    assert len(look.seen) == 1


def test_one_that_is_next_can_be_looked_at_now():
    wheel = Wheel(20)
    look = Looker(wheel, lambda _: inf)
    wheel.deadlines.look_early(look, 5)
    wheel.deadlines.look_at_first()
    first, second, other = Timed(), Timed(), Timed()
    wheel.deadlines.set(other, 15)
    wheel.deadlines.set_usual(first)
    wheel.advance(2)
    wheel.deadlines.set_usual(second)
    for _ in range(3):
        wheel.deadlines.look_at_first()
    assert [timed for timed, _ in look.seen] == [first, second]
    assert len(wheel.deadlines) == 1


def test_who_is_looked_at_now_does_not_expire_by_it():
    """It may be due: that is for the sweep to see, when the loop has had a turn."""
    wheel, timed = Wheel(4), Timed()
    look = Looker(wheel)
    wheel.deadlines.look_early(look, 2)
    wheel.deadlines.set_usual(timed)
    wheel.clock.advance(100)
    wheel.deadlines.look_at_first()
    assert not timed.expirations and len(look.seen) == 1
    wheel.until(lambda: timed.expirations, most=200)


# ---------------------------------------------------------------------- in expired()


@pytest.mark.parametrize("after", [0.0, 0.5, 3.0, 10.0])
def test_what_expires_may_set_itself_again(wheel, after):
    timed = Timed(lambda: wheel.deadlines.set(timed, after))
    wheel.deadlines.set(timed, 5)
    first = wheel.until(lambda: timed.expirations)
    assert wheel.until(lambda: len(timed.expirations) == 2) >= first + after
    assert len(wheel.deadlines) == 1


def test_what_expires_may_drop_itself(wheel):
    timed = Timed(lambda: wheel.deadlines.drop(timed))
    wheel.deadlines.set(timed, 5)
    wheel.advance(100)
    assert len(timed.expirations) == 1 and len(wheel.deadlines) == 0


@pytest.mark.parametrize("after", [0.5, 3.0])
def test_what_expires_may_set_another_that_is_due_too(wheel, after):
    """The other is met once: now, if it was first, or when it is due again."""
    both = [Timed(), Timed()]
    for timed, other in (both, both[::-1]):
        timed.on_expired = lambda other=other: wheel.deadlines.set(other, after)
        wheel.deadlines.set(timed, 5)
    first = wheel.until(lambda: both[0].expirations or both[1].expirations)
    assert len(both[0].expirations) + len(both[1].expirations) == 1
    last = wheel.until(lambda: both[0].expirations and both[1].expirations)
    assert last >= first + after


def test_what_expires_may_drop_another_that_is_not_due(wheel):
    other = Timed()
    timed = Timed(lambda: wheel.deadlines.drop(other))
    wheel.deadlines.set(timed, 5)
    wheel.deadlines.set(other, 20)
    wheel.advance(100)
    assert len(timed.expirations) == 1 and not other.expirations and len(wheel.deadlines) == 0


def test_what_expires_may_drop_another_that_is_due_too(wheel, logged):
    """As with a connection that closes others when it ends."""
    both = [Timed(), Timed()]
    for timed, other in (both, both[::-1]):
        timed.on_expired = lambda other=other: wheel.deadlines.drop(other)
        wheel.deadlines.set(timed, 5)
    wheel.advance(100)
    assert not logged()
    assert len(both[0].expirations) + len(both[1].expirations) == 1
    assert len(wheel.deadlines) == 0


def test_one_that_cannot_expire_does_not_keep_the_others_from_it(wheel, logged):
    def fail():
        raise LookupError("on purpose")

    several = [Timed(fail) for _ in range(5)]
    for timed in several:
        wheel.deadlines.set(timed, 5)
    wheel.advance(100)
    assert [len(timed.expirations) for timed in several] == [0] * 5  # each raised
    assert len(logged()) == 5 and all("could not expire" in line for line in logged())
    assert len(wheel.deadlines) == 0


# ---------------------------------------------------------------------- a Hub that was blocked


def blocked(wheel, ticks):
    """The Hub did nothing for so long; now it sweeps, before it has read anything."""
    wheel.clock.advance(ticks * TICK)
    wheel.next_sweep = wheel.clock.now + TICK
    wheel.deadlines.sweep()


@pytest.mark.parametrize("ticks", [1.6, 3, 10, 1_000])
def test_after_the_hub_was_blocked_the_loop_has_a_turn_before_anybody_is_late(wheel, ticks):
    wheel.advance(3)
    timed, other = Timed(), Timed()
    wheel.deadlines.set(timed, 0.5)
    wheel.deadlines.set(other, 0.5)
    blocked(wheel, ticks)
    assert not timed.expirations
    wheel.deadlines.drop(other)  # its bytes were there
    wheel.advance(TICK)
    assert len(timed.expirations) == 1 and not other.expirations


def test_a_hub_that_is_blocked_again_and_again_gives_no_more_than_one_tick_of_grace(wheel):
    timed = Timed()
    wheel.deadlines.set(timed, 0.5)
    blocked(wheel, 5)
    assert not timed.expirations
    blocked(wheel, 5)
    assert len(timed.expirations) == 1


def test_each_time_that_the_hub_was_blocked_there_is_grace(wheel):
    for _ in range(3):
        timed = Timed()
        wheel.deadlines.set(timed, 0.5)
        blocked(wheel, 5)
        assert not timed.expirations
        wheel.advance(TICK)
        assert len(timed.expirations) == 1


def test_what_is_set_while_the_hub_recovers_is_not_early(wheel):
    blocked(wheel, 10)
    timed = Timed()
    wheel.deadlines.set(timed, 4)
    due = wheel.clock.now + 4
    assert due <= wheel.until(lambda: timed.expirations) <= due + 2 * TICK + ROUNDING


def test_what_is_set_while_the_hub_is_busy_is_not_early(wheel):
    """Fifty requests of 0.1 s, found in one turn of the loop: the last one has 5 s less."""
    timed = Timed()
    wheel.clock.advance(5)
    wheel.deadlines.set(timed, 10)
    due = wheel.clock.now + 10
    blocked(wheel, 0)
    assert wheel.until(lambda: timed.expirations) >= due


@pytest.mark.parametrize(
    ("begin", "ticks"),
    [
        (0.0, 1.6),
        (0.9, 1.0),
        (0.1, 1.3),
        (0.8, 0.6),
        (0.8, 0.3),
    ],
)
def test_nobody_is_late_who_was_so_only_while_the_hub_was_blocked(wheel, begin, ticks):
    """What came in time, and while it was blocked, is not read when the sweep is made."""
    timed = Timed()
    wheel.advance(3 + begin)
    wheel.deadlines.set(timed, 0.1)
    blocked(wheel, ticks)
    assert not timed.expirations


def test_a_clock_that_stands_still_expires_nothing(wheel):
    timed = Timed()
    wheel.deadlines.set(timed, 0.5)
    for _ in range(5):
        wheel.deadlines.sweep()
    assert not timed.expirations
    wheel.advance(5)
    assert len(timed.expirations) == 1


def test_a_crowd_that_is_due_together_expires_in_several_turns(wheel):
    """Those that are left are still on it, and can be put off, or dropped."""
    crowd = [Timed() for _ in range(3 * TURN // EXPIRY)]
    for timed in crowd:
        wheel.deadlines.set(timed, 0.0)
    wheel.clock.advance(TICK)
    assert not wheel.deadlines.sweep()  # they were not due at the one before
    wheel.clock.advance(TICK)
    assert wheel.deadlines.sweep()
    expired = [timed for timed in crowd if timed.expirations]
    assert len(expired) == TURN // EXPIRY
    dropped, later = [timed for timed in crowd if not timed.expirations][:2]
    wheel.deadlines.drop(dropped)
    wheel.deadlines.set(later, 100.0)
    while wheel.deadlines.go_on():
        pass
    assert [timed for timed in crowd if not timed.expirations] == [dropped, later]
    assert len(wheel.deadlines) == 1
