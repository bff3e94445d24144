"""wrk with the scripts of bench/lua, on servers of a few lines."""

import re

import pytest

from bench.application import MIB
from bench.workloads import WORKLOADS
from tests.bench.scripted import OK, always, good, scripted
from tests.parts import needed

pytestmark = pytest.mark.parts

REFUSED = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture(autouse=True)
def wrk():
    needed("wrk")


def test_answers_that_are_not_good_are_not_counted():
    def script(server, conn):
        while server.next_request(conn):
            conn.sendall(OK)
            if server.next_request(conn):
                conn.sendall(REFUSED)

    with scripted(script) as server:
        said = WORKLOADS["connections-10"].shape.load(server.port, 1)
    refused = said["errors"]["status"]
    assert abs(said["requests"] - 2 * refused) <= 10  # each connection is in the one or the other
    assert said["rate"] == (said["requests"] - refused) / said["seconds"]
    assert 0 < said["p50"] <= said["p99"] <= said["p99.9"] <= said["max"]
    assert 0 < said["client_busy"] < 1.1


def test_a_connection_that_ends_without_an_answer_is_an_error():
    with scripted(lambda server, conn: server.next_request(conn)) as server:
        said = WORKLOADS["connections-1"].shape.run(server.port, 1)
    assert said["requests"] == 0
    assert said["errors"]["read"] > 0


def test_varied_heads_are_a_browser_s_and_all_different():
    shape = WORKLOADS["varied"].shape
    with scripted(good) as server:
        shape.load(server.port, 1)
        heads = server.requests
    assert all(header.encode() in heads[0] for header in shape.headers)
    assert b"\r\nCookie: session=" in heads[0]
    assert b"\r\nHost: " in heads[0]
    assert len(set(heads)) == min(len(heads), 20_000) > 1


def test_sixteen_are_sent_at_once():
    def script(server, conn):
        while head := conn.recv(1_000_000, 2):  # MSG_PEEK
            server.seen.append(head.count(b"GET "))
            for _ in range(server.seen[-1]):
                server.next_request(conn)
                conn.sendall(OK)

    with scripted(script) as server:
        server.seen = []
        said = WORKLOADS["pipelined"].shape.load(server.port, 1)
    assert set(server.seen) == {16}
    assert "p50" not in said


def test_a_body_of_1_mib_is_sent():
    def script(server, conn):
        while head := server.next_request(conn):
            left = int(re.search(rb"Content-Length: (\d+)", head)[1])
            server.lengths.add(left)
            while left:
                left -= len(conn.recv(left))
            conn.sendall(OK)

    with scripted(script) as server:
        server.lengths = set()
        WORKLOADS["post-1m"].shape.load(server.port, 1)
    assert server.lengths == {MIB}


def test_a_large_answer_is_counted_by_its_bytes():
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % MIB + bytes(MIB)
    with scripted(always(answer)) as server:
        shape = WORKLOADS["response-1m"].shape
        said = shape.load(server.port, 1)
    assert said["rate"] == said["bytes"] / MIB / said["seconds"] > 0
    assert said["errors"]["read"] == said["errors"]["status"] == 0
