"""Target: what an application may say, and what leaves for it.

An input is a plan for an application: a status, headers, blocks, calls of `write`, a second
``start_response``, an exception, early hints; each text and each block any bytes. The request is
sent twice at once.

What must hold: ``start_response`` raises nothing but TypeError, ValueError or AssertionError; h11
and `http.client` read exactly one response for each request that was served, with the status,
headers and body that the application has given, or a 500; what is not whole ends the connection;
a second answer comes if and only if the first one does not close.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.fuzz.answers import Answer, read_answer, read_same
from tests.fuzz.inputs import Input
from tests.fuzz.wires import Script, Socket, connected, site_of

__all__ = ["RECORD", "UNIT", "run"]

RECORD, UNIT = b"\x1e", b"\x1f"  # ASCII's separators: between steps of a plan, and in one
REQUESTS = (
    ("1.1", b"Host: a\r\n"),
    ("1.1", b"Host: a\r\nConnection: close\r\n"),
    ("1.0", b""),
    ("1.0", b"Connection: keep-alive\r\n"),
)
OWN = (b"date", b"server")
SERVERS = (b"connection", b"transfer-encoding", b"content-length")
MOST = 200_000  # bytes of a plan: of more, a worker lets others have their turn, who are not there
REFUSALS = (TypeError, ValueError, AssertionError)
NO_CONTENT, INTERNAL_ERROR = (204, 304), 500


class PlannedError(Exception):
    """An application's."""


AGAIN = ((PlannedError, PlannedError("again"), None),)  # exc_info of a second start_response


@dataclass
class Plan:
    """What an application does, and what has come of it.

    Attributes:
        steps: a letter, and its bytes.
        listed: whether the blocks are given in a list.
        said: status and headers of the ``start_response`` that counts.
        written: the blocks that were passed on one by one, by `write` or an iterator.
        collected: those that were passed on in a list, after all others.
        failed: whether it has raised, or passed on what is no block.
        error: what it has raised.
        hints: how many early hints were taken.
    """

    steps: list[tuple[str, bytes]]
    listed: bool
    said: tuple[str, list[tuple[str, str]]] | None = None
    written: list[bytes] = field(default_factory=list)
    collected: list[bytes] = field(default_factory=list)
    failed: bool = False
    error: BaseException | None = None
    hints: int = 0

    @property
    def body(self) -> bytes:
        """All that was passed on."""
        return b"".join(self.written + self.collected)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        try:
            result = self._blocks(environ, start_response)
            first = next(result, b"")
            self._note(first)
        except BaseException as error:
            self.failed, self.error = True, error
            raise
        rest = self._rest(first, result)
        return list(rest) if self.listed else rest

    def _rest(self, first: bytes, result: Iterator[bytes]) -> Iterator[bytes]:
        try:
            yield first
            for block in result:
                self._note(block)
                yield block
        except Exception as error:
            self.failed, self.error = True, error
            raise

    def _note(self, block: Any) -> None:
        if type(block) is bytes:
            (self.collected if self.listed else self.written).append(block)
        else:
            self.failed = True  # for a block that is none, there will be a TypeError

    def _blocks(self, environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        status, headers, write = "200 OK", [], None
        for kind, data in self.steps:
            if kind == "S":
                status = text(data)
            elif kind == "H":
                headers.append(pair(data))
            elif kind == "I":
                self._hint(environ, [pair(data)])
            elif kind == "E":
                raise PlannedError(text(data))
            elif kind == "R" or write is None:
                again = AGAIN if write is not None else ()
                write = self._start(start_response, status, headers, *again)
            if kind == "W":
                self._write(write, data)
            elif kind in "BT":
                yield data if kind == "B" else text(data)  # type: ignore[misc]  # one that is none
        if write is None:
            self._start(start_response, status, headers)

    def _start(self, start_response: Any, status: str, headers: Any, *exc_info: Any) -> Any:
        given = list(headers)
        write = start_response(status, given, *exc_info)
        self.said = status, given
        return write

    def _hint(self, environ: dict[str, Any], headers: list[tuple[str, str]]) -> None:
        try:
            environ["wsgi.early_hints"](headers)
        except REFUSALS:
            return
        self.hints += 1

    def _write(self, write: Any, data: bytes) -> None:
        write(data)
        self.written.append(data)


def text(data: bytes) -> str:
    """A text, which need not be latin-1."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def pair(data: bytes) -> tuple[str, str]:
    """A header."""
    name, _, value = data.partition(UNIT)
    return text(name), text(value)


def run(data: bytes) -> bool:
    """See the module. Returns whether the application's own response was sent."""
    case = Input.of(data)
    records = case.stream[:MOST].split(RECORD)
    plan = Plan([(chr(one[0]), one[1:]) for one in records if one], bool(case.choice(3)))
    method = "HEAD" if case.choice(0) else "GET"
    version, fields = REQUESTS[case.choice(1, 2)]
    request = b"%b / HTTP/%b\r\n%b\r\n" % (method.encode(), version.encode(), fields)
    plans: list[Plan] = []

    def application(environ: Any, start_response: Any) -> Any:
        plans.append(Plan(plan.steps, plan.listed))
        return plans[-1](environ, start_response)

    socket = connected(site_of(application), Script([request * 2], takes=case.takes, at_once=True))
    check_all(socket, plans, method, version)
    return not plans[0].failed


def check_all(socket: Socket, plans: list[Plan], method: str, version: str) -> None:
    """All that was sent for two requests."""
    assert plans
    sent = bytes(socket.sent)
    for number, plan in enumerate(plans):
        answer = read_answer(sent, method, version=version)
        if answer.whole:
            read_same(answer, sent, method)
        check(answer, plan, method, version)
        sent = answer.rest
        if number == 0:
            another = len(plans) > 1
            assert not another or (answer.whole and not answer.closes), (answer, plans)
            assert another or answer.closes or unfit(answer, plan, method), (answer, plans)
        if plan.failed and answer.whole and not framed(answer, method):
            assert socket.reset, answer  # or nobody could tell
    assert not sent, f"behind the last response: {sent!r}"


def unfit(answer: Answer, plan: Plan, method: str) -> bool:
    """Whether a connection has to end without a word in the head: it was sent too early."""
    length = answer.value(b"content-length")
    size = len(plan.body)
    return plan.failed or (framed(answer, method) and length is not None and size != int(length))


def framed(answer: Answer, method: str) -> bool:
    """Whether the end of the body is anywhere but at the end of the connection."""
    names = {name for name, _ in answer.headers}
    return bool(
        method == "HEAD"
        or answer.status in NO_CONTENT
        or names & {b"content-length", b"transfer-encoding"}
    )


def check(answer: Answer, plan: Plan, method: str, version: str) -> None:
    """One response, and the plan it is of."""
    assert plan.error is None or isinstance(plan.error, (*REFUSALS, PlannedError)), plan
    assert answer.interim == [103] * (plan.hints if version == "1.1" else 0), (answer, plan)
    for name in (*OWN, *SERVERS):
        answer.value(name)  # at most once
    if plan.failed and answer.status == INTERNAL_ERROR and answer.closes and answer.whole:
        return
    assert plan.said is not None, (answer, plan)
    status, headers = plan.said
    assert answer.status == int(status[:3]), (answer, plan)
    assert answer.reason.decode("latin-1") == status[4:], (answer, plan)
    check_headers(answer, headers)
    check_body(answer, plan.body, method, plan)


def check_headers(answer: Answer, headers: list[tuple[str, str]]) -> None:
    """All of the application's, in their order, and of the server's no other than its own."""
    given = [(k.lower().encode(), v.strip(" \t").encode("latin-1")) for k, v in headers]
    given = [one for one in given if one[0] not in SERVERS]
    names = {name for name, _ in given}
    left = [
        one
        for one in answer.headers
        if one[0] not in SERVERS and (one[0] not in OWN or one[0] in names)
    ]
    assert left == given, (answer, headers)


def check_body(answer: Answer, body: bytes, method: str, plan: Plan) -> None:
    """The body, or what a client can tell of it."""
    length = answer.value(b"content-length")
    if method == "HEAD" or answer.status in NO_CONTENT:
        assert not answer.body, answer
    elif plan.failed:
        assert body.startswith(answer.body), (answer, body)
        complete = length is not None and int(length) == len(answer.body)
        assert complete or not answer.whole or not framed(answer, method), answer
    elif length is not None:
        assert answer.body == body[: int(length)], (answer, body)
        assert answer.whole is (len(body) >= int(length)), (answer, body)
    else:
        assert answer.body == body, (answer, body)
        assert answer.whole, (answer, plan)
