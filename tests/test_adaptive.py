"""The limit that adapts, without a server: an application is the seconds that so many take."""

from itertools import pairwise
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpool.adaptive import (
    CALM_WINDOW,
    ENOUGH,
    HEADROOM,
    OLD,
    QUIET,
    STANDING,
    Calls,
    Limit,
    LimitState,
    patience,
)
from tests.support import Clock

CALM, ABOVE, BELOW = LimitState
PLACES = 40


def places(count, seconds=0.01):
    """So many are served at once, the others wait."""
    return lambda in_flight: seconds * max(1.0, in_flight / count)


def endless(seconds):
    """Any number is served at once."""
    return lambda in_flight: seconds


class Model:
    """Calls that end one after the other, each as late as the application has it."""

    def __init__(self, most=1_000, least=4):
        self.limit = Limit(most, least)
        self.now = 0.0

    def play(self, seconds, time_of, demand):
        """As many in flight as the limit lets in, of those who want in; the limits there were."""
        seen = []
        end = self.now + seconds
        while self.now < end:
            in_flight = min(self.limit.value, demand)
            time = time_of(in_flight)
            self.now += time / in_flight
            if demand > self.limit.value:
                self.limit.lacked_room(self.now)
            self.limit.ended(self.now - time, self.now, in_flight)
            seen.append(self.limit.value)
        return seen


# ---------------------------------------------------------------------- calm


def test_nothing_is_limited_until_it_is_known_how_much_there_is():
    model = Model()
    assert model.limit.value == 1_000
    assert set(model.play(CALM_WINDOW * 0.9, endless(0.01), 20)) == {1_000}


def test_a_few_calls_say_nothing():
    limit = Limit(100)
    for number in range(ENOUGH - 1):
        limit.ended(number, number + 0.01, 1)
    assert limit.value == 100
    limit.ended(ENOUGH, ENOUGH + 0.01, 1)
    assert limit.value == limit._least


def test_in_calm_there_is_room_for_twice_the_most_of_late():
    model = Model()
    model.play(3, endless(0.01), 20)
    assert (model.limit.state, model.limit.value) == (CALM, HEADROOM * 20)
    model.play(3, endless(0.01), 30)
    assert model.limit.value == HEADROOM * 30


def test_the_most_of_late_is_forgotten_slowly():
    model = Model()
    model.play(3, endless(0.01), 100)
    model.play(20, endless(0.01), 10)
    assert 100 < model.limit.value < 200
    model.play(300, endless(0.1), 10)
    assert model.limit.value in (HEADROOM * 10, HEADROOM * 10 - 1)


def test_nobody_forgets_over_night():
    model = Model()
    model.play(3, endless(0.01), 100)
    model.now += 30_000
    model.play(2, endless(0.01), 1)
    assert model.limit.value > 180


def test_the_limit_does_not_flee_from_those_who_only_wait_for_each_other():
    model = Model()
    model.play(5, places(8), 12)
    for demand in range(12, 200):  # a little more is asked for than can be done
        model.play(0.1, places(8), demand)
    assert 8 / 1.4 <= model.limit.value <= 8 * 2


def test_when_it_is_calm_again_what_is_usual_may_have_become_another():
    model = Model()
    model.play(5, endless(0.01), 20)
    model.play(15, endless(0.1), 200)
    assert model.limit.state is CALM
    seen = model.play(20, endless(0.1), 200)
    assert model.limit.state is CALM and min(seen) >= HEADROOM * 200


# ---------------------------------------------------------------------- searching


@pytest.mark.parametrize("usual", [2, 10, 25])
@pytest.mark.parametrize("slower", [1, 10])
def test_who_can_do_only_so_many_at_once_gets_about_so_many(usual, slower):
    model = Model()
    model.play(5, places(PLACES), usual)
    model.play(20 * slower, places(PLACES, 0.01 * slower), 500)
    seen = model.play(10 * slower, places(PLACES, 0.01 * slower), 500)
    assert min(seen) >= PLACES / 1.4 and max(seen) <= PLACES * 1.5
    assert PLACES * 0.9 <= sum(seen) / len(seen) <= PLACES * 1.25


def test_a_limit_that_is_far_too_high_falls():
    model = Model()
    model.play(3, endless(0.01), 400)
    assert model.limit.value == 800
    seen = model.play(200, places(8, 0.1), 1_000)
    assert max(seen[-500:]) <= 8 * 1.6


def test_when_more_in_flight_does_harm_there_are_fewer():
    model = Model()
    model.play(5, places(PLACES), 20)

    def collapsing(in_flight):
        return 0.1 * max(1.0, in_flight / PLACES) ** 2.5

    model.play(100, collapsing, 500)
    seen = model.play(50, collapsing, 500)
    assert max(seen) <= PLACES * 1.25 and min(seen) >= PLACES / 2


@pytest.mark.parametrize("slower", [1, 10])
def test_what_only_takes_longer_is_not_limited_for_long(slower):
    model = Model()
    model.play(5, endless(0.01), 20)
    model.play(60 * 0.01 * slower + 8, endless(0.01 * slower), 200)
    assert model.limit.state is CALM and model.limit.value >= 200


def test_it_is_calm_again_when_nobody_has_lacked_room_for_a_while():
    model = Model()
    model.play(5, places(PLACES), 20)
    model.play(5, places(PLACES, 0.1), 500)
    assert model.limit.state is not CALM
    model.play(QUIET * 0.8, places(PLACES), 15)
    assert model.limit.state is not CALM
    model.play(QUIET + 1, places(PLACES), 15)
    assert model.limit.state is CALM and model.limit.value >= HEADROOM * 15


def test_a_measurement_without_anybody_who_lacks_room_changes_nothing():
    model = Model()
    model.play(5, places(PLACES), 20)
    model.play(5, places(PLACES, 0.1), 500)
    model.play(0.4, places(PLACES), 3)
    before = model.limit.value
    assert set(model.play(QUIET * 0.3, places(PLACES), 3)) == {before}


def test_bursts_do_not_make_the_limit_fall_to_what_is_asked_for_on_average():
    model = Model()
    model.play(5, places(PLACES), 20)
    model.play(20, places(PLACES, 0.1), 500)
    limit, found = model.limit, model.limit.value
    assert limit.state is not CALM
    for number in range(3_000):
        model.now += 0.01 / 10
        limit.ended(model.now - 0.01, model.now, 10)
        if number % 50 == 0:  # more often than it takes to be calm
            limit.lacked_room(model.now)
    assert limit.value > max(found, PLACES) * 1.5


def test_a_limit_that_is_met_now_and_then_does_not_grow_if_that_does_harm():
    model = Model()
    model.play(5, places(8), 6)
    model.play(5, places(8), 500)
    limit = model.limit
    for number in range(8_000):
        in_flight = int(limit.value * 0.8)
        time = places(8)(in_flight)
        model.now += time / in_flight
        limit.ended(model.now - time, model.now, in_flight)
        if number % 20 == 0:
            limit.lacked_room(model.now)
    assert limit.state is not CALM and limit.value <= 8 * 4


def test_what_began_before_the_limit_had_its_effect_is_not_measured():
    limit = Limit(100)
    for number in range(3 * ENOUGH):
        limit.ended(number * 0.1, number * 0.1 + 0.5, 10)
    limit.lacked_room(10.0)
    assert limit.state is ABOVE
    before = limit.value
    for _ in range(10 * ENOUGH):
        limit.ended(9.9, 10.0 + limit.lasts * 0.9, 20)
    assert (limit.state, limit.value) == (ABOVE, before)


def test_above_and_below_take_turns():
    model = Model()
    model.play(5, places(PLACES), 20)
    states = []
    for _ in range(200):
        model.play(0.1, places(PLACES, 0.1), 500)
        if not states or states[-1] is not model.limit.state:
            states.append(model.limit.state)
    assert len(states) > 10
    assert all({a, b} == {ABOVE, BELOW} for a, b in pairwise(states))


# ---------------------------------------------------------------------- bounds


@given(
    st.integers(1, 50),
    st.integers(1, 50),
    st.lists(
        st.tuples(
            st.booleans(),
            st.floats(0, 10),
            st.floats(0, 10),
            st.integers(1, 60),
            st.integers(1, 40),
        ),
        max_size=40,
    ),
)
@settings(max_examples=60, deadline=None)
def test_whatever_happens_it_stays_in_its_bounds(most, least, events):
    limit, now = Limit(most, least), 0.0
    for lacks, wait, took, in_flight, times in events:
        now += wait
        if lacks:
            limit.lacked_room(now)
        for _ in range(times):
            limit.ended(now - took, now, in_flight)
        assert min(least, most) <= limit.value <= most
        assert isinstance(limit.value, int)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_few_workers_are_all_used(most):
    model = Model(most=most)
    model.play(20, places(1, 0.1), 10)
    assert model.limit.value == most


@pytest.mark.parametrize(
    ("arguments", "text"),
    [((0,), "most must be at least 1, not 0"), ((5, 0), "least must be at least 1, not 0")],
)
def test_a_bound_out_of_range_is_named(arguments, text):
    with pytest.raises(ValueError, match=text):
        Limit(*arguments)


def test_calls_that_take_no_time_at_all_are_calls():
    limit = Limit(100)
    for number in range(ENOUGH + 1):
        limit.ended(number, number, 30)
    limit.lacked_room(100.0)
    for number in range(3 * ENOUGH):
        limit.ended(101.0 + number, 101.0 + number, 60)
        limit.lacked_room(101.0 + number)
    assert 4 <= limit.value <= 100


# ---------------------------------------------------------------------- calls


def test_there_is_room_for_as_many_calls_as_the_limit_says():
    calls = Calls(Limit(2), Clock())
    first = calls.begin()
    assert calls.have_room()
    calls.begin()
    assert not calls.have_room() and len(calls) == 2
    calls.end(first)
    assert calls.have_room() and len(calls) == 1


def test_a_call_counts_once_however_often_it_ends():
    calls = Calls(Limit(2), Clock())
    first, _ = calls.begin(), calls.begin()
    calls.forget(first)
    calls.end(first)
    calls.end(first)
    assert len(calls) == 1


def test_a_call_that_goes_on_for_ever_takes_no_room():
    clock = Clock()
    calls = Calls(Limit(2), clock)
    long = calls.begin()
    clock.advance(OLD / 2)
    calls.begin()
    calls.lacked_room()
    assert not calls.have_room()
    clock.advance(OLD / 2 + 0.1)
    calls.lacked_room()
    assert calls.have_room() and len(calls) == 1
    calls.end(long)
    assert len(calls) == 1


def test_where_calls_last_long_they_are_not_old_so_soon():
    clock = Clock()
    calls = Calls(Limit(ENOUGH), clock)
    for _ in range(ENOUGH):
        call = calls.begin()
        clock.advance(20)
        calls.end(call)
    calls.begin()
    clock.advance(9 * OLD)
    calls.lacked_room()
    assert len(calls) == 1
    clock.advance(2 * OLD)
    calls.lacked_room()
    assert len(calls) == 0


def test_one_very_long_call_does_not_hold_the_search_up():
    model = Model()
    model.play(5, places(PLACES), 20)
    model.limit.ended(model.now - 3_600, model.now, 20)
    model.play(2, places(PLACES), 20)
    model.play(40, places(PLACES), 500)
    seen = model.play(5, places(PLACES), 500)
    assert PLACES * 0.9 <= sum(seen) / len(seen) <= PLACES * 1.25


def test_a_call_that_was_forgotten_is_not_measured():
    clock = Clock()
    calls = Calls(Limit(100), clock)
    for _ in range(3 * ENOUGH):
        call = calls.begin()
        clock.advance(1)
        calls.forget(call)
        calls.end(call)
    assert calls.limit.value == 100


# ---------------------------------------------------------------------- patience


def test_a_queue_that_stands_makes_patience_short():
    assert patience(0.1, 0.0) == patience(0.1, 0.09) == 0.1
    assert patience(0.1, 0.1) == patience(0.1, 9.0) == 0.1 / STANDING
    assert patience(inf, 9.0) == inf


@pytest.mark.parametrize("what", [Limit(7), Calls(Limit(7))])
def test_they_say_how_many(what):
    assert "7" in repr(what)
