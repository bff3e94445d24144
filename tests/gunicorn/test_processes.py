"""Processes that come and go: gunicorn's signals and its ends, while clients ask."""

import os
import signal
import socket
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.gunicorn.serving import READY, SETTINGS, Asking, Gunicorn, get
from tests.support import read_all

pytestmark = pytest.mark.limit(60)

HOOKS = """
def worker_int(worker):
    worker.log.info("worker_int called")

def worker_abort(worker):
    worker.log.info("worker_abort called")
"""


def begun(arbiter, query):
    """A client whose request the application has."""
    since = arbiter.mark()
    client = socket.create_connection(("127.0.0.1", arbiter.port), timeout=20)
    client.sendall(b"GET /slow?%s HTTP/1.1\r\nHost: a\r\n\r\n" % query)
    arbiter.wait("slow: begun", since=since)
    return client


# ---------------------------------------------------------------------- nothing is lost


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    with Gunicorn(tmp_path_factory.mktemp("gunicorn"), workers=2) as arbiter:
        yield arbiter


def test_no_request_fails_while_hup_replaces_all_processes(two):
    since, old = two.mark(), two.workers
    with Asking(two.port) as first, Asking(two.port) as second:
        two.kill(signal.SIGHUP)
        two.wait(READY, 2, since=since)
        for pid in old:
            two.wait(rf"Worker exiting \(pid: {pid}\)", since=since)
        first.wait(10)
        second.wait(10)
    assert not first.failed + second.failed
    assert {int(pid) for pid in (first.answers + second.answers)[-10:]} <= set(two.workers)


def test_no_request_fails_when_a_process_is_told_to_end(two):
    since = two.mark()
    with Asking(two.port) as client:
        old = int(client.answers[-1])
        two.kill(signal.SIGTERM, old)
        two.wait(READY, since=since)
        two.wait(rf"Worker exiting \(pid: {old}\)", since=since)
        client.wait(10)
    assert not client.failed
    assert int(client.answers[-1]) != old


def test_what_is_being_served_is_served_to_its_end(two):
    since, old = two.mark(), two.workers
    with begun(two, b"1") as client:
        for pid in old:
            two.kill(signal.SIGTERM, pid)
        assert b"Connection: close" in read_all(client)
    two.wait(READY, 2, since=since)
    two.wait("Worker exiting", 2, since=since)


def test_ttin_and_ttou_change_the_number_of_processes(two):
    since = two.mark()
    two.kill(signal.SIGTTIN)
    two.wait(READY, since=since)
    assert len(two.workers) == 3
    since = two.mark()
    with Asking(two.port) as client:
        two.kill(signal.SIGTTOU)
        two.wait("Worker exiting", since=since)
        client.wait(10)
    assert not client.failed


# ---------------------------------------------------------------------- max_requests


def test_a_process_ends_after_max_requests_and_none_fails(tmp_path):
    arguments = ["--max-requests", "20", "--max-requests-jitter", "5"]
    with Gunicorn(tmp_path, *arguments) as arbiter:
        with Asking(arbiter.port) as client:
            arbiter.wait(READY, 3)
            client.wait(5)
        assert not client.failed
        served, first = arbiter.wait(r"Served max_requests \((\d+)\)"), client.answers[0]
    assert 20 <= int(served[1]) <= 25
    assert client.answers.count(first) >= int(served[1])


# ---------------------------------------------------------------------- a blocked Hub


def test_a_blocked_process_is_replaced_and_the_log_says_what_blocked(tmp_path):
    with Gunicorn(tmp_path, "--timeout", "1", config=HOOKS) as arbiter:
        with begun(arbiter, b"2.5") as other:  # it waits for as long as the Hub is blocked
            assert arbiter.ask("/block")[0] == 500
            assert read_all(other).startswith(b"HTTP/1.1 200 ")
        arbiter.wait("exited with code 1")
        arbiter.wait(READY, 2)
        log = arbiter.log
        assert arbiter.ask()[0] == 200
    lines = (Path(__file__).parent / "apps.py").read_text().splitlines()
    number = next(number for number, line in enumerate(lines, 1) if '"sleep")(60)' in line)
    frame = f'apps.py", line {number}, in hello'
    assert "the Hub is blocked, for 0." in log  # the watch, while it lasts
    abort = log.index("Aborted, since the Hub was blocked for 1")
    assert frame in log[abort:]
    assert log.index(frame) < log.index("WORKER TIMEOUT") < abort < log.index("worker_abort called")


def test_without_its_watch_a_blocked_process_is_not_reported(tmp_path):
    block = """
import time
from gevent.monkey import get_original

def pre_request(worker, req):
    get_original("time", "sleep")(1.5)
"""
    never = {"GPOOL_HUB_BLOCK_THRESHOLD": "none"}
    with Gunicorn(tmp_path, config=block, environ=never) as arbiter:
        assert arbiter.ask()[0] == 200
        assert arbiter.stop() == 0
    assert "the Hub is blocked" not in arbiter.log


def test_full_collections_can_be_left_to_python(tmp_path):
    with Gunicorn(tmp_path, environ={"GPOOL_GC_SHARE": "1"}) as arbiter:
        assert arbiter.ask("/frozen")[1] == "0"


# ---------------------------------------------------------------------- ends


@pytest.fixture
def one(tmp_path):
    with Gunicorn(tmp_path, "--graceful-timeout", "30", config=HOOKS) as arbiter:
        yield arbiter


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGINT])
def test_quit_ends_what_is_being_served(one, number):
    with begun(one, b"60") as client:
        assert one.stop(number) == 0
        assert read_all(client) == b""
    assert "worker_int called" in one.log


def test_kept_connections_do_not_hold_up_the_end(one):
    with closing(HTTPConnection("127.0.0.1", one.port, timeout=20)) as client:
        assert get(client)[0] == 200
        assert one.stop() == 0  # which waits for less than graceful_timeout


def test_term_has_its_time_and_no_more(tmp_path):
    with Gunicorn(tmp_path, "--graceful-timeout", "1") as arbiter, begun(arbiter, b"60") as client:
        assert arbiter.stop() == 0
        read_all(client)
    assert f"Worker exiting (pid: {arbiter.found(READY)[0][1]})" in arbiter.log


def test_processes_end_when_their_arbiter_is_gone(one):
    one.kill(signal.SIGKILL)
    one.wait("Parent changed, shutting down")
    one.wait("THE END")


# ---------------------------------------------------------------------- configurations


def test_tls_is_gunicorns_certfile(tmp_path):
    import ssl

    import trustme

    authority, cert, key = trustme.CA(), tmp_path / "cert.pem", tmp_path / "key.pem"
    issued = authority.issue_cert("localhost")
    issued.private_key_pem.write_to_path(key)
    for blob in issued.cert_chain_pems:
        blob.write_to_path(cert, append=True)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with Gunicorn(tmp_path, "--certfile", str(cert), "--keyfile", str(key)) as arbiter:
        plain = socket.create_connection(("127.0.0.1", arbiter.port), timeout=20)
        with context.wrap_socket(plain, server_hostname="localhost") as client:
            client.sendall(b"GET /environ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert b'"wsgi.url_scheme": "https"' in read_all(client)


def test_with_reuse_port_each_process_has_a_listener_of_its_own(tmp_path):
    with socket.socket() as held:  # bound and not listening: the port is ours
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        address = f"127.0.0.1:{port}"
        with Gunicorn(tmp_path, "--reuse-port", workers=2, bind=(address,)) as arbiter:
            arbiter.port = port
            seen = set()
            while len(seen) < 2:
                seen.add(int(arbiter.ask()[1]))
            assert seen == set(arbiter.workers)


def test_an_application_that_is_preloaded_is_warned_of(tmp_path):
    with Gunicorn(tmp_path, "--preload") as arbiter:
        assert "[WARNING] preload_app: the application was imported before" in arbiter.log
        assert arbiter.ask("/patched")[1] == "False"


def test_a_setting_of_gpools_that_is_wrong_ends_gunicorn(tmp_path):
    variables = {"GPOOL_MAX_WORKERS": "none"}
    with pytest.raises(AssertionError, match="GPOOL_MAX_WORKERS=none"):
        Gunicorn(tmp_path, environ=variables)


def test_a_setting_without_effect_is_noted_once(tmp_path):
    with Gunicorn(tmp_path, "--threads", "3", workers=2) as arbiter:
        assert len(arbiter.found("threads has no effect with the gpool worker")) == 1


def test_a_changed_source_restarts_the_process(tmp_path):
    extra = tmp_path / "watched"
    extra.touch()
    arguments = ["--reload", "--reload-engine", "poll", "--reload-extra-file", str(extra)]
    with Gunicorn(tmp_path, *arguments) as arbiter:
        later = extra.stat().st_mtime + 10
        arbiter.ask("/slow?1.1")  # the reloader has seen the file as it was
        os.utime(extra, (later, later))
        arbiter.wait(READY, 2)
        assert arbiter.ask()[0] == 200


def test_statsd_hears_of_each_answer(tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as statsd:
        statsd.bind(("127.0.0.1", 0))
        statsd.settimeout(20)
        with Gunicorn(tmp_path, "--statsd-host", f"127.0.0.1:{statsd.getsockname()[1]}") as arbiter:
            arbiter.ask()
            heard = b""
            while b"gunicorn.request.status.200" not in heard:
                heard = statsd.recv(1_000)


@pytest.mark.skipif("protocol" not in SETTINGS, reason="this gunicorn speaks HTTP only")
def test_a_protocol_that_is_not_spoken_ends_gunicorn(tmp_path):
    with pytest.raises(AssertionError, match="the gpool worker speaks HTTP only"):
        Gunicorn(tmp_path, "--protocol", "uwsgi")
