"""HAProxy in front of the processes: its configuration, and what it tells of them.

How each setting takes part:

- A process that is gone refuses connections: two of those (``observe layer4``) and it is not asked
  any more, before a check finds out. One that is out of reach lets them time out
  (``timeout connect``), which counts as well; requests on connections that were there are
  given up when nobody has acknowledged them for half a second (``tcp-ut``, which HAProxy 2.6 takes
  from a server's own line alone), or when nobody answers keepalive probes (``srvtcpka``).
- A process that drains says so to the checks, and refuses connections.
- A request that has failed is asked of another (``redispatch``, ``retry-on``), but only once sent
  if its method is idempotent. A 503 is a process that is full: one asks another, and does not count
  it as an error of the process, as ``observe layer7`` would.
- ``on-marked-down shutdown-sessions`` is not there: it would end the requests that a process which
  drains still answers.
"""

import csv
import io
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from gevent import socket

from bench.cluster.places import Place
from bench.cluster.processes import ADMIN, PORT, Process, until

__all__ = ["Balancer", "Balancing", "configuration"]

TEMPLATE = """\
global
    log stderr format raw local0 notice
    stats socket {folder}/stats level admin
    hard-stop-after 1s
    nbthread 1
defaults
    log global
    mode http
    timeout client 30s
    timeout http-request 10s
    timeout connect {patience}
    timeout server {timeout}
    timeout check {patience}
frontend www
    bind fd@{listener}
    default_backend app
backend app
    balance {how}
    option httpchk GET /readyz
    option redispatch 1
    option srvtcpka
    srvtcpka-idle 1s
    srvtcpka-intvl 1s
    srvtcpka-cnt 1
    retries {retries}
    retry-on {conditions}
    http-request disable-l7-retry unless {{ method GET HEAD OPTIONS PUT DELETE }}
    default-server check inter 200ms fall 2 rise 2 slowstart 1s {observe}
{servers}
"""
OBSERVE = "observe layer4 error-limit 2 on-error mark-down"
SAFE = "conn-failure empty-response response-timeout"


@dataclass(frozen=True, slots=True)
class Balancing:
    """What is not always the same.

    Attributes:
        how: HAProxy's ``balance``.
        retries: how often another process is asked; a full one costs one.
        full: whether a 503 is a reason to ask another.
        timeout: for an answer, after which another is asked: longer than any takes.
        most: requests that a process is given at a time, others wait in the balancer; 0: all.
        patience: with a process that is to connect, or to answer a check.
    """

    how: str = "leastconn"
    retries: int = 10
    full: bool = True
    timeout: str = "3s"
    most: int = 0
    patience: str = "200ms"


def configuration(
    processes: Sequence[Process], given: Balancing, folder: Path, listener: int
) -> str:
    """Its file."""
    lines = [
        f"    server {one.name} {one.host}:{PORT} port {ADMIN} tcp-ut 500ms" for one in processes
    ]
    return TEMPLATE.format(
        folder=folder,
        how=given.how,
        retries=given.retries,
        conditions=SAFE + " 503" * given.full,
        timeout=given.timeout,
        patience=given.patience,
        listener=listener,
        observe=OBSERVE + f" maxconn {given.most}" * bool(given.most),
        servers="\n".join(lines),
    )


def program() -> str:
    """The path of HAProxy.

    Raises:
        FileNotFoundError: it is not installed.
    """
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    found = shutil.which("haproxy", path=path)
    if found is None:
        raise FileNotFoundError("haproxy is not installed; .ci/parts installs it on Debian")
    return found


class Balancer:
    """HAProxy, running.

    Args:
        processes: behind it.
        where: they are.
        given: what is not always the same.
        folder: for its files.
        log: where it writes to.

    Attributes:
        port: of its listener, on 127.0.0.1; it takes connections from the beginning.
    """

    def __init__(
        self,
        processes: Sequence[Process],
        where: Place,
        given: Balancing,
        folder: Path,
        log: IO[bytes] | None = None,
    ) -> None:
        self._socket = str(folder / "stats")
        path = folder / "haproxy.cfg"
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(1024)
            self.port: int = listener.getsockname()[1]
            path.write_text(configuration(processes, given, folder, listener.fileno()))
            self._running = subprocess.Popen(
                [*where.within(0), program(), "-db", "-f", path],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log or subprocess.DEVNULL,
                pass_fds=[listener.fileno()],
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._running.terminate()
        until(lambda: self._running.poll() is not None, "the end of HAProxy")

    def said(self, command: str) -> str:
        """The answer to a command of its socket.

        Raises:
            OSError: it does not answer, or not any more.
        """
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(self._socket)
            asking.sendall(f"{command}\n".encode())
            return b"".join(iter(lambda: asking.recv(65_536), b"")).decode()

    def shown(self) -> dict[str, dict[str, str]]:
        """What it counts for each process, and for BACKEND as a whole; nothing before it runs."""
        try:
            rows = csv.DictReader(io.StringIO(self.said("show stat").removeprefix("# ")))
        except OSError:
            return {}
        return {row["svname"]: row for row in rows if row["pxname"] == "app"}

    def wait_until_up(self, *names: str) -> None:
        """Wait until it believes those to be well.

        A server is up in its eyes before the first check, so a check must have passed.
        """
        for name in names:
            until(lambda: self.passed(name), f"{name} to be up")  # noqa: B023  # it ends in here

    def passed(self, name: str) -> bool:
        """Whether it has found a process well."""
        told = self.shown().get(name, {})
        return told.get("status") == "UP" and told.get("check_status") == "L7OK"

    def wait_until_down(self, name: str) -> None:
        """Wait until it does not ask a process any more."""
        until(lambda: self.shown()[name]["status"].startswith("DOWN"), f"{name} to be down")
