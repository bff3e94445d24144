"""One process that serves, from its first listener to its last byte.

Signals, systemd and the drain are here:

    STARTING --> SERVING --TERM--> DRAINING --all done, or graceful_timeout--> ENDED
                    |                  |
                    +--INT, QUIT-------+--TERM, INT, QUIT--> ENDING: what is left is killed

USR1 opens the logs anew; HUP does too, and reads the certificate again.

Guarantees: systemd hears READY only when the listeners are there; after a drain the exit status
is 0; a signal during the drain is enough to end it.
"""

import logging
import os
import platform
import signal
from collections.abc import Callable
from enum import auto
from functools import partial
from typing import Any

import click
import gevent
from gevent.event import Event
from gevent.hub import get_hub

from gpool.admin.server import Admin
from gpool.command import building
from gpool.command.listeners import listener, shown
from gpool.command.loading import load
from gpool.command.logs import Logs
from gpool.command.pidfile import PidFile
from gpool.command.sources import Config
from gpool.command.systemd import notify, watchdog_seconds
from gpool.hosting import Hosting, prepare_exit
from gpool.states import State, moved
from gpool.version import __version__
from gpool.workers import __file__ as hot_path

__all__ = ["Process", "ProcessState", "serve"]

logger = logging.getLogger("gpool")


class ProcessState(State):
    """Where a process is; `MOVES` is what may follow."""

    STARTING = auto()
    SERVING = auto()
    DRAINING = auto()
    ENDING = auto()
    ENDED = auto()


STARTING, SERVING, DRAINING, ENDING, ENDED = ProcessState

MOVES: dict[ProcessState, tuple[ProcessState, ...]] = {
    STARTING: (SERVING, ENDING),
    SERVING: (DRAINING, ENDING),
    DRAINING: (ENDING, ENDED),
    ENDING: (ENDED,),
    ENDED: (),
}


def serve(config: Config) -> None:
    """Worker side. Serve until a signal ends it.

    Raises:
        AppFailed: the application cannot be imported.
        click.ClickException: something in the configuration is wrong.
    """
    logs = Logs(config["log_level"], config["log_file"], config["access_log"])
    context = building.tls_context(config)
    with PidFile(config["pid_file"]):
        application = load(config.app)
        logs.claim()
        listeners = [listener(address) for address in config["bind"]]
        hosting = building.hosting(
            config, listeners, application, ssl_context=context, log=logs.access
        )
        Process(config, hosting, logs, context).run()


class Process:
    """The process.

    Args:
        config: what was said.
        hosting: its servers.
        logs: its logs.
        context: of TLS; None for none.
    """

    def __init__(self, config: Config, hosting: Hosting, logs: Logs, context: Any) -> None:
        self._config = config
        self._hosting = hosting
        self._logs = logs
        self._context = context
        self._watch = building.watch(config)
        self._collections = building.collections(config["gc_share"])
        self._admin: Admin | None = building.admin(config, hosting, self._watch)
        self._asked = Event()
        self._watchdog: Any = None
        self.state = STARTING

    def run(self) -> None:
        """Worker side. Serve until a signal ends it."""
        reactions: dict[signal.Signals, Callable[[], None]] = {
            signal.SIGTERM: partial(self._end, DRAINING),
            signal.SIGINT: partial(self._end, ENDING),
            signal.SIGQUIT: partial(self._end, ENDING),
            signal.SIGUSR1: self._logs.reopen,
            signal.SIGHUP: self._renew,
        }
        handlers = [gevent.signal_handler(number, react) for number, react in reactions.items()]
        try:
            self._start()
            self._wait()
        finally:
            for handler in handlers:
                handler.cancel()
        logger.info("ended")

    def _start(self) -> None:
        if self._collections is not None:
            self._collections.start()
        if self._watch is not None:
            self._watch.start()
        self._listen()
        self._greet()
        seconds = watchdog_seconds()
        if seconds is not None:
            self._watchdog = get_hub().loop.timer(seconds / 2, seconds / 2, ref=False)
            self._watchdog.start(notify, "WATCHDOG=1")
        notify("READY=1", f"MAINPID={os.getpid()}")
        if self.state is STARTING:
            self._move(SERVING)

    def _listen(self) -> None:
        try:
            self._hosting.start()
        except OSError as error:
            raise click.ClickException(f"--bind: {error.strerror or error}") from None
        try:
            if self._admin is not None:
                self._admin.start()
        except OSError as error:
            self._hosting.stop(0)
            raise click.ClickException(f"--admin: {error.strerror or error}") from None

    def _greet(self) -> None:
        config, tls = self._config, self._context is not None
        made = "compiled" if not hot_path.endswith(".py") else "pure Python"
        logger.info(
            "gpool %s (%s), gevent %s, Python %s",
            __version__,
            made,
            gevent.__version__,
            platform.python_version(),
        )
        for server in self._hosting.servers:
            logger.info("%s on %s", config.app, shown(server.socket.getsockname(), tls=tls))
        logger.info(
            "%d workers, connections: %s, overflow: %s",
            config["max_workers"],
            config["max_connections"] or "no limit",
            config["overflow"],
        )
        if self._admin is not None:
            logger.info("admin on %s", shown(self._admin.server.socket.getsockname(), tls=False))

    # ------------------------------------------------------------------ the end

    def _wait(self) -> None:
        # Worker side.
        self._asked.wait()
        notify("STOPPING=1")
        if self.state is DRAINING:
            timeout = self._config["graceful_timeout"]
            logger.info("draining, for %g s at most", timeout)
            self._asked.clear()
            drain = gevent.spawn(self._hosting.stop, timeout)
            drain.rawlink(lambda _: self._asked.set())
            self._asked.wait()
        if self.state is ENDING:
            logger.info("ending at once")
            self._hosting.stop(0)
        if self._admin is not None:
            self._admin.stop()
        if self._watch is not None:
            self._watch.stop()
        if self._watchdog is not None:
            self._watchdog.close()
        if self._collections is not None:
            self._collections.stop()
        prepare_exit()
        self._move(ENDED)

    def _end(self, how: ProcessState) -> None:
        # A signal has come.
        if self.state in (STARTING, DRAINING):
            how = ENDING
        if how in MOVES[self.state]:
            self._move(how)
            self._asked.set()

    def _renew(self) -> None:
        self._logs.reopen()
        building.renew_certificate(self._config, self._hosting)

    def _move(self, state: ProcessState) -> None:
        self.state = moved(MOVES, self.state, state)
