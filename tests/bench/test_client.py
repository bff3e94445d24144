import random
import subprocess
import time

import pytest

from bench.client import SOURCE, closed_loop, open_loop
from tests.bench.scripted import BUSY, GET, OK, always, good, scripted
from tests.parts import needed

NO_ERRORS = {"connect": 0, "read": 0, "write": 0, "status": 0, "timeout": 0}


@pytest.fixture(autouse=True)
def compiler():
    needed("cc")


def load(script, *, request=GET, connections=1, seconds=0.06, **more):
    with scripted(script) as server:
        loop = open_loop if "rate" in more else closed_loop
        return loop(server.port, request, connections=connections, seconds=seconds, **more)


def test_answers_are_counted_by_status():
    def script(server, conn):
        for answer in (OK, OK, BUSY):
            server.next_request(conn)
            conn.sendall(answer)

    said = load(script, connections=3)
    assert said["statuses"].keys() == {"200", "503"}
    assert said["good"] == said["statuses"]["200"] > 3
    assert said["errors"] == NO_ERRORS | {"status": said["statuses"]["503"]}
    assert said["requests"] == sum(said["statuses"].values())
    assert said["rate"] == said["good"] / said["seconds"]


def test_latencies_of_good_and_refused_answers_are_kept_apart():
    def script(server, conn):
        server.next_request(conn)
        conn.sendall(OK)
        server.next_request(conn)
        time.sleep(0.05)
        conn.sendall(BUSY)

    said = load(script, seconds=0.3)
    assert said["refused_p50"] >= 50 * 0.99
    assert said["p50"] < said["refused_p50"]


def test_who_is_refused_pauses():
    """For half of the pause at least."""
    said = load(always(BUSY, closes=True), seconds=0.5, pause=0.1)
    assert 1 <= said["statuses"]["503"] <= 1 + 0.5 / 0.05


def test_who_is_refused_need_not_pause():
    said = load(always(BUSY, closes=True), seconds=0.2)
    assert said["statuses"]["503"] > 10


def test_who_gets_no_answer_pauses_a_little():
    said = load(lambda server, conn: server.next_request(conn), seconds=0.2)
    assert 1 <= said["errors"]["read"] <= 201
    assert said["good"] == 0
    assert said["starved"] == 1


def test_a_latency_begins_with_connecting():
    """A connection that waits in the backlog has been waiting since the client wanted an answer."""
    last = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")

    def script(server, conn):
        server.next_request(conn)
        conn.sendall(last)
        time.sleep(0.05)  # in which the next one is not accepted

    with scripted(script, one_at_a_time=True) as server:
        said = closed_loop(server.port, GET, connections=1, seconds=0.3)
    assert said["good"] >= 1
    assert said["max"] >= 50 * 0.99


def test_clients_without_any_answer_are_counted():
    def script(server, conn):
        if server.position(conn) >= 2:
            server.released.wait()
        good(server, conn)

    said = load(script, connections=5, seconds=0.2)
    assert said["starved"] == 3
    assert said["waiting"] >= 3
    assert said["oldest"] >= 100


def test_an_open_loop_sends_all_that_was_asked_for():
    with scripted(good) as server:
        said = open_loop(server.port, GET, connections=4, seconds=0.5, rate=200)
        assert server.number() == 100
    assert said["good"] == 100
    assert said["asked_rate"] == 200
    assert said["errors"] == NO_ERRORS
    assert 0 <= said["late_p50"] <= said["late_p99"] <= said["late_max"]


def test_a_stall_is_charged_with_all_requests_it_delays():
    """Coordinated omission: one request alone would be 1 of 50 here, and leave the median alone."""

    def script(server, conn):
        while server.next_request(conn):
            if server.number() == 1:
                time.sleep(0.4)
            conn.sendall(OK)

    said = load(script, seconds=0.5, rate=100)
    assert said["good"] == 50
    assert said["max"] >= 400
    assert said["p50"] >= 100


@pytest.mark.parametrize("connections", [1, 50], ids=["not sent", "sent"])
def test_what_is_never_answered_is_charged_too(connections):
    """With the time until the end, which is 2 s after the last was due, 0.5 s after the first."""
    silent = {"rate": 100, "seconds": 0.5, "connections": connections}
    said = load(lambda server, _: server.released.wait(), **silent)
    assert said["good"] == 0
    assert said["waiting"] == said["errors"]["timeout"] == 50
    assert said["p50"] >= 2_200
    assert said["p50"] < said["max"] - 200


def test_a_connection_that_is_closed_between_requests_is_made_anew():
    with scripted(always(OK, closes=True)) as server:
        said = open_loop(server.port, GET, connections=2, seconds=0.3, rate=50)
    assert said["good"] >= 13
    assert said["errors"]["connect"] == 0


def test_a_rate_survives_connections_that_fail():
    def script(server, conn):
        server.next_request(conn)
        if server.number() % 2:
            conn.sendall(OK)

    said = load(script, seconds=0.3, rate=100, connections=8)
    assert said["good"] > 3
    assert said["good"] + said["errors"]["read"] + said["errors"]["write"] == 30


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length:  3\r\n\r\nabc",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 8_000 + b"\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + bytes(300_000),
    ],
    ids=["without a body", "small letters", "100 first", "a long head", "a large body"],
)
@pytest.mark.parametrize("pieces", [1, 7, 0], ids=["bytewise", "in sevens", "at once"])
def test_answers_are_understood(answer, pieces):
    pieces *= 1 + len(answer) // 1_000

    def script(server, conn):
        while server.next_request(conn):
            for at in range(0, len(answer), pieces or len(answer)):
                conn.sendall(answer[at : at + (pieces or len(answer))])

    said = load(script, rate=40)
    assert said["good"] == 2
    assert said["bytes"] == 2 * len(answer)
    assert said["errors"] == NO_ERRORS


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 200 OK\r\n\r\nto the end", b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nOK"],
    ids=["no length", "HTTP/1.0"],
)
def test_an_end_is_understood(answer):
    said = load(always(answer, closes=True), rate=40)
    assert said["good"] == 2
    assert said["errors"] == NO_ERRORS


def test_a_large_request_is_sent_whole():
    body = random.Random(1).randbytes(20_000_000)  # more than the kernel takes at once
    request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    def script(server, conn):
        while server.next_request(conn):
            got = bytearray()
            while len(got) < len(body) and (some := conn.recv(1_000_000)):
                got += some
            conn.sendall(OK if got == body else BUSY)

    said = load(script, request=request, rate=10, seconds=0.2)
    assert said["statuses"] == {"200": 2}


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "Transfer-Encoding"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "status line"),
        (b"HTTP/1.1 999 Much\r\n\r\n", "status line"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 9_000, "too long"),
    ],
    ids=["chunks", "no HTTP", "no status", "an endless head"],
)
def test_it_says_what_it_does_not_understand(answer, complaint):
    with pytest.raises(RuntimeError, match=f"^client: .*{complaint}"):
        load(always(answer))


def test_it_says_that_nobody_is_there():
    with scripted(good) as server:
        port = server.port
    with pytest.raises(RuntimeError, match="connect: Connection refused"):
        closed_loop(port, GET, connections=1, seconds=0.1)


@pytest.mark.parametrize(
    "wrong",
    [{"connections": 0}, {"connections": 1e7}, {"seconds": 0}, {"pause": -1}, {"pause": "nan"}],
    ids=str,
)
def test_arguments_are_checked(wrong):
    usual = {"connections": 1, "seconds": 0.1}
    with pytest.raises(RuntimeError, match="out of its range"):
        closed_loop(1, GET, **usual | wrong)


def test_a_request_is_needed():
    with pytest.raises(RuntimeError, match="no request"):
        closed_loop(1, b"", connections=1, seconds=0.1)


HISTOGRAM = """
#define main client
#include SOURCE
#undef main

int main(void)
{
    static struct histogram thousand;

    for (int bit = 0; bit < 64; bit++)
        for (int step = -2; step <= 2; step++) {
            uint64_t value = (UINT64_C(1) << bit) + (uint64_t)step * (UINT64_C(1) << (bit / 2));
            size_t bucket = bucket_of(value);
            double found = value_of(bucket), off = found - (double)value;

            if (bucket >= BUCKETS || off > (double)value / 100 || off < -(double)value / 100)
                return printf("%" PRIu64 " is in %zu, which is %f\\n", value, bucket, found);
            if (value && bucket_of(value - 1) > bucket)
                return printf("%" PRIu64 " is below the one before\\n", value);
        }
    for (uint64_t value = 1; value <= 1000; value++)
        record(&thousand, value * 1000);
    printf("%.0f %.0f %.0f %.0f", percentile(&thousand, 0), percentile(&thousand, 0.5),
           percentile(&thousand, 0.99), percentile(&thousand, 1));
    return 0;
}
"""


def test_latencies_are_kept_to_a_hundredth(tmp_path):
    """All 64 bits of them, in order; each percentile is one that was there."""
    source, program = tmp_path / "histogram.c", tmp_path / "histogram"
    source.write_text(HISTOGRAM.replace("SOURCE", f'"{SOURCE}"'))
    subprocess.run([needed("cc"), "-Wno-unused-function", "-o", program, source], check=True)
    said = subprocess.run([program], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout
    least, middle, most_of, most = map(float, said.stdout.split())
    assert least == pytest.approx(1_000, rel=0.01)
    assert middle == pytest.approx(501_000, rel=0.01)
    assert most_of == pytest.approx(991_000, rel=0.01)
    assert most == 1_000_000
