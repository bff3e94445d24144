"""The table of disagreements with h11: each still occurs, and excuses nothing else."""

from collections import Counter

import pytest

from tests.fuzz import differential
from tests.fuzz.application import ALL, Call, Recorder
from tests.fuzz.connections import played
from tests.fuzz.differential import Defect, agreed, agreed_on
from tests.fuzz.disagreements import DISAGREEMENTS
from tests.fuzz.inputs import CHOICES
from tests.fuzz.oracle import message
from tests.fuzz.wires import Script, site_of

NOTHING = bytes(CHOICES)
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CALL = Call("GET", "/", "HTTP/1.1", {"HTTP_HOST": "a"})


@pytest.mark.parametrize("entry", DISAGREEMENTS, ids=lambda entry: entry.name)
def test_a_disagreement_still_occurs(entry):
    """gpool accepts its example, h11 would not without the entry, and does with it."""
    without = tuple(one for one in DISAGREEMENTS if one is not entry)
    with pytest.raises(Defect):
        differential.run(NOTHING + entry.example, without)
    assert differential.run(NOTHING + entry.example)
    assert entry.section.startswith("RFC 9") and entry.reason


@pytest.mark.parametrize("entry", DISAGREEMENTS, ids=lambda entry: entry.name)
def test_an_entry_is_needed_for_its_example_alone(entry):
    recorder = Recorder(ALL)
    outcome = played(site_of(recorder), recorder, Script([entry.example]))
    needed: Counter[str] = Counter()
    assert agreed(outcome, entry.example, DISAGREEMENTS, needed) == b""
    assert needed[entry.name]


@pytest.mark.parametrize(
    ("call", "data"),
    [
        (Call("POST", "/", "HTTP/1.1", {"HTTP_HOST": "a"}), GET),
        (Call("GET", "/b", "HTTP/1.1", {"HTTP_HOST": "a"}), GET),
        (Call("GET", "/", "HTTP/1.0", {"HTTP_HOST": "a"}), GET),
        (Call("GET", "/", "HTTP/1.1", {"HTTP_HOST": "b"}), GET),
        (Call("GET", "/", "HTTP/1.1", {}), GET),
        (Call("GET", "/", "HTTP/1.1", {"HTTP_HOST": "a"}, b"x"), GET),
        (CALL, b"\n" + GET),
        (CALL, b" " + GET),
        (CALL, GET[:-2]),
        (CALL, GET.replace(b": a", b": a\0")),
        (CALL, GET.replace(b"Host", b"Host ")),
    ],
)
def test_what_is_read_otherwise_is_a_defect(call, data):
    assert agreed_on(CALL, GET, DISAGREEMENTS, Counter(), goes_on=True) == b""
    with pytest.raises(Defect):
        agreed_on(call, data, DISAGREEMENTS, Counter(), goes_on=True)


def test_going_on_where_the_client_has_said_close_is_a_defect():
    data = GET.replace(b"Host", b"Connection: close\r\nHost")
    call = Call("GET", "/", "HTTP/1.1", {"HTTP_HOST": "a", "HTTP_CONNECTION": "close"})
    assert agreed_on(call, data, DISAGREEMENTS, Counter(), goes_on=False) == b""
    with pytest.raises(Defect):
        agreed_on(call, data, DISAGREEMENTS, Counter(), goes_on=True)


@pytest.mark.parametrize(
    "data",
    [
        GET[:-2] + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_accepting_a_message_whose_end_others_may_see_elsewhere_is_a_defect(data):
    known = message(data)
    assert known is not None and not known.rest
    call = Call("GET", "/", "HTTP/" + known.version, known.environ)
    with pytest.raises(Defect, match="accepted"):
        agreed_on(call, data, DISAGREEMENTS, Counter(), goes_on=False)


def test_a_request_that_is_lost_is_a_defect():
    with pytest.raises(Defect, match="lost"):
        differential.check_nothing_lost(GET)
    differential.check_nothing_lost(b"")
    differential.check_nothing_lost(GET[:-1])
