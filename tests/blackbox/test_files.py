"""wsgi.file_wrapper: PEP 3333, "Optional Platform-Specific File Handling"."""

from contextlib import suppress

import pytest

from tests.blackbox.client import Ended, Truncated, request

SIZE = 100_000
DATA = bytes(range(256)) * (SIZE // 256) + bytes(SIZE % 256)
KINDS = ["real", "memory", "bare"]


@pytest.fixture
def told(server):
    """A request for a file; skips where there is no wrapper."""
    if "wsgi.file_wrapper" not in server.environ(request()):
        pytest.skip("there is no wsgi.file_wrapper")

    def tell(*lines, version="1.1", method="GET", **what):
        return request("/file", f"X-File: {what}", *lines, version=version, method=method)

    return tell


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [{}, {"length": SIZE}], ids=["unsaid", "said"])
def test_a_file_is_sent_whole(server, told, kind, version, length):
    response = server.ask(told(kind=kind, version=version, **length))
    assert response.body == DATA
    assert response.all("Content-Length") in ([], [str(SIZE)])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [0, 1, 8_192, 65_536, 3_000_000])
def test_a_file_of_any_size(server, told, kind, size):
    with server.connect() as client:
        response = client.send(told(kind=kind, size=size)).response()
        assert len(response.body) == size
        if response.persistent:
            assert client.send(request("/hello")).response().body == b"hello"


@pytest.mark.parametrize("kind", ["real", "memory"])
@pytest.mark.parametrize("offset", [1, 4_096, 99_999, 100_000])
@pytest.mark.parametrize("said", [True, False])
def test_a_file_is_sent_from_where_it_stands(server, told, kind, offset, said):
    # "transmission should begin at the current position within the file".
    length = {"length": SIZE - offset} if said else {}
    response = server.ask(told(kind=kind, offset=offset, **length))
    assert response.body == DATA[offset:]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [0, 1, 50_000, SIZE - 1])
def test_no_more_of_a_file_is_sent_than_the_length(server, told, kind, length):
    # "a Content-Length ... the file transmission should end".
    with server.connect() as client:
        client.send(told(kind=kind, length=length) + request("/hello"))
        try:
            assert client.response().body == DATA[:length]
            assert client.response().body == b"hello"
        except (Ended, Truncated):
            client.ended()


@pytest.mark.parametrize("kind", ["real", "memory"])
def test_a_part_of_a_file(server, told, kind):
    response = server.ask(told(kind=kind, offset=10, length=20, status="206 Partial Content"))
    assert (response.status, response.body) == (206, DATA[10:30])


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_shorter_than_the_length(server, told, kind):
    with server.connect() as client:
        client.send(told(kind=kind, length=SIZE + 1) + request("/hello"))
        with suppress(Truncated, Ended):
            assert client.response().status == 500
        client.ended()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [{}, {"length": SIZE}], ids=["unsaid", "said"])
def test_head_sends_nothing_of_a_file(server, told, kind, length):
    with server.connect() as client:
        client.send(told(kind=kind, method="HEAD", **length) + request("/hello"))
        assert client.response("HEAD").status == 200
        assert client.response().body == b"hello"


@pytest.mark.parametrize("status", ["304 Not Modified", "204 No Content"])
def test_a_status_without_a_body_sends_nothing_of_a_file(server, told, status):
    with server.connect() as client:
        client.send(told(status=status) + request("/hello"))
        assert client.response().status == int(status[:3])
        assert client.response().body == b"hello"


@pytest.mark.parametrize("kind", ["real", "memory"])
@pytest.mark.parametrize(
    "what", [{}, {"length": 10}, {"method": "HEAD"}, {"status": "304 No"}, {"size": 0}], ids=str
)
def test_a_file_is_closed(server, told, kind, what):
    # "iterable.close() invokes the file-like object's close()".
    token = server.token()
    with server.connect() as client:
        client.send(told(f"X-Token: {token}", kind=kind, **what))
        assert server.events(token, "closed").count("closed") == 1


@pytest.mark.parametrize("kind", ["real", "memory"])
def test_a_file_is_closed_when_the_client_has_gone(server, told, kind):
    token = server.token()
    with server.connect() as client:
        client.send(told(f"X-Token: {token}", kind=kind, size=50_000_000))
        client.socket.recv(1)
        client.reset()
    assert server.events(token, "closed").count("closed") == 1


@pytest.mark.parametrize("block", [1_000, 8_192])
def test_a_block_size_may_be_given(server, told, block):
    assert server.ask(told(block=block, kind="bare")).body == DATA


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [{}, {"length": SIZE + 7}], ids=["unsaid", "said"])
def test_what_was_written_comes_before_a_file(server, told, kind, length):
    # "if the application has called write() ... must be sent first".
    assert server.ask(told(kind=kind, written=b"written", **length)).body == b"written" + DATA


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrapper_is_an_iterable_like_others(server, told, kind):
    # As seen by middleware, which may return something else around it.
    assert server.ask(told(kind=kind, used="in part")).body == DATA


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrapper_that_is_not_returned_is_not_sent(server, told, kind):
    # "the transmission ... must not begin until and unless it is returned".
    assert server.ask(told(kind=kind, used="not")).body == b"another"


def test_pipelined_files(server, told):
    with server.connect() as client:
        client.send((told(length=SIZE) + request("/hello")) * 5)
        for _ in range(5):
            assert client.response().body == DATA
            assert client.response().body == b"hello"
