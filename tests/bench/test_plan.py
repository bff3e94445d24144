from dataclasses import replace

import pytest

from bench import plan as planning
from bench.command_line import HANDOFF, Scale
from bench.figures import empty
from bench.plan import able, carry_out, plan, prepare, tidy
from bench.processes import DidNotStartError
from bench.servers import SERVERS
from bench.workloads import WORKLOADS

SCALE = Scale(("keep-alive", "tls", "idle-1000", HANDOFF), ("floor", "wsgi", "bjoern"))
THERE = ["floor", "wsgi", "bjoern"]


class Watcher:
    def __init__(self):
        self.told = []

    def begin(self, step):
        self.told.append(step.title)

    def end(self, step, run, failure):
        self.told.append(failure or run["rate"])


@pytest.fixture
def measure(monkeypatch):
    """Workloads that call this instead of measuring."""
    calls = []

    class Shape:
        def __init__(self, real, name):
            self.real, self.name = real, name

        def __getattr__(self, name):
            return getattr(self.real, name)

        def measure(self, server, seconds):
            calls.append((self.name, server, seconds))
            return answers.get(server, lambda: {"rate": 1.0})()

    answers = {}
    for name, workload in list(WORKLOADS.items()):
        fake = replace(workload, shape=Shape(workload.shape, name))
        monkeypatch.setitem(planning.WORKLOADS, name, fake)
    return calls, answers


def prepared(scale=SCALE, there=THERE):
    figures = empty()
    steps = plan(scale, there)
    prepare(steps, figures)
    return steps, figures


def test_repetitions_take_turns():
    steps = plan(replace(SCALE, repeat=2), THERE)
    order = [(one.repetition, one.workload) for one in steps]
    assert order == sorted(order, key=lambda one: one[0])
    first = [(one.workload, one.server) for one in steps if one.repetition == 0]
    second = [(one.workload, one.server) for one in steps if one.repetition == 1]
    assert first == second
    assert [server for name, server in first if name == "keep-alive"] == able("keep-alive", THERE)


def test_every_workload_has_its_own_number_of_repetitions():
    steps = plan(SCALE, ["wsgi"])
    for name in ("keep-alive", "idle-1000"):
        assert sum(one.workload == name for one in steps) == WORKLOADS[name].repeat
        assert {one.seconds for one in steps if one.workload == name} == {WORKLOADS[name].seconds}


def test_the_command_line_goes_before_that():
    steps = plan(replace(SCALE, repeat=5, seconds=7), ["wsgi"])
    assert sum(one.workload == "idle-1000" for one in steps) == 5
    assert {one.seconds for one in steps} == {7}


def test_servers_do_only_what_they_can():
    assert "tls" in SERVERS["bjoern"].lacks
    assert ("tls", "bjoern") not in {(one.workload, one.server) for one in plan(SCALE, THERE)}
    assert plan(SCALE, []) == []


def test_the_figures_say_what_will_be_measured():
    _, figures = prepared()
    assert list(figures["servers"]) == THERE
    assert figures["servers"]["wsgi"]["kind"] == "gpool"
    assert figures["servers"]["bjoern"]["lacks"]["tls"]
    assert figures["workloads"]["idle-1000"]["purpose"] == "idle"
    assert figures["runs"]["keep-alive"] == {"floor": [], "wsgi": [], "bjoern": []}


def test_every_run_goes_where_it_belongs(measure):
    steps, figures = prepared(replace(SCALE, repeat=2, seconds=1))
    carry_out(steps, figures, Watcher())
    assert figures["runs"]["keep-alive"]["wsgi"] == [{"rate": 1.0}, {"rate": 1.0}]
    assert measure[0] == [(one.workload, one.server, 1) for one in steps]


@pytest.mark.parametrize("error", [DidNotStartError, RuntimeError, OSError, ValueError])
def test_a_server_that_breaks_down_fails_alone(measure, error):
    def break_down():
        raise error("it is broken")

    measure[1]["floor"] = break_down
    steps, figures = prepared(replace(SCALE, repeat=1))
    watcher = Watcher()
    carry_out(steps, figures, watcher)
    assert figures["failed"] == [f"keep-alive: {SERVERS['floor'].title}: it is broken"]
    assert "it is broken" in watcher.told
    assert figures["runs"]["keep-alive"]["wsgi"]
    tidy(figures)
    assert "floor" not in figures["runs"]["keep-alive"]


def test_an_interrupt_keeps_what_there_is(measure):
    def interrupt():
        raise KeyboardInterrupt

    measure[1]["wsgi"] = interrupt
    steps, figures = prepared(replace(SCALE, repeat=1))
    carry_out(steps, figures, Watcher())
    assert figures["settings"]["interrupted"]
    tidy(figures)
    assert figures["runs"] == {"keep-alive": {"floor": [{"rate": 1.0}]}}
