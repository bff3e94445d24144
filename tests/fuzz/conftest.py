"""The workers that serve these cases end with them."""

from collections.abc import Iterator

import pytest

from tests.fuzz.wires import workers


@pytest.fixture(autouse=True, scope="module")
def no_worker_is_left() -> Iterator[None]:
    yield
    workers().stop()
    workers.cache_clear()
