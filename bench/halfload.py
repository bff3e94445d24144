"""Latency at half load: what users notice of a server that is not at its limit.

The server's own maximum is found first, by a second of wrk on the same process; half of that is
then asked of it at constant intervals, whatever it does. Latencies are from when a request was due
(see client.c). wrk has no fixed rate; wrk2 is in no distribution; h2load's --rps counts from the
sending, so that a stall costs one request only.
"""

from dataclasses import dataclass, field

from bench.client import open_loop, program
from bench.figures import Run
from bench.kinds import Purpose
from bench.load import START, Load, allow_connections, measured
from bench.processes import memory_kib, serving
from bench.warm import WARM_UP

__all__ = ["HalfLoad"]

LOOK = 1  # seconds in which the maximum is found


@dataclass(frozen=True, slots=True)
class HalfLoad:
    """A fixed rate.

    Attributes:
        load: whose maximum is meant, and whose requests are sent.
        part: of that maximum.
    """

    load: Load = field(default_factory=Load)
    part: float = 0.5
    latency: bool = True
    carries: int = 0

    @property
    def purpose(self) -> Purpose:
        """What the server is set up for."""
        return self.load.purpose

    @property
    def connections(self) -> int:
        """That the requests are sent over."""
        return self.load.connections

    def lasts(self, seconds: float) -> float:
        """About how many seconds `measure` takes."""
        return START + WARM_UP + LOOK + seconds

    def measure(self, server: str, seconds: int) -> Run:
        """The figures of the client, what a request has cost, and `most_rate`.

        Args:
            server: its name in `bench.servers`.
            seconds: at the fixed rate, 1 or more.

        Raises:
            DidNotStartError: there is no such server here.
            RuntimeError: there is no compiler for the client, or there was no good answer.
        """
        program()
        allow_connections(self.connections)
        with serving(server, self.purpose) as running:
            started = memory_kib(running.pid)
            self.load.warm_up(running.port)
            said = self.load.run(running.port, LOOK)
            most = self.load.good(said) / said["seconds"]
            run = measured(running, lambda: self.ask(running.port, seconds, most * self.part))
            return {"started_rss_kib": started, "most_rate": most, **run}

    def ask(self, port: int, seconds: int, rate: float) -> Run:
        """Send at that rate."""
        return open_loop(
            port,
            self.load.request(),
            connections=self.connections,
            seconds=seconds,
            rate=max(rate, 1.0),
        )
