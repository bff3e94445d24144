"""What is made of a cluster's figures; the cluster itself is in test_cluster_running."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import bench.cluster.__main__ as command
from bench.cluster import faults
from bench.cluster.balancer import Balancing, configuration
from bench.cluster.claims import claims, fairness, moved
from bench.cluster.client import Answer, Client
from bench.cluster.crowded import CASES, Crowd
from bench.cluster.faults import Plan, Run, summary
from bench.cluster.places import Loopback
from bench.cluster.plot import draw
from bench.cluster.processes import Process
from bench.cluster.report import report
from tests.bench.scripted import BUSY, scripted

NAMES = ["s1", "s2"]
FROM = 100.0  # when the steady phase begins, which is 0 in the figures


def made_up(gone=0.5, begin=5.0, healed=8.0, name="killed"):
    """A run of two, each with ten requests a second, until s1 is given none for a while."""
    run = Run(list(NAMES))
    picked = dict.fromkeys(NAMES, 0)
    for tenth in range(100):
        when = tenth / 10
        run.picks.append((FROM + when, dict(picked)))
        away = begin + gone <= when + 0.05 < healed
        for one in ["s2", "s2"] if away else NAMES:
            picked[one] += 1
            run.answers.append(Answer(FROM + when, FROM + when + 0.05, 200, one))
    run.phases = [
        {"name": "steady", "process": "", "begin": FROM, "healed": FROM + 5, "end": FROM + 5},
        {
            "name": name,
            "process": "s1",
            "begin": FROM + begin,
            "healed": FROM + healed,
            "up": FROM + healed + 0.5,
            "end": FROM + 10,
        },
    ]
    run.statuses = {"s1": [0], "s2": []}
    return run


def row(**more):
    """One of a crowd."""
    counts = {"requests": 100, "refused": 0, "failed": 0, "by_full": 7, "retries": 7}
    times = {"rate": 10.0, "full": 1.5, "p50": 50.0, "p99": 99.0, "most_ms": 120.0}
    case = {"overflow": "reject", "how": "roundrobin", "retry": True, "slow": False, "most": 0}
    return case | counts | times | more


def figures(run=None, rows=None):
    rows = [row(), row(retry=False, refused=3)] if rows is None else rows
    return {
        "machine": {
            "date": "today",
            "cpu": "one",
            "cpus": 2,
            "system": "Linux",
            "revision": "abc",
            "versions": {"python": "3.11", "gevent": "26"},
        },
        "settings": {
            "plan": {"count": 2, "rate": 20, "mean": 0.05},
            "crowd": {"requests": 9, "count": 2, "max_workers": 5, "mean": 0.1, "seconds": 8},
            "where": "network namespaces",
            "haproxy": "HAProxy 2.6",
        },
        "configuration": "global",
        "faults": summary(run or made_up()),
        "crowded": rows,
    }


def held(given):
    return {one.name: one.held for one in claims(given)}


def test_all_that_was_asked_held():
    assert set(held(figures()).values()) == {True}


# ---------------------------------------------------------------------- claims


def test_one_failed_get_is_one_too_many():
    run = made_up()
    run.answers[7] = replace(run.answers[7], status=503, server="")
    told = claims(figures(run))[0]
    assert (told.measured, told.held) == ("1 of 200", False)
    assert summary(run)["phases"][0]["failed"] == 1


def test_the_longest_of_all_is_told_whenever_it_was_due():
    run = made_up()
    run.answers.append(Answer(FROM + 9.0, FROM + 12.0, 200, "s2"))
    assert "the longest of all, with those in flight when a fault began: 3,000 ms" in report(
        figures(run)
    )


def test_what_was_answered_before_the_steady_phase_is_not_of_it():
    run = made_up()
    before = summary(run)["answered"]
    run.answers.append(Answer(FROM - 1.0, FROM - 0.01, 200, "s1"))
    assert summary(run)["answered"] == before


def test_fairness_is_of_the_steady_phase_alone():
    run = made_up()
    assert fairness(summary(run)) == 1.0
    run.answers = [one for at, one in enumerate(run.answers) if at not in {0, 2, 4, 6, 8, 10}]
    assert fairness(summary(run)) == pytest.approx(50 / 44)
    assert not held(figures(run))["steady: the most answers of a process, to the least"]


@pytest.mark.parametrize(("gone", "within"), [(0.0, True), (0.5, True), (1.0, True), (1.5, False)])
def test_load_has_moved_when_nothing_is_given_any_more(gone, within):
    given = figures(made_up(gone))
    phase = given["faults"]["phases"][1]
    assert moved(given["faults"], phase) == pytest.approx(gone, abs=0.01)
    assert held(given)["killed: load has moved away"] is within


def test_a_slow_process_may_be_given_some():
    """s1 is given one in eleven here, and that is less than half of its share; none, if killed."""
    run, extra = made_up(0.0, name="slowed"), 0
    for at, (when, picks) in enumerate(run.picks):
        extra += FROM + 5.0 <= when < FROM + 8.0 and at % 5 == 0
        run.picks[at] = (when, picks | {"s1": picks["s1"] + extra})
    slowed = summary(run)
    assert moved(slowed, slowed["phases"][1]) <= 0.3, "of what is counted together"
    slowed["phases"][1]["name"] = "killed"
    assert moved(slowed, slowed["phases"][1]) > 2


def test_whoever_drains_must_end_in_order():
    run = made_up(name="drained")
    assert held(figures(run))["drained: exit status"] is True
    run.statuses["s1"] = [-9]
    assert held(figures(run))["drained: exit status"] is False


def test_what_could_not_be_had_is_skipped_and_told():
    run = made_up()
    run.skipped = {"cut off": "no cable"}
    given = figures(run)
    assert held(given)["cut off: load has moved away"] is None
    assert "| cut off: load has moved away | within 1 s | skipped: no cable | skipped |" in report(
        given
    )


@pytest.mark.parametrize(
    ("rows", "claim"),
    [
        ([row(refused=1)], "90 % of all workers, retry-on 503: clients refused"),
        ([row(failed=1)], "90 % of all workers, retry-on 503: clients refused"),
        ([row(by_full=0)], "though full processes have refused"),
        ([row(), row(retry=False)], "without retry-on 503: clients refused"),
    ],
)
def test_a_crowd_shows_nothing_unless_all_of_it_is_so(rows, claim):
    assert held(figures(rows=rows))[claim] is False


# ---------------------------------------------------------------------- what is written


def test_the_page_has_each_phase_each_case_and_the_configuration():
    page = report(figures())
    assert "2 processes in network namespaces" in page
    assert "| killed | kill -9, and started again | 60 | 0 | 50 | 50 | 50 | 0.5 |" in page
    assert "| reject | roundrobin | 503 |  | 100 | 1.5 | 7 | 7 | 0 | 10 | 50 | 99 | 120 |" in page
    assert "```haproxy\nglobal\n```" in page


def test_the_picture_is_the_same_for_the_same_figures(tmp_path):
    given = figures()
    assert draw(given, tmp_path) == ["cluster.svg", "cluster.png"]
    first = (tmp_path / "cluster.svg").read_bytes()
    draw(given, tmp_path)
    assert (tmp_path / "cluster.svg").read_bytes() == first
    assert b"killed" in first


@pytest.fixture
def run(monkeypatch, tmp_path):
    """The command, with figures of ours; its status, and what it was to measure."""
    monkeypatch.setattr(command, "place", lambda count: pytest.MonkeyPatch.context())
    monkeypatch.setattr(command, "why_not", lambda: "")

    def call(*arguments, measure):
        monkeypatch.setattr(command, "measured", measure)
        return command.main([*arguments, "--to", str(tmp_path)])

    return call


def test_the_command_writes_down_what_it_tells(run, tmp_path, capsys):
    asked = []

    def measure(where, plan, crowd, console):
        asked.append((plan, crowd))
        return figures()

    assert run("--processes", "2", "--rate", "9", "--crowd", "3", measure=measure) == 0
    assert asked == [(Plan(count=2, rate=9), Crowd(count=2, seconds=3))]
    assert json.loads((tmp_path / "cluster.json").read_text()) == figures()
    assert (tmp_path / "cluster.md").read_text() == report(figures())
    assert (tmp_path / "cluster.svg").exists()
    assert "GETs that failed, in all phases" in capsys.readouterr().out


def test_the_command_fails_if_something_did_not_hold(run, capsys):
    assert run(measure=lambda *_: figures(made_up(gone=2.0))) == 1
    assert "NO" in capsys.readouterr().out


def test_the_command_says_what_is_missing(run, capsys):
    def measure(*_):
        raise FileNotFoundError("haproxy is not installed")

    assert run(measure=measure) == 2
    assert "failed: haproxy is not installed" in capsys.readouterr().err


def test_the_committed_page_is_that_of_the_committed_figures_and_all_of_it_held():
    given = json.loads((command.RESULTS / "cluster.json").read_text())
    assert report(given) == (command.RESULTS / "cluster.md").read_text()
    assert set(held(given).values()) == {True}


# ---------------------------------------------------------------------- its parts


def test_nine_tenths_of_all_workers_are_in_use_and_each_way_has_its_counterpart():
    assert Crowd().requests == 115
    waits = {replace(case, overflow="reject") for case in CASES if case.overflow == "wait"}
    assert waits < set(CASES)


def test_only_what_may_be_done_twice_is_asked_again(tmp_path):
    """And a process gets its timeout of unacknowledged bytes on its own line, see `balancer`."""
    processes = [Process(number, Loopback(2), tmp_path) for number in (1, 2)]
    text = configuration(processes, Balancing(), tmp_path, 3)
    assert "retry-on conn-failure empty-response response-timeout 503\n" in text
    assert "disable-l7-retry unless { method GET HEAD OPTIONS PUT DELETE }\n" in text
    assert text.count(" port 9000 tcp-ut 500ms\n") == 2
    assert "shutdown-sessions" not in text
    assert " 503\n" not in configuration(processes, Balancing(full=False), tmp_path, 3)


def test_loopback_has_no_cable():
    where = Loopback(1)
    assert not where.can_cut
    with pytest.raises(NotImplementedError, match="no cable"):
        faults.FAULTS["cut off"].begin(Process(1, where, Path()), where)


ANSWER = b"HTTP/1.1 200 OK\r\nX-Server: s1\r\nContent-Length: 4\r\n\r\ndone"


@pytest.mark.parametrize(
    ("sent", "status", "server"),
    [
        ([ANSWER], 200, "s1"),
        ([ANSWER[:30], ANSWER[30:-2], ANSWER[-2:]], 200, "s1"),
        ([BUSY], 503, ""),
        ([], 0, ""),
        ([ANSWER[:30]], 0, ""),
        ([ANSWER[:-1]], 0, ""),
        ([b"HTTP/1.1 what\r\n\r\n"], 0, ""),
    ],
    ids=["whole", "pieces", "refused", "closed", "half a head", "half a body", "no status"],
)
def test_a_client_counts_what_became_of_its_request_and_never_asks_again(sent, status, server):
    def script(peer, conn):
        peer.next_request(conn)
        for data in sent:
            conn.sendall(data)

    with scripted(script) as peer:
        client = Client(peer.port)
        answer = client.ask(due=1.0)
        client.close()
        assert peer.number() == 1
    assert (answer.due, answer.status, answer.server) == (1.0, status, server)
    assert client.answers == [answer]
    assert answer.took > 0


def test_a_client_keeps_its_connection():
    def script(peer, conn):
        while peer.next_request(conn):
            conn.sendall(ANSWER)

    with scripted(script) as peer:
        client = Client(peer.port)
        assert [client.ask(0.0).status for _ in range(3)] == [200] * 3
        client.close()
        assert peer.connections() == 1
