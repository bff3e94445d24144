"""A head that comes in small pieces: what is wrong with it is said as soon as it is there."""

from functools import partial

import pytest

from tests.wsgi_server.clients import until

pytestmark = pytest.mark.limit(5)

LINE = b"GET /hello HTTP/1.1\r\n"
GOOD = LINE + b"Host: a\r\nX: \x80\t b\r\n\r\n"


def sent(client, server, data):
    """Send `data`, each byte only after the server has read the one before."""
    for place in range(len(data)):
        before = read_by(server)
        client.send(data[place : place + 1])
        until(partial(has_read, server, before))


def has_read(server, before):
    return read_by(server) != before


def read_by(server):
    """What the only connection has read so far, and its state."""
    return [(conn.state, len(conn.buffer)) for conn in server._connections]


def test_a_head_that_comes_byte_by_byte_is_served(serve, visit):
    server = serve()
    client = visit(server)
    until(lambda: server.stats().open == 1)
    for _ in range(2):
        sent(client, server, GOOD[:-1])
        assert client.send(GOOD[-1:]).answer().body == b"/hello"


@pytest.mark.parametrize(
    ("good", "bad", "status"),
    [
        (b"GET /", b"\x00", 400),
        (b"GET /", b"\n", 400),
        (b"GET /\r", b"a", 400),
        (b"GET /a", b"\x7f", 400),
        (LINE + b"A", b"\x0b", 400),
        (LINE + b"A: b\r", b"b", 400),
        (LINE + b"A b\r", b"\n", 400),
        (LINE + b" a: b\r", b"\n", 400),
        (b"GET / HTTP/3.0\r", b"\n", 505),
    ],
)
def test_a_bad_byte_is_refused_when_it_comes(serve, visit, good, bad, status):
    server = serve()
    client = visit(server)
    until(lambda: server.stats().open == 1)
    sent(client, server, good)
    assert client.send(bad).answer().status == status


@pytest.mark.parametrize(
    ("begun", "limit", "status"),
    [(b"GET /", 1_024, 414), (LINE + b"A: ", 1_024 + len(LINE), 431)],
)
def test_a_line_that_does_not_end_is_refused_when_it_is_too_long(
    serve, visit, begun, limit, status
):
    server = serve(max_request_line=1_024, max_header_size=1_024)
    client = visit(server)
    until(lambda: server.stats().open == 1)
    client.send(begun)
    until(lambda: len(read_by(server)) == 1 and read_by(server)[0][1] == len(begun))
    sent(client, server, b"a" * (limit - len(begun)))
    assert client.send(b"a").answer().status == status
