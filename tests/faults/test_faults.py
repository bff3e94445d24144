"""Each error of each call, at its first and at some other place; `python -m tests.faults` is all.

The scenario and the second place are drawn, and named by the seed, so each run sees others.
"""

import os
import random
import subprocess
from collections import defaultdict
from contextlib import contextmanager

import pytest

from tests.faults.process import Died, Process
from tests.faults.running import Runner, combinations
from tests.faults.scenarios import SCENARIOS
from tests.faults.table import FATAL, LIBUV, TABLE, fault
from tests.parts import needed

pytestmark = pytest.mark.limit(60)

SEED = int(os.environ.get("FAULTS_SEED") or random.SystemRandom().randrange(1 << 16))


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """Start processes; one that is asked for twice is the same, unless it has ended."""
    compiler, started = needed("cc"), []

    def start():
        if not started or started[-1].process.poll() is not None:
            started.append(Process(compiler, tmp_path_factory.mktemp("faults")))
        return started[-1]

    yield start
    for process in started:
        process.end()


def end(process):
    """It is not fit for another test."""
    process.process.kill()
    process.process.wait()


@contextmanager
def ending(runner):
    """After a failure, what comes next needs another process."""
    try:
        yield
    except BaseException:
        end(runner.process)
        raise


def until_it_dies(process):
    while True:
        process.ask("idle")


@pytest.fixture(scope="module")
def runners():
    return []


@pytest.fixture
def runner(processes, runners):
    """Of a process that has played every scenario without a fault."""
    process = processes()
    if not runners or runners[-1].process is not process:
        runners.append(Runner(process))
        for name in SCENARIOS:
            runners[-1].learn(name)
    return runners[-1]


@pytest.mark.parametrize("function", TABLE)
def test_a_call_that_fails_costs_its_client_only(runner, function):
    draw = random.Random(f"{SEED} {function}")
    places = defaultdict(list)
    for name in SCENARIOS:
        for called, index, error in combinations(runner.right[name]):
            if called == function:
                places[error].append((name, index))
    assert places
    fired = False
    for error, found in places.items():
        first = draw.choice([(name, index) for name, index in found if index == 0])
        for name, index in (first, draw.choice(found)):
            print(f"FAULTS_SEED={SEED}: {name} {function}[{index}] {error}")
            with ending(runner):
                result = runner.check(name, fault(function, index, error))
            # Memory depends on the past, and whether there is something to shut down on the client.
            assert result.fired or index or function in {"malloc", "shutdown"}
            fired |= bool(result.fired)
    assert fired or function == "malloc"


def test_every_function_of_the_table_is_called(runner):
    called = {
        function
        for result in runner.right.values()
        for function, count in result.counts.items()
        if count
    }
    assert called >= set(TABLE)


# ---------------------------------------------------------------------- what does not go on


#: Defects that the whole table has found: the scenario, and which call of which function fails.
FOUND = (
    ("at_once", "malloc", "ENOMEM", 0),
    ("old", "send", "ENOBUFS", 1),
    ("expect", "send", "EAGAIN", 0),
    ("expect", "send", "SHORT", 0),
    ("no_worker", "epoll_ctl", "ENOSPC", 2),
    ("paused", "epoll_ctl", "ENOMEM", 1),
    ("no_worker", "getsockopt", "ENOBUFS", 0),
    ("proxied", "recv", "SHORT", 3),
    ("expect", "recv", "EINTR", 2),
    ("streamed", "recv", "EINTR", 1),
    ("drain", "accept", "EMFILE", 1),
)


@pytest.mark.parametrize(("name", "function", "error", "index"), FOUND)
def test_what_has_been_found_stays_mended(runner, name, function, error, index):
    if function not in TABLE:
        pytest.skip("not with this loop")
    with ending(runner):
        runner.check(name, fault(function, index, error))


@pytest.mark.parts
@pytest.mark.parametrize(("function", "error"), FATAL)
def test_an_error_that_no_client_brings_about_ends_the_server_and_says_so(
    processes, function, error
):
    """accept: gevent's `fatal_errors`. epoll_wait: libev gives up, gevent raises in the main
    greenlet, and so does `serve_forever`.
    """
    if LIBUV and function == "epoll_wait":
        pytest.skip("libuv calls abort(3)")
    process = processes()
    ports = process.ask("begin", 0)
    process.plan.arm(fault(function, 1, error))
    if function == "accept":
        with Runner(process).visitor(ports):
            pass
    if function == "accept":
        quiet = process.ask("quiet", 0)
        assert any(FATAL[function, error] in line for line in quiet["log"]), quiet
        assert not quiet["servers"]["main"]["started"]
        process.end()
    else:
        with pytest.raises(Died, match="SystemError"):
            until_it_dies(process)
        assert FATAL[function, error] in process.stderr


def test_the_library_does_nothing_without_a_plan(tmp_path):
    from tests.faults.shim import library

    made = library(needed("cc"), tmp_path)
    environ = {**os.environ, "LD_PRELOAD": str(made)}
    environ.pop("FAULTS_PLAN", None)
    done = subprocess.run(["/bin/echo", "as", "ever"], env=environ, capture_output=True, check=True)
    assert done.stdout == b"as ever\n"
