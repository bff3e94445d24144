import io
import os
import time
from contextlib import contextmanager
from itertools import count

import pytest

from bench import crowds
from bench.crowds import Idle, Slow, counted, crowd, heard, running_workers
from bench.processes import Serving
from tests.bench.scripted import BUSY, OK, always, good, scripted
from tests.parts import needed


def wait_for(condition):
    while not condition():
        time.sleep(0.001)


def test_an_idle_crowd_stays_until_it_is_counted():
    with scripted(good) as server, crowd("idle", server.port, 150) as process:
        assert server.connections() == server.number() == 150
        assert counted(process) == 0


def test_idle_clients_that_were_closed_are_counted():
    answered = count(1)  # each script has a thread of its own

    def script(server, conn):
        server.next_request(conn)
        conn.sendall(OK)
        if next(answered) > 5:
            server.next_request(conn)

    with scripted(script) as server, crowd("idle", server.port, 20) as process:
        wait_for(lambda: server.ended() == 5)
        assert counted(process) == 5


def test_an_idle_client_that_is_refused_ends_the_crowd():
    with (
        scripted(always(BUSY)) as server,
        pytest.raises(RuntimeError, match="not answered with 200"),
        crowd("idle", server.port, 3),
    ):
        pytest.fail("there is no such crowd")


def test_a_crowd_says_that_nobody_is_there():
    with scripted(good) as server:
        port = server.port
    with pytest.raises(RuntimeError, match="refused"), crowd("slow", port, 1):
        pytest.fail("there is no such crowd")


def test_slow_clients_begin_a_head_and_say_what_they_were_told():
    def script(server, conn):
        assert conn.recv(100) == b"G"
        server.begun.append(conn)
        if len(server.begun) == 3:
            return  # without a word
        server.released.wait()
        conn.sendall(BUSY)

    with scripted(script) as server:
        server.begun = []
        with crowd("slow", server.port, 3) as process:
            wait_for(lambda: len(server.begun) == 3)
            server.released.set()
            said = heard(process.stdout)
    assert said["told"] == {"503": 2, "none": 1}
    assert said["left_open"] == 0
    assert 0 <= said["first_closed"] <= said["last_closed"]


def test_a_crowd_without_a_word_is_an_error():
    with pytest.raises(RuntimeError, match="without a word"):
        heard(io.StringIO(""))


@pytest.mark.parametrize(
    ("running", "workers"), [(b"[3, 4]", 7), (b"[]", None)], ids=["two pools", "no pool"]
)
def test_running_workers_are_asked_for(running, workers):
    body = b'{"running": %s}' % running
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with scripted(always(answer)) as server:
        assert running_workers(server.port) == workers
        assert server.requests[0].startswith(b"GET /stats ")


def test_who_has_no_such_page_cannot_tell():
    with scripted(always(BUSY)) as server:
        assert running_workers(server.port) is None


@pytest.fixture
def serve(monkeypatch):
    """Have a script be the server of the bench."""

    def have(script):
        @contextmanager
        def serving(*_asked):
            with scripted(script) as server:
                yield Serving(os.getpid(), server.port)

        monkeypatch.setattr(crowds, "serving", serving)

    return have


def test_the_memory_of_idle_connections_is_that_of_each(serve, monkeypatch):
    serve(good)
    sizes = iter([1_000, 1_100])
    monkeypatch.setattr(crowds, "memory_kib", lambda _pid: next(sizes))
    monkeypatch.setattr(crowds, "running_workers", lambda _port: 2)
    run = Idle(50).measure("some", 1)
    assert run == {"kib": 2, "running": 2, "count": 50, "closed": 0, "rss_kib": 1_100}


def test_who_closes_idle_connections_has_none(serve):
    serve(always(OK, closes=True))
    with pytest.raises(RuntimeError, match="idle connections were closed"):
        Idle(20).measure("some", 1)


def test_a_normal_client_is_measured_alone_and_beside(serve, monkeypatch):
    needed("cc")
    monkeypatch.setattr(crowds, "heard", lambda _said: {"left_open": 3, "told": {}})
    serve(good)
    run = Slow(3).measure("some", 0.2)
    assert run["count"] == run["left_open"] == 3
    assert 0 < run["alone_p50"] <= run["alone_p99"]
    assert 0 < run["beside_p50"] <= run["beside_p99"]
