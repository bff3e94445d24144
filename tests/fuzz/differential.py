"""Target: a connection to gpool, and the same bytes to h11.

What gpool accepts, h11 must accept: the same method, target, header fields (by the rules of an
environ: those with an underscore are left out, repeated ones are joined) and body; and both must
find the next request at the same byte. What is not so is in `tests.fuzz.disagreements`, with the
RFC's reason, or a defect.

Two kinds of messages that h11 accepts must be refused: a Transfer-Encoding beside a
Content-Length, and one in HTTP/1.0. That gpool refuses more is meant (docs/decisions.md). But it
may not lose anything: where it has neither refused nor said that it closes, h11 has nothing more
either.
"""

from collections import Counter

from tests.fuzz.application import ALL, Call, Recorder
from tests.fuzz.connections import Outcome, played
from tests.fuzz.disagreements import DISAGREEMENTS, Meaning, Sending
from tests.fuzz.inputs import Input
from tests.fuzz.oracle import Message, first_method, message
from tests.fuzz.wires import Script, site_of

__all__ = ["Defect", "agreed", "run"]


class Defect(AssertionError):
    """gpool and h11 disagree, and no entry of the table says why."""


def run(data: bytes, table: tuple[Sending | Meaning, ...] = DISAGREEMENTS) -> bool:
    """See the module. Returns whether a request was accepted.

    Args:
        data: an input.
        table: of disagreements.
    """
    case = Input.of(data)
    recorder = Recorder(ALL)
    site = site_of(recorder)
    outcome = played(site, recorder, Script([case.stream], at_once=True))
    rest = agreed(outcome, case.stream, table)
    if outcome.refused:
        check_refusal(outcome, rest)
    elif not outcome.closes:
        check_nothing_lost(rest)
    return bool(outcome.calls)


def agreed(
    outcome: Outcome,
    stream: bytes,
    table: tuple[Sending | Meaning, ...],
    needed: Counter[str] | None = None,
) -> bytes:
    """Read `stream` with h11, call by call.

    Args:
        outcome: gpool's.
        stream: what was sent.
        table: of disagreements.
        needed: counts which of them there were.

    Returns:
        What follows the last call.

    Raises:
        Defect: see the class.
    """
    rest = stream
    for number, call in enumerate(outcome.calls):
        goes_on = not outcome.answers[number].closes
        rest = agreed_on(
            call, rest, table, Counter() if needed is None else needed, goes_on=goes_on
        )
    return rest


def agreed_on(
    call: Call,
    rest: bytes,
    table: tuple[Sending | Meaning, ...],
    needed: Counter[str],
    *,
    goes_on: bool,
) -> bytes:
    """Find what h11 makes of one request; returns what follows it."""
    known = message(rest)
    if known is not None and ambiguous(known):
        raise Defect(f"gpool has accepted {known}")
    for entry in table:
        if known is not None and same(known, call, goes_on=goes_on):
            break
        if isinstance(entry, Sending):
            changed = entry.rewrite(rest)
            if changed != rest:
                needed[entry.name] += 1
                rest, known = changed, message(changed)
        elif known is not None:
            meant = entry.rewrite(known, call, rest)
            needed[entry.name] += meant != known or meant.persistent != known.persistent
            known = meant
    if known is None or not same(known, call, goes_on=goes_on):
        raise Defect(f"gpool has {call}, h11 {known}, of {rest!r}")
    return known.rest


def ambiguous(known: Message) -> bool:
    """Whether others may find another end, which RFC 9112 section 6.1 lets a server refuse."""
    fields = known.environ
    coded = "HTTP_TRANSFER_ENCODING" in fields
    return coded and ("CONTENT_LENGTH" in fields or known.version == "1.0")


def same(known: Message, call: Call, *, goes_on: bool) -> bool:
    """Whether both have read the same."""
    version = "HTTP/1.0" if known.version == "1.0" else "HTTP/1.1"
    expected = Call(known.method, known.target, version, known.environ, known.body)
    return expected == call and (known.persistent or not goes_on)


def check_refusal(outcome: Outcome, rest: bytes) -> None:
    """A refusal of a HEAD has no body, if anybody can tell that it was one."""
    refusal = outcome.answers[-1]
    if first_method(rest.lstrip(b"\r\n")) == "HEAD":
        assert not refusal.body, refusal


def check_nothing_lost(rest: bytes) -> None:
    """Nothing is left that would be a request."""
    lost = message(rest)
    if lost is not None:
        raise Defect(f"gpool has lost {lost}")
