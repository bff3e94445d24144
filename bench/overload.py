"""Twice as many clients as a server has room for: what it still gets done, and for whom.

The application waits for 10 ms, so a server that runs `limit` requests at once can do 100 times as
many a second, if its CPU lets it. First that many clients come, each of which asks again as soon
as it is answered: the unloaded maximum and its p99. Then twice as many.

What a fair client does when it is refused: it waits for about as long as a request takes, and asks
again, so that in each 10 ms there are as many who want in as there is room for, beside those that
are in. Who asks at once makes a storm of refusals, which says what refusing costs (the workload
overload-storm). Who does as gpool's ``Retry-After: 1`` says is gone for a hundred times as long as
a request takes: after a second half of the clients are away, and there is no overload to measure.

A latency begins when the client wants the answer. gpool closes a connection that it refuses, and
has those who come next wait in the kernel's backlog for a worker (`gpool.overflow`): connecting,
and that wait, are part of the latency of who is accepted in the end. Servers that let requests
wait instead of refusing them show it there too. Those that let a whole connection wait until
another one ends may never get to some clients, whose latencies nobody sees: `starved` counts them.
"""

from dataclasses import dataclass

from bench.client import closed_loop, program
from bench.figures import Run
from bench.kinds import Purpose
from bench.load import START, Load, allow_connections, measured
from bench.processes import memory_kib, serving
from bench.warm import WARM_UP

__all__ = ["Overload"]


@dataclass(frozen=True, slots=True)
class Overload:
    """More clients than there is room for.

    Attributes:
        limit: how many requests the server may run at once.
        times: how many times as many clients there are.
        pause: seconds that a client waits after a refusal.
        purpose: what the server is set up for.
    """

    limit: int
    times: int = 2
    pause: float = 0.01
    purpose: Purpose = Purpose.OVERLOAD
    latency: bool = True
    carries: int = 0

    @property
    def connections(self) -> int:
        """The clients."""
        return self.limit * self.times

    def lasts(self, seconds: float) -> float:
        """About how many seconds `measure` takes."""
        return START + WARM_UP + 2 * seconds

    def measure(self, server: str, seconds: int) -> Run:
        """The figures under overload, what a good answer has cost, and the unloaded ones.

        `rate` and the percentiles are those of the good answers, `refused_p50` and so on those of
        the others; `statuses` counts them, and `starved` the clients that had neither.

        Args:
            server: its name in `bench.servers`.
            seconds: of each of the two, 1 or more.

        Raises:
            DidNotStartError: there is no such server here.
            RuntimeError: there is no compiler for the client, or there was no good answer.
        """
        program()
        allow_connections(self.connections)
        load = Load(self.limit, path="/wait")
        with serving(server, self.purpose, self.limit) as running:
            started = memory_kib(running.pid)
            load.warm_up(running.port)
            alone = measured(running, lambda: self.ask(running.port, self.limit, seconds))
            run = measured(running, lambda: self.ask(running.port, self.connections, seconds))
        return {
            "started_rss_kib": started,
            **run,
            "good_p99": run["p99"],
            "unloaded_rate": alone["rate"],
            "unloaded_p50": alone["p50"],
            "unloaded_p99": alone["p99"],
            "unloaded_statuses": alone["statuses"],
        }

    def ask(self, port: int, clients: int, seconds: int) -> Run:
        """Have so many clients ask."""
        request = Load(path="/wait").request()
        return closed_loop(port, request, connections=clients, seconds=seconds, pause=self.pause)
