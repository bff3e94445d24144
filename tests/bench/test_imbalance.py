"""Who gets what of an address that processes share: a short run, and what is written of it."""

import json
from pathlib import Path

import pytest

import bench.imbalance.__main__ as command
from bench.capacity.client import Said
from bench.imbalance.measuring import (
    SCENARIOS,
    WAYS,
    Scenario,
    by,
    measure,
    owners,
    paths_of,
    spread_of,
)

ROOT = Path(__file__).parents[2]
RESULTS, PAGE = ROOT / "bench" / "results", ROOT / "docs" / "processes.md"


def test_an_even_spread_is_even_and_one_that_leaves_a_process_out_says_so():
    assert spread_of([5, 5], 2) == {"shares": [0.5, 0.5], "max_min": 1, "cv": 0}
    assert spread_of([4], 2) == {"shares": [1, 0], "max_min": None, "cv": 1}
    assert spread_of([1, 3], 2)["max_min"] == 3


def test_requests_and_connections_are_those_of_the_process_that_answered():
    said = [Said(1, 200, "7", 0), Said(1, 200, "7", 0), Said(1, 200, "8", 1), Said(1, 503, "", 2)]
    assert by(said) == ["7", "7", "8"]
    assert owners(said) == {0: "7", 1: "8"}


def test_every_so_many_th_request_computes():
    scenario = Scenario("", 1, 0.005, slow=3, slow_cpu=0.1)
    assert paths_of(scenario, 4) == ["/0/5000", "/0/5000", "/100000/5000", "/0/5000"]


@pytest.mark.parametrize("way", ["shared-1", "reuse-100"])
def test_two_processes_share_an_address(way):
    """A short run: all is answered, and whose it was is known."""
    run = measure(WAYS[way], Scenario("", 200, 0.001), 1, 0.3, processes=2, compiled=False)
    assert sum(run["requests"]["shares"]) == pytest.approx(1)
    assert run["requests"]["shares"] == run["connections"]["shares"]  # one for each
    assert run["refused"] == 0 and run["p99"] >= run["p50"] > 0


def test_kept_connections_stay_with_the_process_that_accepted_them():
    scenario = Scenario("", 300, 0.001, connections=6)
    run = measure(WAYS["shared-8"], scenario, 1, 0.3, processes=2, compiled=False)
    assert run["refused"] == 0 and run["rate"] > 0


@pytest.fixture(scope="module")
def committed():
    """The figures that are committed."""
    return json.loads((RESULTS / "imbalance.json").read_text())


def test_the_page_has_the_committed_figures(committed):
    assert command.parts(committed)["imbalance"] in PAGE.read_text()
    assert command.report(committed) == (RESULTS / "imbalance.md").read_text()


def test_all_ways_are_measured_under_all_loads(committed):
    assert list(committed["runs"]) == list(SCENARIOS)
    assert all(list(ways) == list(WAYS) for ways in committed["runs"].values())


def test_the_command_measures_writes_and_draws(committed, monkeypatch, tmp_path, capsys):
    asked = []

    def measure(way, scenario, seed, seconds):
        asked.append((way, scenario, seed, seconds))
        return committed["runs"]["kept"]["shared-1"][0] | {"late": 1.0}

    monkeypatch.setattr(command, "measure", measure)
    page = tmp_path / "page.md"
    page.write_text("<!-- imbalance: begin -->\n<!-- imbalance: end -->\n")
    command.main(["kept", "--to", str(tmp_path), "--page", str(page), "--seconds", "2"])
    assert asked == [
        (way, SCENARIOS["kept"], seed, 2.0) for seed in (1, 2, 3) for way in WAYS.values()
    ]
    assert SCENARIOS["kept"].text in capsys.readouterr().out
    assert WAYS["reuse-1"].text in page.read_text()
    assert (tmp_path / "imbalance.svg").exists()


def test_figures_of_other_loads_are_kept(committed, monkeypatch, tmp_path):
    monkeypatch.setattr(
        command, "measure", lambda *_: committed["runs"]["kept"]["shared-1"][0] | {"late": 1.0}
    )
    (tmp_path / "imbalance.json").write_text(json.dumps(committed))
    page = tmp_path / "page.md"
    page.write_text("<!-- imbalance: begin -->\n<!-- imbalance: end -->\n")
    command.main(["kept", "--to", str(tmp_path), "--page", str(page), "--repeat", "1"])
    now = json.loads((tmp_path / "imbalance.json").read_text())
    assert now["runs"]["blocked"] == committed["runs"]["blocked"]
    assert len(now["runs"]["kept"]["shared-1"]) == now["settings"]["kept"]["repeat"] == 1


def test_a_run_with_a_late_client_is_repeated_once_and_the_better_one_kept(monkeypatch):
    lates = [50.0, 30.0, 1.0]
    monkeypatch.setattr(command, "measure", lambda *_: {"late": lates.pop(0)})
    assert command.undisturbed(WAYS["shared-1"], SCENARIOS["kept"], 1, 1.0) == {"late": 30.0}
    assert command.undisturbed(WAYS["shared-1"], SCENARIOS["kept"], 1, 1.0) == {"late": 1.0}


def test_a_p99_that_differs_from_run_to_run_is_told_as_a_range():
    assert command.ranged([10.0, 10.5]) == "10.5"
    assert command.ranged([9.0, 195.0]) == "9.00 to 195"


def test_a_load_that_is_not_there_is_told(capsys):
    with pytest.raises(SystemExit):
        command.main(["nothing"])
    assert "nothing is none of short-low" in capsys.readouterr().err
