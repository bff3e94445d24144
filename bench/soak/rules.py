"""Exactly once: which outcomes may go with what the application has seen.

The ledger says for each request what its client got, how often it reached the application, and how
it ended there. How often each combination occurred is counted, and each combination judged by the
rules below, which know nothing of moves and times:

1. No request reaches the application twice, or ends there twice; what has begun has ended.
2. Who got all of the application's answer, has been run, and to the end.
3. Who was refused (400, 408, 503), was dropped behind a connection's last answer, or was not sent
   whole, has not been run; a 408 may also be for an application whose body did not come.
4. Who got a 500 has been run, and raised or was killed; with a 504 it was `request_timeout`; in
   neither case did it end well. A 500 for who has half-closed may be its cancellation.
5. An answer is cut off only where the application failed within it.
6. Nobody is hit by what was another's: an exception, a kill, a context, a byte.
7. No request is left without an answer, unless its client left.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from bench.soak.ledger import Ending, Ledger, Outcome

__all__ = ["Case", "Violation", "cases", "judge", "violations"]

FAILED = (Ending.RAISED, Ending.KILLED)
NOT_RUN = (
    Outcome.UNSENT,
    Outcome.UNAVAILABLE,
    Outcome.BAD,
    Outcome.DROPPED,
    Outcome.TORN,
)
NEVER = {
    Outcome.OPEN: "nobody knows what became of it",
    Outcome.LOST: "its connection ended without an answer",
    Outcome.WRONG: "it got bytes that are not its answer",
    Outcome.HUNG: "it got no answer, and no end",
}
#: How a request may have ended that got this; NONE where it need not have been run.
ENDED = {
    Outcome.LATE: (Ending.NONE, Ending.DISCONNECTED),
    Outcome.ANSWERED: (Ending.RETURNED,),
    Outcome.FAILED: FAILED,
    Outcome.OVERRAN: (Ending.OVERRAN,),
    Outcome.CANCELLED: (*FAILED, Ending.DISCONNECTED, Ending.CLOSED),
    Outcome.CUT: (*FAILED, Ending.OVERRAN),
}
HURT = {
    Ending.FOREIGN: "it was hit by what was another's",
    Ending.WRONG: "the application got bytes that are not its body",
    Ending.TWICE: "it ended twice",
}


@dataclass(frozen=True, slots=True)
class Case:
    """What may be the same for many requests.

    Attributes:
        outcome: what the client got.
        begun: how often it reached the application.
        ended: how it ended there.
    """

    outcome: Outcome
    begun: int
    ended: Ending


@dataclass(frozen=True, slots=True)
class Violation:
    """A case that must not be.

    Attributes:
        case: which.
        count: how often it was.
        number: the first request of it.
        why: what is wrong with it.
    """

    case: Case
    count: int
    number: int
    why: str

    def __str__(self) -> str:
        case = self.case
        return (
            f"{self.why}: {self.count} requests, the first is {self.number:08x}"
            f" (got {case.outcome.name}, begun {case.begun} times, ended {case.ended.name})"
        )


def judge(case: Case) -> str | None:
    """What is wrong with a case; None if nothing is."""
    outcome, begun, ended = case.outcome, case.begun, case.ended
    ended_as = ENDED.get(outcome, (Ending.NONE, ended))
    wrongs = (
        (begun > 1, "it was run more than once"),
        (ended in HURT, HURT.get(ended)),  # before what the client got, which may come of it
        (outcome in NEVER, NEVER.get(outcome)),
        (begun and not ended, "it has not ended"),
        (ended and not begun, "it ended, and never began"),
        (begun and outcome in NOT_RUN, "it was refused, dropped or not sent whole, and yet run"),
        (not begun and Ending.NONE not in ended_as, "it was answered as if it had been run"),
        (ended not in ended_as, "its answer does not say how it ended"),
    )
    return next((why for wrong, why in wrongs if wrong), None)


def cases(ledger: Ledger, count: int) -> Counter[Case]:
    """How often each case occurred among the first requests."""
    found = Counter(columns(ledger, count))
    return Counter({case_of(key): times for key, times in found.items()})


def columns(ledger: Ledger, count: int) -> Iterator[tuple[int, int, int]]:
    """The three bytes of each request."""
    return zip(*(one.first(count) for one in (ledger.columns[3], *ledger.columns[:2])), strict=True)


def case_of(key: tuple[int, int, int]) -> Case:
    """What the bytes mean."""
    outcome, begun, ended = key
    return Case(Outcome(outcome), begun, Ending(ended))


def violations(ledger: Ledger, count: int) -> list[Violation]:
    """All that must not be."""
    bad = [(case, times, judge(case)) for case, times in cases(ledger, count).items()]
    return [
        Violation(case, times, first(ledger, count, case), why) for case, times, why in bad if why
    ]


def first(ledger: Ledger, count: int, case: Case) -> int:
    """The first request of a case."""
    wanted = (case.outcome, case.begun, case.ended)
    return next(number for number, key in enumerate(columns(ledger, count)) if key == wanted)
