"""Start anew when a source file changes.

watchfiles watches; the process that serves is a child, started anew with the same words. The
listeners are opened here and inherited, so that no client is turned away in between: it waits.

    ABSENT --start--> SERVING --TERM, INT, QUIT--> ENDING --its end, or killed--> ABSENT
      +---its own end----+

Guarantees: a change, or HUP, ends the old child as SIGTERM does, and one that does not end is
killed a little after `graceful_timeout`; a child that cannot start (a syntax error, say) is waited
for: the next change starts another; TERM, INT and QUIT are the child's too, each time, and then
this process ends; USR1 is passed on.
"""

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from enum import auto
from pathlib import Path
from typing import Any

import click

from gpool.command.listeners import bound
from gpool.command.logs import Logs
from gpool.command.pidfile import PidFile
from gpool.command.sources import Config
from gpool.command.types import FD
from gpool.listener import made, remove
from gpool.states import State, moved

__all__ = ["RELOADED", "watch_and_serve"]

logger = logging.getLogger("gpool.reload")

RELOADED = "GPOOL_RELOADED"  # what the child is told: the descriptors of its listeners
LOOK = 500  # milliseconds between two looks at the child
AFTERMATH = 3.0  # seconds that a child has, after graceful_timeout, to kill what is left in it
ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


class ChildState(State):
    """What the child does; `MOVES` is what may follow."""

    ABSENT = auto()
    SERVING = auto()
    ENDING = auto()


ABSENT, SERVING, ENDING = ChildState

MOVES: dict[ChildState, tuple[ChildState, ...]] = {
    ABSENT: (SERVING,),
    SERVING: (ENDING, ABSENT),
    ENDING: (ABSENT,),
}


def watch_and_serve(config: Config, arguments: list[str], folder: str) -> None:
    """Serve in a child until a signal ends this process.

    Args:
        config: what was said.
        arguments: the words of the command line, for the child.
        folder: where they were said.

    Raises:
        click.ClickException: there is no watchfiles, or an address cannot be bound.
    """
    try:
        import watchfiles  # noqa: PLC0415  # an extra
    except ImportError:
        raise click.ClickException(
            "--reload needs watchfiles: pip install 'gpool[reload]'"
        ) from None
    logs = Logs(config["log_level"], config["log_file"], None)
    paths = watched(config)
    addresses = config["bind"]
    with PidFile(config["pid_file"]):
        listeners = bound(addresses, config["backlog"], reuse_port=config["reuse_port"])
        files = [
            made(one.family, one.getsockname())
            for one, address in zip(listeners, addresses, strict=True)
            if not address.startswith(FD)
        ]
        child = Child([one.fileno() for one in listeners], arguments, folder)
        patience = config["graceful_timeout"] + AFTERMATH
        changes = watchfiles.watch(
            *paths,
            watch_filter=watchfiles.PythonFilter(extra_extensions=(".toml", ".html", ".jinja2")),
            stop_event=child.stop,
            yield_on_timeout=True,
            rust_timeout=LOOK,
            raise_interrupt=False,
        )
        child.listen_to_signals(logs)
        logger.info("watching %s", ", ".join(map(str, paths)))
        try:
            child.keep(changes, patience)
        finally:
            for file in filter(None, files):
                remove(file)


def watched(config: Config) -> list[Path]:
    """The folders and files to watch.

    Raises:
        click.ClickException: one is not there.
    """
    for path in config["reload_dir"]:
        if not Path(path).exists():
            raise click.ClickException(f"--reload-dir {path}: there is no such file or directory")
    return [Path.cwd(), *map(Path, config["reload_dir"])]


class Child:
    """The process that serves, and those that follow it.

    Args:
        descriptors: of the listeners, that it inherits.
        arguments: the words of the command line.
        folder: where it starts.

    Attributes:
        stop: set when this process is to end.
        state: see `ChildState`.
    """

    def __init__(self, descriptors: list[int], arguments: list[str], folder: str) -> None:
        self._descriptors = descriptors
        self._arguments = arguments
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._renew = threading.Event()
        self.stop = threading.Event()
        self.state = ABSENT

    def keep(self, changes: Iterator[set[Any]], patience: float) -> None:
        """Start it, and another after each change; end it when there are no more.

        Args:
            changes: sets of what has changed; empty ones now and then, to look at it.
            patience: seconds until one that is to end is killed.
        """
        self._start()
        try:
            for changed in changes:
                if changed or self._renew.is_set():
                    names = sorted({Path(path).name for _, path in changed})
                    logger.warning("changed: %s", ", ".join(names) or "SIGHUP says so")
                    self._renew.clear()
                    self._end(patience)
                    self._start()
                else:
                    self._look()
        finally:
            self._end(patience)

    def listen_to_signals(self, logs: Logs) -> None:
        """Take the signals of this process.

        Args:
            logs: of this process.
        """

        def reopen(*_: object) -> None:
            logs.reopen()
            self.tell(signal.SIGUSR1)

        for number in ENDS:
            signal.signal(number, self._asked)
        signal.signal(signal.SIGHUP, lambda *_: self._renew.set())
        signal.signal(signal.SIGUSR1, reopen)

    def _asked(self, number: int, _frame: object) -> None:
        # The first SIGTERM is nothing new to a child that ends for a change.
        known = number == signal.SIGTERM and self.state is ENDING and not self.stop.is_set()
        self.stop.set()
        if not known:
            self.tell(number)

    def tell(self, number: int) -> None:
        """Send it a signal, if it is there."""
        if self._process is not None:
            if number in ENDS and self.state is SERVING:
                self._move(ENDING)
            self._process.send_signal(number)

    def _start(self) -> None:
        if self.stop.is_set():
            return
        self._process = subprocess.Popen(  # noqa: S603  # our own words
            [sys.executable, "-P", "-m", "gpool", *self._arguments],
            cwd=self._folder,
            pass_fds=self._descriptors,
            env=os.environ | {RELOADED: ",".join(map(str, self._descriptors))},
        )
        self._move(SERVING)

    def _look(self) -> None:
        process = self._process
        if process is not None and process.poll() is not None:
            logger.warning("ended with status %d; waiting for a change", process.returncode)
            self._gone()

    def _end(self, patience: float) -> None:
        process = self._process
        if process is None:
            return
        if self.state is SERVING:
            self.tell(signal.SIGTERM)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            logger.warning("killed, after %g s", patience)
            process.kill()
            process.wait()
        self._gone()

    def _gone(self) -> None:
        self._process = None
        self._move(ABSENT)

    def _move(self, state: ChildState) -> None:
        self.state = moved(MOVES, self.state, state)
