import pytest

from bench.goals import GOALS, verdicts
from tests.bench.made_up import made_up


def verdict(figures, beginning):
    found = [one for one in verdicts(figures) if one.what.startswith(beginning)]
    assert len(found) == 1
    return found[0]


def spoil(figures, workload, server, **values):
    for run in figures["runs"][workload][server]:
        run.update(values)


def test_a_whole_run_says_something_on_all_goals_of_its_workloads():
    said = {one.what for one in verdicts(made_up())}
    silent = {goal.what for goal in GOALS} - said
    # Those workloads are only measured when they are asked for.
    assert silent == {
        "1 MiB, iterable: our MiB/s, of pywsgi's",
        "1 MiB, file: our MiB/s, of pywsgi's",
        "100 MiB, iterable: our MiB/s, of pywsgi's",
        "100 MiB, file: our MiB/s, of pywsgi's",
    }


def test_no_two_goals_have_the_same_words():
    assert len({goal.what for goal in GOALS}) == len(GOALS)


def test_nothing_is_said_on_what_was_not_measured():
    figures = made_up()
    figures["runs"], figures["handoff"] = {}, {}
    assert verdicts(figures) == []


@pytest.mark.parametrize(
    ("goal", "workload", "worse"),
    [
        ("keep-alive: our CPU per request, of bjoern's", "keep-alive", {"system_us": 6.0}),
        ("keep-alive: our CPU per request, of Go fasthttp's", "keep-alive", {"system_us": 6.0}),
        ("keep-alive: our CPU per request, of the best", "keep-alive", {"system_us": 50.0}),
        ("one connection a request: our CPU, of Go", "close", {"system_us": 50.0}),
        ("10 ms wait: our requests/s, of the best", "wait", {"rate": 10_000.0}),
        ("10 ms wait: our p99, of the best", "wait", {"p99": 200.0}),
        ("database: our requests/s, of the best", "database", {"rate": 10_000.0}),
        ("database: our p99, of the best", "database", {"p99": 200.0}),
        ("10 000 idle connections: RSS of each", "idle-10000", {"kib": 2.51}),
        ("10 000 idle connections: our RSS of each", "idle-10000", {"kib": 1.6}),
        ("twice the limit: our good", "overload", {"rate": 1.0}),
        ("twice the limit: p99", "overload", {"good_p99": 24.1}),
        ("slow clients: a normal client's p99", "slow", {"beside_p99": 2.5}),
        ("slow clients: the last", "slow", {"left_open": 1}),
    ],
)
def test_goals_can_be_missed(goal, workload, worse):
    figures = made_up(of_wsgi=0.8)  # all are met, then
    if "our RSS" in goal:
        spoil(figures, workload, "wsgi-pure", kib=0.5)  # of ours too: no peer
    spoil(figures, "close", "wsgi", user_us=10.0, system_us=15.0)
    assert verdict(figures, goal).met
    spoil(figures, workload, "wsgi", **worse)
    assert not verdict(figures, goal).met


def test_the_best_of_a_kind_is_named():
    said = verdict(made_up(), "keep-alive: our CPU per request, of the best")
    assert said.measured == "0.243x (granian wsgi)"


def test_a_server_for_one_request_at_a_time_is_none_for_blocking_code():
    figures = made_up()
    spoil(figures, "keep-alive", "bjoern", user_us=0.1, system_us=0.1)
    assert verdict(figures, "keep-alive: our CPU per request, of the best").met


def test_bare_servers_are_no_peers():
    figures = made_up()
    figures["servers"]["gevent"] = figures["servers"]["pywsgi"]
    figures["runs"]["keep-alive"]["gevent"] = [{"user_us": 0.1, "system_us": 0.1}]
    assert verdict(figures, "keep-alive: our CPU per request, of the best").met


def test_go_is_first_without_being_python():
    figures = made_up()
    assert figures["runs"]["wait"]["go-fasthttp"][0]["rate"] > 60_000
    assert verdict(figures, "10 ms wait: our requests/s, of the best").met


def test_a_peer_that_takes_nothing_for_an_idle_connection_is_better():
    figures = made_up()
    spoil(figures, "idle-1000", "uwsgi-gevent", kib=0.0)
    said = verdict(figures, "1 000 idle connections: our RSS")
    assert (said.measured, said.met) == ("no end of it (uWSGI gevent)", False)


def test_errors_count_under_every_load_but_503_under_overload_do_not():
    figures = made_up()
    spoil(figures, "overload", "wsgi", errors={"read": 0, "status": 999})
    assert verdict(figures, "all loads").met
    spoil(figures, "overload", "wsgi", errors={"read": 1, "status": 999})
    assert verdict(figures, "all loads").measured == "2 (overload)"
    spoil(figures, "overload", "wsgi", errors={"read": 0, "status": 0})
    spoil(figures, "json", "wsgi", errors={"read": 0, "status": 1})
    assert verdict(figures, "all loads").measured == "3 (json)"
