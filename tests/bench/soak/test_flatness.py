"""A leak is told from noise, and from what is too little to be one."""

import random

import pytest

from bench.soak.flatness import ARENA, BLOCKS, growth


def noise(seed, spread, count=400):
    """Samples of which each is much like the one before."""
    chance, value = random.Random(seed), 0.0
    for _ in range(count):
        value = 0.8 * value + chance.gauss(0, spread)
        yield 30_000 + value


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_no_growth(seed):
    assert growth(list(noise(seed, 1_000))).flat


@pytest.mark.parametrize("seed", range(20))
def test_a_leak_within_noise_is_found(seed):
    leaking = [value + 10 * at for at, value in enumerate(noise(seed, 200))]
    found = growth(leaking)
    assert not found.flat
    assert abs(found.growth - 4_000) < 2 * found.margin


def test_an_arena_is_no_leak():
    assert growth([30_000.0] * 200 + [30_000.0 + ARENA / 2] * 200).flat


def test_a_line_without_noise_is_exact():
    found = growth([30_000 + 100 * at for at in range(100)])
    assert found.growth == pytest.approx(10_000)
    assert found.margin == pytest.approx(0, abs=0.01)
    assert not found.flat and found.seen == ARENA


def test_memory_that_shrinks_is_flat():
    assert growth([30_000 - 100 * at for at in range(100)]).flat


def test_too_few_samples_say_nothing():
    with pytest.raises(ValueError, match="too few"):
        growth([1.0] * (2 * BLOCKS - 1))
