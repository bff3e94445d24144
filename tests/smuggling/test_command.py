"""Every case to the command as it is, in a process of its own with all of its defaults."""

import pytest

from tests.neighbours.programs import Gpool
from tests.smuggling.cases import assert_outcome, assert_reached
from tests.smuggling.client import Client, forget, seen_by
from tests.smuggling.tables import PARAMS

pytestmark = pytest.mark.parts


@pytest.fixture(scope="module")
def address():
    """Where the command serves."""
    with Gpool("tests.smuggling.application:app") as gpool:
        yield "127.0.0.1", gpool.port


@pytest.mark.parametrize("case", PARAMS)
def test_what_reaches_the_application_and_what_comes_back(address, case):
    forget(address)
    with Client(address) as client:
        client.send(case.data)
        assert_outcome(case, client)
    assert_reached(case, seen_by(address)[0])
