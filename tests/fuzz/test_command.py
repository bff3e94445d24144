"""The command: how a failure is told, kept and seen again."""

import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.fuzz import __main__ as command
from tests.fuzz.engines import Run, engine
from tests.fuzz.targets import TARGETS

GOOD = b"\0\0GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def failing(data):
    assert b"Host" not in data, "there is a host"
    return True


@pytest.fixture
def broken(monkeypatch):
    """A target that fails on nearly everything."""
    known = TARGETS["connections"]
    monkeypatch.setitem(TARGETS, "connections", replace(known, run=failing))


def test_a_failure_is_written_told_and_seen_again(broken, tmp_path):
    run = ["--target", "connections", "--plain", "--seconds", "20", "--out", str(tmp_path)]
    result = CliRunner().invoke(command.main, run, catch_exceptions=False)
    [path] = tmp_path.glob("connections-*")
    assert b"Host" in path.read_bytes()
    assert result.exit_code == 1
    told = result.output.replace("\n", "")
    assert "connections has failed" in told and "there is a host" in told
    assert f"--reproduce {path} --target connections" in told
    again = CliRunner().invoke(command.main, ["--reproduce", str(path), "--target", "connections"])
    assert isinstance(again.exception, AssertionError) and again.exit_code == 1


def test_without_a_failure_the_command_succeeds(tmp_path):
    run = ["--target", "bodies", "--plain", "--seconds", "0.1", "--out", str(tmp_path)]
    result = CliRunner().invoke(command.main, run, catch_exceptions=False)
    assert result.exit_code == 0 and "nothing" in result.output
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


def test_an_input_that_does_not_fail_is_said_to_be_accepted_or_refused(tmp_path):
    for data, word in ((GOOD, "accepted"), (GOOD + b"\0", "accepted"), (b"\0\0\0", "refused")):
        path = tmp_path / "input"
        path.write_bytes(data)
        told = CliRunner().invoke(
            command.main, ["--reproduce", str(path), "--target", "connections"]
        )
        assert told.exit_code == 0 and word in told.output


def test_the_same_seed_makes_the_same_run(broken, tmp_path):
    crashes = []
    for seed in (1, 1, 2):
        *_, last = engine(Run(TARGETS["connections"], 20, tmp_path, seed), plain=True)
        crashes.append(last.crash)
    assert crashes[0] == crashes[1] != crashes[2]


@pytest.mark.parts
@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris is not installed")
def test_atheris_finds_what_coverage_leads_to(tmp_path):
    """A process of its own, which tells of coverage and succeeds."""
    *_, last = engine(Run(TARGETS["bodies"], 2, tmp_path))
    assert last.crash is None and last.executions and last.coverage


def test_the_command_says_what_it_does():
    told = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--help"], capture_output=True, text=True, check=True
    )
    for name in TARGETS:
        assert name in told.stdout
    assert Path(command.__file__).name == "__main__.py"
