"""Figures of several processes in files: none lost, none twice, none of somebody else."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from gpool.admin import spool as module
from gpool.admin.snapshot import merged
from gpool.admin.spool import Spool, identity, lives
from tests.admin.parts import snapshot


@pytest.fixture
def sibling():
    """Processes that do nothing until their input ends; `end` ends one."""
    processes = []

    def start():
        process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        processes.append(process)
        return process

    yield start
    for process in processes:
        end(process)


def end(process, *, reap=True):
    process.stdin.close()
    if reap:
        process.wait()
    else:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def test_each_process_reads_all(tmp_path, sibling):
    pids = [os.getpid(), sibling().pid, sibling().pid]
    spools = [Spool(tmp_path, "r", pid=pid) for pid in pids]
    for spool, pid in zip(spools, pids, strict=True):
        spool.write(snapshot(pids=(pid,), busy=2, sent=10))
    for spool in spools:
        all_of_them = merged(spool.read())
        assert (all_of_them.pids, all_of_them.busy, all_of_them.sent) == (
            tuple(sorted(pids)),
            6,
            30,
        )


def test_a_later_write_takes_the_place_of_the_one_before(tmp_path):
    spool = Spool(tmp_path, "r", pid=os.getpid())
    spool.write(snapshot(sent=10))
    spool.write(snapshot(sent=20))
    assert [one.sent for one in spool.read()] == [20]
    assert len(names(tmp_path)) == 2  # the lock is the other


@pytest.mark.parametrize("reap", [True, False], ids=["reaped", "a zombie"])
def test_what_an_ended_process_has_done_stays_counted_once(tmp_path, sibling, reap):
    process = sibling()
    own, other = Spool(tmp_path, "r", pid=os.getpid()), Spool(tmp_path, "r", pid=process.pid)
    own.write(snapshot(pids=(os.getpid(),), busy=1, sent=1))
    other.write(snapshot(pids=(process.pid,), busy=5, sent=10, max_workers=9))
    end(process, reap=reap)
    for _ in range(3):  # from its own file, and then from that of the ended
        left = merged(own.read())
        assert (left.pids, left.busy, left.max_workers, left.sent) == ((os.getpid(),), 1, 0, 11)
    assert names(tmp_path) == [f"gpool-r-{os.getpid()}.json", "gpool-r-ended.json", "gpool-r.lock"]


def test_files_are_as_many_as_processes_however_many_there_were(tmp_path, sibling):
    own = Spool(tmp_path, "r", pid=os.getpid())
    own.write(snapshot(pids=(os.getpid(),)))
    for _ in range(5):
        process = sibling()
        Spool(tmp_path, "r", pid=process.pid).write(snapshot(pids=(process.pid,), sent=10))
        end(process)
        own.read()
    assert merged(own.read()).sent == 50
    assert len(names(tmp_path)) == 3


def test_who_was_added_and_not_removed_is_not_counted_twice(tmp_path, sibling):
    process = sibling()
    Spool(tmp_path, "r", pid=process.pid).write(snapshot(pids=(process.pid,), sent=10))
    file = tmp_path / f"gpool-r-{process.pid}.json"
    text = file.read_text()
    end(process)
    own = Spool(tmp_path, "r", pid=os.getpid())  # adds it
    assert not file.exists()
    file.write_text(text)  # as if it had been killed before it could remove the file
    assert [merged(own.read()).sent for _ in range(3)] == [10, 10, 10]
    assert not file.exists()


def test_a_new_process_with_an_ended_ones_pid_is_another(tmp_path, monkeypatch):
    pid = os.getpid()
    monkeypatch.setattr(module, "birth", lambda _pid: 1)
    Spool(tmp_path, "r", pid=pid).write(snapshot(sent=10))
    monkeypatch.setattr(module, "birth", lambda _pid: 2)
    spool = Spool(tmp_path, "r", pid=pid)
    spool.write(snapshot(sent=1))
    assert merged(spool.read()).sent == 11


def test_while_a_sibling_adds_nobody_waits_and_all_are_counted(tmp_path, sibling):
    process = sibling()
    own = Spool(tmp_path, "r", pid=os.getpid())
    Spool(tmp_path, "r", pid=process.pid).write(snapshot(pids=(process.pid,), sent=10, busy=3))
    end(process)
    with own._lock() as locked:
        assert locked
        left = merged(own.read())
    assert (left.sent, left.busy) == (10, 0)
    assert (tmp_path / f"gpool-r-{process.pid}.json").exists()


def test_files_of_another_run_are_not_read(tmp_path):
    Spool(tmp_path, "other", pid=os.getpid()).write(snapshot(sent=10))
    spool = Spool(tmp_path, "r", pid=os.getpid())
    assert spool.read() == []
    assert f"gpool-other-{os.getpid()}.json" in names(tmp_path)


def test_files_of_another_run_that_nobody_touches_are_removed(tmp_path):
    Spool(tmp_path, "other", pid=os.getpid()).write(snapshot())
    (tmp_path / "mine").write_text("")
    for path in tmp_path.iterdir():
        os.utime(path, (0, 0))
    Spool(tmp_path, "r", pid=os.getpid())
    assert names(tmp_path) == ["gpool-r.lock", "mine"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"snapshot": 1}', '{"snapshot": {}, "identity": "1.1"}'],
    ids=repr,
)
def test_what_cannot_be_read_is_passed_over(tmp_path, text):
    spool = Spool(tmp_path, "r", pid=os.getpid())
    spool.write(snapshot(sent=1))
    for name in ("7", "ended"):
        (tmp_path / f"gpool-r-{name}.json").write_text(text)
    assert [one.sent for one in spool.read()] == [1]


def test_a_file_system_that_fails_costs_a_word_in_the_log(tmp_path, logged):
    directory = tmp_path / "spool"
    spool = Spool(directory, "r", pid=os.getpid())
    (directory / "gpool-r.lock").unlink()
    directory.rmdir()
    spool.write(snapshot())
    spool.write(snapshot())
    assert spool.read() == []
    assert [line.partition(":")[0] for line in logged()] == [
        f"cannot write to {directory}/gpool-r-{os.getpid()}.json"
    ]


def test_a_reader_sees_whole_files_only(tmp_path):
    """One writes, another reads, as fast as they can."""
    spool = Spool(tmp_path, "r", pid=os.getpid())
    spool.write(snapshot(sent=0))
    done = Event()

    def write():
        for count in range(300):
            spool.write(snapshot(sent=count))
        done.set()

    with ThreadPoolExecutor(1) as executor:
        writing = executor.submit(write)
        seen = [0]
        while not done.is_set():
            [one] = spool.read()
            seen.append(one.sent)
        writing.result()
    assert seen == sorted(seen)


def test_the_directory_is_for_this_user_alone(tmp_path):
    Spool(tmp_path / "a" / "spool", "r", pid=1)
    assert (tmp_path / "a" / "spool").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("run", ["", "a-b", "a/b", "*", "x" * 65])
def test_a_run_that_is_no_name_is_refused(tmp_path, run):
    with pytest.raises(ValueError, match="run must be 1 to 64 letters"):
        Spool(tmp_path, run, pid=1)


def test_only_the_process_itself_lives():
    own = identity(os.getpid())
    assert lives(own)
    assert not lives(f"{os.getpid()}.1")
    assert lives(identity(1))  # somebody else's


def test_what_is_written_is_json(tmp_path):
    Spool(tmp_path, "r", pid=4).write(snapshot(sent=3))
    assert json.loads((tmp_path / "gpool-r-4.json").read_text())["snapshot"]["sent"] == 3


def test_a_process_of_somebody_else_is_alive_too(monkeypatch):
    """kill(2) says so by refusing the signal."""
    who = identity(os.getpid())

    def kill(pid, signal):
        raise PermissionError

    monkeypatch.setattr(os, "kill", kill)
    assert lives(who)
    assert not lives(f"{os.getpid()}.1")  # an earlier one with the same number


def test_where_nobody_tells_when_a_process_began_its_number_is_all_there_is(monkeypatch):
    """Without /proc, as on BSD and macOS."""

    def read_bytes(path):
        raise FileNotFoundError

    monkeypatch.setattr(module.Path, "read_bytes", read_bytes)
    assert lives(identity(os.getpid()))
    assert lives(f"{os.getpid()}.1")


def test_figures_of_the_ended_that_cannot_be_added_stay_and_are_told_of(
    tmp_path, sibling, monkeypatch, logged
):
    process = sibling()
    Spool(tmp_path, "r", pid=process.pid).write(snapshot(pids=(process.pid,), sent=10))
    end(process)

    def fail(path, entry):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(module, "replace", fail)
        spool = Spool(tmp_path, "r", pid=os.getpid())
        assert merged(spool.read()).sent == 10
    assert logged()[0] == f"cannot write to {tmp_path}: no space left"
    assert merged(spool.read()).sent == 10  # once, now that they were added
    assert merged(spool.read()).sent == 10


def test_repr_says_which_file_is_its_own(tmp_path):
    assert repr(Spool(tmp_path, "r", pid=7)) == f"<Spool {tmp_path / 'gpool-r-7.json'}>"
