"""A server in the test's own Hub, with the application that is smuggled to."""

from collections.abc import Iterator
from typing import Any

import pytest

from gpool import WSGIServer
from tests.smuggling.application import PEERS, SEEN, app
from tests.support import settle
from tests.wsgi_server.conftest import serve, site

__all__ = ["address", "seen", "serve", "site"]


@pytest.fixture(scope="session")
def address() -> Iterator[Any]:
    """Where it listens; its settings are the defaults."""
    server = WSGIServer(("127.0.0.1", 0), app)
    server.start()
    yield server.address
    server.stop(1)


@pytest.fixture
def seen() -> list[str]:
    """What its application sees from now on."""
    settle()
    SEEN.clear()
    PEERS.clear()
    return SEEN
