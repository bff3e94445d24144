"""What the command answers, a short run beside gpool, and what is written of it."""

import json
import os
import select
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from bench.capacity import __main__ as command
from bench.capacity import answer as answering
from bench.capacity import idle as idling
from bench.capacity import measuring
from bench.capacity import report as reporting
from bench.capacity.answer import NoAnswerError, Wish, answer, kept
from bench.capacity.formulas import erlang_b
from bench.capacity.measuring import Case
from bench.capacity.model import Server
from bench.capacity.pages import filled

DOCS = Path(__file__).parents[2] / "docs"
RESULTS = Path(__file__).parents[2] / "bench" / "results"
WISH = Wish(rate=2_000, cpu=0.4e-3, wait=0.03, p99=0.12)


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """As few requests as still say something."""
    monkeypatch.setattr(answering, "REQUESTS", 8_000)
    monkeypatch.setattr(answering, "EMPTY", 500)


# ---------------------------------------------------------------------- the answer


def test_the_answer_is_within_what_was_wished_for_and_one_process_less_is_not():
    wish = replace(WISH, rate=8_000, wait=1e-3, p99=5e-3)
    found = answer(wish)
    assert found.processes > 4  # which would do for the CPU parts
    assert found.p99 <= wish.p99 and found.refused <= wish.refused
    with_less = answering.tried(wish, found.processes - 1)
    assert answering.percentile(with_less.took, 0.99) > wish.p99
    assert found.busy == pytest.approx(8_000 * 0.4e-3 / found.processes, rel=0.05)
    assert found.inside == pytest.approx(found.little, rel=0.1)


def test_twice_the_load_takes_more_processes():
    assert answer(replace(WISH, rate=8_000)).processes > answer(WISH).processes


def test_the_workers_are_about_those_of_erlangs_formula():
    wish = replace(WISH, rate=500, cpu=1e-6, refused=0.01)
    found = answer(wish)
    load = wish.rate * wish.wait
    assert found.processes == 1
    assert erlang_b(load, found.max_workers + 3) < 0.01 < erlang_b(load, found.max_workers - 3)


def test_kept_connections_are_divided_unevenly_by_chance_and_evenly_if_the_fewest_get_more():
    of_chance = kept(replace(WISH, clients=1_000), 10)
    assert of_chance == 140  # 100 and four standard deviations
    assert kept(replace(WISH, clients=1_000, split="least"), 10) == 100
    assert kept(replace(WISH, clients=1_000), 1) == 1_000
    of_clients = answer(replace(WISH, clients=1_000, split="least"))
    without = answer(replace(WISH, split="least"))
    assert of_clients.max_connections == without.max_connections + 1_000 / without.processes


def test_spare_processes_come_on_top():
    assert answer(replace(WISH, spare=2)).processes == answer(WISH).processes + 2


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (replace(WISH, p99=0.05), "never wait for each other"),
        (replace(WISH, rate=1e6, cpu=0.1, p99=9), "processes at least"),
    ],
)
def test_what_cannot_be_had_is_told_with_the_reason(wish, words):
    with pytest.raises(NoAnswerError, match=words):
        answer(wish)


# ---------------------------------------------------------------------- the command


def test_the_command_says_processes_and_limits(capsys):
    assert command.main(command.EXAMPLE.split()[3:]) == 0
    said = capsys.readouterr().out
    for word in ("processes", "max_workers", "max_connections", "utilisation", "p99", "Little"):
        assert word in said


def test_the_command_ends_with_1_and_the_reason_if_there_is_no_answer(capsys):
    assert command.main(["--rate", "10", "--cpu", "1ms", "--wait", "1s", "--p99", "20ms"]) == 1
    assert "cannot be had" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--rate 0 --cpu 1ms --wait 0 --p99 1s", "out of its range: 0.1 to 1e+06"),
        ("--rate x --cpu 1ms --wait 0 --p99 1s", "'x' is no number"),
        ("--rate 9 --cpu 1 --wait 0 --p99 1s", "'1' is no duration: 250us"),
        ("--rate 9 --cpu 20s --wait 0 --p99 1s", "20s is out of its range: 1 us to 10 s"),
        ("--rate 9 --cpu 1ms --wait 0 --p99 1s --refused 80%", "out of its range: 0.001 to 50"),
        ("--rate 9 --cpu 1ms --wait 0", "required: --p99"),
    ],
)
def test_options_that_are_wrong_are_told_with_what_is_allowed(options, words, capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(options.split())
    assert ended.value.code == 2
    assert words in " ".join(capsys.readouterr().err.split())


def test_durations_and_shares_are_read():
    given = command.parser().parse_args(
        ["--rate", "1", "--cpu", "250us", "--wait", "1.5s", "--p99", "2m", "--refused", "1%"]
    )
    assert (given.cpu, given.wait, given.p99, given.refused) == (250e-6, 1.5, 120, 0.01)


# ---------------------------------------------------------------------- beside gpool


def test_gpool_and_the_model_get_the_same_requests(monkeypatch):
    """A short run of two processes; how near they are is the long run's business."""
    monkeypatch.setattr(measuring, "LOADS", (0.5, 1.5))
    monkeypatch.setattr(measuring, "TRIES", 1)
    monkeypatch.setattr(measuring, "FEWEST", 15)
    case = Case("two", 0.0, 0.02, Server(2, processes=2, split="least"))
    said = measuring.measured(case, 0.3, compiled=False)
    assert said["cost"] > 0
    for run in said["runs"]:
        for who in ("measured", "simulated"):
            figures = run[who]
            assert figures["p99"] >= figures["p50"] > 0 and 0 <= figures["refused"] < 1
    too_much = said["runs"][1]
    assert too_much["measured"]["refused"] > 0 and too_much["simulated"]["refused"] > 0


def test_the_model_is_told_what_computes_before_the_wait_and_what_a_refusal_costs():
    case = Case("one", 1e-3, 1.0, Server(1))
    load = measuring.made_load(1.0, 2, 1e-3, 1.0, wait_spread="constant")
    load.came[:] = 0, 0.1
    said = measuring.simulated(case, load, 1.2e-3)
    assert said["p50"] == pytest.approx(1_001.2) and said["refused"] == 0.5
    assert said["busy"] == pytest.approx(1.3e-3 / 1.0012, rel=1e-3)


def test_the_kernels_part_is_that_of_one_end():
    before = {"slabs": {"TCP": (100, 2_000), "other": (7, 9)}}
    after = {"slabs": {"TCP": (300, 2_000), "eventpoll_epi": (350, 128), "other": (8, 9)}}
    grown = idling.kernel(before, after, 100, 1.5)
    assert {name: one["bytes"] for name, one in grown.items()} == {
        "TCP": 2_000,
        "eventpoll_epi": 192,
    }


def test_what_looking_at_descriptors_costs_is_not_the_connections():
    before = {"slabs": {"dentry": (0, 192)}}
    after = {"slabs": {"dentry": (400, 192), "proc_inode_cache": (200, 696)}}
    grown = idling.kernel(before, after, 100, 1)
    assert {name: one["bytes"] for name, one in grown.items()} == {"dentry": 192}


def test_watches_of_epoll_are_counted():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        before = idling.watches(os.getpid())
        with select.epoll() as one, select.epoll() as other:
            one.register(listener)
            other.register(listener)
            assert idling.watches(os.getpid()) == before + 2


def test_the_kernels_counters_can_be_read():
    said = idling.counters()
    assert said["available_kib"] > 0 and said["sockets"] >= 0
    assert "fs.nr_open" in idling.limits()


# ---------------------------------------------------------------------- the page


def test_a_part_of_a_page_is_written_anew_and_the_rest_left_alone():
    page = "a\n<!-- x: begin, by y -->\nold\n<!-- x: end -->\nb\n"
    again = filled(filled(page, {"x": "new\nlines"}), {"x": "new"})
    assert again == page.replace("old", "new")
    with pytest.raises(ValueError, match="not one place for z"):
        filled(page, {"z": ""})
    with pytest.raises(ValueError, match="not one place for x"):
        filled(page * 2, {"x": ""})


@pytest.fixture(scope="module")
def committed():
    """The figures that are committed."""
    return json.loads((RESULTS / "capacity.json").read_text())


def test_the_page_has_the_committed_figures(committed, monkeypatch):
    monkeypatch.setattr(reporting, "example", lambda: "")  # its own test has it
    page = (DOCS / "capacity.md").read_text()
    for name, text in reporting.parts(committed).items():
        assert text in page, name
    assert reporting.report(committed) == (RESULTS / "capacity.md").read_text()


def test_all_settings_are_measured_at_all_loads(committed):
    assert list(committed["settings"]) == list(measuring.SETTINGS)
    for name, setting in committed["settings"].items():
        assert tuple(run["load"] for run in setting["runs"]) == measuring.LOADS, name
        assert setting["text"] == measuring.SETTINGS[name].text


def test_a_run_that_others_have_disturbed_is_marked_and_not_among_the_errors(committed):
    (name, setting), *_ = committed["settings"].items()
    run = setting["runs"][0]
    bad = run | {"measured": run["measured"] | {"others": 0.5, "p99": 1e6, "rate": 1e6}}
    good = run | {"measured": run["measured"] | {"others": 0.0}}
    figures = {"settings": {name: setting | {"runs": [bad, good]}}}
    assert [row[0][-1] for row in reporting.sheet(name, figures["settings"][name]).rows] == [
        "*",
        "%",
    ]
    assert "over 1 runs" in reporting.errors(figures)


def test_the_error_is_a_part_of_what_was_measured():
    run = {"measured": {"p99": 50.0}, "simulated": {"p99": 40.0}}
    assert reporting.error(run) == pytest.approx(-0.2)


def test_the_picture_has_a_panel_for_each_setting(committed, tmp_path, monkeypatch):
    monkeypatch.setattr(reporting, "LINE", (0.5,))
    monkeypatch.setattr(reporting, "LINE_SECONDS", 1.0)
    reporting.draw(committed, tmp_path)
    drawn = (tmp_path / "capacity.svg").read_text()
    assert drawn.count('id="axes_') == 2 * len(committed["settings"])  # p99, and refused
