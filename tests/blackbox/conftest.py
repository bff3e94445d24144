"""The server under test as the tests see it: a process, a port, and whether it serves on."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from typing import Any

import pytest

from tests.blackbox.client import SMUGGLED, Client, Response, planned, request

SERVER = os.environ.get("BLACKBOX_SERVER", "gpool")
numbers = count(1)


class Server:
    """A server in a process of its own."""

    def __init__(self, errors: Any, *arguments: str) -> None:
        with errors.open("w") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.blackbox.serving", SERVER, *arguments],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, errors.read_text()
        self.port = int(line)

    def connect(self, timeout: float = 10) -> Client:
        """A client of it."""
        return Client(self.port, timeout)

    def ask(self, data: bytes, method: str = "GET") -> Response:
        """The first response to `data`."""
        with self.connect() as client:
            return client.send(data).response(method)

    def get(self, target: str | bytes = "/", *lines: str | bytes, **kwargs: Any) -> Response:
        """Ask with a well-formed request."""
        return self.ask(request(target, *lines, **kwargs), kwargs.get("method", "GET"))

    def plan(self, **plan: Any) -> Response:
        """Have the application do as planned."""
        return self.ask(planned(**plan), plan.get("method", "GET"))

    def environ(self, data: bytes) -> dict[str, Any]:
        """The environ that an application sees for this request."""
        response = self.ask(data)
        assert response.status == 200, response
        environ = ast.literal_eval(response.body.decode())
        assert isinstance(environ, dict)
        return environ

    def refuses(self, data: bytes, *statuses: int, then: bytes = SMUGGLED) -> Response:
        """`data` is answered with one of `statuses` in proper form, and with nothing else."""
        with self.connect() as client:
            response = client.send(data + then).response()
            assert response.status in statuses, response
            client.ended()
        assert "close" in response.tokens("Connection"), response
        assert response.framing == "length", response
        if response.status >= 400:
            assert response.body
            assert response.one("Content-Type").startswith("text/"), response
        return response

    def token(self) -> str:
        """A name for a request, to ask for its events by."""
        return f"request-{next(numbers)}"

    def tell(self, token: str, event: str) -> None:
        """Let an application go on that waits for this."""
        assert self.get(f"/tell/{token}/{event}").status == 200

    def events(self, token: str, until: str = "") -> list[str]:
        """What has happened in a request, once `until` has."""
        response = self.get(f"/events/{token}/{until.replace(' ', '%20')}")
        assert response.status == 200, response
        events = ast.literal_eval(response.body.decode())
        assert isinstance(events, list)
        return events

    def serves_on(self) -> None:
        """Its process is there and answers."""
        assert self.process.poll() is None
        response = self.get("/hello")
        assert (response.status, response.body) == (200, b"hello")

    def stop(self) -> None:
        """Tell it to; kill it if it does not."""
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="session")
def running(tmp_path_factory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("blackbox") / "errors")
    yield started
    started.stop()


@pytest.fixture
def server(running) -> Iterator[Server]:
    """The server with its defaults, which serves on whatever a test does to it."""
    yield running
    running.serves_on()


@pytest.fixture(scope="session")
def hurried(tmp_path_factory) -> Iterator[Server]:
    """A server with timeouts of a second and bodies of at most 1 MiB."""
    if SERVER != "gpool":
        pytest.skip("the timeouts are gpool's own")
    started = Server(tmp_path_factory.mktemp("hurried") / "errors", "hurried")
    yield started
    started.serves_on()
    started.stop()
