"""Bytes behind an upgrade that was accepted: they are the other protocol's, and never a request."""

import pytest

from tests.blackbox.client import request
from tests.smuggling.cases import NEXT, SMUGGLED, each_byte, each_line, whole
from tests.smuggling.client import Client

OFFER = ("Connection: upgrade", "Upgrade: x")
MALFORMED = b"GET /smuggled HTTP/9.9\r\nHost : a\r\n\r\n"


@pytest.mark.parametrize("cut", [whole, each_line, each_byte])
@pytest.mark.parametrize("behind", [SMUGGLED, MALFORMED, SMUGGLED * 3 + b"\0\xff"])
def test_a_request_behind_an_upgrade_is_not_one(address, seen, behind, cut):
    with Client(address) as client:
        client.send_pieces(cut(request("/upgrade/a", *OFFER) + behind))
        assert client._one("GET").status == 101
        client.half_close()
        assert client.rest() == behind
    assert seen == ["GET /upgrade/a"]


def test_a_request_behind_the_answer_to_an_upgrade_is_not_one(address, seen):
    with Client(address) as client:
        client.send(request("/upgrade/a", *OFFER))
        assert client._one("GET").status == 101
        client.send(SMUGGLED).half_close()
        assert client.rest() == SMUGGLED
    assert seen == ["GET /upgrade/a"]


def test_an_upgrade_behind_other_requests_takes_what_is_behind_it(address, seen):
    with Client(address) as client:
        client.send(NEXT + NEXT + request("/upgrade/a", *OFFER) + SMUGGLED)
        assert [client.response().status for _ in range(2)] == [200, 200]
        assert client._one("GET").status == 101
        client.half_close()
        assert client.rest() == SMUGGLED
    assert seen == ["GET /next", "GET /next", "GET /upgrade/a"]


@pytest.mark.parametrize(
    "lines",
    [(*OFFER, "Content-Length: 5"), (*OFFER, "Transfer-Encoding: chunked"), (), OFFER[:1]],
    ids=["with a body", "with chunks", "not offered", "half offered"],
)
def test_what_is_no_upgrade_cannot_be_taken_for_one(address, seen, lines):
    """RFC 9110 section 7.8: the application finds no socket, fails, and nothing is behind it."""
    body = b"0\r\n\r\n"
    with Client(address) as client:
        client.send(request("/upgrade/a", *lines) + body * (len(lines) > 2) + SMUGGLED)
        assert client.response().status == 500
        client.ended()
    assert seen == ["GET /upgrade/a"]
