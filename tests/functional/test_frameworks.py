"""A Flask and a Django application on gevent.pywsgi with the pool, in a process of its own."""

import json
import subprocess
import sys
import threading
from http.client import HTTPConnection

import pytest

CLIENTS = 20


@pytest.fixture(params=["flask", "django"], scope="module")
def app(request):
    """The port of the application, and its process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.functional.apps", request.param],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    port = process.stdout.readline()
    if not port:
        pytest.fail(process.communicate()[1])
    yield int(port), process
    process.kill()
    process.communicate()


class Client:
    """One keep-alive connection."""

    def __init__(self, port):
        self._connection = HTTPConnection("127.0.0.1", port, timeout=20)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self._connection.close()

    def ask(self, method, path, body=None):
        self._connection.request(method, path, body)
        response = self._connection.getresponse()
        return response.status, response.read()


def ask(port, method, path, body=None):
    with Client(port) as client:
        return client.ask(method, path, body)


def test_blocking_requests_are_served_at_the_same_time_by_reused_workers(app):
    port, _ = app
    answers = []

    def visit():
        with Client(port) as client:
            answers.extend(client.ask("GET", "/wait") for _ in range(5))

    threads = [threading.Thread(target=visit) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [(200, b"/wait")] * 5 * CLIENTS
    numbers = json.loads(ask(port, "GET", "/numbers")[1])
    assert 1 < numbers["most_at_once"] <= CLIENTS
    assert numbers["tainted"] == 0
    assert numbers["created"] <= CLIENTS + 1
    assert numbers["reused"] > 0 or numbers["created"] == CLIENTS + 1


def test_workers_are_reused_by_connections_and_so_are_database_connections(app):
    port, _ = app
    for _ in range(30):
        assert ask(port, "GET", "/wait") == (200, b"/wait")
    numbers = json.loads(ask(port, "GET", "/numbers")[1])
    assert numbers["reused"] >= 30
    if "opened" in numbers:
        assert numbers["opened"] <= numbers["created"]


def test_a_body_is_read_and_answered(app):
    port, _ = app
    body = bytes(range(256)) * 1_000
    assert ask(port, "POST", "/body", body) == (200, body[::-1])


def test_an_error_is_a_500_and_the_next_request_is_served(app):
    port, _ = app
    with Client(port) as client:
        for _ in range(3):
            assert client.ask("GET", "/fail")[0] == 500
            assert client.ask("GET", "/wait")[0] == 200


def test_the_server_stops_and_no_worker_is_left(app):
    _, process = app
    process.terminate()
    stdout, stderr = process.communicate(timeout=20)
    assert stdout == "stopped 0\n" and process.returncode == 0, stderr
