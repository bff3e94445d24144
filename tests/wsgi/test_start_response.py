"""start_response and write: what PEP 3333 lets an application say, and what not."""

import sys
from typing import NamedTuple

import pytest

from gpool.wsgi.wire import KEEP, Verdict
from tests.wsgi.parts import GET, TEXT, Blocks, name_of, saying, served, site

LINGER = Verdict.LINGER
MAKES = [list, tuple, iter, lambda blocks: Blocks(*blocks)]


def length(number):
    return ("Content-Length", str(number))


def failed(application, head=GET):
    """The connection, and the response that says that the application failed."""
    conn = served(application, head)
    got = conn.got()
    assert got.status == "500 Internal Server Error" and got.whole and not got.rest
    assert conn.verdicts == [LINGER]
    return conn


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        ("200 OK", None),
        ("200 OK", (TEXT,)),
        ("200 OK", {"Content-Type": "text/plain"}),
        ("200 OK", [["Content-Type", "text/plain"]]),
        ("200 OK", [("X", ["a"])]),
        ("200 OK", [("X", 1)]),
        ("200 OK", [("X", "a\nb")]),
        ("200 OK", [TEXT, ("Connection", "close")]),
        ("200 OK", [length(1), length(1)]),
        ("200 OK", [length(1), length(2)]),
        ("200 OK", [("Date", "a"), ("date", "b")]),
        ("200 OK", [("Server", "a"), ("SERVER", "a")]),
        ("200", [length(-1)]),
        ("100 Continue", []),
        ("200 OK\r\nX: y", []),
        (b"200 OK", []),
        (200, []),
        ([], []),
        (None, []),
    ],
    ids=repr,
)
def test_what_cannot_be_said_is_an_error_of_the_application(status, headers):
    def application(environ, start_response):
        with pytest.raises((TypeError, ValueError)) as caught:
            start_response(status, headers)
        raise caught.value

    failed(application)


class Pair(NamedTuple):
    """Equal to a tuple, and a kind of one."""

    name: str
    value: str


def test_what_can_be_said_does_not_depend_on_what_was_said_before():
    for header in (Pair("X-Pair", "a"), ("X-Pair", "a"), Pair("X-Pair", "a")):
        conn = served(saying("200 OK", [header], [b"abc"]))
        assert conn.got().status == "200 OK"


def test_start_response_may_be_called_again_with_an_error_only():
    def application(environ, start_response):
        start_response("200 OK", [])
        with pytest.raises(AssertionError, match="no exc_info"):
            start_response("201 Created", [])
        return [b"abc"]

    assert served(application).got()[::2] == ("200 OK", b"abc", b"")


def again(start_response, *args):
    """Call it as an error handler does."""
    try:
        raise LookupError("on purpose")
    except LookupError:
        return start_response(*args, sys.exc_info())


def test_an_error_replaces_what_was_said_if_nothing_was_sent():
    def application(environ, start_response):
        start_response("200 OK", [("X", "first"), length(3), TEXT])
        again(start_response, "500 Oh", [("Y", "second")])
        return [b"error"]

    conn = served(application)
    got = conn.got()
    assert (got.status, got.body, conn.verdicts) == ("500 Oh", b"error", [KEEP])
    assert got.values("Content-Length") == ["5"] and got.values("Y") == ["second"]
    assert not got.values("X") and not got.values("Content-Type")


def test_an_error_is_raised_again_if_something_was_sent():
    raised = []

    def application(environ, start_response):
        start_response("200 OK", [TEXT])
        yield b"a"
        try:
            again(start_response, "500 Oh", [TEXT])
        except LookupError as error:
            raised.append(str(error))
            raise

    conn = served(application)
    assert raised == ["on purpose"] and conn.verdicts == [LINGER]
    assert conn.got()[2:] == (b"a", False, b"")


@pytest.mark.parametrize("name", ["Date", "Server"])
@pytest.mark.parametrize("second", [[], None])
def test_an_error_replaces_a_date_and_server_that_were_said(name, second):
    first = [(name, "first")]

    def application(environ, start_response):
        start_response("200 OK", first)
        again(start_response, "500 Oh", first if second is None else second)
        return [b"error"]

    got = served(application).got()
    assert (got.status, got.body) == ("500 Oh", b"error")
    assert len(got.values("Date")) == len(got.values("Server")) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([length(5)], [length(3)]),
        ([("Date", "first")], [length(3)]),
        ([], [("Server", "second")]),
        ([("Date", "first"), length(3)], []),
    ],
)
def test_a_call_that_raises_changes_nothing(first, second):
    """What it said of the length would be believed of the first one's head."""

    def application(environ, start_response):
        start_response("200 OK", first)
        with pytest.raises(ValueError, match="hop-by-hop"):
            again(start_response, "200 OK", [*second, ("Upgrade", "x")])
        return [b"abc"]

    shared = site()
    for _ in range(2):
        conn = served(application, site=shared)
        shared.dates.tick()
        got = conn.got()
        assert (got.whole, conn.verdicts) == (
            (False, [LINGER]) if length(5) in first else (True, [KEEP])
        )
        assert len(got.values("Date")) == len(got.values("Server")) == 1


@pytest.mark.parametrize("name", ["Date", "Server"])
def test_the_applications_own_date_and_server_are_the_only_ones(name):
    shared = site()
    for _ in range(2):
        conn = served(saying("200 OK", [(name, "own"), length(3)], [b"abc"]), site=shared)
        shared.dates.tick()
        got = conn.got()
        assert got.values(name) == ["own"]
        assert len(got.values("Date")) == len(got.values("Server")) == 1
        assert (got.body, conn.verdicts) == (b"abc", [KEEP])


@pytest.mark.parametrize(
    "block", ["text", None, 5, bytearray(b"a"), memoryview(b"a"), [b"a"]], ids=name_of
)
@pytest.mark.parametrize("make", MAKES)
@pytest.mark.parametrize("before", [(), (b"",)])
def test_a_block_that_is_not_bytes_is_an_error(make, before, block):
    failed(saying("200 OK", [TEXT], make((*before, block))))


def test_what_is_written_must_be_bytes():
    def application(environ, start_response):
        write = start_response("200 OK", [TEXT])
        with pytest.raises(TypeError, match="a block must be bytes"):
            write("text")
        return [b"abc"]

    assert served(application).got().body == b"abc"


def test_nothing_can_be_written_when_the_response_is_over():
    writes = []

    class Late(Blocks):
        def close(self):
            with pytest.raises(AssertionError, match="the response is over"):
                writes[0](b"late")
            super().close()

    late = Late(b"abc")

    def application(environ, start_response):
        writes.append(start_response("200 OK", [TEXT]))
        return late

    conn = served(application)
    assert conn.got().body == b"abc" and late.closed == 1
    with pytest.raises(AssertionError, match="the response is over"):
        writes[0](b"later")
    assert not conn.got().rest


def test_nothing_can_be_written_after_a_500():
    writes = []

    def application(environ, start_response):
        writes.append(start_response("200 OK", [TEXT]))
        raise LookupError

    conn = failed(application)
    with pytest.raises(AssertionError, match="the response is over"):
        writes[0](b"late")
    assert not conn.got().rest


@pytest.mark.parametrize("result", [[], [b"abc"], (), (b"abc",), None])
def test_without_start_response_there_is_no_response(result):
    failed(lambda environ, start_response: result)
