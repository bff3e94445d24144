"""What a tree of processes has used."""

import subprocess
import sys
from contextlib import contextmanager

import pytest

from bench.trees import Process, alive, cpu_seconds, memory_kib, parsed, tree

#: A process that has one child which has a child, and another one that has ended.
TREE = """
import os, sys, time

def burn():
    until = time.process_time() + 0.15
    while time.process_time() < until:
        pass

def child(then):
    if not os.fork():
        then()
        os._exit(0)

def leaf():
    burn()
    filled = b"x" * (40 << 20)
    print("leaf", os.getpid(), flush=True)
    sys.stdin.readline()

def branch():
    child(leaf)
    os.wait()

child(burn)
os.wait()
child(branch)
os.wait()
"""


@contextmanager
def running(text):
    """A process that runs this until it can read a line."""
    command = [sys.executable, "-c", text]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, start_new_session=True, **pipes) as process:
        said = process.stdout.readline().split()
        try:
            yield process, said
        finally:
            process.stdin.close()


def test_a_name_may_be_anything():
    """The fields after it are found all the same; those of children that ended count."""
    line = "7 (a) b (c) S 3 5 5 0 -1 4194304 1 2 3 4 100 50 20 10 20 0 1 0 99"
    ticks = 100
    found = parsed(7, line)
    assert (found.pid, found.parent, found.group, found.state) == (7, 3, 5, "S")
    assert found == Process(7, 3, 5, "S", 120 / ticks, 60 / ticks)


def test_a_tree_has_all_that_descend():
    with running(TREE) as (process, (_, leaf)):
        assert [one.pid for one in tree(process.pid)][0::2] == [process.pid, int(leaf)]
        assert len(tree(process.pid)) == 3
        assert [one.pid for one in tree(int(leaf))] == [int(leaf)]


def test_processor_time_is_of_the_whole_tree():
    """That of the one that has ended, and of the one that still runs."""
    with running(TREE) as (process, (_, leaf)):
        assert sum(cpu_seconds(int(leaf))) >= 0.14
        assert sum(cpu_seconds(process.pid)) >= 0.28


def test_memory_is_of_the_whole_tree():
    with running(TREE) as (process, (_, leaf)):
        own = memory_kib(int(leaf))
        assert own > 40 << 10
        all_of_them = memory_kib(process.pid)
        assert all_of_them > own + (8 << 10)  # three interpreters
        assert memory_kib(process.pid, "VmHWM") >= all_of_them


def test_a_field_that_does_not_exist():
    text = "print('x', flush=True); input()"
    with running(text) as (process, _), pytest.raises(ValueError, match="no VmNothing"):
        memory_kib(process.pid, "VmNothing")


def test_a_process_that_does_not_exist():
    with running("print('x', flush=True); input()") as (process, _):
        pass
    with pytest.raises(ProcessLookupError):
        cpu_seconds(process.pid)


def test_alive_leaves_out_who_has_ended():
    """One that nobody has waited for is there, but ended."""
    with running(
        "import os, sys\n"
        "pid = os.fork()\n"
        "if not pid: os._exit(0)\n"
        "os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)\n"
        "print('ready', flush=True); sys.stdin.readline()"
    ) as (process, _):
        assert len(tree(process.pid)) == 2
        assert alive(process.pid) == [process.pid]
    assert alive(process.pid) == []
