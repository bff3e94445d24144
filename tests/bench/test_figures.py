import pytest

from bench.figures import (
    client_bound,
    each,
    failures,
    has,
    median,
    medians,
    plain,
    points,
    read,
    short,
    spread,
    write,
)
from tests.bench.made_up import made_up

RUNS = [
    {"user_us": 4.0, "system_us": 5.0, "client_busy": 0.9, "running": None},
    {"user_us": 4.0, "system_us": 7.0, "client_busy": 0.97, "running": None},
    {"user_us": 5.0, "system_us": 5.0, "client_busy": 0.99, "running": None},
]


def test_the_cost_of_a_request_is_that_of_user_and_system():
    assert each(RUNS, "cost") == [9, 11, 10]
    assert median(RUNS, "cost") == 10
    assert spread(RUNS) == pytest.approx(0.2)


def test_a_figure_that_is_not_there_is_a_key_error():
    for runs, key in (([], "cost"), (RUNS, "rate"), (RUNS, "goodput"), (RUNS, "running")):
        assert not has(runs, key)
        with pytest.raises(KeyError):
            median(runs, key)


def test_the_load_generator_is_the_limit_where_its_cpu_is_full():
    assert client_bound(RUNS)
    assert not client_bound(RUNS[:1])
    assert not client_bound([{"kib": 1.0}])


def test_errors_and_refusals_are_counted_apart():
    runs = [{"errors": {"connect": 1, "read": 2, "write": 0, "timeout": 4, "status": 8}}]
    assert each(runs, "socket_errors") == [7]
    assert each(runs, "not_2xx") == [8]


def test_what_overload_leaves_is_a_part_of_what_there_is_without():
    run = {"rate": 95.0, "unloaded_rate": 100.0, "good_p99": 30.0, "unloaded_p99": 20.0}
    runs = [run | {"statuses": {"200": 60, "503": 20}}]
    assert median(runs, "goodput") == pytest.approx(0.95)
    assert median(runs, "times_unloaded_p99") == pytest.approx(1.5)
    assert median(runs, "refused") == pytest.approx(0.25)
    assert median([{"statuses": {"200": 60}}], "refused") == 0


def test_only_servers_that_have_a_figure_are_in_its_medians():
    figures = made_up()
    assert list(medians(figures, "idle-1000", "running")) == ["wsgi"]
    assert medians(figures, "no such workload", "cost") == {}


def test_sweeps_are_apart_and_in_order():
    figures = made_up()
    assert [at for at, _ in points(figures, "connections")] == [1, 10, 100, 1_000, 10_000]
    assert "connections-10" not in plain(figures)
    assert "keep-alive" in plain(figures)


def test_the_same_failure_is_told_once():
    assert failures({"failed": ["a", "b", "a"]}) == ["a (2 times)", "b"]


def test_what_is_written_is_read_again(tmp_path):
    figures = made_up()
    write(figures, tmp_path / "run.json")
    assert read(tmp_path / "run.json") == figures


def test_another_file_is_refused(tmp_path):
    other = tmp_path / "other.json"
    other.write_text('{"load": {}}')
    with pytest.raises(ValueError, match="no figures"):
        read(other)


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.987, "0.99"), (9.94, "9.94"), (12.34, "12.3"), (123.4, "123"), (41234.5, "41,234")],
)
def test_figures_have_three_digits(value, said):
    assert short(value) == said
