"""Made-up histories: what may be is passed over, what may not is named, with the first request."""

import pytest

from bench.soak.ledger import Ending, Ledger, Outcome
from bench.soak.rules import Case, cases, judge, violations


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path, 100) as made:
        yield made


def history(ledger, *requests):
    """Enter some requests: what each got, how often it was begun, and its endings."""
    for number, (outcome, begun, *endings) in enumerate(requests):
        ledger.send(number, 1, 0)
        for _ in range(begun):
            ledger.begin(number)
        for one in endings:
            ledger.end(number, Ending[one])
        ledger.got(number, Outcome[outcome])
    return [str(one) for one in violations(ledger, len(requests))]


def test_a_good_history(ledger):
    good = [
        ("ANSWERED", 1, "RETURNED"),
        ("UNAVAILABLE", 0),
        ("BAD", 0),
        ("LATE", 0),
        ("LATE", 1, "DISCONNECTED"),
        ("FAILED", 1, "RAISED"),
        ("FAILED", 1, "KILLED"),
        ("OVERRAN", 1, "OVERRAN"),
        ("CUT", 1, "RAISED"),
        ("CUT", 1, "OVERRAN"),
        ("CANCELLED", 1, "DISCONNECTED"),
        ("BROKEN", 0),
        ("BROKEN", 1, "RETURNED"),
        ("BROKEN", 1, "DISCONNECTED"),
        ("TORN", 0),
        ("DROPPED", 0),
        ("UNSENT", 0),
    ]
    assert history(ledger, *good) == []
    assert sum(cases(ledger, len(good)).values()) == len(good)


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (("ANSWERED", 2, "RETURNED"), "it was run more than once"),
        (("BROKEN", 2, "RETURNED"), "it was run more than once"),
        (("ANSWERED", 300, "RETURNED"), "it was run more than once"),
        (("ANSWERED", 1, "RETURNED", "RETURNED"), "it ended twice"),
        (("ANSWERED", 0), "it was answered as if it had been run"),
        (("FAILED", 0), "it was answered as if it had been run"),
        (("ANSWERED", 1), "it has not ended"),
        (("BROKEN", 1), "it has not ended"),
        (("BROKEN", 0, "RETURNED"), "it ended, and never began"),
        (("ANSWERED", 1, "KILLED"), "its answer does not say how it ended"),
        (("FAILED", 1, "RETURNED"), "its answer does not say how it ended"),
        (("OVERRAN", 1, "RETURNED"), "its answer does not say how it ended"),
        (("FAILED", 1, "DISCONNECTED"), "its answer does not say how it ended"),
        (("CUT", 1, "RETURNED"), "its answer does not say how it ended"),
        (("UNAVAILABLE", 1, "RETURNED"), "it was refused, dropped or not sent whole, and yet run"),
        (("BAD", 1, "RAISED"), "it was refused, dropped or not sent whole, and yet run"),
        (("LATE", 1, "RETURNED"), "its answer does not say how it ended"),
        (("DROPPED", 1, "RETURNED"), "it was refused, dropped or not sent whole, and yet run"),
        (("TORN", 1, "RETURNED"), "it was refused, dropped or not sent whole, and yet run"),
        (("BROKEN", 1, "FOREIGN"), "it was hit by what was another's"),
        (("FAILED", 1, "FOREIGN"), "it was hit by what was another's"),
        (("WRONG", 1, "FOREIGN"), "it was hit by what was another's"),
        (("FAILED", 1, "WRONG"), "the application got bytes that are not its body"),
        (("OPEN", 1, "RETURNED"), "nobody knows what became of it"),
        (("LOST", 1, "RETURNED"), "its connection ended without an answer"),
        (("WRONG", 1, "RETURNED"), "it got bytes that are not its answer"),
        (("HUNG", 0), "it got no answer, and no end"),
    ],
)
def test_what_may_not_be_is_named(ledger, request_, why):
    good = ("ANSWERED", 1, "RETURNED")
    (found,) = history(ledger, good, good, request_, good, request_)
    assert found.startswith(f"{why}: 2 requests, the first is 00000002 (got {request_[0]}")


def test_every_outcome_with_every_ending_is_judged():
    judged = [
        judge(Case(outcome, begun, ended))
        for outcome in Outcome
        for begun in range(3)
        for ended in Ending
    ]
    # Not run: 5 refusals, a 408, and a client that left. Run: a client that left finds any of the
    # six ends that hurt nobody; and there are 1 + 1 + 2 + 1 + 4 + 3 ends for who did not.
    assert judged.count(None) == 7 + 6 + 12
