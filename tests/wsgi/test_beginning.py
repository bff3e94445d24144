"""check_beginning: what has come of a head so far, fed as `gpool.wsgi.intake` feeds it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpool.errors import BadRequest
from gpool.wsgi.framing import Limits
from gpool.wsgi.request import Heads, check_beginning
from tests.wsgi import heads as given_heads

LIMITS = Limits(max_request_line=1_024, max_header_size=1_024, max_head_size=2_048)
EMPTY_LINE = b"\r\n\r\n"
LINE = b"GET / HTTP/1.1\r\n"


class Refused(Exception):
    """By check_beginning, when so many bytes were there."""


def fed(pieces, limits=LIMITS):
    """What a connection makes of a head that comes in pieces; None if it waits for more."""
    buffer, searched, seen = b"", 0, 0
    for piece in pieces:
        buffer += piece
        seen += len(piece)
        while buffer[:2] == b"\r\n":
            buffer = buffer[2:]
            searched = 0
        end = buffer.find(EMPTY_LINE, searched)
        if end >= 0:
            return Heads(limits, {}).read(buffer[:end])
        if buffer:
            try:
                check_beginning(buffer, searched, limits)
            except BadRequest as error:
                raise Refused(error.status, seen) from error
        searched = max(len(buffer) - 3, 0)
    return None


def bytewise(data):
    return [data[place : place + 1] for place in range(len(data))]


def read(data, limits=LIMITS):
    """The head in `data`, in one go; None if it is refused, or not there."""
    while data.startswith(b"\r\n"):
        data = data.removeprefix(b"\r\n")
    head, found, _ = data.partition(EMPTY_LINE)
    try:
        return Heads(limits, {}).read(head) if found else None
    except BadRequest:
        return None


@settings(deadline=None, max_examples=200)
@given(
    head=given_heads.good,
    cuts=given_heads.cuts,
    before=st.sampled_from([b"", b"\r\n", b"\r\n\r\n"]),
)
def test_a_good_head_is_read_the_same_however_it_arrives(head, cuts, before):
    data = before + head + EMPTY_LINE
    whole = Heads(LIMITS, {}).read(head)
    assert fed(given_heads.split(data, cuts)) == whole
    assert fed(bytewise(data)) == whole


@settings(deadline=None, max_examples=300)
@given(
    data=given_heads.anything,
    cuts=given_heads.cuts,
    more=st.sampled_from([b"", b"\n", b"\r\nHost: a", b" HTTP/1.1\r\nHost: a", b"ost: a", b":"]),
)
def test_what_is_refused_early_would_be_refused_whole(data, cuts, more):
    """Whatever comes after it."""
    for pieces in (given_heads.split(data, cuts), bytewise(data)):
        try:
            fed(pieces)
        except (Refused, BadRequest):
            assert read(data + more + EMPTY_LINE) is None
        else:
            continue


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (b"GET /", b"\x00"),
        (b"GET /", b"\x7f"),
        (b"GET /", b"\n"),
        (b"GET /\r", b"a"),
        (b"GET / HTTP/1.1\r", b"\r"),
        (b"GET  / HTTP/1.1\r", b"\n"),
        (b"GET /\r", b"\n"),
        (b"G@T / HTTP/1.1\r", b"\n"),
        (b"@GET / HTTP/1.1\r", b"\n"),
        (b"GET / HTTP/3.0\r", b"\n"),
        (b"CONNECT a:1 HTTP/1.1\r", b"\n"),
        (b"G", b"\x01"),
        (LINE + b"A b\r", b"\n"),
        (LINE + b" a: b\r", b"\n"),
        (LINE + b"A: b\r\nC : d\r", b"\n"),
        (LINE + b"A: b\r\n folded\r", b"\n"),
        (LINE + b"A:\x80", b"\x0b"),
    ],
)
def test_what_cannot_become_good_is_refused_with_its_first_bad_byte(good, bad):
    """However it comes: in one piece, in two, or byte by byte."""
    assert fed([good]) is fed(bytewise(good)) is None
    for pieces in ([good + bad], [good, bad], bytewise(good + bad)):
        with pytest.raises(Refused) as caught:
            fed(pieces)
        status, seen = caught.value.args
        assert status in {400, 501, 505} and seen == len(good + bad)


@pytest.mark.parametrize(
    ("status", "most"),
    [
        (414, b"GET /" + b"a" * 1_019),
        (431, LINE + b"A: " + b"b" * 1_021),
        (431, LINE + b"A: b\r\nB: " + b"b" * 1_021),
        (431, LINE + (b"A:" + b"b" * 998 + b"\r\n") * 2 + b"A:" + b"b" * 29),
    ],
    ids=["request line", "field", "second field", "head"],
)
def test_what_is_too_large_is_refused_with_the_byte_above_the_limit(status, most):
    """A head may have three bytes of its end behind it, whatever they are."""
    assert fed([most]) is fed(bytewise(most)) is None
    for pieces in ([most + b"c"], [most, b"c"], bytewise(most + b"c")):
        with pytest.raises(Refused) as caught:
            fed(pieces)
        assert caught.value.args == (status, len(most) + 1)


@pytest.mark.parametrize(
    ("data", "searched", "status"),
    [
        (b"\nGET", 0, 400),
        (b"\r\nGET", 0, 400),
        (b"GET /\rX", len(b"GET /\r"), 400),
        (b"BAD\r\n", len(b"BAD\r"), 400),
        (b"GET /" + b"a" * 1_024 + b" HTTP/1.1\r\n", 0, 414),
    ],
)
def test_it_needs_no_more_than_to_be_told_what_it_has_seen(data, searched, status):
    """A connection tells three bytes less, which may be of an empty line."""
    if searched:
        check_beginning(data[:searched], 0, LIMITS)
    with pytest.raises(BadRequest) as caught:
        check_beginning(data, searched, LIMITS)
    assert caught.value.status == status


def test_too_many_fields_are_refused_with_the_end_of_the_first_above_the_limit():
    most = LINE + b"A: b\r\n" * 100
    assert fed([most]) is fed(bytewise(most)) is None
    for pieces in ([most + b"A: b\r\n"], bytewise(most + b"A: b\r\n")):
        with pytest.raises(Refused) as caught:
            fed(pieces)
        assert caught.value.args == (431, len(most) + 6)


LARGEST = {
    "request line": b"GET /" + b"a" * 1_010 + b" HTTP/1.1\r\nHost: a",
    "last field": LINE + b"Host: a\r\nA: " + b"b" * 1_021,
    "field": LINE + b"Host: a\r\nA: " + b"b" * 1_021 + b"\r\nB: c",
    "head": LINE + b"Host: a\r\nA: " + b"b" * 1_000 + b"\r\nB: " + b"b" * 1_015,
}


@pytest.mark.parametrize("part", LARGEST)
def test_what_is_exactly_as_large_as_its_limit_is_served_however_it_arrives(part):
    """In any two pieces, also if they are the CR and the LF of a line."""
    data = LARGEST[part] + EMPTY_LINE
    whole = read(data)
    assert whole is not None
    for place in range(len(data)):
        assert fed([data[:place], data[place:]]) == whole


def test_an_empty_line_before_the_head_may_come_apart():
    data = b"\r\n" + LINE + b"Host: a" + EMPTY_LINE
    whole = read(data)
    assert fed([b"\r", data[1:]]) == fed(bytewise(data)) == whole
