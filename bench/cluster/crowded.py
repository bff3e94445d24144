"""Nine tenths of all workers in use: a full process that refuses, beside one that lets wait.

So many requests are in flight that a tenth of all workers would be free, if the balancer knew
which. It does not: by turns or at random it asks processes that are full. With
``overflow="reject"`` those say 503 (or keep a new connection in the kernel for a worker, for a
tenth of a second at most), and the balancer asks another. With ``"wait"`` the request stays where
it is, behind others, though another process has a worker that waits.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from time import monotonic
from typing import Any

import gevent

from bench.cluster.balancer import Balancer, Balancing
from bench.cluster.client import Client, always
from bench.cluster.faults import OK, percentile
from bench.cluster.places import Place
from bench.cluster.running import Cluster, balanced, started

__all__ = ["CASES", "Case", "Crowd", "play"]

FULL = 503


@dataclass(frozen=True, slots=True)
class Crowd:
    """How much of it.

    Attributes:
        count: of the processes.
        max_workers: of each.
        share: of all workers that are in use.
        mean: seconds that the application takes for a request.
        before: seconds that are not measured.
        seconds: that are.
    """

    count: int = 8
    max_workers: int = 16
    share: float = 0.9
    mean: float = 0.1
    before: float = 1.5
    seconds: float = 8

    @property
    def requests(self) -> int:
        """In flight at a time."""
        return int(self.count * self.max_workers * self.share)


@dataclass(frozen=True, slots=True)
class Case:
    """One way to do it.

    Attributes:
        overflow: what a full process does.
        how: HAProxy's ``balance``.
        retry: whether the balancer asks another after a 503.
        slow: whether one of the processes takes ten times as long.
        most: requests that the balancer gives to one process, and keeps the others itself; 0: all.
    """

    overflow: str
    how: str
    retry: bool = True
    slow: bool = False
    most: int = 0


HOW = ("roundrobin", "random(1)", "leastconn")
CASES = (
    Case("reject", "roundrobin", retry=False),
    *(Case("reject", how) for how in HOW),
    Case("reject", "roundrobin", slow=True),
    Case("reject", "leastconn", slow=True),
    Case("reject", "leastconn", most=16),
    *(Case("wait", how) for how in HOW),
    Case("wait", "roundrobin", slow=True),
    Case("wait", "leastconn", slow=True),
)


@dataclass(slots=True)
class Counts:
    """What the processes and the balancer have counted so far.

    Attributes:
        refused: requests, by processes that were full.
        retries: requests that the balancer asked again.
    """

    refused: int
    retries: int


def counts(cluster: Cluster, balancer: Balancer) -> Counts:
    """All together."""
    told = [one.stats() or {} for one in cluster.processes]
    refused = sum(one["refused"]["full"] for one in told if one)
    return Counts(refused, int(balancer.shown()["BACKEND"]["wretr"]))


def look(cluster: Cluster, seen: list[int]) -> None:
    """Look again and again how many processes have no worker left."""
    while True:
        told = [one.stats() for one in cluster.processes]
        seen.append(sum(one["busy"] >= one["max_workers"] for one in told if one))
        gevent.sleep(0.25)


def measure(cluster: Cluster, case: Case, crowd: Crowd) -> dict[str, Any]:
    """One case, on processes that run."""
    given = Balancing(case.how, full=case.retry, timeout="20s", retries=20, most=case.most)
    if case.slow:
        cluster.processes[0].slow()
    with balanced(cluster, given) as balancer:
        client, ended, seen = Client(balancer.port), False, list[int]()
        asking = gevent.spawn(always, client, crowd.requests, lambda: ended)
        gevent.sleep(crowd.before)
        before, begin = counts(cluster, balancer), monotonic()
        looking = gevent.spawn(look, cluster, seen)
        gevent.sleep(crowd.seconds)
        end, after = monotonic(), counts(cluster, balancer)
        looking.kill()
        ended = True
        asking.join()
        client.close()
    if case.slow:
        cluster.processes[0].quick()
    those = [one for one in client.answers if begin <= one.done < end]
    good = sorted(one.took for one in those if one.status == OK)
    statuses = [one.status for one in those]
    return asdict(case) | {
        "requests": len(those),
        "refused": statuses.count(FULL),
        "failed": len(those) - len(good) - statuses.count(FULL),
        "by_full": after.refused - before.refused,
        "retries": after.retries - before.retries,
        "rate": round(len(good) / (end - begin), 1),
        "full": round(sum(seen) / max(1, len(seen)), 2),
        "p50": percentile(good, 0.5),
        "p99": percentile(good, 0.99),
        "most_ms": percentile(good, 1.0),
    }


def play(
    where: Place,
    crowd: Crowd,
    cases: tuple[Case, ...] = CASES,
    tell: Callable[[str], object] = lambda _: None,
) -> list[dict[str, Any]]:
    """All of them; the processes are started anew where their setting is another."""
    rows = []
    for overflow in dict.fromkeys(case.overflow for case in cases):
        arguments = ("--max-workers", str(crowd.max_workers), "--overflow", overflow)
        variables = {"CLUSTER_MEAN": str(crowd.mean)}
        with started(where, where.numbers, arguments=arguments, variables=variables) as cluster:
            for case in (one for one in cases if one.overflow == overflow):
                tell(f"{overflow}, {case.how}")
                rows.append(measure(cluster, case, crowd))
    return rows
