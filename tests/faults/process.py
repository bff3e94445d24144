"""The server process with the preloaded library, and the socket to tell it what to do."""

import contextlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import trustme

import gpool
from tests.faults.shim import Plan, library

__all__ = ["Process"]

ROOT = Path(__file__).parents[2]
PATIENCE = 20.0  # seconds for an answer that is sure to come


class Died(Exception):
    """The process is no more."""


class Process:
    """A server process.

    Args:
        compiler: the path of cc.
        folder: for what it needs; an empty one.
        package: the folder that gpool is in; by default of the one that is imported here.

    Attributes:
        plan: what is to fail in it.
        trust: the authority of its certificate.
        package_is: "pure" or "compiled".
    """

    def __init__(self, compiler: str, folder: Path, package: Path | None = None) -> None:
        self.plan = Plan(folder)
        self.trust = trustme.CA()
        pem = self.trust.issue_cert("localhost").private_key_and_cert_chain_pem
        pem.write_to_path(folder / "server.pem")
        self.folder = folder
        self._control, theirs = socket.socketpair()
        self._control.settimeout(PATIENCE)
        package = (package or Path(gpool.__file__).parents[1]).resolve()
        compiled = any(package.glob("gpool/wsgi/sockets.*.so"))
        self.package_is = "compiled" if compiled else "pure"
        path = [str(package), str(ROOT)]
        with theirs, (folder / "stderr").open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.serving", str(theirs.fileno()), str(folder)],
                env=os.environ
                | {
                    "LD_PRELOAD": str(library(compiler, folder)),
                    "FAULTS_PLAN": str(self.plan.path),
                    "PYTHONPATH": os.pathsep.join(path),
                    "PYTHONSAFEPATH": "1",
                },
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                cwd=folder,
            )
        self._answers = self._control.makefile("r")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.end()

    @property
    def stderr(self) -> str:
        """What it has written."""
        return (self.folder / "stderr").read_text()

    def ask(self, name: str, *args: Any) -> Any:
        """Do a command of `tests.faults.serving.Servers`, and return its answer.

        Raises:
            Died: it has ended.
        """
        with contextlib.suppress(BrokenPipeError):
            self._control.sendall(json.dumps([name, *args]).encode() + b"\n")
        line = self._answers.readline()
        if not line:
            raise Died(f"the server has ended, with {self.process.wait()}: {self.stderr}")
        return json.loads(line)

    def end(self) -> int:
        """Let it end, and return its status."""
        self._control.close()
        self._answers.close()
        self.plan.close()
        return self.process.wait(PATIENCE)
