import io

from rich.console import Console

from bench.goals import as_json, verdicts
from bench.tables import LEAST_WIDTH, tell
from tests.bench.made_up import made_up, of_few


def told(figures, width=LEAST_WIDTH):
    console = Console(file=io.StringIO(), width=width)
    tell(console, figures)
    return console.file.getvalue()


def test_every_workload_and_sweep_is_told():
    figures = made_up()
    text = told(figures)
    for name, workload in figures["workloads"].items():
        if not workload["axis"]:
            assert f"{name}: {workload['title']}" in text
    assert "CPU us/req, by number of connections" in text
    assert "req/s, by max_workers" in text


def test_absent_failed_and_unable_servers_are_told_with_the_reason():
    text = told(made_up())
    assert "absent: uWSGI 1.9: no compiler" in text
    assert "failed: json: cheroot: it ended without a word" in text
    assert "cannot: bjoern, tls: it has no TLS" in text


def test_an_interrupted_run_says_so():
    figures = of_few(made_up())
    assert "interrupted" not in told(figures)
    figures["settings"]["interrupted"] = True
    assert "interrupted: " in told(figures)


def test_goals_are_told():
    figures = made_up()
    figures["goals"] = as_json(verdicts(figures))
    text = told(figures)
    assert "asked and measured" in text
    assert "1.27x  NO" in text
    assert "9.35x  yes" in text


def test_what_looks_like_markup_is_told_as_it_is():
    figures = made_up()
    figures["failed"] = ["close: bjoern: [bold]ended[/]"]
    figures["servers"]["bjoern"]["title"] = "bjoern [dev]"
    text = told(figures)
    assert "close: bjoern: [bold]ended[/]" in text
    assert "  bjoern [dev]  " in text


def test_no_figure_is_cut_off_on_a_narrow_terminal():
    narrow = told(of_few(made_up()), width=90)
    assert "…" not in narrow
    assert "p99.9 ms" not in narrow
    assert "p99.9 ms" in told(of_few(made_up()))
