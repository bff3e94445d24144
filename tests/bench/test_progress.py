import io

from rich.console import Console

from bench.plan import Step
from bench.progress import Bar, Lines, minutes
from bench.servers import SERVERS

STEPS = [
    Step(repetition, name, server, 1, 30.0)
    for repetition in range(2)
    for name in ("keep-alive", "close")
    for server in ("floor", "wsgi")
]
RUN = {"rate": 12_345.0, "p99": 1.5, "user_us": 4.0, "system_us": 5.0}


def test_elsewhere_there_is_a_line_for_each_workload_and_each_failure(capsys):
    lines = Lines(STEPS)
    for number, step in enumerate(STEPS):
        lines.begin(step)
        lines.end(step, None if number == 2 else RUN, "it is gone" if number == 2 else "")
    said = [line.split("  ", 1)[1] for line in capsys.readouterr().err.splitlines()]
    assert said == [
        "repetition 1: keep-alive, 2 servers, about 4:00 left",
        "repetition 1: close, 2 servers, about 3:00 left",
        f"failed: close: {SERVERS['floor'].title}: it is gone",
        "repetition 2: keep-alive, 2 servers, about 2:00 left",
        "repetition 2: close, 2 servers, about 1:00 left",
    ]


def test_on_a_terminal_it_says_what_is_measured_and_the_last_results():
    bar = Bar(STEPS)
    bar.begin(STEPS[0])
    bar.end(STEPS[0], RUN, "")
    bar.end(STEPS[1], None, "it is gone")
    bar.begin(STEPS[2])
    console = Console(file=io.StringIO(), width=120)
    console.print(bar)
    text = console.file.getvalue()
    for word in ("12,345", "1.50", "9.00", "it is gone", STEPS[2].title, "2/8"):
        assert word in text


def test_only_the_last_results_stay():
    bar = Bar(STEPS)
    for _ in range(50):
        bar.end(STEPS[0], RUN, "")
    assert len(bar.last) < 10


def test_minutes_are_written_as_on_a_clock():
    assert (minutes(5.9), minutes(65), minutes(3_600)) == ("0:05", "1:05", "60:00")
