"""The file with the process's number."""

import os
import subprocess
import sys

import click
import pytest

from gpool.command.pidfile import PidFile, number_in, runs


@pytest.fixture
def ended():
    """The number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_it_is_there_while_it_is_entered(folder):
    with PidFile("pid"):
        assert (folder / "pid").read_text() == f"{os.getpid()}\n"
    assert not (folder / "pid").exists()


def test_it_is_removed_after_an_error_too(folder):
    with pytest.raises(RuntimeError), PidFile("pid"):
        raise RuntimeError
    assert not (folder / "pid").exists()


def test_without_a_path_there_is_none(folder):
    with PidFile(None):
        assert not list(folder.iterdir())


def test_the_file_of_a_process_that_runs_is_not_taken(folder):
    (folder / "pid").write_text(f"{os.getppid()}\n")
    with pytest.raises(click.ClickException) as raised, PidFile("pid"):
        pass
    assert raised.value.message == f"--pid-file {folder / 'pid'}: process {os.getppid()} runs"
    assert (folder / "pid").read_text() == f"{os.getppid()}\n"


@pytest.mark.parametrize("text", ["", "x", "-1", "0", "1.5", "9" * 50])
def test_what_is_no_process_is_written_over(folder, text):
    (folder / "pid").write_text(text)
    if text == "9" * 50:  # kill(2) takes no such number, and nobody has it
        assert not runs(int(text))
    with PidFile("pid"):
        assert number_in(folder / "pid") == os.getpid()


def test_the_file_of_a_process_that_ended_is_taken(folder, ended):
    (folder / "pid").write_text(f"{ended}\n")
    with PidFile("pid"):
        assert number_in(folder / "pid") == os.getpid()


def test_our_own_number_is_taken(folder):
    (folder / "pid").write_text(f"{os.getpid()}\n")
    with PidFile("pid"):
        assert number_in(folder / "pid") == os.getpid()


def test_a_file_that_has_become_anothers_is_left(folder):
    with PidFile("pid"):
        (folder / "pid").write_text("1\n")
    assert (folder / "pid").read_text() == "1\n"


def test_a_file_that_is_gone_is_no_error(folder):
    with PidFile("pid"):
        (folder / "pid").unlink()


def test_an_application_that_goes_elsewhere_leaves_no_file(folder):
    (folder / "elsewhere").mkdir()
    with PidFile("pid"):
        os.chdir("elsewhere")
    assert not (folder / "pid").exists()


@pytest.mark.parametrize("path", ["nowhere/pid", "."])
def test_a_file_that_cannot_be_written_is_named(folder, path):
    with pytest.raises(click.ClickException) as raised, PidFile(path):
        pass
    assert raised.value.message.startswith(f"--pid-file {(folder / path).absolute()}: ")


def test_a_process_of_somebody_else_runs_too(folder, monkeypatch):
    """kill(2) says so by refusing the signal."""

    def kill(number, signal):
        raise PermissionError

    monkeypatch.setattr(os, "kill", kill)
    assert runs(1)
    (folder / "pid").write_text("1\n")
    with pytest.raises(click.ClickException, match="process 1 runs"), PidFile("pid"):
        pass
