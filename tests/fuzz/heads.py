"""Target: the head of a request, by `Heads.read` and as `Intake.next_request` uses it.

What must hold, whatever comes before the empty line:

- an environ and a framing, or a `BadRequest` with one of the statuses that heads have;
- the environ has native strings of latin-1 only, under keys that a client may choose;
- the same is read when its request line and its fields are known from other heads, or all of it;
- on a connection, in any pieces, an application is given the same, or the client is refused.
"""

import re
from typing import Any

from gpool.errors import BadRequest
from gpool.wsgi.framing import CHUNKED, Framing, Limits
from gpool.wsgi.request import Heads
from tests.fuzz.application import FIELDS, NOTHING, Recorder
from tests.fuzz.connections import played
from tests.fuzz.inputs import Input
from tests.fuzz.wires import Script, site_of

__all__ = ["run"]

STATUSES = {400, 413, 414, 417, 431, 501, 505}
KEY = re.compile(r"HTTP_[!#$%&'*+.^`|~0-9A-Z_]+|CONTENT_TYPE|CONTENT_LENGTH")
OF_LINE = (
    "REQUEST_METHOD",
    "RAW_URI",
    "REQUEST_URI",
    "SERVER_PROTOCOL",
    "PATH_INFO",
    "QUERY_STRING",
)
EMPTY_LINE = b"\r\n\r\n"
LIMITS = (
    Limits(),
    Limits(1_024, 4, 1_024, 2_048, max_body_size=100),
)
#: With which the parts of a head are made known.
LINE, BLOCK = b"GET / HTTP/1.1", b"\r\nHost: a"


def run(data: bytes) -> bool:
    """See the module. Returns whether the head was accepted."""
    case = Input.of(data)
    head = case.stream.partition(EMPTY_LINE)[0]
    limits = LIMITS[case.choice(0)]
    first = outcome(Heads(limits, {}), head)
    check(first)
    remembering = Heads(limits, {})
    line, end, fields = head.partition(b"\r\n")
    for known in (line + BLOCK, LINE + end + fields, head, head, head):
        result = outcome(remembering, known)
    assert result == first, (result, first)
    if head and not head.startswith(b"\r\n") and (head + EMPTY_LINE).find(EMPTY_LINE) == len(head):
        check_connection(case, head, first, limits)
    return not isinstance(first[0], int)


def outcome(heads: Heads, head: bytes) -> tuple[Any, Any]:
    """What reading comes to; a refusal as its status and text."""
    known = heads.whole.get(head + EMPTY_LINE)
    try:
        environ, framing = known or heads.read(head)
    except BadRequest as error:
        return error.status, str(error)
    return dict(environ), framing


def check(result: tuple[Any, Any]) -> None:
    """One outcome by itself."""
    environ, framing = result
    if isinstance(environ, int):
        assert environ in STATUSES and framing.isascii(), result
        return
    assert isinstance(framing, Framing)
    assert framing.length == CHUNKED or framing.length >= 0
    assert framing.head_only is (environ["REQUEST_METHOD"] == "HEAD")
    for key, value in environ.items():
        assert type(key) is type(value) is str
        assert key in OF_LINE or KEY.fullmatch(key), key
        value.encode("latin-1")
        assert key == "PATH_INFO" or not {"\0", "\r", "\n"} & set(value), key
    assert not framing.upgrade or not framing.length


def check_connection(case: Input, head: bytes, first: tuple[Any, Any], limits: Limits) -> None:
    """The same head, as a connection reads it."""
    recorder = Recorder(NOTHING)
    site = site_of(recorder, limits=limits)
    environ, framing = first
    stream = head + EMPTY_LINE
    for pieces in ([stream], *Input(case.mode, case.seed, stream).cuttings()):
        result = played(site, recorder, Script(pieces, takes=case.takes))
        if isinstance(environ, int):
            assert not result.calls and len(result.answers) == 1, (result, first)
            status = result.answers[0].status
            assert status == environ if len(pieces) == 1 else status in STATUSES, (status, first)
        elif not framing.length:
            assert len(result.calls) == len(result.answers) == 1, (result, first)
            fields = {key: value for key, value in environ.items() if key.startswith(FIELDS)}
            assert result.calls[0].environ == fields, (result, first)
            assert result.calls[0].target == environ["RAW_URI"], (result, first)
