"""What `make coverage` counts: lines of the file that they are in, whichever greenlet runs them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

coverage = pytest.importorskip("coverage", reason="coverage is not installed: it is of dev")

ROOT = Path(__file__).parent.parent
SETTINGS = """
[run]
branch = true
concurrency = gevent, thread
plugins = tests.tracing
"""
#: Each switch is followed by lines without a call; not all of `OTHER` is run.
PROGRAM = """
from greenlet import getcurrent, greenlet
from other import ever

one = greenlet(ever)
one.switch(getcurrent())
first = 1
second = 2
one.switch(False)
third = 3
one.switch(True)
"""
OTHER = """
import _thread

def ever(parent):
    goes = parent.switch()
    if goes:
        never = 1
    else:
        instead = 2
    over = _thread.allocate_lock()
    over.acquire()
    goes = parent.switch()
    _thread.start_new_thread(followed, (over,))
    over.acquire()

def followed(over):
    seen = 3
    over.release()

def never():
    not_this = 4
"""


def test_lines_after_a_switch_and_in_threads_count_for_their_own_file(tmp_path):
    for name, text in ("settings", SETTINGS), ("program.py", PROGRAM), ("other.py", OTHER):
        (tmp_path / name).write_text(text)
    environ = {name: one for name, one in os.environ.items() if not name.startswith("COVERAGE_")}
    subprocess.run(
        [sys.executable, "-m", "coverage", "run", "--rcfile=settings", "program.py"],
        cwd=tmp_path,
        env=environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])},
        check=True,
    )
    data = coverage.CoverageData(str(tmp_path / ".coverage"))
    data.read()
    seen = {Path(name).name: set(data.lines(name)) for name in data.measured_files()}
    assert seen["program.py"] == {2, 3, 5, 6, 7, 8, 9, 10, 11}
    assert seen["other.py"] == {2, 4, 5, 6, 9, 10, 11, 12, 13, 14, 16, 17, 18, 20}
