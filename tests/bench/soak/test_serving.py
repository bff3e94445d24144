"""What the server of a soak takes for unexpected."""

import logging

import pytest

from bench.soak.application import Boom
from bench.soak.serving import EXPECTED, RAISED, Heard
from gpool.log import AND_MORE, QuietLog
from tests.support import Clock


@pytest.fixture
def heard():
    heard = Heard()
    logger = logging.getLogger("tests.soak")
    logger.propagate = False
    logger.addHandler(heard)
    yield heard
    logger.removeHandler(heard)


def test_a_refusal_is_expected_also_after_a_minute(heard):
    clock = Clock()
    log = QuietLog(logging.getLogger("tests.soak"), clock=clock)
    for _ in range(3):
        log(EXPECTED[1], "somebody", "no room", 1)
        clock.advance(40)
    assert heard.counts == {EXPECTED[1]: 2}
    assert not heard.unexpected


@pytest.mark.parametrize("error", [None, Boom(), ValueError("x")])
def test_an_error_is_expected_if_it_was_to_occur(heard, error):
    logging.getLogger("tests.soak").error(RAISED, "GET /", exc_info=error)
    assert bool(heard.unexpected) is not isinstance(error, Boom)


def test_another_line_is_kept_as_it_reads(heard):
    line = "lost %d" + AND_MORE
    logging.getLogger("tests.soak").warning(line, 1, 2)
    assert heard.unexpected == ["lost 1 (and 2 more since the last such line) None"]
