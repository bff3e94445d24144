"""The soak itself, short: 25 000 requests with a fixed seed, all claims; and then with figures
that are not what they were.
"""

from copy import deepcopy

import pytest

from bench.soak import __main__ as command
from bench.soak.__main__ import keep
from bench.soak.claims import claims
from bench.soak.report import MOVES
from bench.soak.running import GROUPS, Plan, run

pytestmark = pytest.mark.limit(120)


@pytest.fixture(scope="module")
def figures():
    return run(Plan(25_000, seed=1, pure=True), lambda _: None)


@pytest.fixture
def doctored(figures):
    """A copy to change; and the claims that do not hold of it then."""
    return deepcopy(figures)


def violated(figures):
    return {one.name: one.found for one in claims(figures) if one.holds is False}


def test_all_claims_hold(figures):
    assert violated(figures) == {}
    assert figures["client"]["sent"] + figures["client"]["recurring"] >= 25_000
    assert figures["plan"]["groups"] == list(GROUPS)
    assert set(MOVES) == set(figures["client"]["by_move"])


def test_a_request_that_was_not_answered_is_missed(doctored):
    doctored["begun"] += 1
    assert list(violated(doctored)) == ["Requests begun are those answered"]


@pytest.mark.parametrize("what", ["open", "hijacked", "lingering", "accepted"])
def test_a_connection_too_many_is_missed(doctored, what):
    doctored["end"]["servers"]["strict"]["server"][what] += 1
    assert list(violated(doctored)) == ["Connections accepted are those closed"]


@pytest.mark.parametrize("what", ["running", "ready"])
def test_a_worker_that_is_left_is_named(doctored, what):
    doctored["end"]["servers"]["calm"]["pool"][what] += 1
    assert list(violated(doctored)) == ["running == ready, and workers without work end"]


def test_an_open_file_is_named(doctored):
    doctored["end"]["descriptors"]["/a/file"] = 1
    assert violated(doctored) == {"Descriptors are back to the start": "/a/file: 0, then 1"}


def test_a_connection_object_that_is_left_is_named(doctored):
    doctored["end"]["objects"]["gpool.wsgi.connection.HTTPConnection"] = 1
    assert list(violated(doctored)) == ["So are the objects of gpool and gevent"]


def test_a_count_that_is_not_the_clients_is_named(doctored):
    doctored["end"]["counts"][7] += 1
    assert "The same, where a request is known by its count" in violated(doctored)


def test_memory_that_grows_is_named(doctored):
    doctored["samples"]["requests"] = [250 * at for at in range(100)]
    doctored["samples"]["anonymous_kib"] = [30_000 + 100 * at for at in range(100)]
    assert list(violated(doctored)) == ["Memory is flat over the second half"]


def test_what_was_logged_unexpectedly_is_told(doctored):
    doctored["stopped"]["unexpected"] = ["the Hub was told of something"]
    found = violated(doctored)
    assert found == {
        "Nothing unexpected was logged, or reached the Hub": "the Hub was told of something"
    }


def test_a_server_that_dies_is_told(doctored):
    doctored["status"] = -11
    assert violated(doctored) == {"The server drained, and ended": "status -11"}


def test_what_did_not_occur_is_told(doctored):
    doctored["cases"] = [case for case in doctored["cases"] if case[0] != "UNAVAILABLE"]
    assert violated(doctored) == {"All that was to occur has occurred": "UNAVAILABLE"}


def test_too_few_requests_are_told(doctored):
    doctored["plan"]["requests"] = 10**9
    assert "requests of 1,000,000,000" in violated(doctored)["All that was to occur has occurred"]


def test_report_and_picture_are_written(figures, tmp_path):
    files = keep(figures, claims(figures), tmp_path / "new")
    assert sorted(files) == ["soak.json", "soak.md", "soak.png", "soak.svg"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(files)
    text = (tmp_path / "new" / "soak.md").read_text()
    assert "did not hold" not in text
    assert all(f"| {name} |" in text for name in MOVES)


@pytest.mark.parametrize("why", [[], ["it was run more than once: made up"]])
def test_the_status_says_whether_all_held(doctored, tmp_path, monkeypatch, capsys, why):
    doctored["violations"] = why
    monkeypatch.setattr(command, "run", lambda *_: doctored)
    status = command.main(["--requests", "25000", "--pure", "--to", str(tmp_path)])
    said = capsys.readouterr().out
    assert status == len(why)
    assert ("made up" in said) is bool(why)
    assert ("did not hold" in said) is bool(why)
