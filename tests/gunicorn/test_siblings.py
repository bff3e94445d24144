"""The admin listener of several processes: whichever answers, answers for all."""

import json
import os
import re
import signal
import socket
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from gpool.gunicorn.siblings import Siblings
from tests.gunicorn.serving import READY, Gunicorn, get

pytestmark = pytest.mark.limit(60)


def stats(path):
    """The figures, on a connection of its own."""
    with closing(HTTPConnection("localhost", timeout=20)) as connection:
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(20)
        connection.sock.connect(path)
        status, body, _ = get(connection, "/stats")
    assert status == 200
    return json.loads(body)


def eventually(path, holds):
    """The figures when `holds` says so; asking is what the test waits with."""
    while not holds(figures := stats(path)):
        pass
    return figures


def spool_of(pid):
    """The directory in which a process writes its figures."""
    for parent in ("/dev/shm", "/tmp"):
        for path in Path(parent).glob(f"gpool-*/gpool-*-{pid}.json"):
            return path.parent
    return None


def test_whichever_process_answers_answers_for_all_also_for_those_that_have_ended(tmp_path):
    admin = str(tmp_path / "admin")
    with Gunicorn(tmp_path, workers=2, environ={"GPOOL_ADMIN": f"unix:{admin}"}) as arbiter:
        for _ in range(6):
            assert arbiter.ask()[0] == 200
        pids = sorted(arbiter.workers)  # one may have written its figures later than the other
        eventually(admin, lambda one: one["requests"]["2xx"] == 6 and one["pids"] == pids)
        directory = spool_of(arbiter.workers[0])
        since, old = arbiter.mark(), arbiter.workers
        arbiter.kill(signal.SIGHUP)
        arbiter.wait(READY, 2, since=since)
        for pid in old:
            arbiter.wait(rf"Worker exiting \(pid: {pid}\)", since=since)
        new = sorted(arbiter.workers)
        figures = eventually(admin, lambda one: one["pids"] == new)
        assert figures["requests"]["2xx"] == 6
        assert figures["state"] == "SERVING"
        assert directory.is_dir()
    assert not directory.exists()


def test_a_public_address_ends_gunicorn_with_the_reason(tmp_path):
    with pytest.raises(AssertionError, match=r"admin must be a loopback address") as caught:
        Gunicorn(tmp_path, environ={"GPOOL_ADMIN": "0.0.0.0:1"})
    assert "Traceback" not in str(caught.value)


def test_an_unknown_variable_ends_gunicorn_with_what_may_have_been_meant(tmp_path):
    with pytest.raises(AssertionError, match="Did you mean GPOOL_MAX_WORKERS"):
        Gunicorn(tmp_path, environ={"GPOOL_MAX_WORKER": "1"})


def test_only_the_arbiter_removes_the_directory(tmp_path):
    siblings = Siblings("127.0.0.1:0", public=False, full_threshold=5)
    directory = Path(siblings._directory)
    child = os.fork()
    if not child:
        siblings.remove()
        os._exit(0)
    os.waitpid(child, 0)
    assert directory.is_dir()
    siblings.remove()
    assert not directory.exists()
    os.close(siblings._descriptor)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX])
def test_an_address_that_is_taken_is_named(tmp_path, family):
    with socket.socket(family) as other:
        other.bind(("127.0.0.1", 0) if family == socket.AF_INET else str(tmp_path / "admin"))
        other.listen()
        taken = other.getsockname()
        address = f"unix:{taken}" if isinstance(taken, str) else f"127.0.0.1:{taken[1]}"
        with pytest.raises(OSError, match=re.escape(f"in use: {taken!r}")):
            Siblings(address, public=False, full_threshold=5)
