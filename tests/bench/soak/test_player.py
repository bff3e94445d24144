"""A line reads what a scripted server says, and enters what it was."""

import time
from email.utils import formatdate

import pytest
from gevent import socket

from bench.soak.ledger import Ledger, Outcome
from bench.soak.player import Book, Line
from bench.soak.protocol import LEAD, error, rest


def date_of(seconds_ago=0):
    return formatdate(time.time() - seconds_ago, usegmt=True).encode()


@pytest.fixture
def book(tmp_path):
    with Ledger(tmp_path, 50) as ledger:
        yield Book(ledger, ["move"], {}, seed=1)


@pytest.fixture
def peer():
    """The server's end of a connection, and the client's."""
    theirs, ours = socket.socketpair()
    ours.settimeout(5)
    with theirs, ours:
        yield theirs, ours


@pytest.fixture
def line(book, peer):
    return Line(book, peer[1], time.monotonic())


@pytest.fixture
def outcomes(book, peer, line):
    """What the answers to two requests were taken for, when the server has said this."""

    def read(*said):
        numbers = book.take("move", 2)
        peer[0].sendall(b"".join(said))
        peer[0].close()
        line.batch(numbers, [rest("f", number, 24) for number in numbers])
        line.quiet()
        return [Outcome(one).name for one in book.ledger.columns[3].first(2)]

    return read


def answer(number, date=None):
    return LEAD + (date or date_of()) + rest("f", number, 24)


def of_server(status, text=0):
    lead, after = error(status)
    return lead + date_of() + after[text]


def test_both_answers(book, outcomes):
    assert outcomes(answer(0), answer(1)) == ["ANSWERED", "ANSWERED"]
    assert book.complaints == []


def test_a_second_may_pass_between_two_answers(book, outcomes):
    assert outcomes(answer(0, date_of(1)), answer(1)) == ["ANSWERED", "ANSWERED"]
    assert book.complaints == []


@pytest.mark.parametrize(
    "date", [b"Thu, 01 Jan 1970 00:00:00 GMT", b"x" * 29], ids=["old", "no date"]
)
def test_a_wrong_date_is_a_wrong_answer(book, outcomes, date):
    assert outcomes(answer(0, date), answer(1)) == ["WRONG", "DROPPED"]
    assert len(book.complaints) == 1


def test_answers_in_the_wrong_order(book, outcomes):
    assert outcomes(answer(1), answer(0)) == ["WRONG", "DROPPED"]
    assert book.complaints[0].startswith("request 0: not its answer")


def test_a_byte_too_many(book, outcomes):
    assert outcomes(answer(0), answer(1), b"x") == ["ANSWERED", "ANSWERED"]
    assert book.complaints == ["bytes that nobody has asked for: b'x'"]


def test_an_answer_twice(book, outcomes):
    assert outcomes(answer(0), answer(0), answer(1)) == ["ANSWERED", "WRONG"]
    assert len(book.complaints) == 1


@pytest.mark.parametrize(
    ("status", "name"),
    [(400, "BAD"), (408, "LATE"), (500, "FAILED"), (503, "UNAVAILABLE"), (504, "OVERRAN")],
)
def test_an_error_is_the_last_answer(book, outcomes, status, name):
    assert outcomes(of_server(status)) == [name, "DROPPED"]
    assert book.complaints == []


def test_an_error_may_have_two_texts(book, outcomes):
    assert outcomes(of_server(408, 1)) == ["LATE", "DROPPED"]
    assert book.complaints == []


def test_an_answer_behind_an_error_is_a_complaint(book, outcomes):
    assert outcomes(of_server(500), answer(1)) == ["FAILED", "DROPPED"]
    assert book.complaints[0].startswith("bytes that nobody has asked for: b'HTTP/1.1 200 OK")


def test_an_error_of_other_words(book, outcomes):
    assert outcomes(of_server(500).replace(b"Internal", b"infernal"))[0] == "WRONG"


def test_an_answer_that_is_cut(book, outcomes):
    assert outcomes(answer(0), answer(1)[:-1]) == ["ANSWERED", "CUT"]
    assert book.complaints == []


def test_a_cut_answer_that_begins_wrongly(book, outcomes):
    assert outcomes(answer(0), answer(7)[:-1]) == ["ANSWERED", "WRONG"]


def test_no_answer_at_all(outcomes):
    assert outcomes() == ["LOST", "DROPPED"]


def test_silence(line, peer):
    peer[1].settimeout(0.01)
    assert line.answer(0, rest("f", 0, 24)) is Outcome.HUNG


def test_a_count_that_jumps(book, line, peer):
    peer[0].sendall(LEAD + date_of() + rest("f", 2, 24))
    assert not line.recurring(5, rest("f", 1, 24))
    assert len(book.complaints) == 2 and "place 5: WRONG" in book.complaints[1]


def test_a_full_ledger_takes_no_more(book):
    book.take("move", 50)
    with pytest.raises(OverflowError):
        book.take("move")


@pytest.mark.parametrize(("timeout", "what"), [(0, Outcome.DROPPED), (60, Outcome.LOST)])
@pytest.mark.parametrize("reset", [False, True])
def test_who_sends_first_when_its_time_is_over_may_find_the_connection_closed(
    book, peer, timeout, what, reset
):
    book.timeout = timeout
    line = Line(book, peer[1], time.monotonic())
    numbers = book.take("move", 2)
    if reset:
        peer[0].close()
    line.send(b"x")
    peer[0].close()
    line.batch(numbers, [rest("f", number, 24) for number in numbers])
    assert Outcome(book.ledger.outcomes[numbers.first]) is what


def test_who_was_late_and_yet_answered_is_to_have_all_that_follows(book, peer):
    book.timeout = 0
    line = Line(book, peer[1], time.monotonic())
    numbers = book.take("move", 2)
    line.send(b"x")
    peer[0].sendall(answer(numbers.first))
    peer[0].close()
    line.batch(numbers, [rest("f", number, 24) for number in numbers])
    assert [Outcome(one).name for one in book.ledger.columns[3].first(2)] == ["ANSWERED", "LOST"]
