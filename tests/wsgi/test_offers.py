"""What an environ offers beyond PEP 3333: the connection itself, and early hints."""

import pytest

from gpool.errors import ClientDisconnected, Hijacked
from gpool.wsgi.wire import KEEP
from tests.wsgi.parts import ERRORS, GET, OLD, TEXT, Blocks, Conn, name_of, parsed, running, served


def test_a_hijacked_connection_is_the_applications():
    def application(environ, start_response):
        taken, rest = environ["gpool.hijack"]()
        assert taken is conn and rest == b"beyond"
        return blocks

    conn, blocks = Conn(application), Blocks(b"not sent")
    conn.buffer = b"beyond"
    assert running(conn) is None
    assert (conn.calls, conn.received, blocks.closed, blocks.yielded) == (["hijack"], b"", 1, 0)


def test_after_a_hijack_what_pep_3333_wants_is_let_pass():
    """flask-sock answers when the WebSocket is over."""

    def application(environ, start_response):
        environ["gpool.hijack"]()
        write = start_response("200 OK", [TEXT])
        write(b"a")
        start_response("200 OK", [TEXT])
        return [b"b"]

    assert served(application).calls == ["hijack"]


@pytest.mark.parametrize("error", [*ERRORS, ClientDisconnected()], ids=name_of)
def test_an_error_after_a_hijack_sends_nothing(error, logged):
    def application(environ, start_response):
        environ["gpool.hijack"]()
        raise error

    conn = Conn(application)
    assert running(conn) is None and conn.calls == ["hijack"]
    assert bool(logged()) is not isinstance(error, (StopIteration, Hijacked, ClientDisconnected))


def test_a_connection_can_be_hijacked_after_start_response_but_not_twice():
    def application(environ, start_response):
        start_response("200 OK", [TEXT])
        environ["gpool.hijack"]()
        with pytest.raises(AssertionError, match="before the response is sent"):
            environ["gpool.hijack"]()
        with pytest.raises(AssertionError, match="come before the response"):
            environ["wsgi.early_hints"]([("Link", "a")])
        return [b"a"]

    assert served(application).calls == ["hijack"]


def test_a_connection_cannot_be_hijacked_when_something_was_sent():
    kept = []

    def application(environ, start_response):
        kept.append(environ)
        start_response("200 OK", [TEXT])
        yield b"a"
        with pytest.raises(AssertionError, match="before the response is sent"):
            environ["gpool.hijack"]()
        yield b"b"

    conn = served(application)
    assert conn.got().body == b"ab" and "hijack" not in conn.calls
    with pytest.raises(AssertionError, match="before the response is sent"):
        kept[0]["gpool.hijack"]()


# ---------------------------------------------------------------------- early hints

LINK = ("Link", "</a>; rel=preload")


def hinting(environ, start_response):
    environ["wsgi.early_hints"]([LINK, ("X", "y")])
    start_response("200 OK", [TEXT])
    environ["wsgi.early_hints"]([("X", "z")])
    yield b"abc"
    with pytest.raises(AssertionError, match="come before the response"):
        environ["wsgi.early_hints"]([LINK])


def test_early_hints_come_before_the_response_and_as_often_as_they_are_given():
    conn = served(hinting)
    assert conn.calls[:2] == ["interim", "interim"]
    first, second, *_ = conn.sends
    assert first == b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nX: y\r\n\r\n"
    assert second == b"HTTP/1.1 103 Early Hints\r\nX: z\r\n\r\n"
    assert conn.got()[2:] == (b"abc", True, b"") and conn.verdicts == [KEEP]


def test_http_1_0_is_given_no_hints():
    conn = served(hinting, OLD)
    assert "interim" not in conn.calls and parsed(conn.received).body == b"abc"


@pytest.mark.parametrize(
    ("header", "error"),
    [(("X", "a\r\n\r\nb"), ValueError), (("Connection", "close"), ValueError), ("X: y", TypeError)],
)
def test_hints_that_cannot_be_sent_are_an_error_and_nothing_of_them_is(header, error):
    def application(environ, start_response):
        with pytest.raises(error):
            environ["wsgi.early_hints"]([LINK, header])
        start_response("200 OK", [TEXT])
        return [b"abc"]

    for head in (GET, OLD):
        conn = served(application, head)
        assert "interim" not in conn.calls and conn.got().body == b"abc"


def test_an_error_after_hints_is_a_500():
    def application(environ, start_response):
        environ["wsgi.early_hints"]([LINK])
        raise LookupError

    assert served(application).got().status[:3] == "500"
