"""All of the cases, in tables by what they are about."""

from itertools import chain

import pytest

from tests.smuggling.cases import unique
from tests.smuggling.tables import (
    bodies,
    chunks,
    codings,
    connections,
    downgraded,
    fields,
    lengths,
    lines,
    offers,
)

__all__ = ["CASES", "PARAMS"]

TABLES = (lengths, codings, chunks, lines, fields, connections, offers, bodies, downgraded)
CASES = tuple(unique(chain.from_iterable(table.CASES for table in TABLES)))
#: The same, as a test's parameters.
PARAMS = [pytest.param(case, id=case.id) for case in CASES]
