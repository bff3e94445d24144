"""Every case on a connection of its own to a server in this Hub: whole, and cut in two ways.

A piece is read before the next is sent: the loop has nothing else to do then.
"""

import pytest

from tests.smuggling.cases import (
    assert_outcome,
    assert_reached,
    each_byte,
    each_line,
    post,
    whole,
)
from tests.smuggling.client import Client
from tests.smuggling.tables import PARAMS
from tests.support import settle


def assert_all(case, address, seen, cut):
    """The case is as it should be when it is cut so."""
    seen.clear()
    with Client(address) as client:
        client.send_pieces(cut(case.data))
        assert_outcome(case, client)
    settle()
    assert_reached(case, seen)


@pytest.mark.parametrize("case", PARAMS)
def test_what_reaches_the_application_and_what_comes_back(address, seen, case):
    for cut in (whole, each_line, each_byte):
        assert_all(case, address, seen, cut)


@pytest.mark.parametrize(("cut", "interim"), [(whole, 0), (each_byte, 1)])
def test_a_piece_is_read_before_the_next_is_sent(address, seen, cut, interim):
    """Who expects is told to continue only if no byte of the body was read with the head."""
    data = post("Content-Length: 5", "Expect: 100-continue", body=b"hello")
    with Client(address) as client:
        client.send_pieces(cut(data))
        assert len(client.response().interim) == interim
    assert seen == ["POST /a hello"]
