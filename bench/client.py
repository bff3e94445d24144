"""client.c, compiled where there is a compiler: what wrk cannot tell.

It counts answers by their status, and sends at a fixed rate; client.c says how.
"""

from functools import cache
from pathlib import Path

from bench.compiling import compiled
from bench.figures import Run
from bench.load import run_client

__all__ = ["closed_loop", "open_loop"]

SOURCE = Path(__file__).with_name("client.c")


@cache
def program() -> Path:
    """The program.

    Raises:
        RuntimeError: there is no compiler, or it refuses.
    """
    return compiled(SOURCE)


def closed_loop(
    port: int, request: bytes, *, connections: int, seconds: float, pause: float = 0.0
) -> Run:
    """Send a request again and again over each connection.

    Args:
        port: on loopback.
        request: its bytes.
        connections: at once, 1 or more.
        seconds: above 0.
        pause: seconds that a client waits when it has been refused, 0 or more, on average: from
            half of it to one and a half.

    Returns:
        What wrk says, of the good answers (2xx) where it is about latencies; `rate` and `good`:
        those answers a second, and all of them; `statuses`,
        `refused_p50`, `refused_p99`; `waiting` and `oldest`: how many requests had no answer in
        the end, and for how many milliseconds the oldest of them had been without; `starved`: how
        many connections had no answer at all.

    Raises:
        RuntimeError: there is no such client here, or it has failed.
    """
    return run([port, connections, seconds, 0, pause], request)


def open_loop(port: int, request: bytes, *, connections: int, seconds: float, rate: float) -> Run:
    """Send so many requests in a second, whatever becomes of the earlier ones.

    Args:
        port: on loopback.
        request: its bytes.
        connections: that they are sent over, 1 or more.
        seconds: above 0.
        rate: requests a second, 1 or more.

    Returns:
        What `closed_loop` does; latencies are from when each request was due. `asked_rate`;
        `late_p50`, `late_p99`, `late_max`: by how many milliseconds requests were sent later than
        that.

    Raises:
        RuntimeError: there is no such client here, or it has failed.
    """
    asked = max(1, round(rate))
    return {**run([port, connections, seconds, asked, 0], request), "asked_rate": float(asked)}


def run(numbers: list[float], request: bytes) -> Run:
    """Run the program; its arguments are those numbers."""
    said = run_client([str(program()), *map(str, numbers)], numbers[2], said=request)
    return {**said, "rate": said["good"] / said["seconds"]}
