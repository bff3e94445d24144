"""Peers that are slow or silent, and limits of a body, on a server with timeouts of a second.

All the slow clients connect at the same time, so the tests wait for their timeouts together.
"""

from contextlib import ExitStack, suppress

import pytest

from tests.blackbox.client import Ended, Truncated, chunked, planned, request

HELLO = request("/hello")
LIMIT = 1 << 20
SLOW = {
    "silent": b"",
    "one letter": b"G",
    "empty line": b"\r\n",
    "request line": b"GET / HTTP/1.1\r\n",
    "head": HELLO[:-2],
    "idle": HELLO,
    "idle after many": HELLO * 5,
    "idle after a body": request("/echo", method="POST", body=b"body"),
    "idle after a chunked body": request("/echo", "Transfer-Encoding: chunked", method="POST")
    + chunked(b"body"),
    "second head": HELLO + HELLO[:10],
    "no body": request("/echo", "Content-Length: 5", method="POST"),
    "small body": request("/echo", "Content-Length: 5", method="POST") + b"hel",
    "large body": request("/echo", "Content-Length: 200000", method="POST") + b"x" * 100_000,
    "chunk size": request("/echo", "Transfer-Encoding: chunked", method="POST"),
    "chunk": request("/echo", "Transfer-Encoding: chunked", method="POST") + b"5\r\nhel",
    "large chunk": request("/echo", "Transfer-Encoding: chunked", method="POST")
    + b"30d40\r\n"
    + b"x" * 100_000,
    "trailers": request("/echo", "Transfer-Encoding: chunked", method="POST")
    + b"5\r\nhello\r\n0\r\nX-A: b\r\n",
    "unread body": request("/hello", "Content-Length: 200000", method="POST") + b"x" * 100_000,
    "expected body": request("/echo", "Content-Length: 5", "Expect: 100-continue", method="POST"),
    "half-read answer": planned(iterate=[("repeat", b"x" * 1_000, 20_000)]),
    "answer": planned(iterate=[("repeat", b"x" * 1_000, 20_000)], version="1.0"),
    "answers": planned(iterate=[("repeat", b"x" * 1_000, 500)]) * 40,
}


@pytest.fixture(scope="module")
def slow(hurried):
    """One client for each of these, connected at the same time."""
    with ExitStack() as stack:
        clients = {name: stack.enter_context(hurried.connect()) for name in SLOW}
        for name, data in SLOW.items():
            clients[name].send(data)
        yield clients


@pytest.mark.parametrize("name", ["silent", "empty line"])
def test_a_silent_connection_is_closed_without_a_word(slow, name):
    # RFC 9110 section 15.5.9 would allow a 408.
    with suppress(Ended):
        assert slow[name].response().status == 408
    slow[name].ended()


def test_a_connection_on_which_nothing_has_begun_gets_no_answer(slow):
    # ended() leaves nothing to be read, so this also holds after the test above.
    slow["silent"].ended()


@pytest.mark.parametrize("name", ["one letter", "request line", "head"])
def test_half_a_head_gets_a_408(slow, name):
    response = slow[name].response()
    assert response.status == 408
    assert "close" in response.tokens("Connection")
    slow[name].ended()


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("idle", 1),
        ("idle after many", 5),
        ("idle after a body", 1),
        ("idle after a chunked body", 1),
    ],
)
def test_an_idle_connection_is_closed_without_a_word(slow, name, count):
    # RFC 9112 section 9.5: a response that nobody asked for would be taken for the next one's.
    for _ in range(count):
        assert slow[name].response().status == 200
    slow[name].ended()


def test_half_a_second_head_gets_a_408(slow):
    client = slow["second head"]
    assert client.response().body == b"hello"
    with suppress(Ended):
        assert client.response().status == 408
    client.ended()


@pytest.mark.parametrize(
    "name",
    ["no body", "small body", "large body", "chunk size", "chunk", "large chunk", "trailers"],
)
def test_half_a_body_gets_a_408_or_is_closed(slow, name):
    # Where the application waits for it, read() raises, so that may be a 500.
    with suppress(Ended):
        assert slow[name].response().status in (408, 500, 400)
    slow[name].ended()


def test_half_a_body_that_nobody_reads_does_not_hold_the_connection(slow):
    assert slow["unread body"].response().body == b"hello"
    slow["unread body"].ended()


def test_a_body_that_does_not_follow_the_100(slow):
    client = slow["expected body"]
    assert client.interim().status == 100
    with suppress(Ended):
        assert client.response().status in (408, 500, 400)
    client.ended()


@pytest.mark.parametrize("name", ["half-read answer", "answer", "answers"])
def test_an_answer_that_is_not_read_is_not_completed(hurried, slow, name):
    # It is more than fits into all buffers. That others have been closed shows the time is over.
    slow["idle"].ended()
    received = len(slow[name].rest())
    assert 0 < received < 20_000_000


def test_an_application_whose_client_does_not_read_is_closed(hurried):
    token = hurried.token()
    with hurried.connect() as client:
        client.send(planned(iterate=[("repeat", b"x" * 1_000, 20_000)], token=token))
        assert hurried.events(token, "closed").count("closed") == 1
        with pytest.raises(Truncated):
            client.response()


def test_reading_a_body_that_stops_raises(hurried):
    token = hurried.token()
    data = planned(call=[("read",), ("start", "200 OK", [])], token=token, method="POST",
                   lines=("Content-Length: 200000",))  # fmt: skip
    with hurried.connect() as client:
        client.send(data + b"x" * 100_000)
        assert "read failed" in hurried.events(token, "read failed")
        rest = client.rest()
        assert not rest.startswith(b"HTTP/1.1 200")


def test_a_slow_head_is_not_saved_by_its_bytes(hurried):
    # One byte after the other, for as long as it takes: the timeout is for the whole head.
    with hurried.connect(timeout=0.1) as client:
        client.send(b"GET / HTTP/1.1\r\nX-A: ")
        for _ in range(100):
            client.send(b"x")
            try:
                response = client.response()
            except TimeoutError:
                continue
            assert response.status == 408
            return
        pytest.fail("a head may take ten seconds")


def test_a_slow_body_that_goes_on_is_waited_for(hurried):
    with hurried.connect(timeout=0.2) as client:
        client.send(request("/echo", "Content-Length: 10", method="POST"))
        for _ in range(10):  # two seconds in all
            with pytest.raises(TimeoutError):
                client.response()
            client.send(b"x")
        assert client.response().body == b"x" * 10


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_of_the_greatest_size_is_served(hurried, framing):
    body = b"x" * LIMIT
    data = (
        request("/echo", method="POST", body=body)
        if framing == "length"
        else request("/echo", "Transfer-Encoding: chunked", method="POST")
        + chunked(*[b"x" * 65_536] * 16)
    )
    with hurried.connect() as client:
        client.send_aside(data)
        assert client.response().body == body


@pytest.mark.parametrize("target", ["/echo", "/hello"])
def test_a_length_above_the_limit_is_refused(hurried, target):
    # RFC 9110 section 15.5.14; also if the client sends it all.
    data = request(target, method="POST", body=b"x" * (LIMIT + 1))
    with hurried.connect() as client:
        client.send_aside(data + HELLO)
        assert client.response().status == 413
        client.ended()


@pytest.mark.parametrize("target", ["/echo", "/hello"])
def test_chunks_above_the_limit_are_refused(hurried, target):
    # Read by the application or not; the answer may have been given before it is seen.
    data = request(target, "Transfer-Encoding: chunked", method="POST")
    with hurried.connect() as client:
        client.send_aside(data + chunked(*[b"x" * 65_536] * 17) + HELLO)
        response = client.response()
        assert response.status in ((413, 400, 500) if target == "/echo" else (200, 413))
        client.ended()


def test_one_chunk_above_the_limit_is_refused(hurried):
    data = request("/echo", "Transfer-Encoding: chunked", method="POST")
    with hurried.connect() as client:
        client.send_aside(data + b"%x\r\n" % (LIMIT + 1) + b"x" * 100)
        assert client.response().status in (413, 400, 500)
        client.ended()
