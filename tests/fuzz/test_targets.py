"""Each target over its corpus, and over inputs that are made: always the same ones."""

import os
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.inputs import CHOICES
from tests.fuzz.mutate import OPERATORS, mutated
from tests.fuzz.targets import TARGETS

INPUTS = int(os.environ.get("FUZZ_INPUTS", "100"))  # of each kind, for each target
NAMES = list(TARGETS)
#: At least so many of a hundred that are meant to be good, and of those that were changed, have to
#: get past a parser: what is refused at once shows little. Half of what was measured.
LEAST = {
    "heads": (40, 15),
    "bodies": (30, 15),
    "connections": (45, 30),
    "differential": (45, 30),
    "proxies": (45, 20),
    "responses": (20, 15),
}

random_inputs = st.builds(
    lambda seed, choices, more: choices + more(Random(seed)),
    st.integers(0, 1 << 32),
    st.binary(min_size=CHOICES, max_size=CHOICES),
    st.sampled_from([lambda random, t=target: t.stream(random) for target in TARGETS.values()]),
)


@pytest.mark.parametrize("name", NAMES)
def test_the_corpus_shows_no_failure(name):
    paths = TARGETS[name].corpus()
    assert len(paths) >= 15
    for path in paths:
        TARGETS[name].run(path.read_bytes())


@pytest.mark.parametrize("name", NAMES)
def test_what_is_made_at_random_shows_no_failure_and_is_mostly_accepted(name):
    target = TARGETS[name]
    good = [target.run(target.good(Random(seed))) for seed in range(INPUTS)]
    made = [target.run(target.made(Random(seed))) for seed in range(INPUTS)]
    least_good, least_made = LEAST[name]
    assert sum(good) * 100 >= least_good * INPUTS, sum(good)
    assert sum(made) * 100 >= least_made * INPUTS, sum(made)
    assert not all(made), "nothing is refused"


@pytest.mark.parametrize("name", NAMES)
def test_any_bytes_are_an_input(name):
    """And, for one target, the streams of another."""
    run = TARGETS[name].run

    @settings(
        deadline=None,
        max_examples=40,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.one_of(st.binary(max_size=200), random_inputs))
    def any_bytes(data):
        run(data)

    any_bytes()


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda one: one.__name__)
def test_an_operator_changes_what_it_is_given(operator):
    """Mostly, always in the same way, and whatever it is."""
    data = TARGETS["connections"].stream(Random(1))
    changed = [operator(data, Random(seed)) for seed in range(50)]
    assert sum(one != data for one in changed) > 25
    assert changed == [operator(data, Random(seed)) for seed in range(50)]
    assert all(isinstance(operator(b"", Random(seed)), bytes) for seed in range(20))


def test_one_seed_makes_one_input():
    for target in TARGETS.values():
        assert target.made(Random(3)) == target.made(Random(3)) != target.made(Random(4))
    assert mutated(b"abc", Random(1)) == mutated(b"abc", Random(1))
