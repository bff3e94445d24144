"""What is left of a request: nothing that only the garbage collector would find."""

import gc
import logging
import sys
import weakref
from contextlib import suppress

import pytest
from greenlet import GreenletExit

from tests.wsgi.parts import TEXT, Conn, exchange, saying

LENGTH = ("Content-Length", "3")


@pytest.fixture
def quiet():
    """The records of a log keep tracebacks, and these their frames."""
    logger = logging.getLogger("gpool.wsgi")
    logger.disabled = True
    gc.collect()
    gc.freeze()  # or each collection would look at all that there is
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()
    logger.disabled = False


class Marker:
    """In the environ, to see when that is gone."""


def iterating(environ, start_response):
    start_response("200 OK", [TEXT])
    yield b"a"
    environ["gpool.disconnected"]()


def failing_later(environ, start_response):
    start_response("200 OK", [TEXT])
    yield b"a"
    raise LookupError


def written(environ, start_response):
    start_response("200 OK", [TEXT])(b"a")
    return [b"b"]


def hijacking(environ, start_response):
    environ["gpool.hijack"]()
    return []


def upgrading(environ, start_response):
    environ["gpool.hijack"].upgrade(lambda sock, rest: sock)
    return []


def killed(environ, start_response):
    raise GreenletExit


def restarting_too_late(environ, start_response):
    start_response("200 OK", [TEXT])
    yield b"a"
    try:
        raise LookupError
    except LookupError:
        start_response("500 Oh", [TEXT], sys.exc_info())


@pytest.mark.parametrize(
    "application",
    [
        saying("200 OK", [TEXT], [b"abc"]),
        saying("200 OK", [LENGTH], [b"abc"]),
        saying("200 OK", [LENGTH], (b"a",)),
        iterating,
        written,
        hijacking,
        upgrading,
        failing_later,
        lambda environ, start_response: 1 / 0,
        lambda environ, start_response: start_response("200 OK", [("X", "\n")]),
        killed,
        restarting_too_late,
    ],
)
def test_nothing_is_left_of_a_request_that_only_the_collector_would_find(application, quiet):
    conn = Conn(application)
    for _ in range(2):  # what is there once, for all, is there after the first
        one = exchange(conn)
        marker = Marker()
        gone = weakref.ref(marker)
        assert one.environ is not None
        one.environ["test.marker"] = marker
        conn.verdicts.clear()
        gc.collect()
        with suppress(GreenletExit):
            one.run()
        assert one.environ is None
        del one, marker
        assert gone() is None
        assert gc.collect() == 0
