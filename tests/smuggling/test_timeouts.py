"""What comes after a timeout, or in its place: no second answer, and no request out of the rest."""

import pytest

from tests.blackbox.client import Ended, request
from tests.smuggling.application import SEEN, app
from tests.smuggling.cases import SMUGGLED, post
from tests.smuggling.client import Client
from tests.support import settle
from tests.wsgi_server.clients import lapse

TE = "Transfer-Encoding: chunked"
LENGTH = "Content-Length: 99"


@pytest.fixture
def server(serve, seen):
    """One whose clock stands still."""
    return serve(app)


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
@pytest.mark.parametrize(
    ("line", "body"),
    [(LENGTH, SMUGGLED), (TE, b"5\r\nhel"), (TE, b"0\r\nX-A: b\r\n")],
    ids=["length", "chunk", "trailers"],
)
def test_half_a_body_is_refused_once(server, method, line, body):
    with Client(server.address) as client:
        client.send_pieces([request("/a", line, method=method) + body])
        lapse(server, server.site.settings.body_timeout)
        client.send(SMUGGLED)
        assert client.response(method).status == 408
        client.ended()
    settle()
    assert SEEN == []


def test_half_a_head_is_refused_once(server):
    with Client(server.address) as client:
        client.send_pieces([SMUGGLED[:-2]])
        lapse(server, server.site.settings.header_timeout)
        client.send(b"\r\n" + SMUGGLED)
        assert client.response().status == 408
        client.ended()
    settle()
    assert SEEN == []


def test_half_an_unread_body_is_not_refused_behind_its_answer(server):
    with Client(server.address) as client:
        data = post(TE, target="/early/a", body=b"10001\r\n" + b"x" * 65_537 + b"\r\n")
        client.send_pieces([data])
        assert client.response().status == 200
        lapse(server, server.site.settings.body_timeout)
        client.send(b"0\r\n\r\n" + SMUGGLED)
        with pytest.raises(Ended):
            client.response()
    settle()
    assert SEEN == ["POST /early/a"]
