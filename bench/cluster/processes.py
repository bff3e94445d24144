"""The processes of gpool, each started, signalled and started again at its address."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import IO, Any

import gevent

from bench.cluster.places import Place
from bench.kinds import ROOT

__all__ = ["ADMIN", "PORT", "Process", "patience", "until"]

PORT, ADMIN = 8000, 9000
POLL = 0.02  # seconds between two looks
WAIT = 20.0  # seconds for what is sure to come
APP = "bench.cluster.application:app"


def until(true: Callable[[], object], what: str) -> None:
    """Wait until something is so.

    Raises:
        TimeoutError: it never is.
    """
    with patience(what):
        while not true():
            gevent.sleep(POLL)


def patience(what: str) -> gevent.Timeout:
    """What ends a wait that is in vain."""
    return gevent.Timeout(WAIT, TimeoutError(f"in vain: {what}"))


class Process:
    """One of gpool, at its address, again and again.

    Args:
        number: 1, 2, ...
        where: what gives it its address.
        folder: for its files.
        arguments: more of gpool's.
        variables: more of the application's.
        log: where it writes to.

    Attributes:
        name: what it calls itself in each answer.
        statuses: with which it has ended, in order.
    """

    def __init__(
        self,
        number: int,
        where: Place,
        folder: Path,
        *,
        arguments: tuple[str, ...] = (),
        variables: dict[str, str] | None = None,
        log: IO[bytes] | None = None,
    ) -> None:
        self.number = number
        self.name = f"s{number}"
        self.host = where.address(number)
        self.statuses: list[int] = []
        self._where = where
        self._slow = folder / f"{self.name}.slow"
        self._arguments = arguments
        told = {"CLUSTER_NAME": self.name, "CLUSTER_SLOW": str(self._slow)}
        self._variables = os.environ | {"PYTHONPATH": search_path()} | told | (variables or {})
        self._log = log
        self._running: subprocess.Popen[bytes] | None = None

    @property
    def command(self) -> list[str]:
        """Its words."""
        serve = ["--bind", f"{self.host}:{PORT}", "--admin", f"{self.host}:{ADMIN}"]
        gpool = [sys.executable, "-m", "gpool", *serve, *self._where.arguments, *self._arguments]
        return [*self._where.within(self.number), *gpool, APP]

    @property
    def runs(self) -> bool:
        """Whether it was started, and its end not yet seen."""
        return self._running is not None

    def start(self) -> None:
        """Start it; whoever wants to know when it serves asks the balancer."""
        self._running = subprocess.Popen(
            self.command,
            cwd=ROOT,
            env=self._variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._log or subprocess.DEVNULL,
        )

    def tell(self, number: int) -> None:
        """Send it a signal."""
        assert self._running is not None
        self._running.send_signal(number)

    def ended(self) -> int:
        """Wait until it has ended; its status."""
        running = self._running
        assert running is not None
        until(lambda: running.poll() is not None, f"the end of {self.name}")
        self._running = None
        self.statuses.append(running.returncode)
        return running.returncode

    def slow(self) -> None:
        """Let its application take ten times as long, from the next request on."""
        self._slow.touch()

    def quick(self) -> None:
        """Let it be as before."""
        self._slow.unlink()

    def stats(self) -> dict[str, Any] | None:
        """What its admin listener tells; None if there is none, or no time."""
        connection = HTTPConnection(self.host, ADMIN)
        try:
            with gevent.Timeout(1), self._where.socket() as connection.sock:
                connection.sock.connect((self.host, ADMIN))
                connection.request("GET", "/stats")
                told: dict[str, Any] = json.load(connection.getresponse())
        except (OSError, ValueError, HTTPException, gevent.Timeout):
            return None
        return told

    def end(self) -> None:
        """End it at once, whatever it does, if it runs."""
        if self._running is None:
            return
        self.tell(signal.SIGCONT)
        self.tell(signal.SIGKILL)
        self.ended()


def search_path() -> str:
    """This checkout, unless something else is to be found first."""
    return os.environ.get("PYTHONPATH", str(ROOT))
