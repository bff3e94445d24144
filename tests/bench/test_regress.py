import io

import pytest
from rich.console import Console

from bench.figures import write
from bench.moves import Sides, compare
from bench.regress import NOTHING, WORSE, regress
from tests.bench.made_up import made_up


def scale(figures, workload, server, **times):
    for run in figures["runs"][workload][server]:
        run.update({key: run[key] * factor for key, factor in times.items()})


def slower_machine(figures, factor=1.5):
    """All of it, as on a machine that is so many times slower."""
    for servers in figures["runs"].values():
        for server in servers.values():
            for run in server:
                for key in ("user_us", "system_us", "p50", "p99"):
                    if key in run:
                        run[key] *= factor
                if "rate" in run:
                    run["rate"] /= factor


@pytest.fixture
def said(tmp_path):
    """Compare; the exit status, and what was said."""

    def compare_them(old, new, **more):
        write(old, tmp_path / "old.json")
        write(new, tmp_path / "new.json")
        console = Console(file=io.StringIO(), width=160)
        status = regress(tmp_path / "old.json", tmp_path / "new.json", console, **more)
        return status, console.file.getvalue()

    return compare_them


@pytest.mark.parametrize(
    ("old", "new", "moved"),
    [
        ([10, 11, 12], [10.5, 11.5, 12.5], 0),  # within the spread
        ([10, 10.1, 10.2], [10.3, 10.4, 10.5], 0),  # outside of it, but by 3 % only
        ([10, 10.1, 10.2], [11, 11.1, 11.2], 1),
        ([11, 11.1, 11.2], [10, 10.1, 10.2], -1),
        ([10, 10.1, 12], [11, 11.5, 13], 0),  # inside of the old spread
        ([10, 10.1, 10.2], [9, 11, 11.1], 0),  # the old is inside of the new one
        ([10], [11], 0),  # one run each: 15 %
        ([10], [12], 1),
    ],
)
def test_a_figure_has_moved_if_it_left_the_spread_and_the_threshold(old, new, moved):
    assert Sides(old, new).moved(0.05) == moved


def test_two_runs_of_the_same_have_not_moved(said):
    status, text = said(made_up(1), made_up(2))
    assert status == 0
    assert "WORSE" not in text


def test_gpool_that_needs_more_cpu_is_worse(said):
    status, text = said(made_up(1), made_up(2, of_wsgi=1.3))
    assert status == WORSE
    assert "worse: keep-alive, gpool.WSGIServer: CPU per request" in text
    assert "beside epoll loop in C (floor)" in text


def test_gpool_that_needs_less_is_better_and_no_error(said):
    status, text = said(made_up(1), made_up(2, of_wsgi=0.7))
    assert status == 0
    assert "better: keep-alive, gpool.WSGIServer: CPU per request" in text


def test_what_has_moved_the_most_comes_first(said):
    old, new = made_up(1), made_up(1)
    scale(new, "json", "wsgi", user_us=1.2, system_us=1.2)
    scale(new, "tls", "wsgi", user_us=3, system_us=3)
    scale(new, "wait", "wsgi", rate=0.5)
    _, text = said(old, new)
    sentences = [line.split(",")[0] for line in text.splitlines() if line.startswith("worse: ")]
    assert sentences == ["worse: tls", "worse: wait", "worse: json"]


def test_another_server_that_got_worse_is_told_and_no_error(said):
    old, new = made_up(1), made_up(1)
    scale(new, "keep-alive", "waitress", user_us=1.5, system_us=1.5)
    status, text = said(old, new)
    assert status == 0
    assert "waitress" in text
    assert "1 of" not in text.splitlines()[-1]


def test_a_slow_day_of_the_machine_is_no_regression(said):
    old, new = made_up(1), made_up(2)
    slower_machine(new)
    status, text = said(old, new)
    assert status == 0
    assert "what has moved" not in text


def test_a_reference_that_moved_is_no_regression_of_gpool(said):
    old, new = made_up(1), made_up(2)
    scale(new, "keep-alive", "floor", user_us=0.5, system_us=0.5)
    assert said(old, new)[0] == 0


def test_another_machine_is_said_and_judged_beside_the_reference(said):
    old, new = made_up(1), made_up(2)
    new["machine"]["cpu"] = "Another CPU"
    slower_machine(new, 3)
    status, text = said(old, new)
    assert status == 0
    assert "another machine (cpu: Imagined CPU, now Another CPU)" in text
    scale(new, "keep-alive", "wsgi", user_us=1.4, system_us=1.4)
    assert said(old, new)[0] == WORSE


def test_on_another_machine_nothing_is_judged_without_a_reference():
    old, new = made_up(1), made_up(2)
    new["machine"]["cpus"] = 64
    for figures in (old, new):
        for reference in ("floor", "pywsgi"):
            for servers in figures["runs"].values():
                servers.pop(reference, None)
    judged = {
        one.server for one in compare(old, new) if one.workload == "keep-alive" and one.judged
    }
    assert judged == set()
    idle = [one for one in compare(old, new) if one.workload == "idle-1000"]
    assert all(one.judged for one in idle)  # memory is no matter of speed


def test_a_workload_without_reference_is_beside_what_a_hello_request_cost():
    found = compare(made_up(1), made_up(2))
    swept = [one for one in found if one.workload == "max-workers-32"]
    assert [one.measure.key for one in swept] == ["cost", "rate", "p99"]
    for one in swept:
        assert one.reference == "epoll loop in C (floor)"
        assert one.beside.new[0] != one.raw.new[0]


def test_memory_is_compared_as_it_is(said):
    old, new = made_up(1), made_up(1)
    scale(new, "idle-10000", "wsgi", kib=1.3)
    status, text = said(old, new)
    assert status == WORSE
    assert "idle-10000, gpool.WSGIServer: KiB per idle connection 30% higher" in text


def test_one_run_says_that_it_cannot_know_the_spread(said):
    old, new = made_up(1, repeat=1), made_up(1, repeat=1)
    scale(new, "json", "wsgi", user_us=1.1, system_us=1.1)
    status, text = said(old, new)
    assert status == 0
    assert "nobody knows the spread" in text
    scale(new, "json", "wsgi", user_us=1.1, system_us=1.1)
    assert said(old, new)[0] == WORSE


def test_what_the_load_generator_limits_is_not_compared():
    found = compare(made_up(1), made_up(2))
    pipelined = {
        one.measure.key
        for one in found
        if one.server == "wsgi" == one.server and one.workload == "pipelined"
    }
    assert pipelined == {"cost"}
    half = {one.measure.key for one in found if one.workload == "half-load"}
    assert half == {"cost", "p99"}


def test_the_threshold_can_be_set(said):
    new = made_up(2, of_wsgi=1.3)
    assert said(made_up(1), new, threshold=0.5)[0] == 0


def test_other_versions_are_said(said):
    old, new = made_up(1), made_up(2)
    new["machine"]["versions"]["gevent"] = "27.0"
    new["servers"]["waitress"]["version"] = "4.0"
    text = said(old, new)[1]
    assert "another version: gevent 26.9.0, now 27.0" in text
    assert "another version: waitress 1.2.3, now 4.0" in text


def test_nothing_in_common_is_an_error_of_its_own(said):
    new = made_up(2)
    new["runs"] = {}
    status, text = said(made_up(1), new)
    assert status == NOTHING
    assert "nothing in common" in text


def test_a_repetition_that_is_missing_is_no_error():
    old, new = made_up(1), made_up(2)
    new["runs"]["keep-alive"]["wsgi"].pop()
    found = [
        one for one in compare(old, new) if (one.workload, one.server) == ("keep-alive", "wsgi")
    ]
    assert len(found[0].beside.new) == 2
