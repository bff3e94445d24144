"""The database of the bench, and the pool of connections to it."""

import os
import queue
import sys
import threading
from contextlib import closing
from types import SimpleNamespace

import pytest

from bench import database, queries
from bench.database import NoDatabaseError, running
from bench.processes import DidNotStartError, serving
from tests.bench.test_servers import get

COUNT = 3


class Cursor:
    """Of psycopg2, as far as it is used."""

    def __init__(self, connection):
        self.connection = connection

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def execute(self, query, values=()):
        self.connection.asked.append((query, *values))
        if self.connection.driver.fails:
            raise OSError("gone")
        self.connection.driver.met()

    def fetchone(self):
        return self.connection.asked[-1][1], "text"


@pytest.fixture
def driver(monkeypatch):
    """A psycopg2 that has no database, and a pool of three."""
    made = []
    one = SimpleNamespace(made=made, fails=False, met=lambda: None)

    def connect(dsn):
        assert dsn == "a dsn"
        connection = SimpleNamespace(asked=[], driver=one)
        connection.cursor = lambda: Cursor(connection)
        made.append(connection)
        return connection

    one.connect = connect
    monkeypatch.setitem(sys.modules, "psycopg2", one)
    monkeypatch.setattr(queries, "CONNECTIONS", COUNT)
    monkeypatch.setattr(queries, "POOL", queries.made_pool())
    monkeypatch.setenv("BENCH_DSN", "a dsn")
    return one


def test_a_connection_is_kept_and_its_query_prepared_once(driver):
    assert [queries.row(number) for number in (5, 6)] == [(5, "text"), (6, "text")]
    [connection] = driver.made
    assert connection.autocommit
    prepare, *asked = connection.asked
    assert prepare[0].startswith("PREPARE one ")
    assert asked == [("EXECUTE one (%s)", 5), ("EXECUTE one (%s)", 6)]


def test_there_are_no_more_than_the_pool_has(driver):
    """A fourth waits until one of the three is back."""
    meeting = threading.Barrier(COUNT)
    driver.met = lambda: meeting.wait(20)
    threads = [threading.Thread(target=queries.row, args=(1,)) for _ in range(2 * COUNT)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(driver.made) == COUNT


def test_one_that_fails_is_made_anew(driver):
    """And while they fail, the pool keeps its size."""
    assert queries.row(1) == (1, "text")
    driver.fails = True
    for _ in range(COUNT + 1):
        with pytest.raises(OSError, match="gone"):
            queries.row(1)
    driver.fails = False
    assert queries.row(2) == (2, "text")
    assert driver.made[0].asked[-1] == ("EXECUTE one (%s)", 1)
    assert driver.made[-1] is not driver.made[0]
    assert len(driver.made[0].asked) == 3  # prepared, answered, failed


def test_without_a_database_there_is_no_pool(monkeypatch):
    monkeypatch.setattr(queries, "POOL", None)
    with pytest.raises(RuntimeError, match="BENCH_DSN is not set"):
        queries.row(1)


def test_the_pool_is_gevent_s_where_greenlets_wait(monkeypatch):
    pytest.importorskip("psycogreen", reason="bash bench/install installs it")
    pytest.importorskip("psycopg2", reason="bash bench/install installs it")
    monkeypatch.setattr(queries, "COOPERATIVE", True)
    monkeypatch.setattr("psycogreen.gevent.patch_psycopg", lambda: None)
    assert type(queries.made_pool()).__module__.startswith("gevent.")
    monkeypatch.setattr(queries, "COOPERATIVE", False)
    assert type(queries.made_pool()) is queue.LifoQueue


def test_any_number_is_a_row_s(monkeypatch):
    monkeypatch.setattr(queries, "ROWS", 2)
    assert {queries.any_number() for _ in range(100)} == {0, 1}


def test_one_that_is_named_is_taken(monkeypatch):
    monkeypatch.setenv("BENCH_DSN", "postgresql://elsewhere/")
    with running() as dsn:
        assert dsn == "postgresql://elsewhere/"
    assert os.environ["BENCH_DSN"] == dsn


def test_where_postgresql_is_missing_the_reason_is_said(monkeypatch):
    monkeypatch.delenv("BENCH_DSN", raising=False)
    monkeypatch.setattr(database.shutil, "which", lambda name, path: None)
    with pytest.raises(NoDatabaseError, match="initdb is not installed; bash"), running():
        pass
    assert "BENCH_DSN" not in os.environ


def test_a_tool_that_fails_says_why(tmp_path):
    with pytest.raises(NoDatabaseError, match="sh of PostgreSQL: no room"):
        database.ask(["/bin/sh", "-c", "echo no room >&2; exit 1"], tmp_path, {})


# ------------------------------------------------------------------------------ with PostgreSQL


@pytest.fixture(scope="module")
def dsn():
    """A database for this file."""
    manager = running()
    try:
        there = manager.__enter__()
    except NoDatabaseError as why:
        pytest.skip(str(why))
    yield there
    manager.__exit__(None, None, None)
    assert "BENCH_DSN" not in os.environ


@pytest.mark.parts
def test_it_has_the_rows(dsn):
    psycopg = pytest.importorskip("psycopg")
    with closing(psycopg.connect(dsn)) as connection:
        found = connection.execute("SELECT count(*), min(id), max(id), min(length(text)) FROM rows")
        assert found.fetchone() == (10_000, 0, 9_999, 100)
        [[plan]] = connection.execute("EXPLAIN SELECT text FROM rows WHERE id = 7").fetchmany(1)
        assert "Index" in plan


@pytest.mark.parts
@pytest.mark.parametrize(
    "name",
    ["wsgi", "gunicorn-gevent", "waitress", "uvicorn", "bjoern", "go-fasthttp", "go-net-http"],
)
def test_servers_answer_from_it(dsn, name):
    """A number that differs, and the text that belongs to it."""
    import json

    try:
        with serving(name, "database") as server:
            answers = [json.loads(get(server.port, "/database")[1]) for _ in range(5)]
    except DidNotStartError as why:
        pytest.skip(str(why))
    assert len({one["id"] for one in answers}) > 1
    assert all(one["text"] == f"row {one['id']}".ljust(100, ".") for one in answers)
