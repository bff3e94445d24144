"""No request fails while processes are replaced: under wrk, two processes, 64 connections.

RESTARTS says how many rounds; 2 without it.
"""

import os
import re
import signal
import subprocess

import pytest

from tests.gunicorn.serving import READY, Asking, Gunicorn
from tests.parts import needed

ROUNDS = int(os.environ.get("RESTARTS", "2"))
SECONDS = 60 + 10 * ROUNDS  # more than the rounds take

pytestmark = pytest.mark.limit(60 + 20 * ROUNDS)


class Load:
    """wrk at work."""

    def __init__(self, port, seconds):
        url = f"http://127.0.0.1:{port}/"
        self._process = subprocess.Popen(
            [needed("wrk"), "-t1", "-c64", f"-d{seconds}s", "--timeout", "8s", url],
            stdout=subprocess.PIPE,
            text=True,
        )

    @property
    def runs(self):
        return self._process.poll() is None

    def result(self):
        """End it: how many requests were served; what has failed, in wrk's words."""
        self._process.send_signal(signal.SIGINT)
        output = self._process.communicate()[0]
        served = int(re.search(r"(\d+) requests in", output)[1])
        return served, re.findall(r"Socket errors.*|Non-2xx.*", output)


def term_one(arbiter):
    """Replace one process."""
    since, old = arbiter.mark(), arbiter.workers[0]
    arbiter.kill(signal.SIGTERM, old)
    arbiter.wait(rf"Worker exiting \(pid: {old}\)", since=since)
    arbiter.wait(READY, since=since)


def hang_up(arbiter):
    """Replace all."""
    since, old = arbiter.mark(), arbiter.workers
    arbiter.kill(signal.SIGHUP)
    arbiter.wait(READY, 2, since=since)
    for pid in old:
        arbiter.wait(rf"Worker exiting \(pid: {pid}\)", since=since)


@pytest.mark.parametrize("replace", [term_one, hang_up])
def test_no_request_fails_while_processes_are_replaced(replace, tmp_path):
    with Gunicorn(tmp_path, workers=2) as arbiter:
        load = Load(arbiter.port, SECONDS)
        rounds = 0
        for _ in range(ROUNDS):
            replace(arbiter)
            with Asking(arbiter.port) as client:
                client.wait(200)  # among many: the load is served again
            assert not client.failed
            rounds += load.runs
        served, failed = load.result()
    print(f"{replace.__name__}: {rounds} rounds, {served} requests, failed: {failed or 'none'}")
    assert rounds == ROUNDS
    assert served > 1_000
    assert not failed
