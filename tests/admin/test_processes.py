"""Several processes behind one admin listener: whichever answers, answers for all."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import gevent
import pytest

WORKERS = 3


class Processes:
    """Two processes of `tests.admin.site` that share an admin listener."""

    def __init__(self, directory: str) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        descriptor = self._listener.fileno()
        command = [sys.executable, "-m", "tests.admin.site", str(WORKERS), str(descriptor)]
        self.all = [
            subprocess.Popen(
                [*command, directory],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=[descriptor],
            )
            for _ in range(2)
        ]
        self.ports = [self._port(process) for process in self.all]

    def _port(self, process: Any) -> int:
        return int(process.stdout.readline().split()[0])

    def ask(self, port: int, path: str = "/") -> bytes:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            return b"".join(iter(lambda: client.recv(65_536), b"")).partition(b"\r\n\r\n")[2]

    def stats(self) -> Any:
        return json.loads(self.ask(self._listener.getsockname()[1], "/stats"))

    def end(self) -> None:
        for process in self.all:
            process.communicate()
        self._listener.close()


@pytest.fixture
def processes(tmp_path) -> Iterator[Processes]:
    running = Processes(str(tmp_path / "spool"))
    yield running
    running.end()


def until(processes, predicate):
    """The figures once `predicate` holds for them; they never go back on the way."""
    counts = [0]
    while True:
        stats = processes.stats()
        counts.append(stats["requests"]["2xx"])
        assert counts[-1] >= counts[-2]
        if predicate(stats):
            return stats
        gevent.sleep(0.01)


def test_figures_are_of_all_and_a_killed_process_leaves_its_counts(processes, tmp_path):
    pids = sorted(process.pid for process in processes.all)
    for port, count in zip(processes.ports, (3, 4), strict=True):
        for _ in range(count):
            processes.ask(port)
    stats = until(processes, lambda stats: stats["requests"]["2xx"] == 7)
    assert (stats["pids"], stats["max_workers"], stats["state"]) == (pids, 2 * WORKERS, "SERVING")

    killed, left = processes.all
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    stats = until(processes, lambda stats: stats["pids"] == [left.pid])
    assert (stats["requests"]["2xx"], stats["max_workers"]) == (7, WORKERS)
    assert sum(stats["buckets"]) == 7
    processes.ask(processes.ports[1])
    stats = until(processes, lambda stats: stats["requests"]["2xx"] == 8)
    files = sorted(path.name for path in (tmp_path / "spool").iterdir())
    assert files == [f"gpool-test-{left.pid}.json", "gpool-test-ended.json", "gpool-test.lock"]
