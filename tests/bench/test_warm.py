import ssl

import pytest
import trustme

from bench.warm import warm_up
from tests.bench.scripted import BUSY, GET, OK, always, good, scripted

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n0\r\n\r\n"


def test_all_connections_ask_again_and_again():
    with scripted(good) as server:
        answers = warm_up(server.port, GET, 3, seconds=0.2)
        assert server.connections() == 3
    assert set(server.requests) == {GET}
    assert 3 < answers <= len(server.requests) <= answers + 3


@pytest.mark.parametrize(
    ("answer", "closes"),
    [(OK, True), (BUSY, True), (b"HTTP/1.1 200 OK\r\n\r\nto the end", True), (CHUNKED, False)],
    ids=["unannounced", "announced", "no length", "chunks"],
)
def test_it_goes_on_after_every_kind_of_answer(answer, closes):
    with scripted(always(answer, closes=closes)) as server:
        assert warm_up(server.port, GET, 2, seconds=0.2) > 2
        assert (server.connections() > 2) == closes


def test_a_large_answer_is_read_to_its_end():
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"\r\n" * 500_000
    with scripted(always(answer)) as server:
        assert warm_up(server.port, GET, 1, seconds=0.3) >= 1
        assert server.connections() == 1


def test_there_is_a_most_of_connections(monkeypatch):
    monkeypatch.setattr("bench.warm.AT_MOST", 2)
    with scripted(good) as server:
        warm_up(server.port, GET, 50, seconds=0.1)
        assert server.connections() == 2


def test_it_ends_with_a_server_that_says_nothing():
    with scripted(lambda server, _: server.released.wait()) as server:
        assert warm_up(server.port, GET, 2, seconds=0.1) == 0


def test_it_says_that_nobody_is_there():
    with scripted(good) as server:
        port = server.port
    with pytest.raises(OSError, match="Connect call failed"):
        warm_up(port, GET, 2, seconds=0.1)


def test_it_speaks_tls_with_whomever():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)

    def script(server, conn):
        with context.wrap_socket(conn, server_side=True) as secure:
            good(server, secure)

    with scripted(script) as server:
        assert warm_up(server.port, GET, 2, tls=True, seconds=0.3) > 2
