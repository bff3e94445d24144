"""The application's side of the database: one row by its primary key, on a pooled connection.

The fairest way that all have in common: a bounded pool, last used first, of connections that are
made when they are needed first and kept; on each, the query is prepared once. gevent's queue and
psycogreen where the application runs in greenlets, the standard library's queue where it has
threads. Where no database is named, none of this gets into the server's memory.
"""

import os
from random import randrange
from typing import Any

__all__ = [
    "CONNECTIONS",
    "COOPERATIVE",
    "COOPERATIVE_VARIABLE",
    "DSN",
    "EXECUTE",
    "PREPARE",
    "ROWS",
    "any_number",
    "row",
]

#: Whether this process waits by gevent.
COOPERATIVE_VARIABLE = "BENCH_COOPERATIVE"
COOPERATIVE = bool(os.environ.get(COOPERATIVE_VARIABLE))
#: The variable that says where the database is, as a URI.
DSN = "BENCH_DSN"
ROWS = 10_000
CONNECTIONS = 20  # in every server's pool
PREPARE = "PREPARE one (int) AS SELECT id, text FROM rows WHERE id = $1"
EXECUTE = "EXECUTE one (%s)"


def any_number() -> int:
    """The key of some row."""
    return randrange(ROWS)  # noqa: S311  # nobody minds who guesses it


def made_pool() -> Any:
    """Connections that nobody uses; None stands for one that has not been made yet."""
    made: Any
    if COOPERATIVE:
        from gevent.queue import LifoQueue  # noqa: PLC0415  # see above
        from psycogreen.gevent import patch_psycopg  # noqa: PLC0415

        patch_psycopg()
        made = LifoQueue()
    else:
        import queue  # noqa: PLC0415

        made = queue.LifoQueue()
    for _ in range(CONNECTIONS):
        made.put(None)
    return made


POOL = made_pool() if DSN in os.environ else None


def row(number: int) -> tuple[int, str]:
    """The row of that key; waits for a connection.

    Raises:
        RuntimeError: no database is named.
        psycopg2.Error: it is of no use; the connection is made anew next time.
    """
    if POOL is None:
        raise RuntimeError(f"{DSN} is not set")
    connection = POOL.get()
    back = None
    try:
        connection = connection or connect()
        with connection.cursor() as cursor:
            cursor.execute(EXECUTE, (number,))
            found: tuple[int, str] = cursor.fetchone()
        back = connection
    finally:
        POOL.put(back)
    return found


def connect() -> Any:
    """A connection on which the query is prepared."""
    import psycopg2  # noqa: PLC0415  # see above

    made = psycopg2.connect(os.environ[DSN])
    made.autocommit = True
    with made.cursor() as cursor:
        cursor.execute(PREPARE)
    return made
