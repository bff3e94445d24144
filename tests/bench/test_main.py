import json
from contextlib import ExitStack, contextmanager

import pytest

import bench.__main__ as main
from bench.command_line import HANDOFF, Scale
from bench.database import NoDatabaseError
from bench.figures import empty
from bench.plot import PICTURES
from bench.servers import SERVERS
from tests.bench.made_up import made_up, of_few


def test_absent_servers_are_told_with_the_reason(monkeypatch):
    monkeypatch.setattr(
        main, "absent", lambda names: {"bjoern": "no libev"} if "bjoern" in names else {}
    )
    figures = empty()
    there = main.find_servers(Scale(("wait", HANDOFF), ("wsgi", "floor", "bjoern")), figures)
    assert there == ["wsgi"]  # and the floor is not asked for, where nothing is for it
    assert figures["absent"] == {"bjoern": {"title": SERVERS["bjoern"].title, "reason": "no libev"}}


def test_without_a_database_the_rest_is_measured(monkeypatch):
    @contextmanager
    def no_database():
        raise NoDatabaseError("no postgres")
        yield

    monkeypatch.setattr(main, "database", no_database)
    figures = empty()
    with ExitStack() as stack:
        scale = main.start_database(Scale(("wait", "database", HANDOFF)), figures, stack)
    assert scale.workloads == ("wait", HANDOFF)
    assert figures["absent"]["database"]["reason"] == "no postgres"


def test_the_database_runs_only_where_it_is_needed(monkeypatch):
    running = []

    @contextmanager
    def database():
        running.append(True)
        yield
        running.clear()

    monkeypatch.setattr(main, "database", database)
    with ExitStack() as stack:
        main.start_database(Scale(("wait", HANDOFF)), empty(), stack)
        assert not running
        main.start_database(Scale(("database",)), empty(), stack)
        assert running
    assert not running


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """The whole command, with figures that nobody measured; its status and what it says."""
    for name in ("overview", "sweeps", "latency", "overload"):
        monkeypatch.setitem(PICTURES, name, lambda _: None)  # they take seconds, see test_plot

    def run_it(figures, *arguments):
        monkeypatch.setattr(main, "measured", lambda _: figures)
        to = tmp_path / "results"
        monkeypatch.setattr("sys.argv", ["bench", "--to", str(to), *map(str, arguments)])
        return main.main(), capsys.readouterr().out, to

    return run_it


def test_figures_tables_and_pictures_are_kept(run):
    status, said, to = run(of_few(made_up()))
    assert status == 0
    assert json.loads((to / "report.json").read_text())["runs"]["keep-alive"]["wsgi"]
    report = (to / "report.md").read_text()
    assert (to / "summary.svg").exists()
    assert (to / "summary.png").exists()
    assert "(summary.svg)" in report
    assert "report.json, report.md, summary.svg" in said


def test_worse_figures_are_an_error_where_they_are_compared(run, tmp_path):
    before = tmp_path / "before.json"
    before.write_text(json.dumps(of_few(made_up(1))))
    assert run(of_few(made_up(2)), "--against", before)[0] == 0
    status, said, _ = run(of_few(made_up(2, of_wsgi=1.3)), "--against", before)
    assert status == 1
    assert "worse: keep-alive, gpool.WSGIServer" in said


def test_an_interrupted_run_is_kept_and_not_compared(run, tmp_path):
    before = tmp_path / "before.json"
    before.write_text(json.dumps(of_few(made_up(1))))
    figures = of_few(made_up(2, of_wsgi=1.3))
    figures["settings"]["interrupted"] = True
    status, said, to = run(figures, "--against", before)
    assert status == main.INTERRUPTED
    assert "worse" not in said
    assert "interrupted" in (to / "report.md").read_text()
