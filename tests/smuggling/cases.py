r"""What a case of smuggling is, and how it is checked on one connection.

A case is the bytes that a client sends, and what must come of them:

- an answer for each request, in order: a string is what the application saw (see `application`),
  a number is the status of a refusal, which is the last answer that there is;
- then the connection CLOSES, or KEEPS: a probe that is sent behind all is answered next, or it
  WAITS for more, says nothing, and serves nothing when the client ends;
- nothing else comes: what is behind the last answer is read until the connection's end.

Bytes that must not be taken for a request are `SMUGGLED`. `refused` puts them behind each
malformed request, whose end nobody can know.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from urllib.parse import unquote

from tests.blackbox.client import SMUGGLED, Response, request
from tests.blackbox.client import Client as Blocking
from tests.smuggling.application import SAID

__all__ = [
    "CLOSES",
    "KEEPS",
    "NEXT",
    "SMUGGLED",
    "WAITS",
    "Case",
    "Head",
    "Then",
    "assert_end",
    "assert_outcome",
    "assert_reached",
    "each_byte",
    "each_line",
    "post",
    "refused",
    "served",
    "unique",
    "whole",
]

#: A request that may follow another, and what it is to the application.
NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
PROBE = b"GET /probe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
PIECES = 1_000  # into which a case is cut at most; all but the large ones have fewer bytes


class Then(Enum):
    """What becomes of the connection after the last answer."""

    CLOSES = auto()
    KEEPS = auto()
    WAITS = auto()


CLOSES, KEEPS, WAITS = Then


class Head(int):
    """The status of the answer to a HEAD, which has no body."""


@dataclass(frozen=True)
class Case:
    """Bytes, and what comes of them.

    Attributes:
        section: of RFC 9112, or of RFC 9110, that says so: "9112-6.3".
        known: the published class, or the CVE of a server that got it wrong; or what it is about.
        name: which of those it is.
        data: what is sent.
        answers: see above.
        then: what becomes of the connection.
        reached: what the application saw; if it could not read a body, it may have been spared
            that, which depends on what comes when.
        later: more bytes, which are sent when the answers have come.
    """

    section: str
    known: str
    name: str
    data: bytes
    answers: tuple[str | int, ...]
    then: Then
    reached: tuple[str, ...]
    later: bytes = b""

    @property
    def id(self) -> str:
        """For pytest."""
        return f"{self.section} {self.known}: {self.name}"


def post(
    *lines: str | bytes, body: bytes = b"", target: str | bytes = "/a", version: str = "1.1"
) -> bytes:
    """A POST whose framing is that of `lines` only."""
    return request(target, *lines, method="POST", version=version) + body


def refused(section: str, known: str, name: str, data: bytes, *answers: str | int) -> Case:
    """A case whose last request is refused, with a 400 if nothing else is said."""
    statuses = answers if answers and isinstance(answers[-1], int) else (*answers, 400)
    seen = tuple(one for one in statuses if isinstance(one, str))
    return Case(section, known, name, data + SMUGGLED, statuses, CLOSES, seen)


def served(
    section: str,
    known: str,
    name: str,
    data: bytes,
    *answers: str | int,
    then: Then = KEEPS,
    reached: tuple[str, ...] | None = None,
    later: bytes = b"",
) -> Case:
    """A case whose last request is served, or waited for."""
    seen = tuple(one for one in answers if isinstance(one, str)) if reached is None else reached
    return Case(section, known, name, data, answers, then, seen, later)


# ---------------------------------------------------------------------- how it is sent


def whole(data: bytes) -> Iterator[bytes]:
    """All at once."""
    yield data


def each_line(data: bytes) -> Iterator[bytes]:
    """Cut behind each CRLF, and between its two bytes."""
    *lines, last = data.split(b"\r\n")
    if len(lines) > PIECES:
        lines, last = [], data
    for line in lines:
        yield line + b"\r"
        yield b"\n"
    yield last


def each_byte(data: bytes) -> Iterator[bytes]:
    """Cut everywhere; a large one into many pieces."""
    size = -(-len(data) // PIECES)
    for start in range(0, len(data), size):
        yield data[start : start + size]


# ---------------------------------------------------------------------- what comes of it


def assert_outcome(case: Case, client: Blocking) -> None:
    """The answers are the case's, and the connection's end is."""
    for number, expected in enumerate(case.answers):
        response = answer_to(expected, client)
        assert response.status == expected or isinstance(expected, str), (number, response)
        assert not response.interim or b"100-" in case.data, response
        if isinstance(expected, str):
            assert_saw(expected, response)
        elif expected >= 400:
            assert not response.persistent, response
    client.send(case.later)
    assert_end(case, client)


def answer_to(expected: str | int, client: Blocking) -> Response:
    """The next one."""
    is_head = isinstance(expected, Head) or str(expected).startswith("HEAD ")
    return client.response("HEAD" if is_head else "GET")


def assert_saw(expected: str, response: Response) -> None:
    """The answer is that of the request that the application was to see."""
    saw = unquote(response.one("X-Saw"), "latin-1")
    assert response.status in (200, 204, 304), response
    if saw.partition(" ")[2].startswith("/stream/"):  # which has not read yet
        assert expected.startswith(saw) and response.body == f"{saw}!".encode(), response
        return
    assert saw == expected[:SAID], response
    has_none = response.status != 200 or expected.startswith("HEAD ")
    assert response.body == (b"" if has_none else expected.encode("latin-1")), response


def assert_reached(case: Case, seen: list[str]) -> None:
    """The application saw what the case says, and nothing else."""
    saw = [one for one in seen if one != "GET /probe"]
    readable = [one for one in case.reached if not one.endswith("!BadRequest")]
    assert saw in (list(case.reached), readable)


def assert_end(case: Case, client: Blocking) -> None:
    """Nothing comes behind the last answer but what a probe is answered."""
    if case.then is KEEPS:
        assert_saw("GET /probe", client.send(PROBE).response())
    elif case.then is WAITS:
        client.half_close()
    client.ended()


def unique(cases: Iterable[Case]) -> Iterable[Case]:
    """The same; raises if two have one name, or send the same."""
    seen: dict[bytes | str, Case] = {}
    for case in cases:
        for key in (case.id, case.data + case.later):
            if key in seen:
                raise ValueError(f"{case.id!r} is {seen[key].id!r} too")
            seen[key] = case
        yield case
