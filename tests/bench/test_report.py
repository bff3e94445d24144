import re

from bench.goals import as_json, verdicts
from bench.plot import PICTURES
from bench.report import report
from tests.bench.made_up import made_up


def tables(text):
    """The rows of every table, as cells."""
    found = []
    for part in text.split("\n\n"):
        lines = part.splitlines()
        if lines and all(line.startswith("|") for line in lines):
            found.append([re.split(r"(?<!\\)\|", line)[1:-1] for line in lines])
    return found


def test_every_row_has_as_many_cells_as_its_heading():
    figures = made_up()
    figures["goals"] = as_json(verdicts(figures))
    figures["servers"]["granian"]["setting"] = "1 thread | 2 loops\nand more"
    found = tables(report(figures, []))
    assert len(found) > 20
    for rows in found:
        assert len({len(row) for row in rows}) == 1


def test_it_says_on_what_and_how_it_was_measured():
    figures = made_up()
    text = report(figures, [])
    assert "| CPU | Imagined CPU, 2 of them |" in text
    assert "| gpool | commit 0123456789ab |" in text
    assert "gevent 26.9.0" in text
    assert "How to read it" in text
    for server in figures["servers"].values():
        assert f"| {server['title']} | {server['kind']} | {server['version']} |" in text


def test_every_workload_has_its_section():
    figures = made_up()
    text = report(figures, [])
    for name, workload in figures["workloads"].items():
        assert (f"### {name}\n" in text) == (not workload["axis"])
    assert "by number of connections:" in text


def test_gpool_stands_out():
    assert "| **gpool.WSGIServer** | **gpool** | **9.79** | **1.00x** |" in report(made_up(), [])


def test_absent_failed_and_unable_servers_are_named_with_the_reason():
    text = report(made_up(), [])
    assert "- uWSGI 1.9: no compiler" in text
    assert "- json: cheroot: it ended without a word" in text
    assert "Without bjoern: it has no TLS." in text


def test_goals_are_summed_up():
    figures = made_up()
    figures["goals"] = as_json(verdicts(figures))
    met = sum(goal["met"] for goal in figures["goals"])
    assert f"{met} of {len(figures['goals'])} are met." in report(figures, [])


def test_only_pictures_that_were_drawn_are_shown():
    figures = made_up()
    everything = report(figures, list(PICTURES))
    for name in PICTURES:
        assert everything.count(f"({name}.svg)](") == 1
    assert "svg" not in report(figures, [])


def test_an_interrupted_run_says_so():
    figures = made_up()
    assert "interrupted" not in report(figures, [])
    figures["settings"]["interrupted"] = True
    assert "interrupted" in report(figures, [])


def test_an_asterisk_is_no_markup():
    text = report(made_up(), [])
    assert "138,000\\* |" in text
    assert "\\* the load generator's CPU was full" in text
