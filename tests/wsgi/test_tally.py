"""The counts of answers: each once, and only times that say something."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpool.wsgi import tally as module
from gpool.wsgi.tally import BOUNDS, CLASSES, Tally, percentile
from tests.support import in_hub

NOW = 0.0  # so that a difference to it is exact


@pytest.fixture
def tally(monkeypatch):
    monkeypatch.setattr(module, "time", lambda: NOW)
    return Tally()


def add(tally, status="200 OK", seconds=0.0, sent=0, **environ):
    tally.add(environ, status, sent, NOW - seconds)


@pytest.mark.parametrize(
    ("status", "name"),
    [
        ("101 Switching Protocols", "1xx"),
        ("200 OK", "2xx"),
        ("302 Found", "3xx"),
        ("404 Not Found", "4xx"),
        ("503", "5xx"),
        ("", "none"),
        ("999 Odd", "none"),
    ],
)
def test_an_answer_counts_under_its_class_alone(tally, status, name):
    add(tally, status)
    assert tally.requests() == dict.fromkeys(CLASSES, 0) | {name: 1}


def test_a_connection_taken_for_an_upgrade_counts_as_1xx(tally):
    add(tally, "", HTTP_UPGRADE="websocket")
    assert tally.requests()["1xx"] == 1
    assert tally.requests()["none"] == 0


def test_bytes_of_bodies_are_summed(tally):
    add(tally, sent=5)
    add(tally, "", sent=7)
    assert tally.sent == 12


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0.0, 0), (0.0005, 0), (0.0006, 1), (0.75, 10), (60.0, 15), (61.0, 16)]
)
def test_a_time_goes_into_the_bucket_whose_bound_it_does_not_exceed(tally, seconds, bucket):
    add(tally, seconds=seconds)
    assert tally.buckets == [int(index == bucket) for index in range(len(BOUNDS) + 1)]
    assert tally.seconds == seconds


@pytest.mark.parametrize("status", ["", "101 Switching Protocols"])
def test_what_is_not_a_usual_answer_is_not_timed(tally, status):
    add(tally, status, seconds=3_600.0)
    assert not any(tally.buckets)
    assert tally.seconds == 0.0


def test_an_answer_of_the_hub_is_counted_and_not_timed(tally):
    in_hub(add, tally, "503")
    assert tally.requests()["5xx"] == 1
    assert not any(tally.buckets)


def test_an_error_of_the_application_is_timed(tally):
    add(tally, "504", seconds=30.0)
    assert tally.seconds == 30.0


def test_a_clock_that_was_set_back_takes_nothing_from_the_sum(tally):
    add(tally, seconds=2.0)
    add(tally, seconds=-100.0)
    assert tally.seconds == 2.0
    assert sum(tally.buckets) == 2


def test_of_nothing_there_is_no_percentile():
    assert percentile([0] * (len(BOUNDS) + 1), 0.5) is None


def test_a_percentile_lies_within_its_bucket_as_if_spread_evenly():
    buckets = [0] * (len(BOUNDS) + 1)
    buckets[4] = 10  # 5 to 10 ms
    assert percentile(buckets, 0.5) == pytest.approx(0.0075)
    buckets[5] = 10  # 10 to 25 ms
    assert percentile(buckets, 0.5) == pytest.approx(0.010)
    assert percentile(buckets, 0.95) == pytest.approx(0.0235)


def test_a_percentile_beyond_the_bounds_is_the_last_of_them():
    assert percentile([*([0] * len(BOUNDS)), 3], 0.5) == BOUNDS[-1]


@given(
    st.lists(st.integers(0, 1_000), min_size=len(BOUNDS) + 1, max_size=len(BOUNDS) + 1),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_percentiles_are_in_order_and_within_the_bounds(buckets, one, other):
    values = [percentile(buckets, fraction) for fraction in sorted((one, other))]
    if any(buckets):
        assert 0 <= values[0] <= values[1] <= BOUNDS[-1]
    else:
        assert values == [None, None]


def test_the_bounds_are_in_order():
    assert list(BOUNDS) == sorted(set(BOUNDS))
    assert (BOUNDS[0], BOUNDS[-1]) == (0.0005, 60.0)


def test_repr_says_how_many_there_were(tally):
    add(tally)
    assert repr(tally) == f"<Tally {tally.requests()}>"
    assert "'2xx': 1" in repr(tally)
