"""The queueing model against closed forms, and what it says of limits and splits."""

import numpy as np
import pytest

from bench.capacity.formulas import (
    erlang_b,
    erlang_c,
    little,
    mean_wait,
    pollaczek_khinchine,
    waits_longer,
)
from bench.capacity.model import SPREADS, Load, Server, drawn, made_load, percentile, simulate

MANY = 25_000
EMPTY = 2_000  # requests that still find it empty


def load_of(came, cpu, wait, process=None):
    """Those requests."""
    given = None if process is None else np.array(process)
    return Load(np.array(came), np.array(cpu), np.array(wait), given)


# ---------------------------------------------------------------------- closed forms


def test_formulas_give_the_values_of_tables():
    assert erlang_b(2, 1) == pytest.approx(2 / 3)
    assert erlang_b(20, 30) == pytest.approx(0.0085, abs=0.0001)
    assert erlang_c(0.5, 1) == pytest.approx(0.5)  # M/M/1: as much as it is used
    assert erlang_c(2, 3) == pytest.approx(4 / 9)
    assert erlang_c(3, 3) == 1
    assert waits_longer(0.5, 1, 1, 0.6) == 0


@pytest.mark.parametrize("used", [0.5, 0.8])
def test_a_core_alone_is_a_queue_of_pollaczek_and_khinchine(used):
    """M/D/1 and M/M/1: what one waits for the core."""
    for spread, variation in (("constant", 0), ("exponential", 1)):
        load = made_load(used, MANY, 1.0, 0.0, cpu_spread=spread)
        done = simulate(load, Server(max_workers=MANY)).after(EMPTY)
        waited = np.mean(done.took - load.cpu[EMPTY:])
        assert waited == pytest.approx(pollaczek_khinchine(used, 1.0, variation), rel=0.1)
        assert done.busy == pytest.approx(used, rel=0.03)


@pytest.mark.parametrize(("rate", "places"), [(0.8, 1), (4.0, 5), (16.0, 20)])
def test_places_with_a_queue_are_those_of_erlang_c(rate, places):
    """M/M/c: how many wait, for how long on average, and the p99 of that."""
    load = made_load(rate, 2 * MANY, 0.0, 1.0)
    done = simulate(
        load, Server(max_workers=places, overflow="wait", max_queue=MANY, queue_timeout=1e9)
    ).after(EMPTY)
    waited = done.took - load.wait[EMPTY:]
    assert np.mean(waited > 1e-9) == pytest.approx(erlang_c(rate, places), rel=0.06)
    assert np.mean(waited) == pytest.approx(mean_wait(rate, 1.0, places), rel=0.15)
    assert percentile(waited, 0.99) == pytest.approx(waits_longer(rate, 1, places, 0.01), rel=0.2)


@pytest.mark.parametrize("spread", SPREADS)
def test_places_without_a_queue_are_those_of_erlang_b_whatever_the_waits_are(spread):
    load = made_load(20.0, MANY, 0.0, 1.0, wait_spread=spread)
    done = simulate(load, Server(max_workers=20)).after(EMPTY)
    assert done.refused == pytest.approx(erlang_b(20.0, 20), rel=0.06)


@pytest.mark.parametrize("spread", SPREADS)
def test_as_many_are_inside_as_littles_law_says(spread):
    load = made_load(50.0, MANY, 0.001, 0.4, cpu_spread=spread, wait_spread=spread)
    done = simulate(load, Server(max_workers=MANY)).after(EMPTY)
    assert np.mean(done.found) == pytest.approx(little(50.0, 0.401), rel=0.05)


@pytest.mark.parametrize("spread", SPREADS)
def test_durations_have_the_mean_that_was_asked_for(spread):
    assert np.mean(drawn(np.random.default_rng(1), spread, 0.3, MANY)) == pytest.approx(
        0.3, rel=0.03
    )


# ---------------------------------------------------------------------- one by one


def test_requests_take_the_core_in_turns_and_wait_side_by_side():
    done = simulate(load_of([0, 0], [2, 2], [10, 10]), Server(max_workers=2))
    assert done.took.tolist() == [12, 13]  # 1 + 10 + 1; the other begins a second later
    assert done.most == 2


def test_who_waits_for_nothing_keeps_the_core_to_its_end():
    done = simulate(load_of([0, 0], [2, 2], [0, 0]), Server(max_workers=1))
    assert done.took.tolist() == [2, 4]  # and its place is free when the next one begins


def test_who_finds_no_place_is_refused_and_that_takes_the_core_too():
    server = Server(max_workers=1, refusal=0.5, before=1.0)
    done = simulate(load_of([0, 1, 9], [1, 1, 1], [2, 2, 2]), server)
    assert done.took[0] == 3 and np.isnan(done.took[1]) and done.took[2] == 3
    assert done.refused == pytest.approx(1 / 3)
    assert done.busy == pytest.approx(2.5 / 12)


def test_who_waits_for_a_place_gets_the_next_in_its_turn_or_gives_up():
    server = Server(1, overflow="wait", max_queue=2, queue_timeout=5)
    done = simulate(load_of([0, 1, 1, 1], [0] * 4, [4] * 4), server)
    assert done.took[:2].tolist() == [4, 7]
    assert np.isnan(done.took[2:]).all()  # one after 5 s, one since the queue was full


def test_a_full_queue_refuses_at_once():
    server = Server(1, overflow="wait", max_queue=1)
    done = simulate(load_of([0, 1, 1], [0] * 3, [4] * 3), server)
    assert done.took[:2].tolist() == [4, 7] and np.isnan(done.took[2])


def test_processes_have_a_core_each_or_share_one():
    load = load_of([0, 0], [2, 2], [0, 0], [0, 1])
    assert simulate(load, Server(9, processes=2)).took.tolist() == [2, 2]
    assert simulate(load, Server(9, processes=2, shared=True)).took.tolist() == [2, 4]


def test_each_goes_to_the_process_that_has_the_fewest():
    load = load_of([0, 1, 2, 6], [0] * 4, [5, 9, 9, 9])
    done = simulate(load, Server(9, processes=3, split="least"))
    assert done.process.tolist() == [0, 1, 2, 0]


def test_the_fewest_refuse_less_than_chance_does():
    load = made_load(64.0, 20_000, 0.0, 1.0)
    refused = {
        split: simulate(load, Server(10, processes=8, split=split)).refused
        for split in ("random", "least")
    }
    assert refused["least"] < refused["random"] / 3


def test_the_same_load_has_the_same_outcome():
    def took():
        return simulate(made_load(9.0, 500, 0.01, 0.1), Server(2, processes=3)).took

    np.testing.assert_array_equal(took(), took())
