"""Snapshots for tests."""

from typing import Any

from gpool.admin.snapshot import REASONS, STATES, Snapshot
from gpool.wsgi.tally import BOUNDS, CLASSES

__all__ = ["buckets", "snapshot"]


def snapshot(**given: Any) -> Snapshot:
    """One of a process that serves; of tables, only what is given is not 0."""
    tables = {
        name: dict.fromkeys(keys, 0) | given.pop(name, {})
        for name, keys in (("connections", STATES), ("refused", REASONS), ("requests", CLASSES))
    }
    values: dict[str, Any] = {"pids": (1,), "state": "SERVING", "taken": 100.0, "started": 50.0}
    return Snapshot(**{**values, **given}, **tables)


def buckets(**counts: int) -> tuple[int, ...]:
    """Counts of buckets, by their index: ``buckets(_4=10)``."""
    return tuple(counts.get(f"_{index}", 0) for index in range(len(BOUNDS) + 1))
