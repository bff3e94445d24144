from pathlib import Path

import pytest

from bench.command_line import HANDOFF, OUT, QUICK, USUAL, options
from bench.servers import SERVERS
from bench.workloads import WORKLOADS


def test_without_a_word_everything_usual_is_measured():
    given = options([])
    assert given.scale.workloads == USUAL
    assert HANDOFF in USUAL
    assert "100-file" not in USUAL
    assert given.scale.servers == tuple(SERVERS)
    assert (given.scale.repeat, given.scale.seconds, given.against) == (None, None, None)
    assert given.to.parent == OUT


def test_the_quick_one_has_names_that_there_are():
    assert options(["--quick"]).scale == QUICK
    assert set(QUICK.workloads) <= set(WORKLOADS)
    assert set(QUICK.servers) <= set(SERVERS)


def test_names_can_be_patterns_and_keep_the_order_of_the_report():
    scale = options(["--workload", "idle-*", "--workload", "close", "--server", "go-*"]).scale
    assert scale.workloads == ("close", "idle-1000", "idle-10000")
    assert scale.servers == ("go-fasthttp", "go-net-http")


def test_what_is_not_usual_can_be_asked_for():
    assert options(["--workload", "100-file"]).scale.workloads == ("100-file",)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--workload", "kep-alive"], "kep-alive is none of keep-alive"),
        (["--server", "nginx"], "nginx is none of"),
        (["--repeat", "0"], "must be at least 1"),
        (["--seconds", "half"], "invalid positive value"),
        (["--against", "/no/such/file.json"], "there is no such file"),
    ],
)
def test_mistakes_are_told(arguments, complaint, capsys):
    with pytest.raises(SystemExit) as ended:
        options(arguments)
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err


def test_the_results_can_go_elsewhere():
    assert options(["--to", "there"]).to == Path("there")
