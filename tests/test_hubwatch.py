"""The watch over the Hub. What blocks here sleeps or computes for a multiple of a short threshold.

Programs run in processes of their own where they are stopped, monkey-patched or end blocked.
"""

import ctypes
import logging
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import gevent
import pytest
from gevent.event import Event
from gevent.hub import get_hub

from gpool import WorkerPool, WSGIServer
from gpool.errors import IllegalMove
from gpool.hubwatch import MOVES, HubWatch, Observer, WatchState
from gpool.states import moved
from tests.support import Log, ask

THRESHOLD = 0.1  # twice the shortest there is
LONG = 6 * THRESHOLD  # a blocking that no machine's load hides
CALM = 0.5  # a threshold that no machine's load exceeds
ROOT = Path(__file__).parent.parent


@pytest.fixture
def watch():
    one = HubWatch(THRESHOLD)
    one.start()
    yield one
    one.stop()


def slow():
    time.sleep(LONG)


def slow_view(environ):
    slow()


def blocked_by(func, *args):
    """Run `func` on a greenlet, and return what was logged: the report, and the end."""
    with Log("gpool.hub") as log:
        gevent.spawn(func, *args).join()
        return log.lines.get(), log.lines.get()


def threads_of(watch):
    """How many threads look for `watch`: those in an observer's run that tells it."""
    seen = (frame.f_locals.get("self") for frame in sys._current_frames().values())
    return sum(isinstance(one, Observer) and one._tell.__self__ is watch for one in seen)


# ---------------------------------------------------------------------- what is reported


def test_a_greenlet_that_blocks_is_reported_with_its_stack(watch, capfd):
    report, end = blocked_by(slow)
    line = slow.__code__.co_firstlineno + 1
    assert watch.blocked == 1
    assert watch.last == f"{__file__}:{line} in slow"
    assert watch.longest > THRESHOLD
    assert f"at {watch.last}" in report
    assert report.endswith(f'  File "{__file__}", line {line}, in slow\n    time.sleep(LONG)')
    assert re.fullmatch(r"the Hub goes on; it was blocked for \d\.\d\d s", end)
    written = capfd.readouterr().err
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ERROR gpool\.hub: the Hub is", written)
    assert report in written


def test_one_that_computes_is_reported_too(watch):
    def compute():
        until = monotonic() + LONG
        while monotonic() < until:
            pass

    assert " in compute" in blocked_by(compute)[0]


def test_a_blocking_is_reported_once_and_each_of_two(watch, capfd):
    for number in (1, 2):
        blocked_by(slow)
        assert watch.blocked == number
        assert capfd.readouterr().err.count("the Hub is blocked") == 1


def test_the_request_is_named_with_what_could_harm_a_terminal_escaped(watch):
    environ = {"wsgi.version": (1, 0), "REQUEST_METHOD": "GET", "RAW_URI": "/slow?\x9b2J"}
    assert r"by GET /slow?\x9b2J at" in blocked_by(slow_view, environ)[0]


def test_a_request_of_the_wsgi_server_is_named(watch):
    def app(environ, start_response):
        slow()
        start_response("204 No Content", [])
        return []

    server = WSGIServer(("127.0.0.1", 0), app)
    server.start()
    with Log("gpool.hub") as log:
        ask(server.address, b"GET /slow?x=1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        report = log.lines.get()
    server.stop()
    assert "by GET /slow?x=1" in report
    assert f'innermost last:\n  File "{__file__}", line {app.__code__.co_firstlineno + 1}' in report


def test_a_worker_is_named(watch):
    pool = WorkerPool(max_workers=1)

    def job():
        me = gevent.getcurrent()
        slow()
        return me

    with Log("gpool.hub") as log:
        pool.spawn(job)
        assert "by <gpool.worker.Worker object at 0x" in log.lines.get()
    pool.stop()


def test_a_callback_in_the_hub_is_named(watch):
    with Log("gpool.hub") as log:
        get_hub().loop.run_callback(slow)
        report = log.lines.get()
    assert "by a callback in the Hub at" in report
    assert "gevent/hub.py" not in report


def test_the_main_greenlet_is_named(watch):
    with Log("gpool.hub") as log:
        slow()
        assert "by the main greenlet at" in log.lines.get()


@pytest.mark.skipif(sys.platform != "linux", reason="who waits for the GIL is seen on Linux only")
def test_c_code_that_kept_the_gil_is_reported_when_it_lets_go(watch):
    """On a busy machine the Hub may go on before the thread has looked; not each time."""
    with Log("gpool.hub") as log:
        for _ in range(20):
            ctypes.PyDLL(None).usleep(int(LONG * 1e6))
            gevent.sleep(0)
            if watch.blocked:
                break
        assert "which had the GIL until now" in log.lines.get()
    assert watch.longest > THRESHOLD


def test_a_proxy_among_the_locals_is_not_asked(watch):
    class Proxy(dict):
        @property  # type: ignore[misc]  # as a proxy does
        def __class__(self):
            raise AssertionError("asked in another thread")

    def view(proxy):
        slow()

    assert "in view" in blocked_by(view, Proxy())[0]


# ---------------------------------------------------------------------- what is not


def test_an_idle_hub_is_not_blocked(capfd):
    watch = HubWatch(CALM)
    watch.start()
    gevent.sleep(3 * CALM)
    watch.stop()
    assert watch.blocked == 0 and watch.longest == 0.0 and watch.last is None
    assert not capfd.readouterr().err


def test_a_busy_pool_that_switches_is_not_blocking(capfd):
    watch, pool, until = HubWatch(CALM), WorkerPool(max_workers=10), monotonic() + 3 * CALM
    watch.start()
    done = Event()

    def job():
        if monotonic() < until:
            pool.serve((job, (), {}))
        else:
            done.set()

    for _ in range(5):
        pool.spawn(job)
    done.wait()
    watch.stop()
    pool.stop()
    assert watch.blocked == 0
    assert not capfd.readouterr().err


def test_a_thread_that_was_late_itself_counts_anew():
    """The whole process did not run, so nothing can be said of the Hub."""
    told = []
    observer = Observer(1.0, get_hub(), lambda *seen: told.append(seen))
    observer.beat -= 10.0
    due = observer.look(9.25, 1)
    assert observer.stopped == 9.25
    assert due > monotonic()
    observer.look(0.0, 1)
    assert not told


def test_a_hub_is_suspected_before_it_is_blamed():
    """A stop that ended just before the thread looked would not show in its lateness."""
    told = []
    observer = Observer(1.0, get_hub(), lambda *seen: told.append(seen))
    observer.beat -= 10.0
    assert observer.look(0.0, 1) > monotonic()
    assert not told
    observer.look(0.0, 1)
    assert len(told) == 1
    observer.look(0.0, 1)
    assert len(told) == 1


def test_a_suspected_hub_has_all_of_the_threshold():
    told = []
    observer = Observer(60.0, get_hub(), lambda *seen: told.append(seen))
    observer.beat -= 50.0
    observer.look(0.0, 1)  # suspected
    assert observer.look(0.0, 1) == observer.beat + 60.0
    assert not told


def test_of_a_thread_that_has_ended_there_is_nothing_to_tell():
    """Nobody has stopped the watch over its Hub."""
    told, observers = [], []

    def short():
        observers.append(Observer(1.0, get_hub(), lambda *seen: told.append(seen)))
        get_hub().destroy()

    thread = threading.Thread(target=short)
    thread.start()
    thread.join()
    observer = observers[0]
    observer.beat -= 10.0
    for _ in range(2):
        observer.look(0.0, 1)
    assert not told and not observer.reports


def test_a_filter_of_the_logger_is_asked(watch):
    """As one of a user's who has the reports on stderr."""
    logger = logging.getLogger("gpool.hub")

    def no_reports(record):
        return record.levelno < logging.ERROR

    logger.addFilter(no_reports)
    try:
        with Log("gpool.hub") as log:
            gevent.spawn(slow).join()
            assert log.lines.get().startswith("the Hub goes on")
    finally:
        logger.removeFilter(no_reports)


# ---------------------------------------------------------------------- start and stop


def test_stop_ends_the_thread_and_start_begins_anew(capfd):
    watch = HubWatch(THRESHOLD)
    watch.stop()
    for number in (1, 2):
        watch.start()
        watch.start()
        while threads_of(watch) != 1:
            gevent.sleep(0.001)
        blocked_by(slow)
        assert watch.blocked == number
        watch.stop()
        watch.stop()
        while threads_of(watch):
            gevent.sleep(0.001)
    slow()
    assert watch.blocked == 2
    assert capfd.readouterr().err.count("the Hub is blocked") == 2


def test_stop_logs_what_the_hub_had_no_time_to(watch):
    with Log("gpool.hub") as log:
        slow()
        watch.stop()
        assert "the Hub is blocked" in log.lines.get()


def test_its_state_shows_and_goes_by_the_table(watch):
    assert repr(watch) == "<HubWatch WATCHING threshold=0.1 blocked=0>"
    assert set(MOVES) == set(WatchState)
    with pytest.raises(IllegalMove):
        moved(MOVES, WatchState.STOPPED, WatchState.STOPPED)


@pytest.mark.parametrize("threshold", [0, -1, 0.049, 3_601, float("inf"), float("nan")])
def test_a_threshold_out_of_its_range_is_named(threshold):
    with pytest.raises(ValueError, match="threshold must be"):
        HubWatch(threshold)


@pytest.mark.parametrize("line", ["%(lineno)d", "%(message)d", "%s %s", "%"])
def test_a_line_with_other_fields_is_named(line):
    with pytest.raises(ValueError, match="line must be a format of"):
        HubWatch(line=line)


def test_the_line_is_the_callers(capfd):
    watch = HubWatch(THRESHOLD, line="[%(process)d] [%(levelname)s] %(message)s")
    watch.start()
    blocked_by(slow)
    watch.stop()
    assert capfd.readouterr().err.startswith(f"[{os.getpid()}] [ERROR] the Hub is")


# ---------------------------------------------------------------------- whole programs

PATCHED = """
from gevent import monkey
monkey.patch_all()
import gevent, logging, os, sys
from gpool.hubwatch import HubWatch
sleep = monkey.get_original("time", "sleep")
logging.basicConfig(filename=sys.argv[1], level="INFO", format="%(levelname)s %(message)s")
watch = HubWatch(float(sys.argv[2]))
watch.start()
"""


@contextmanager
def program(body, *args):
    """A monkey-patched program with a watch, that logs to ``args[0]``."""
    process = subprocess.Popen(
        [sys.executable, "-c", PATCHED + body, *map(str, args)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def read_until(stream, text):
    """What comes from a process until it has said `text`; a failure if that takes long."""
    said = b""
    while text not in said:
        assert select.select([stream], [], [], 20)[0], f"only said {said!r}"
        more = os.read(stream.fileno(), 65_536)
        assert more, f"ended after {said!r}"
        said += more
    return said


def lines_of(path):
    return [line for line in path.read_text().splitlines() if not line.startswith(" ")]


def test_the_logging_lock_may_be_held_while_the_hub_is_blocked(tmp_path):
    """By a greenlet that keeps it until after the Hub has gone on."""
    body = """
def holding():
    handler = logging.getLogger().handlers[0]
    handler.acquire()
    sleep(0.5)
    while not watch.longest:
        gevent.sleep(0.01)
    gevent.sleep(0.1)
    handler.release()

gevent.spawn(holding).join()
gevent.sleep(0.1)
logging.shutdown()
"""
    log = tmp_path / "log"
    with program(body, log, THRESHOLD) as process:
        _, stderr = process.communicate(timeout=20)
    assert process.returncode == 0
    assert stderr.count(b"the Hub is blocked") == 1
    assert [line.split(maxsplit=4)[:4] for line in lines_of(log)] == [
        ["ERROR", "the", "Hub", "is"],
        ["WARNING", "the", "Hub", "goes"],
    ]
    assert b"Traceback" not in stderr


def test_a_hub_that_is_blocked_for_ever_is_reported(tmp_path):
    body = """
def for_ever():
    sleep(1e6)

logging.getLogger().handlers[0].acquire()
gevent.spawn(for_ever).join()
"""
    with program(body, tmp_path / "log", THRESHOLD) as process:
        said = read_until(process.stderr, b", in for_ever")
        assert b"the Hub is blocked" in said


def test_a_terminal_that_is_also_the_log_has_the_report_once(tmp_path):
    body = """
logging.getLogger().addHandler(logging.StreamHandler(sys.stderr))
sleep(0.5)
while not watch.longest:
    gevent.sleep(0.01)
gevent.sleep(0.1)
"""
    log = tmp_path / "log"
    with program(body, log, THRESHOLD) as process:
        _, stderr = process.communicate(timeout=20)
    assert stderr.count(b"the Hub is blocked") == 1
    assert stderr.count(b"the Hub goes on") == 1
    assert len(lines_of(log)) == 2


def test_a_process_that_was_stopped_has_no_blocked_hub(tmp_path):
    body = """
from gevent.os import tp_read
print("ready", flush=True)
for _ in range(4):
    tp_read(0, 1)
    gevent.sleep(2 * watch.threshold)
    print(watch.blocked, flush=True)
"""
    with program(body, tmp_path / "log", 0.3) as process:
        read_until(process.stdout, b"ready\n")
        for _ in range(4):
            os.kill(process.pid, signal.SIGSTOP)
            os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
            select.select([process.stderr], [], [], 1.0)  # as long as it is stopped
            os.kill(process.pid, signal.SIGCONT)
            process.stdin.write(b"x")
            process.stdin.flush()
            assert read_until(process.stdout, b"\n") == b"0\n"
        assert process.stderr.read() == b""


def test_a_child_starts_its_own(tmp_path):
    body = """
pid = os.fork()
if not pid:
    watch.start()
    sleep(0.5)
    gevent.sleep(0.1)
    watch.stop()
    os._exit(watch.blocked)
watch.stop()
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    with program(body, tmp_path / "log", THRESHOLD) as process:
        stdout, stderr = process.communicate(timeout=20)
    assert stdout == b"1\n"
    assert stderr.count(b"the Hub is blocked") == 1


def test_a_program_without_stderr_still_logs(tmp_path):
    """Descriptor 2 may be a client's socket then."""
    log = tmp_path / "log"
    script = PATCHED + "sleep(0.5)\nwhile not watch.longest: gevent.sleep(0.01)\ngevent.sleep(0.1)"
    command = f'exec "$0" -c "$1" "$2" {THRESHOLD} 2>&-'
    subprocess.run(["sh", "-c", command, sys.executable, script, log], cwd=ROOT, check=True)
    assert len(lines_of(log)) == 2
