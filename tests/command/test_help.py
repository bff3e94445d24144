"""What the command tells of itself."""

import re

import pytest

from gpool.cli import main
from gpool.command.options import GROUPS, OPTIONS
from gpool.version import __version__


@pytest.fixture
def asked(capsys, monkeypatch):
    """What the command prints, and its status."""

    def ask(*words, columns="200"):
        monkeypatch.setenv("COLUMNS", columns)
        with pytest.raises(SystemExit) as raised:
            main(words)
        return raised.value.code, capsys.readouterr()

    return ask


def sections(text):
    """The lines below each title."""
    found = {}
    for line in text.splitlines():
        if re.fullmatch(r"[A-Z].*:", line):
            lines = found[line[:-1]] = []
        elif found:
            lines.append(line)
    return found


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_fits_100_columns(asked, word):
    status, written = asked(word)
    assert status == 0
    assert max(map(len, written.out.splitlines())) <= 100
    assert not written.err


def test_help_fits_a_narrow_terminal(asked):
    _, written = asked("--help", columns="60")
    assert max(map(len, written.out.splitlines())) <= 62


def test_each_option_is_once_in_its_group(asked):
    found = sections(asked("--help")[1].out)
    assert list(found) == [*(group.title for group in GROUPS), "More"]
    for group in GROUPS:
        lines = "\n".join(found[group.title])
        flags = re.findall(r"^  (?:-\w, )?--(?!no-)([\w-]+)", lines, re.MULTILINE)
        assert flags == [one.flag[2:] for one in group.options]


def test_each_options_text_and_default_are_there(asked):
    text = re.sub(r"-\s+(?=\S)", "-", " ".join(asked("--help")[1].out.split()))
    for option in OPTIONS.values():
        assert re.sub(r"-\s+", "-", option.text.replace("-*", "-*")) in text.replace("- ", "-")
    assert "[10000]" in text and "[127.0.0.1:8000]" in text and "[off]" in text


def test_what_is_on_shows_how_to_turn_it_off(asked):
    text = asked("--help")[1].out
    assert "--monkey-patch / --no-monkey-patch" in text
    assert "--no-reload" not in text


@pytest.mark.parametrize("word", ["--version", "-V"])
def test_the_version(asked, word):
    status, written = asked(word)
    assert (status, written.out) == (0, f"gpool {__version__}\n")


def test_help_is_there_although_the_file_is_broken(asked, folder):
    (folder / "gpool.toml").write_text("= 3")
    assert asked("--help")[0] == 0


@pytest.mark.parametrize(
    ("words", "status"), [(["--max-workers", "0", "a:b"], 2), ([], 2), (["a:b", "c:d"], 2)]
)
def test_a_mistake_of_the_command_line_is_2(asked, words, status):
    code, written = asked(*words)
    assert code == status
    assert written.err.splitlines()[-1].startswith("Error: ")
    assert "Traceback" not in written.err
    assert not written.out


@pytest.mark.parametrize("chdir", [None, "nowhere"])
def test_a_folder_that_is_not_there_is_named(asked, folder, monkeypatch, chdir):
    if chdir is None:
        (folder / "gone").mkdir()
        monkeypatch.chdir(folder / "gone")
        (folder / "gone").rmdir()
    code, written = asked("--check", *(["--chdir", chdir] if chdir else []), "a:b")
    assert code in (1, 2)
    assert "--chdir" in written.err.splitlines()[-1]
    monkeypatch.chdir(folder)
