"""Target: whole connections, in pieces, with a peer that ends, breaks off or falls silent.

What must hold, whatever comes:

- no exception but what an application is to see of its own body;
- each call of the application has one answer, in the order of calls, and after them comes at most
  one refusal, of a request that has not been answered; nothing follows an answer that closes; h11
  and `http.client` read all of them alike;
- the same requests are accepted, with the same bodies, however the bytes are cut, whether heads are
  new or remembered, and the connection is refused in the one case if it is in the other;
- at its end nothing is left of a connection: no socket, watcher, deadline, worker.

Where an application leaves some of a body unread, how much of it there is when it answers decides
whether the connection goes on: then one cutting may have more calls, the others being the first of
them.
"""

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from gpool.errors import BadRequest, BodyTimeout, ClientDisconnected
from gpool.wsgi.site import Site
from tests.fuzz.answers import Answer, read_answer, read_same
from tests.fuzz.application import ALL, LINES, Call, Recorder, body_of
from tests.fuzz.disagreements import ends
from tests.fuzz.inputs import Input
from tests.fuzz.wires import Ending, Script, connected, site_of

__all__ = ["Outcome", "played", "run"]

EXPECTED = (BadRequest, BodyTimeout, ClientDisconnected)
INTERIM = re.compile(rb"(?:HTTP/1.1 100 Continue\r\n\r\n)+")
SMALL, USUAL = 32, 65_536  # settings of body_buffer


@dataclass
class Outcome:
    """What came of a connection.

    Attributes:
        calls: of the application, those that had all of their body, or all they wanted of it.
        answers: all, in their order.
        refused: whether the last is a refusal of what the client has sent.
    """

    calls: list[Call]
    answers: list[Answer]
    refused: bool

    @property
    def closes(self) -> bool:
        """Whether the last answer has ended the connection."""
        return bool(self.answers) and self.answers[-1].closes


def run(data: bytes) -> bool:
    """See the module. Returns whether a request was accepted."""
    case = Input.of(data)
    reads = case.choice(0, 2)
    recorder = Recorder(reads)
    site = site_of(recorder, body_buffer=SMALL if case.choice(2) else USUAL)
    ending = (Ending.EOF, Ending.RESET, Ending.TIMEOUT, Ending.EOF)[case.choice(3, 2)]
    whole = played(site, recorder, Script([case.stream], ending, at_once=bool(case.choice(5))))
    for pieces in case.cuttings():
        script = Script(pieces, ending, case.takes, at_once=bool(case.choice(6)))
        outcome = played(site, recorder, script)
        compare(whole, outcome, exactly=reads in (ALL, LINES))
    return bool(whole.calls)


def compare(one: Outcome, other: Outcome, *, exactly: bool) -> None:
    """What must be the same of a stream in one piece and in several."""
    if exactly:
        assert len(one.calls) == len(other.calls), (one.calls, other.calls)
    for first, second in zip(one.calls, other.calls, strict=False):
        assert comparable(first) == comparable(second), (first, second)
    # In one piece, nothing is seen later, and of a head that never ends more at once.
    assert one.refused or not other.refused or not exactly, (one.answers, other.answers)


def comparable(call: Call) -> Call:
    """What of a call does not depend on whether its body had come with its head.

    If it had, nothing is waited for, and a body in chunks is gathered, like any other.
    """
    if call.environ.get("HTTP_EXPECT", "").lower() != "100-continue":
        return call
    coding = ("CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING")
    kept = {key: value for key, value in call.environ.items() if key not in coding}
    return replace(call, environ=kept)


def played(site: Site, recorder: Recorder, script: Script) -> Outcome:
    """Play a connection, and check what has come of it by itself."""
    recorder.calls = []
    errors = site.errors
    socket = connected(site, script)
    calls = recorder.calls
    for call in calls:
        assert call.error is None or isinstance(call.error, EXPECTED), call.error
    assert site.errors == errors, "the application raised, or gpool in its place"
    asked = tuple(Asked(call.method, call.version, call.error is None) for call in calls)
    answers = answers_of(bytes(socket.sent), asked, complete=script.ending != Ending.RESET)
    if len(answers) > len(calls):
        assert ends(b"".join(script.pieces), len(calls)), ("a second answer", answers)
    failed = len(answers) > len(calls) or (answers and calls[-1].error is not None)
    refused = bool(failed) and answers[-1].status not in (408, 500)
    return Outcome([call for call in calls if call.error is None], answers, refused)


class Asked(NamedTuple):
    """What an answer depends on; `good`: there was no error."""

    method: str
    version: str
    good: bool


@lru_cache(maxsize=4)  # the pieces of a stream are mostly answered like the whole
def answers_of(sent: bytes, calls: tuple[Asked, ...], *, complete: bool) -> list[Answer]:
    """The answers in `sent`, checked against the calls they are for.

    Args:
        sent: by the server.
        calls: in their order.
        complete: whether the client was there until the end.
    """
    answers: list[Answer] = []
    for number, call in enumerate(calls):
        if not complete and (not sent or INTERIM.fullmatch(sent)):
            return answers
        answer = read_answer(sent, call.method, version=call.version[5:])
        check(answer, number, call)
        read_same(answer, sent, call.method)
        answers.append(answer)
        sent = answer.rest
        assert not sent or not answer.closes, f"after the last answer: {sent!r}"
    if sent:
        answers.append(refusal(sent))
    return answers


def refusal(sent: bytes) -> Answer:
    """The answer to a request that no application has seen, and so to a method nobody knows."""
    answer = read_answer(sent, "GET")
    method = "GET" if answer.whole else "HEAD"
    answer = read_answer(sent, method)
    read_same(answer, sent, method)
    assert answer.closes and answer.status >= 400, answer  # it is an error
    assert answer.value(b"x-number") is None and not answer.interim, answer
    assert not answer.rest, f"after a refusal: {answer.rest!r}"
    return answer


def check(answer: Answer, number: int, call: Asked) -> None:
    """One answer, and what it is an answer to."""
    tag = answer.value(b"x-number")
    assert answer.whole, answer
    if call.good:
        assert tag == b"%d" % number, (answer, call)
        has_body = call.method != "HEAD" and answer.status != 204  # No Content
        assert answer.body == (body_of(number) if has_body else b""), answer
    else:
        assert tag is None and answer.closes and answer.status >= 400, answer
