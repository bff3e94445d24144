"""scan_request_line and scan_fields: what they take, they read as the rules do.

In Python they take nothing, and the same holds trivially; `make test-compiled` is where it counts.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpool.errors import BadRequest
from gpool.wsgi import scanning
from gpool.wsgi.framing import Limits
from gpool.wsgi.request import KEYS, METHODS, Heads, key_of
from gpool.wsgi.scanning import is_printable, scan_fields, scan_request_line
from tests.wsgi import heads as given_heads

COMPILED = scanning.__file__.endswith(".so")
LIMITS = Limits()
FOREIGN = {"wsgi.of": "template"}
USUAL_LINES = [
    b"GET / HTTP/1.1",
    b"POST /a/b?c=d&e=f HTTP/1.1",
    b"DELETE /?? HTTP/1.1",
    b"GET //a?/b?c HTTP/1.1",
    b"GET /!$&'()*+,;=:@[]{}|\\^`\"<>~ HTTP/1.1",
]
OTHER_LINES = [
    b"",
    b"GET",
    b"GET ",
    b"GET  HTTP/1.1",
    b" HTTP/1.1",
    b"GET / HTTP/1.0",
    b"GET / HTTP/1.2",
    b"GET / http/1.1",
    b"GET /  HTTP/1.1",
    b"GET  / HTTP/1.1",
    b" GET / HTTP/1.1",
    b"GET / HTTP/1.1 ",
    b"get / HTTP/1.1",
    b"BREW / HTTP/1.1",
    b"CONNECT / HTTP/1.1",
    b"GET * HTTP/1.1",
    b"GET http://a/ HTTP/1.1",
    b"GET /a b HTTP/1.1",
    b"GET /%41 HTTP/1.1",
    b"GET /#a HTTP/1.1",
    b"GET /\x00 HTTP/1.1",
    b"GET /\t HTTP/1.1",
    b"GET /\x7f HTTP/1.1",
    b"GET /\x80 HTTP/1.1",
    b"GET /\xff HTTP/1.1",
    b"GET /\rHTTP/1.1",
]
USUAL_FIELDS = [
    b"",
    b"\r\nHost: a",
    b"\r\nHost:a\r\nUser-Agent: \t b c \t",
    b"\r\nHost:\r\nUser-Agent:  ",
    b"\r\nHost: a\r\nUser-Agent: \x80\xff\t:",
    b"\r\nContent-Type: a\r\nContent-Length: b",
    b"\r\nHost: a\r\nUnder_Score: b\r\nUnder_Score: c",
]
OTHER_FIELDS = [
    b"\r\n",
    b"\r\n:",
    b"\r\nHost",
    b"\r\nHost a",
    b"\r\nHost : a",
    b"\r\n Host: a",
    b"\nHost: a",
    b"\rHost: a",
    b"\r\nHost: a\n",
    b"\r\nHost: a\r",
    b"\r\nHost: a\r\n",
    b"\r\nHost: a\nUser-Agent: b",
    b"\r\nHost: a\rUser-Agent: b",
    b"\r\nHost: a\r\n b",
    b"\r\nHost: a\r\n\r\nUser-Agent: b",
    b"\r\nHost: a\x00",
    b"\r\nHost: \x0b",
    b"\r\nHost: \x7f",
    b"\r\nHost: a\r\nHost: a",
    b"\r\nHost: a\r\nhost: a",
    b"\r\nNever-Seen-Before: a",
    b"\r\n" + b"N" * 65 + b": a",
]
LINE = b"GET / HTTP/1.1"
NAMES = ("Host", "host", "User-Agent", "Under_Score", "N" * 65)


@pytest.fixture(autouse=True)
def _known_names():
    for name in NAMES:
        key_of(name, ":")


def by_rules(head):
    """What the rules say, or None."""
    environ: dict[str, object] = dict(FOREIGN)
    try:
        fields, http11 = Heads(LIMITS, {})._read_by_rules(head, environ)
    except BadRequest:
        return None
    return environ, fields, http11


def scanned(line, head, most=LIMITS.max_headers):
    """The same by scanning."""
    environ: dict[str, object] = dict(FOREIGN)
    taken = scan_request_line(line, METHODS, environ)
    fields = scan_fields(head, len(line), KEYS, most) if taken else None
    return None if fields is None else (environ, fields, True)


@settings(deadline=None, max_examples=500)
@given(head=given_heads.anything)
def test_what_is_taken_is_read_as_the_rules_do(head):
    expected = by_rules(head)  # its names are known from here on
    found = scanned(head[: head.find(b"\r\n")] if b"\r\n" in head else head, head)
    assert found is None or found == expected


@settings(deadline=None, max_examples=300)
@given(
    line=st.sampled_from(USUAL_LINES + OTHER_LINES),
    block=st.lists(st.sampled_from(USUAL_FIELDS + OTHER_FIELDS), max_size=3).map(b"".join),
)
def test_so_is_what_is_made_of_usual_parts(line, block):
    found = scanned(line, line + block)
    assert found is None or found == by_rules(line + block)


@pytest.mark.parametrize("line", USUAL_LINES)
def test_a_usual_request_line_is_taken_by_the_compiled_one(line):
    environ: dict[str, object] = dict(FOREIGN)
    assert scan_request_line(line, METHODS, environ) is COMPILED
    if COMPILED:
        assert environ == by_rules(line)[0]


@pytest.mark.parametrize("line", OTHER_LINES)
def test_any_other_request_line_is_left_to_the_rules(line):
    assert scan_request_line(line, METHODS, {}) is False


@pytest.mark.parametrize("block", USUAL_FIELDS)
def test_usual_fields_are_taken_by_the_compiled_one(block):
    fields = scan_fields(LINE + block, len(LINE), KEYS, LIMITS.max_headers)
    assert fields == (by_rules(LINE + block)[1] if COMPILED else None)


@pytest.mark.parametrize("block", OTHER_FIELDS)
def test_any_others_are_left_to_the_rules(block):
    assert scan_fields(LINE + block, len(LINE), KEYS, LIMITS.max_headers) is None


def test_no_more_fields_are_taken_than_there_may_be():
    block = b"\r\nHost: a\r\nUser-Agent: b"
    assert scan_fields(LINE + block, len(LINE), KEYS, 1) is None
    assert (scan_fields(LINE + block, len(LINE), KEYS, 2) is not None) is COMPILED


def test_a_limit_holds_for_heads_of_the_usual_kind():
    limits = Limits(max_request_line=1_024, max_header_size=1_100, max_head_size=1_200)
    long_line = b"GET /" + b"a" * 1_010 + b" HTTP/1.1"
    assert Heads(limits, {}).read(long_line + b"\r\nHost: a")
    for head, status in (
        (b"GET /" + b"a" * 1_011 + b" HTTP/1.1\r\nHost: a", 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: " + b"a" * 1_089, 431),
        (long_line + b"\r\nHost: a\r\nUser-Agent: " + b"a" * 160, 431),
    ):
        with pytest.raises(BadRequest) as refusal:
            Heads(limits, {}).read(head)
        assert refusal.value.status == status


@given(data=st.binary(max_size=20) | st.text("aZ ~!", max_size=20).map(str.encode))
def test_printable_is_what_is_seen_and_spaces(data):
    assert is_printable(data) is all(0x20 <= byte < 0x7F for byte in data)
