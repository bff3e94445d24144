"""gpool's logs, and opening them anew."""

import logging
import logging.config
import os
import sys

import click
import pytest

from gpool.command.logs import LogFile, Logs

pytestmark = pytest.mark.usefixtures("own_logger")


@pytest.fixture
def open_log():
    """Make log files, and close them."""
    files = []

    def make(path):
        files.append(LogFile(path))
        return files[-1]

    yield make
    for file in files:
        file._file.close()


def lines(path):
    return path.read_text().splitlines()


def test_a_log_file_is_appended_to(folder, open_log):
    (folder / "log").write_text("old\n")
    file = open_log("log")
    file.write("new\n")
    file.flush()
    assert lines(folder / "log") == ["old", "new"]


def test_after_a_rename_the_name_is_a_new_file(folder, open_log):
    file = open_log("log")
    file.write("one\n")
    (folder / "log").rename(folder / "log.1")
    file.write("two\n")
    file.reopen()
    file.write("three\n")
    file.flush()
    assert lines(folder / "log.1") == ["one", "two"]
    assert lines(folder / "log") == ["three"]


def test_an_application_that_goes_elsewhere_does_not_take_the_log_with_it(folder, open_log):
    file = open_log("log")
    (folder / "elsewhere").mkdir()
    os.chdir("elsewhere")
    file.reopen()
    assert not (folder / "elsewhere" / "log").exists()


def test_when_it_cannot_be_opened_anew_the_old_one_goes_on(folder, capfd):
    (folder / "d").mkdir()
    logs = Logs("info", "d/log", "d/access")
    (folder / "d").rename(folder / "e")
    logs.reopen()
    logs.access.write("still\n")
    logs.access.flush()
    logs.access._file.close()
    assert lines(folder / "e" / "access") == ["still"]
    assert [line.split("gpool: ")[1] for line in lines(folder / "e" / "log")] == [
        f"a log cannot be opened anew: [Errno 2] No such file or directory: '{folder / 'd' / name}'"
        for name in ("log", "access")
    ]


def test_the_standard_output_stays(capsys):
    file = LogFile("-")
    file.reopen()
    file.write("x\n")
    assert capsys.readouterr().out == "x\n"
    assert not sys.stdout.closed


@pytest.mark.parametrize("option", ["--log-file", "--access-log"])
def test_a_file_that_cannot_be_opened_is_named(folder, option):
    paths = ("nowhere/log", None) if option == "--log-file" else (None, "nowhere/log")
    with pytest.raises(click.ClickException) as raised:
        Logs("info", *paths)
    assert raised.value.message == f"{option}: No such file or directory: 'nowhere/log'"


def test_a_line_says_when_who_and_what(folder):
    Logs("info", "log", None)
    logging.getLogger("gpool.server").warning("words")
    (line,) = lines(folder / "log")
    assert line.endswith(f" [{os.getpid()}] WARNING gpool.server: words")


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error", "critical"])
def test_a_level_is_the_least_that_is_told(folder, level):
    Logs(level, "log", None)
    for name in ("debug", "info", "warning", "error", "critical"):
        getattr(logging.getLogger("gpool"), name)("words")
    least = getattr(logging, level.upper())
    assert len(lines(folder / "log")) == (logging.CRITICAL - least) // 10 + 1


def test_the_roots_handlers_do_not_tell_it_again(folder, caplog):
    Logs("info", None, None)
    logging.getLogger("gpool").warning("words")
    assert not caplog.records


def test_making_them_twice_tells_once(folder, own_logger):
    Logs("info", "log", None)
    own_logger.handlers[0].stream._file.close()
    Logs("info", "log", None)
    logging.getLogger("gpool").warning("words")
    assert len(lines(folder / "log")) == 1


def test_nothing_is_lost_when_the_application_configures_logging(folder):
    logs = Logs("info", "log", None)
    child = logging.getLogger("gpool.server")
    logging.config.dictConfig({"version": 1, "root": {"level": "ERROR"}})
    assert child.disabled
    logs.claim()
    child.info("words")
    assert len(lines(folder / "log")) == 1


def test_a_logger_of_another_name_stays_off(folder):
    logs = Logs("info", None, None)
    other = logging.getLogger("gpooled")
    other.disabled = True
    logs.claim()
    assert other.disabled
