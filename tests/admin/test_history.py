"""The history: samples in order, rates from differences, never more than it may hold."""

import pytest

from gpool.admin.history import LENGTH, History
from tests.admin.parts import buckets, snapshot


def filled(*snapshots):
    history = History()
    for one in snapshots:
        history.add(one)
    return history


def test_the_first_snapshot_is_no_sample():
    assert filled(snapshot()).since(0) == []


def test_a_sample_has_what_there_is_and_the_rates_since_the_one_before():
    [sample] = filled(
        snapshot(taken=100.5, requests={"2xx": 10}, sent=50, blocked=1),
        snapshot(
            taken=102.5,
            busy=2,
            ready=1,
            running=3,
            max_workers=5,
            connections={"idle": 4},
            requests={"2xx": 16, "4xx": 1},
            refused={"full": 3},
            buckets=buckets(_4=10),
            sent=150,
            blocked=3,
        ),
    ).since(0)
    assert sample["t"] == 102
    assert (sample["busy"], sample["ready"], sample["running"], sample["max_workers"]) == (
        2,
        1,
        3,
        5,
    )
    assert sample["connections"]["idle"] == 4
    assert (sample["requests"]["2xx"], sample["requests"]["4xx"]) == (3.0, 0.5)
    assert sample["refused"]["full"] == 1.5
    assert (sample["sent"], sample["blocked"]) == (50.0, 2)
    assert sample["latency"] == pytest.approx({"p50": 0.0075, "p95": 0.00975, "p99": 0.00995})


def test_percentiles_are_of_the_answers_since_the_last_sample():
    history = filled(
        snapshot(taken=1, buckets=buckets(_10=1_000)),
        snapshot(taken=2, buckets=buckets(_10=1_000, _0=10)),
        snapshot(taken=3, buckets=buckets(_10=1_000, _0=10)),
    )
    first, second = history.since(0)
    assert first["latency"]["p99"] < 0.0005
    assert second["latency"] == {"p50": None, "p95": None, "p99": None}


def test_counts_that_become_smaller_are_no_negative_rate():
    [sample] = filled(
        snapshot(taken=1, requests={"2xx": 10}, sent=9, blocked=2, buckets=buckets(_1=5)),
        snapshot(taken=2),
    ).since(0)
    assert (sample["requests"]["2xx"], sample["sent"], sample["blocked"]) == (0, 0, 0)


def test_a_second_snapshot_in_a_second_is_left_to_the_next_sample():
    history = filled(
        snapshot(taken=1.1, sent=0), snapshot(taken=1.9, sent=4), snapshot(taken=2.1, sent=10)
    )
    assert [(one["t"], one["sent"]) for one in history.since(0)] == [(2, 10.0)]


def test_a_clock_that_was_set_back_begins_anew():
    history = filled(*(snapshot(taken=at) for at in (100, 101, 50, 51, 52)))
    assert [one["t"] for one in history.since(0)] == [51, 52]


def test_since_gives_what_is_later():
    history = filled(*(snapshot(taken=at + 0.5) for at in range(10)))
    assert [one["t"] for one in history.since(7)] == [8, 9]
    assert history.since(9) == []


def test_no_more_than_five_minutes_are_kept():
    history = filled(*(snapshot(taken=at) for at in range(LENGTH + 50)))
    times = [one["t"] for one in history.since(0)]
    assert len(history) == LENGTH
    assert times == list(range(50, LENGTH + 50))
