"""What tracing costs: CPU time of a request that does nothing, with and without it.

    python -m tests.telemetry.cost [--write]

A server process for each way, all asked in turns over kept connections; of each the median of its
rounds, user and system time of the whole process, exporting included. `--write` puts the table
into docs/telemetry.md, where it stands between two comments.
"""

import argparse
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from statistics import median

from tests.telemetry.collecting import Collector
from tests.telemetry.conftest import PAGE

ROUNDS, TURNS, CONNECTIONS = 5, 100, 16  # requests of a round: TURNS times CONNECTIONS
REQUEST = (
    b"GET / HTTP/1.1\r\nHost: test\r\nUser-Agent: cost\r\n"
    b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-%s\r\n\r\n"
)
#: What stands in the table, whether there is the middleware, an SDK, and the caller's verdict.
WAYS = {
    "without instrumentation": ("0", "0", b"00"),
    "instrumented, no SDK": ("1", "0", b"00"),
    "set up, the caller has not sampled": ("1", "1", b"00"),
    "set up, sampled and exported": ("1", "1", b"01"),
}


class Way:
    """A server process, and its clients."""

    def __init__(self, collector, middleware, sdk, flags):
        variables = {
            "OTEL_SEMCONV_STABILITY_OPT_IN": "http",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address,
        }
        words = [sys.executable, "-m", "tests.telemetry.cost_site", middleware, sdk]
        self._process = subprocess.Popen(
            words,
            env=os.environ | variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        port = int(self._process.stdout.readline())
        self._clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
        self._request = REQUEST % flags
        self.rounds = []

    def ask(self):
        """A round: microseconds of CPU time for each request."""
        before = self._cpu()
        for _ in range(TURNS):
            for client in self._clients:
                client.sendall(self._request)
            for client in self._clients:
                answer = b""
                while not answer.endswith(b"hello"):
                    answer += client.recv(1_000)
        self.rounds.append((self._cpu() - before) * 1e6 / (TURNS * CONNECTIONS))

    def _cpu(self):
        tasks = Path(f"/proc/{self._process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def close(self):
        for client in self._clients:
            client.close()
        self._process.stdin.close()
        self._process.wait(30)


def measure():
    """The table's rows, and whether each span that was sampled has come."""
    with Collector() as collector:
        ways = {name: Way(collector, *how) for name, how in WAYS.items()}
        for way in ways.values():
            way.ask()
            way.rounds.clear()
        for _ in range(ROUNDS):
            for way in ways.values():
                way.ask()
        for way in ways.values():
            way.close()
        rows = [f"| {name} | {median(way.rounds):.0f} us |" for name, way in ways.items()]
    return rows, len(collector.spans) / ((ROUNDS + 1) * TURNS * CONNECTIONS)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="into docs/telemetry.md")
    said = parser.parse_args()
    rows, arrived = measure()
    table = "\n".join(["| a request | CPU time |", "|---|---|", *rows])
    print(table)
    print(f"{arrived:.1%} of the sampled spans have come")
    if said.write:
        text = PAGE.read_text()
        found = re.sub(r"(?<=<!-- cost -->\n)(?s:.*?)(?=\n<!-- /cost -->)", f"\n{table}\n", text)
        PAGE.write_text(found)


if __name__ == "__main__":
    main()
