"""Whatever comes, however it comes: the same answer, or an answer or a close, and on it goes."""

import json
import re
from functools import partial
from itertools import pairwise

import gevent
import pytest
from gevent import socket
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gpool import WSGIServer
from tests.support import read_all

MANY = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
#: A body above `body_buffer` whose end can come on its own.
JUST_TOO_LARGE = (
    b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"65\r\n%b\r\n0\r\n\r\n" % (b"b" * 101)
)
DATE = re.compile(rb"Date: [^\r]*")


def tell(environ, start_response):
    """What the application has seen of a request, all of it."""
    seen = {key: value for key, value in environ.items() if isinstance(value, str)}
    del seen["REMOTE_PORT"]
    seen["body"] = environ["wsgi.input"].read().decode("latin-1")
    answer = json.dumps(seen, sort_keys=True).encode()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [answer] if environ["REQUEST_METHOD"] != "PATCH" else iter([answer])


@pytest.fixture(scope="module")
def server():
    running = WSGIServer(("127.0.0.1", 0), tell, body_buffer=100, max_body_size=10_000)
    running.start()
    yield running
    running.stop(1)
    assert running.stats().open == 0
    assert running.pool.stats().busy == 0


def answers(server, pieces):
    """Send `pieces`, each when the server has seen the one before, and return all that comes."""
    with socket.create_connection(server.address) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            try:
                client.sendall(piece)
            except OSError:
                break  # it has said no
            gevent.sleep(0)
            gevent.sleep(0)
        try:
            client.shutdown(socket.SHUT_WR)
            return DATE.sub(b"Date", read_all(client))
        except OSError:
            return b"reset"


tokens = st.text("abcXYZ09-", min_size=1, max_size=12)
values = st.text("abc xyz,;=\t\xe9", max_size=30).map(lambda text: text.strip(" \t"))


def body_of(chunked, body, cuts):
    """A body's header and bytes."""
    if not chunked:
        return f"Content-Length: {len(body)}\r\n".encode(), body
    pieces = [body[i : i + cuts] for i in range(0, len(body), cuts)]
    encoded = b"".join(b"%x;e=1\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return b"Transfer-Encoding: chunked\r\n", encoded + b"0\r\nT: x\r\n\r\n"


@st.composite
def requests(draw):
    """One to three well-formed requests."""
    data = b""
    for _ in range(draw(st.integers(1, 3))):
        method = draw(st.sampled_from(["GET", "POST", "PATCH", "HEAD"]))
        lines = f"{method} /{draw(tokens)}?{draw(tokens)} HTTP/1.1\r\nHost: h\r\n"
        for name, value in draw(st.lists(st.tuples(tokens, values), max_size=3)):
            lines += f"X-{name}: {value}\r\n"
        head, body = lines.encode("latin-1"), b""
        if method in {"POST", "PATCH"}:
            length = draw(st.sampled_from([0, 1, 99, 100, 101, 3_000]))
            header, body = body_of(draw(st.booleans()), b"b" * length, draw(st.integers(1, 700)))
            head += header
        data += head + b"\r\n" + body
    return data


def split(data, cuts):
    """`data` in pieces."""
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(places)]


@MANY
@given(data=requests(), cuts=st.lists(st.integers(0, 20_000), max_size=12))
@example(data=b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * 2, cuts=list(range(60)))
@example(data=JUST_TOO_LARGE, cuts=[len(JUST_TOO_LARGE) - 5])
def test_requests_split_anywhere_get_the_same_answers(server, data, cuts):
    whole = answers(server, [data])
    assert whole.count(b"HTTP/1.1 200 OK") == len(re.findall(rb"HTTP/1.1\r\nHost", data))
    assert answers(server, split(data, cuts)) == whole


pieces = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [
            b"GET / HTTP/1.1\r\n",
            b"POST /x HTTP/1.1\r\n",
            b"GET / HTTP/1.0\r\n",
            b"Host: h\r\n",
            b"Content-Length: 5\r\n",
            b"Content-Length: 99999\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Expect: 100-continue\r\n",
            b"Connection: close\r\n",
            b"\r\n",
            b"\n",
            b"\r",
            b"\0",
            b"5\r\nhello\r\n",
            b"0\r\n\r\n",
            b"fffffffffffffffff\r\n",
            b"x" * 9_000,
        ]
    ),
)


@MANY
@given(sent=st.lists(pieces, max_size=12))
def test_any_bytes_get_an_answer_or_a_close_and_the_server_serves_on(server, sent):
    received = answers(server, sent)
    assert received in {b"", b"reset"} or received.startswith(b"HTTP/1.1 ")
    statuses = re.findall(rb"HTTP/1\.1 (\d{3}) ", received)
    assert set(statuses) <= {b"100", b"200", b"400", b"408", b"413", b"414", b"417", b"431", b"505"}
    refused = [status for status in statuses if status not in {b"100", b"200"}]
    assert len(refused) <= 1
    assert not refused or statuses[-1] == refused[0]  # nothing is served after a refusal
    assert b"200 OK" in answers(server, [b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"])


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_a_request_in_small_pieces_is_the_same(server, size):
    data = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello" * 2
    send = partial(answers, server)
    assert send([data[i : i + size] for i in range(0, len(data), size)]) == send([data])
