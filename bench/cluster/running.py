"""A cluster, up: the processes and the balancer, started and ended together."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bench.cluster.balancer import Balancer, Balancing
from bench.cluster.places import Place
from bench.cluster.processes import Process

__all__ = ["Cluster", "balanced", "started"]


@dataclass(frozen=True, slots=True)
class Cluster:
    """What runs.

    Attributes:
        where: it runs.
        processes: of gpool.
        folder: for files.
        log: where all of them write to.
    """

    where: Place
    processes: list[Process]
    folder: Path
    log: IO[bytes]


@contextmanager
def started(
    where: Place,
    numbers: Iterable[int],
    *,
    arguments: tuple[str, ...] = (),
    variables: dict[str, str] | None = None,
) -> Iterator[Cluster]:
    """The processes of those numbers, while this runs."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cluster-")))
        log = stack.enter_context((folder / "log").open("ab"))
        processes = []
        for number in numbers:
            given = Process(
                number, where, folder, arguments=arguments, variables=variables, log=log
            )
            given.start()
            stack.callback(given.end)
            processes.append(given)
        yield Cluster(where, processes, folder, log)


@contextmanager
def balanced(cluster: Cluster, given: Balancing) -> Iterator[Balancer]:
    """HAProxy in front of them, which has found all of them well."""
    with Balancer(cluster.processes, cluster.where, given, cluster.folder, cluster.log) as balancer:
        balancer.wait_until_up(*(one.name for one in cluster.processes))
        yield balancer
