"""Servers of an application in the test's own Hub, with the admin listener that tells of them."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gevent.event import Event

from gpool.admin.server import Admin
from gpool.hosting import Hosting
from tests.wsgi_server.clients import Answer, Client

__all__ = ["Served"]


class Served:
    """A hosting and its admin listener."""

    def __init__(self, settings: dict[str, Any], admin: dict[str, Any]) -> None:
        self.gate = Event()
        self.taken: list[Any] = []
        self.hosting = Hosting(
            [("127.0.0.1", 0)], self._application, **{"max_workers": 4, **settings}
        )
        self.admin = Admin(self.hosting, ("127.0.0.1", 0), **admin)
        self._clients: list[Client] = []

    def _application(self, environ: Any, start_response: Any) -> list[bytes]:
        path = environ["PATH_INFO"]
        if path == "/hijack":
            self.taken.append(environ["gpool.hijack"]())
            return []
        if path == "/hold":
            self.gate.wait()
        start_response("404 Not Found" if path == "/missing" else "200 OK", [])
        return [b"ok"]

    def start(self) -> None:
        self.hosting.start()
        self.admin.start()

    def stop(self) -> None:
        self.gate.set()
        for client in self._clients:
            client.close()
        self.hosting.stop(0)
        self.admin.stop(0)

    def client(self) -> Client:
        """A client of the application."""
        self._clients.append(Client(self.hosting.servers[0].address))
        return self._clients[-1]

    def get(self, path: str, *fields: str, method: str = "GET") -> Answer:
        """What the admin listener answers, on a connection of its own."""
        with Client(self.admin.server.address) as client:
            return client.ask(path, *fields, method=method)

    def json(self, path: str) -> Any:
        return json.loads(self.get(path).body)


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Make them; `admin` is for the listener. Started unless ``started=False``."""
    made: list[Served] = []

    def make(
        *, admin: dict[str, Any] | None = None, started: bool = True, **settings: Any
    ) -> Served:
        served = Served(settings, admin or {})
        made.append(served)
        if started:
            served.start()
        return served

    yield make
    for served in made:
        served.stop()
