"""What the tests share: the Hub's side, a quiet loop, a clock to turn."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest

from tests.support import Clock

#: What needs real programs beside gpool, or many processes: `make test-parts`.
PARTS = (
    "tests/admin/test_page_in_chromium.py",
    "tests/command/test_processes.py",
    "tests/command/test_reload.py",
    "tests/command/test_serving.py",
    "tests/docs/",
    "tests/functional/test_tls_programs.py",
    "tests/functional/test_websocket.py",
    "tests/gunicorn/",
    "tests/neighbours/",
)


def pytest_collection_modifyitems(items: list[Any]) -> None:
    for item in items:
        if item.nodeid.startswith(PARTS):
            item.add_marker(pytest.mark.parts)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def no_test_hangs(request) -> Iterator[None]:
    """Not a wait for a state: the end of a test that would never end."""
    marker = request.node.get_closest_marker("limit")
    with gevent.Timeout(marker.args[0] if marker else 30):
        yield


@pytest.fixture
def no_hub_errors(monkeypatch) -> Iterator[list[Any]]:
    """Nothing reaches the Hub's error handler in this test."""
    seen: list[Any] = []
    handle = gevent.get_hub().handle_error

    def record(context: Any, *exc_info: Any) -> None:
        seen.append((context, exc_info))
        handle(context, *exc_info)

    monkeypatch.setattr(gevent.get_hub(), "handle_error", record)
    yield seen
    assert not seen


@pytest.fixture
def logged(caplog) -> Callable[[], list[str]]:
    caplog.set_level(logging.DEBUG, "gpool")
    return lambda: [record.getMessage() for record in caplog.records]
