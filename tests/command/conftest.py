"""A folder and an environment in which nobody has said anything."""

import logging
import os
import sys

import pytest

from gpool.command.logs import LogFile
from tests.command.running import Gpool
from tests.wsgi_server.keys import Keys


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Where the test is, without variables of ours."""
    for name in [*os.environ]:
        if name.startswith(("GPOOL_", "LISTEN_", "NOTIFY_", "WATCHDOG_")) or name == "PORT":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    return tmp_path


@pytest.fixture
def all_loggers():
    """Every logger, as it was when the test is over: one process has many tests."""
    root = logging.getLogger()
    loggers = [one for one in root.manager.loggerDict.values() if isinstance(one, logging.Logger)]
    before = root.handlers[:], root.level, [one.disabled for one in loggers]
    yield
    root.handlers[:], level, disabled = before
    root.setLevel(level)
    for one, was in zip(loggers, disabled, strict=True):
        one.disabled = was


@pytest.fixture
def own_logger(all_loggers):
    """gpool's logger, as it was when the test is over."""
    logger = logging.getLogger("gpool")
    before = logger.handlers[:], logger.propagate, logger.level
    yield logger
    for handler in set(logger.handlers) - set(before[0]):
        if isinstance(handler.stream, LogFile):
            handler.stream._file.close()
    logger.handlers[:], logger.propagate, level = before
    logger.setLevel(level)


@pytest.fixture
def gpool(folder):
    """Run the command; all that run are ended when the test is over."""
    running = []

    def run(*words, **named):
        running.append(Gpool(*words, folder=named.pop("folder", folder), **named))
        return running[-1]

    yield run
    for one in running:
        one.close()


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    """An authority, the files of a server, and those of a client."""
    return Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def module(folder):
    """Write a module that can be imported from here, and forget it afterwards."""
    names = []

    def write(name, text):
        path = folder.joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        names.append(name)
        sys.path.insert(0, str(folder))

    yield write
    for name in names:
        for one in [one for one in sys.modules if f"{one}.".startswith(name.split(".")[0] + ".")]:
            del sys.modules[one]
