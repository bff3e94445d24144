"""The shapes that use the client in C, on a server that has a limit."""

import os
import threading
import time
from contextlib import contextmanager

import pytest

from bench import halfload, overload
from bench.halfload import HalfLoad
from bench.kinds import Purpose
from bench.load import Load
from bench.overload import Overload
from bench.processes import Serving
from tests.bench.scripted import BUSY, OK, good, scripted
from tests.parts import needed


@pytest.fixture(autouse=True)
def compiler():
    needed("cc")


@pytest.fixture
def serve(monkeypatch):
    """Have a script be the server of the bench; the calls for one are kept."""

    def have(script):
        calls = []

        @contextmanager
        def serving(*asked):
            calls.append(asked)
            with scripted(script) as server:
                yield Serving(os.getpid(), server.port)

        for module in (overload, halfload):
            monkeypatch.setattr(module, "serving", serving)
        return calls

    return have


def test_overload_is_compared_with_the_server_unloaded(serve, monkeypatch):
    # A request of the warm-up that is under way still would be one too many.
    monkeypatch.setattr(Load, "warm_up", lambda *_: None)
    limit = threading.Semaphore(3)

    def script(server, conn):
        while server.next_request(conn):
            if not limit.acquire(blocking=False):
                conn.sendall(BUSY)
                return
            time.sleep(0.01)
            sum(range(30_000))  # CPU time is counted in ticks of 10 ms, and there must be some
            limit.release()
            conn.sendall(OK)

    calls = serve(script)
    run = Overload(3).measure("some", 0.3)
    assert calls == [("some", Purpose.OVERLOAD, 3)]
    assert run["unloaded_statuses"].keys() == {"200"}
    assert run["statuses"].keys() == {"200", "503"}
    assert run["good_p99"] == run["p99"] >= 10
    assert run["unloaded_p99"] >= 10
    assert 0 < run["rate"] <= 300  # three workers of 10 ms
    assert 0 < run["unloaded_rate"] <= 300
    assert run["user_us"] > 0


def test_half_of_the_maximum_is_asked_for(serve, monkeypatch):
    calls = serve(good)
    most = {"requests": 90, "bytes": 1, "seconds": 1.5, "errors": {"status": 0}}
    monkeypatch.setattr("bench.load.run_client", lambda *_: most)
    run = HalfLoad().measure("some", 0.5)
    assert calls == [("some", Purpose.HELLO)]
    assert run["most_rate"] == 60
    assert run["asked_rate"] == 30
    assert run["good"] == 15
    assert run["rate"] == 15 / run["seconds"]
