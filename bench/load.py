"""One server under load: start it, load it, and say what that cost.

What a request costs is the CPU time of the server's process, which holds still where requests/s
saturates on the client: `client_busy` says how close to its CPU's limit that was.
"""

import json
import resource
import subprocess
import sys
from typing import Any

from bench.application import MIB
from bench.processes import cpu_seconds, cpus, memory_kib, pinned, serving
from bench.workloads import LUA, Workload

WARM_UP = 1  # seconds, the least that wrk can run
#: wrk counts an answer that took longer as an error; above the 1.4 s that pywsgi takes with a
#: thousand connections.
TIMEOUT = 10


def wrk(port: int, workload: Workload, seconds: int) -> list[str]:
    """The command that loads the server."""
    command = ["wrk", "--threads=1", f"--connections={workload.connections}", "--latency"]
    command += [f"--duration={seconds}s", f"--timeout={TIMEOUT}s"]
    command += [f"--script={LUA / workload.script}"]
    command += [f"--header={header}" for header in workload.headers]
    return [*command, f"http://127.0.0.1:{port}{workload.path}"]


def download(port: int, workload: Workload, seconds: int) -> list[str]:
    """The same where answers are large."""
    numbers = (workload.gets, workload.connections, seconds)
    command = [sys.executable, "-m", "bench.download", str(port), workload.path]
    return command + [str(number) for number in numbers]


def load(port: int, workload: Workload, seconds: int) -> dict[str, Any]:
    """Load the server, and return what the client has measured; latencies in milliseconds."""
    client = download if workload.gets else wrk
    before = sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    with pinned(cpus()[1]):
        done = subprocess.run(
            client(port, workload, seconds),
            capture_output=True,
            text=True,
            check=True,
            timeout=seconds + 30,
        )
    used = sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]) - before
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result | {"client_busy": used / result["seconds"]}


def counted(workload: Workload, said: dict[str, Any]) -> float:
    """The requests that were served, those in part that were in part; never 0."""
    requests: float = said["bytes"] / workload.gets if workload.gets else said["requests"]
    return max(requests, 1e-3)


def measure(name: str, workload: Workload, seconds: int) -> dict[str, Any]:
    """One run of a server of its own: wrk's figures, and what a request has cost."""
    with serving(name) as server:
        started = memory_kib(server.pid)
        load(server.port, workload, WARM_UP)
        warm = memory_kib(server.pid)
        before = cpu_seconds(server.pid)
        said = load(server.port, workload, seconds)
        user, system = (
            (now - then) * 1e6 for now, then in zip(cpu_seconds(server.pid), before, strict=True)
        )
        requests = counted(workload, said)
        rate = requests / said["seconds"]
        return said | {
            "rate": rate,
            "mib_per_second": rate * workload.carries / MIB,
            "user_us": user / requests,
            "system_us": system / requests,
            "started_rss_kib": started,
            "peak_rss_kib": memory_kib(server.pid, "VmHWM"),
            "growth_kib": memory_kib(server.pid) - warm,
        }
