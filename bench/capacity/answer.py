"""From a load and a target to processes and limits.

The least number of processes is searched for with which the model (`bench.capacity.model`) is
within the target, each process on a core of its own, with no limit. From that run come the limits:
`max_workers` is what so many requests never needed more of but for the share that may be refused,
`max_connections` what was open at once, and the clients' kept connections. Then the whole is
simulated again with the limit, and that is what is told.

Guarantee: the same wish has the same answer.
"""

from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np

from bench.capacity.formulas import erlang_b, little
from bench.capacity.model import Load, Outcome, Server, made_load, percentile, simulate

__all__ = ["Answer", "NoAnswerError", "Wish", "answer"]

REQUESTS = 100_000  # that are simulated
EMPTY = 5_000  # of them, that find a server which has just begun
FULL = 0.98  # of a core: beyond, queues have no end that a simulation sees
MOST_PROCESSES = 1_000
SEED = 1
DEVIATIONS = 4  # of a Poisson number: less than one process in ten thousand has more by chance


class NoAnswerError(Exception):
    """What is wished for cannot be had; the text says why."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What it is for.

    Attributes:
        rate: requests a second.
        cpu: the mean seconds of a core that one takes, the server's own share included.
        wait: the mean seconds that it waits for others.
        p99: seconds within which 99 in a hundred are to be answered.
        cpu_spread: how the former are spread, of `SPREADS`.
        wait_spread: the latter.
        split: how requests come to processes: random or least.
        refused: the share that may be refused.
        clients: connections that clients keep open beside those with a request.
        spare: processes that may be missing.
    """

    rate: float
    cpu: float
    wait: float
    p99: float
    cpu_spread: str = "exponential"
    wait_spread: str = "erlang"
    split: str = "random"
    refused: float = 1e-4
    clients: int = 0
    spare: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What it takes.

    Attributes:
        processes: of them, those to spare included.
        max_workers: of each.
        max_connections: of each.
        busy: the share of its core that one uses, when those to spare are missing.
        p50: seconds, then.
        p99: the same.
        refused: the share that is refused, then.
        inside: how many requests are in all applications at a time, on average, as simulated.
        little: the same by Little's law, which leaves out what they wait for the core.
        erlang: the share that is refused by Erlang's formula B, for a core that is never waited
            for.
    """

    processes: int
    max_workers: int
    max_connections: int
    busy: float
    p50: float
    p99: float
    refused: float
    inside: float
    little: float
    erlang: float


def load_of(wish: Wish, processes: int) -> tuple[Load, int]:
    """The load that is simulated, and for how many processes.

    By chance, each process has a part of a Poisson stream, which is one too: one stands for all.
    """
    alone = wish.split == "random" or processes == 1
    rate = wish.rate / processes if alone else wish.rate
    spreads = {"cpu_spread": wish.cpu_spread, "wait_spread": wish.wait_spread}
    load = made_load(rate, REQUESTS, wish.cpu, wish.wait, seed=SEED, **spreads)
    return load, 1 if alone else processes


def tried(wish: Wish, processes: int, max_workers: int = REQUESTS) -> Outcome:
    """Simulate it with so many processes."""
    load, together = load_of(wish, processes)
    server = Server(max_workers, processes=together, split=wish.split)
    return simulate(load, server, SEED).after(EMPTY)


def least_processes(wish: Wish) -> int:
    """The fewest that are within the target.

    Raises:
        NoAnswerError: none are.
    """
    alone, _ = load_of(wish, 1)
    floor = float(np.quantile(alone.cpu + alone.wait, 0.99))
    if floor > wish.p99:
        raise NoAnswerError(
            f"a p99 of {wish.p99 * 1e3:g} ms cannot be had: of requests that never wait for each "
            f"other one in a hundred takes more than {floor * 1e3:.4g} ms (waits are "
            f"{wish.wait_spread}, CPU parts {wish.cpu_spread})"
        )
    few = ceil(wish.rate * wish.cpu / FULL)
    if few > MOST_PROCESSES:
        raise NoAnswerError(f"it takes {few:,} processes at least; {MOST_PROCESSES:,} are the most")
    many = few
    while not within(wish, many):
        few, many = many + 1, many * 2
        if many > MOST_PROCESSES:
            raise NoAnswerError(
                f"{MOST_PROCESSES:,} processes have a higher p99 than {wish.p99 * 1e3:g} ms, which "
                f"is too close to the {floor * 1e3:.4g} ms of requests that never wait"
            )
    while few < many:
        middle = (few + many) // 2
        few, many = (few, middle) if within(wish, middle) else (middle + 1, many)
    return many


def within(wish: Wish, processes: int) -> bool:
    """Whether so many are."""
    return percentile(tried(wish, processes).took, 0.99) <= wish.p99


def answer(wish: Wish) -> Answer:
    """What it takes.

    Raises:
        NoAnswerError: there is nothing that would do.
    """
    processes = least_processes(wish)
    free = tried(wish, processes)
    places = limit(wish, processes, free)
    done = tried(wish, processes, places)
    load = wish.rate / processes * (wish.cpu + wish.wait)
    return Answer(
        processes=processes + wish.spare,
        max_workers=places,
        max_connections=max(free.most, places) + kept(wish, processes),
        busy=done.busy,
        p50=percentile(done.took, 0.5),
        p99=percentile(done.took, 0.99),
        refused=done.refused,
        inside=float(np.mean(free.found)) * processes,
        little=little(wish.rate, wish.cpu + wish.wait),
        erlang=erlang_b(load, places),
    )


def limit(wish: Wish, processes: int, free: Outcome) -> int:
    """The lowest max_workers that refuses no more than it may."""
    # Who finds m places taken is the one that m places refuse.
    places = int(np.quantile(free.found, 1 - wish.refused, method="higher")) + 1
    while tried(wish, processes, places).refused > wish.refused:
        places += 1
    return places


def kept(wish: Wish, processes: int) -> int:
    """Connections of clients that one process may have to keep."""
    share = wish.clients / processes
    by_chance = DEVIATIONS * sqrt(share) if wish.split == "random" and processes > 1 else 0
    return min(wish.clients, ceil(share + by_chance))
