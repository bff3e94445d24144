"""Servers that are broken on purpose are found out, each by the claim that is about it."""

import pytest

from bench.soak.claims import claims
from bench.soak.running import Plan, run

pytestmark = pytest.mark.limit(60)

ONCE = "Each request was run once, or got an error answer, never both"
BYTES = "Each byte of each answer was the request's own"
DESCRIPTORS = "Descriptors are back to the start"


def violated(fault, groups=("bulk", "mild"), requests=2_000):
    """The claims that do not hold of such a server, with what was found."""
    plan = Plan(requests, pure=True, groups=groups, server=("-m", "tests.bench.soak.broken", fault))
    judged = claims(run(plan, lambda _: None))
    return {one.name: one.found for one in judged if one.holds is False}


def test_a_server_that_answers_twice():
    assert "not its answer" in violated("answers_twice")[BYTES]


def test_a_server_that_answers_with_anothers_bytes():
    assert "not its answer" in violated("answers_with_anothers_bytes")[BYTES]


def test_a_server_that_runs_a_request_twice():
    found = violated("runs_twice")
    assert "it was run more than once" in found[ONCE] and BYTES not in found


def test_a_server_that_leaks_a_descriptor():
    assert violated("leaks_a_descriptor") == {DESCRIPTORS: "zero: 0, then 1"}


def test_a_pool_that_reuses_workers_that_something_still_refers_to():
    found = violated("reuses_tainted_workers", ("bulk", "nasty"), 4_000)
    assert "it was hit by what was another's" in found[ONCE]


@pytest.mark.parts
@pytest.mark.parametrize(
    ("fault", "claim", "why"),
    [
        ("changes_a_byte", BYTES, "not its answer"),
        ("loses_answers", ONCE, "its connection ended without an answer"),
        ("answers_500_after_running_well", ONCE, "its answer does not say how it ended"),
        ("answers_without_running", ONCE, "it was answered as if it had been run"),
    ],
)
def test_more_faults(fault, claim, why):
    assert why in violated(fault)[claim]
