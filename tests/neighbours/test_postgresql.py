"""Django on PostgreSQL: a worker that is used again has its database connection still."""

import sys

import gevent
import pytest

from tests.neighbours.clients import Client, ask
from tests.neighbours.postgresql import PostgreSQL
from tests.neighbours.programs import NO_CONTROL, Gpool, Program

pytestmark = pytest.mark.limit(60)

APP = "tests.neighbours.database_site:app"
WORKERS = 8


@pytest.fixture(scope="module")
def database(shared):
    """PostgreSQL, with a table."""
    one = PostgreSQL(shared)
    one.execute("CREATE TABLE written (number int)")
    yield one
    one.stop()


@pytest.fixture
def site(database):
    """Start a site on gpool; it ends with the test, and so do its connections."""
    started = []

    def start(*args, workers=WORKERS, age="None", **env):
        words = ["--max-workers", str(workers), "--overflow", "wait", *args]
        one = Gpool(APP, *words, env=database.env | {"CONN_MAX_AGE": age} | env)
        started.append(one)
        return one

    since = database.mark()
    yield start
    for one in started:
        one.stop()
    database.ended(database.opened(since))


def load(port, clients, requests, path="/pid"):
    """Have so many clients send so many requests each; the pids that have answered."""

    def run():
        with Client(port) as client:
            answers = [client.ask(path) for _ in range(requests)]
        assert {status for status, _ in answers} == {200}
        return {int(body) for _, body in answers}

    greenlets = [gevent.spawn(run) for _ in range(clients)]
    gevent.joinall(greenlets, raise_error=True)
    return set().union(*(one.value for one in greenlets))


# ---------------------------------------------------------------------- how many connections


@pytest.mark.parametrize("age", ["None", "60"])
def test_there_are_as_many_connections_as_workers(site, database, age):
    """200 clients send 2 000 requests; not one connection is opened after the eighth."""
    since = database.mark()
    answered = load(site(age=age).port, clients=200, requests=10)
    opened = database.opened(since)
    assert len(opened) == WORKERS, "so many have ever been opened"
    assert set(opened) == answered == database.backends()


def test_without_persistent_connections_each_request_opens_one(site, database):
    since = database.mark()
    answered = load(site(age="0").port, clients=20, requests=10)
    assert len(database.opened(since)) == len(answered) == 200


def test_a_pool_bounds_the_connections_below_the_workers(site, database):
    """Django's own, psycopg_pool: what it runs in threads are greenlets here."""
    since = database.mark()
    port = site(age="0", POOL_SIZE="3").port
    answered = load(port, clients=50, requests=10)
    opened = database.opened(since)
    assert len(opened) <= 3 and answered <= set(opened)


def pywsgi(env):
    one = Program(sys.executable, "-m", "tests.neighbours.database_site", env=env)
    return one, int(one.wait(r"port (\d+)")[0][1])


def gunicorn(env):
    words = ["-k", "gevent", "-b", "127.0.0.1:0", "--keep-alive", "30", *NO_CONTROL]
    one = Program(sys.executable, "-m", "gunicorn", *words, APP, env=env)
    return one, int(one.wait(r"Listening at: http://127.0.0.1:(\d+)")[0][1])


@pytest.mark.parametrize("server", [pywsgi, gunicorn])
def test_a_greenlet_for_each_client_opens_a_connection_for_each(database, server):
    """For comparison: what a client's greenlet has opened, no other client can use."""
    since = database.mark()
    running, port = server(database.env | {"CONN_MAX_AGE": "None"})
    with running:
        for _ in range(2):
            load(port, clients=20, requests=5)
        assert len(database.opened(since)) == 40
    database.ended(database.opened(since))


# ---------------------------------------------------------------------- at the same time


def test_who_waits_for_the_database_keeps_nobody_waiting(site, database):
    """All workers' queries wait for one lock at the same time: psycopg 3 lets the others run."""
    port = site().port
    since = database.mark()
    with database.locked():
        asking = gevent.spawn(load, port, WORKERS, 1, "/wait")
        database.waiting(WORKERS, since)
        assert not asking.ready()
    assert len(asking.get()) == WORKERS


# ---------------------------------------------------------------------- when one ends


def test_a_connection_that_goes_with_its_worker(site, database):
    """Unused workers end, and their connections with them, without a garbage collection."""
    args = ["--max-idle-worker-duration", "0.2"]
    port = site(*args, CLOSE_WITH_WORKER="1").port
    since = database.mark()
    with database.locked():
        asking = gevent.spawn(load, port, 4, 1, "/wait")
        database.waiting(4, since)
    pids = asking.get()
    assert len(pids) == 4
    database.ended(pids)
    assert not database.backends()
    assert int(ask(port, "/pid")[1]) not in pids


def test_a_connection_without_it_goes_with_the_next_collection(site, database):
    """Django's connection is in a cycle of references: it is garbage, but still open."""
    one = site("--max-idle-worker-duration", "0.2", "--admin", "127.0.0.1:0")
    admin = int(one.wait(r"admin on http://127\.0\.0\.1:(\d+)")[0][1])
    pid = int(ask(one.port, "/pid")[1])
    while ask(admin, "/stats")[1]["retired"] == 0:
        gevent.sleep(0.05)
    ask(one.port, "/collect")
    database.ended([pid])


# ---------------------------------------------------------------------- when something fails


def test_an_error_in_a_transaction_leaves_a_clean_connection(site, database):
    port = site(workers=1).port
    before = ask(port, "/pid")
    assert ask(port, "/fail")[0] == 500
    assert ask(port, "/rows") == (200, b"0")
    assert ask(port, "/pid") == before
    assert not database.backends("state <> 'idle'")


def test_what_a_session_is_told_the_next_request_sees(site):
    """The other side of it: SET lasts as long as the connection, SET LOCAL does not."""
    port = site(workers=1).port
    assert [ask(port, "/setting")[1] for _ in range(2)] == [b"no", b"yes"]


CHECKS = {"CONN_HEALTH_CHECKS": "1"}


@pytest.mark.parametrize(("env", "then"), [(CHECKS, [200, 200]), ({}, [500, 200])])
def test_a_query_that_request_timeout_has_interrupted(site, database, env, then):
    """Its connection is of no use any more; Django notices before the next request if told to."""
    port = site("--request-timeout", "1", workers=1, **env).port
    first = ask(port, "/pid")
    with database.locked():
        assert ask(port, "/wait")[0] == 504
    answers = [ask(port, "/pid") for _ in range(2)]
    assert [status for status, _ in answers] == then
    assert int(answers[1][1]) in database.backends()
    assert first not in answers, "no answer is that of another query"


@pytest.mark.parametrize(("env", "then"), [(CHECKS, [200, 200]), ({}, [500, 200])])
def test_a_database_that_was_started_anew(site, database, env, then):
    port = site(workers=1, **env).port
    assert ask(port, "/pid")[0] == 200
    database.restart()
    assert [ask(port, "/pid")[0] for _ in range(2)] == then
