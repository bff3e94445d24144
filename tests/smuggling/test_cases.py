"""The tables themselves: that they are what they say."""

import re

import pytest

from tests.smuggling.cases import SMUGGLED, served, unique
from tests.smuggling.tables import CASES

SECTION = re.compile(r"(9110|9112)-\d+(\.\d+){0,3}")
CLASSES = [
    *("CL.TE", "TE.CL", "TE.TE", "CL.0", "0.CL", "CL.CL", "TE.0", "H2.TE", "H2.CL"),
    *("TERM.EXT", "EXT.TERM", "SPILL", "ONE.TWO", "chunk size", "chunk extension", "trailer"),
    *("bare CR", "bare LF", "obs-fold", "white space", "HTTP/0.9", "HTTP/1.0", "h2c", "websocket"),
    *("absolute-form", "authority-form", "asterisk-form", "Host", "Expect", "hop-by-hop"),
    *("underscore", "obs-text", "control character", "pipeline", "early close", "too large"),
]


def test_there_are_enough_and_no_two_are_the_same():
    assert len(CASES) >= 500
    assert len(list(unique(CASES))) == len(CASES)


@pytest.mark.parametrize("key", ["id", "data"])
def test_two_of_one_kind_would_be_found(key):
    first = served("9112-3", "a", "b", b"c")
    second = served("9112-3", "a", "b" if key == "id" else "x", b"c" if key == "data" else b"x")
    with pytest.raises(ValueError, match="too"):
        list(unique([first, second]))


@pytest.mark.parametrize("known", CLASSES)
def test_each_published_class_is_there(known):
    assert any(case.known == known for case in CASES)


def test_each_case_says_its_section():
    assert [case.id for case in CASES if not SECTION.fullmatch(case.section)] == []


def test_what_is_smuggled_is_never_expected_as_a_request():
    assert [case.id for case in CASES if any("/smuggled" in one[:13] for one in case.reached)] == []


def test_each_refused_case_has_a_request_behind_it_that_must_not_be_served():
    """Without it a second answer could not come, and its absence would show nothing.

    But for those that are refused before their head has ended.
    """
    last = [case for case in CASES if isinstance((case.answers or ("",))[-1], int)]
    assert [
        case.id for case in last if "at once" not in case.id and b"/smuggled" not in case.data
    ] == []
    assert SMUGGLED.startswith(b"GET /smuggled ")
