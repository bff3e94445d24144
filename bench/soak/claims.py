"""What a soak claims, and whether it held: a list of claims, each with what was found.

A claim compares what the server counted, what the client counted and what the ledger says; no two
of them share code, but for the application's number of a request.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.soak.flatness import BLOCKS, growth
from bench.soak.ledger import Ending, Outcome
from bench.soak.running import Figures

__all__ = ["Claim", "claims", "second_half"]

#: What has to have occurred, where all groups play, or it was no test of it.
OUTCOMES = (
    Outcome.ANSWERED,
    Outcome.UNAVAILABLE,
    Outcome.BAD,
    Outcome.LATE,
    Outcome.FAILED,
    Outcome.OVERRAN,
    Outcome.CUT,
    Outcome.BROKEN,
    Outcome.TORN,
    Outcome.DROPPED,
)
ENDINGS = (Ending.RETURNED, Ending.RAISED, Ending.KILLED, Ending.OVERRAN, Ending.DISCONNECTED)
REFUSALS = ("400", "408", "503")  # the application says none of them, but some 408s
ALL_GROUPS = 4
#: Of some objects there may be more: of timers, each server has up to three that come and go.
COME_AND_GO = {"timer": 6}


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that was to hold.

    Attributes:
        name: what.
        found: what was found, in words.
        holds: whether it did; None if the run was too short to say.
    """

    name: str
    found: str
    holds: bool | None


def claims(figures: Figures) -> list[Claim]:
    """All of them, judged."""
    return [judge(figures) for judge in JUDGES]


def listed(things: list[str], good: str) -> str:
    """What is wrong, or that nothing is."""
    return "; ".join(things[:5]) + f" (and {len(things) - 5} more)" * (len(things) > 5) or good  # noqa: PLR2004


def count(figures: Figures, *, outcome: str | None = None, ended: str | None = None) -> int:
    """How many requests got that, or ended like that."""
    return sum(
        times
        for got, _, how, times in figures["cases"]
        if outcome in (None, got) and ended in (None, how)
    )


def once(figures: Figures) -> Claim:
    """`bench.soak.rules`."""
    good = f"{figures['client']['sent']:,} requests with a number, {figures['begun']:,} of them run"
    bad = figures["violations"]
    name = "Each request was run once, or got an error answer, never both"
    return Claim(name, listed(bad, good), not bad)


def recurring_once(figures: Figures) -> Claim:
    """The same for requests without a number."""
    run, known = figures["end"]["counts"], figures["client"]["counts"]
    bad = [
        f"place {place}: run {one} times, {other} of them known"
        for place, (one, other) in enumerate(zip(run, known, strict=True))
        if one != other
    ]
    good = f"{sum(run):,} requests without a number"
    return Claim("The same, where a request is known by its count", listed(bad, good), not bad)


def every_byte(figures: Figures) -> Claim:
    """What the client complained of."""
    bad = figures["client"]["complaints"]
    answered = count(figures, outcome="ANSWERED")
    good = f"{answered:,} answers read to the byte, and the errors, and the ends of connections"
    name = "Each byte of each answer was the request's own"
    return Claim(name, listed(bad, good), not bad)


def requests_balance(figures: Figures) -> Claim:
    """What was begun was answered, by the server's own count of answers."""
    answers = figures["end"]["answers"]
    refused = sum(answers.get(status, 0) for status in REFUSALS) - late_within(figures)
    answered = sum(answers.values()) - refused
    begun = figures["begun"] + sum(figures["end"]["counts"])
    killed = count(figures, ended="KILLED")
    holds = begun == answered
    found = f"{begun:,} begun, {answered:,} told to the log, {killed:,} killed; {refused:,} refused"
    return Claim("Requests begun are those answered", found, holds)


def late_within(figures: Figures) -> int:
    """How many got a 408 from their application, which waited for their body."""
    return sum(times for got, begun, _, times in figures["cases"] if got == "LATE" and begun)


def connections_balance(figures: Figures) -> Claim:
    """Accepted are those that were made, and all of them are closed."""
    made, found, holds = figures["client"]["connections"], [], True
    for name, one in figures["end"]["servers"].items():
        server = one["server"]
        left = server["open"] + server["hijacked"] + server["lingering"]
        found.append(
            f"{name}: {made.get(name, 0):,} made, {server['accepted']:,} accepted, {left} open"
        )
        holds &= server["accepted"] == made.get(name, 0) and not left
    return Claim("Connections accepted are those closed", "; ".join(found), holds)


def workers_rest(figures: Figures) -> Claim:
    """No worker is busy, and those that nobody needs have ended."""
    found, holds = [], True
    for name, one in figures["end"]["servers"].items():
        pool = one["pool"]
        found.append(
            f"{name}: running {pool['running']}, ready {pool['ready']};"
            f" {pool['created']:,} created, {pool['reused']:,} times reused,"
            f" {pool['tainted']:,} tainted, {pool['retired']:,} retired"
        )
        holds &= pool["running"] == pool["ready"] == 0
    return Claim("running == ready, and workers without work end", "; ".join(found), holds)


def descriptors_back(figures: Figures) -> Claim:
    """As many of each kind as before."""
    return compared(figures, "descriptors", "Descriptors are back to the start", lambda _: True)


def objects_back(figures: Figures) -> Claim:
    """No connection, no exchange, no watcher, no greenlet is left."""
    return compared(figures, "objects", "So are the objects of gpool and gevent", of_requests)


#: Heads and headers that are remembered, a bounded number.
REMEMBERED = ("gpool.wsgi.framing.Framing", "gpool.wsgi.response.")


def of_requests(name: str) -> bool:
    """Whether an object of that class is of a request, a connection or a worker."""
    return not name.startswith(REMEMBERED)


def compared(figures: Figures, key: str, name: str, wanted: Callable[[str], bool]) -> Claim:
    """What there is more of in the end than at the start."""
    start, end = figures["start"][key], figures["end"][key]
    more = [
        f"{what}: {start.get(what, 0)}, then {there}"
        for what, there in end.items()
        if wanted(what) and there > start.get(what, 0) + COME_AND_GO.get(what.rpartition(".")[2], 0)
    ]
    return Claim(name, listed(more, f"{sum(start.values())}, then {sum(end.values())}"), not more)


def second_half(figures: Figures) -> list[float]:
    """Anonymous memory, KiB, over the second half of the requests."""
    samples = figures["samples"]
    if not samples["requests"]:
        return []
    middle = samples["requests"][-1] / 2
    pairs = zip(samples["requests"], samples["anonymous_kib"], strict=True)
    return [memory for requests, memory in pairs if requests >= middle]


def memory_flat(figures: Figures) -> Claim:
    """See `bench.soak.flatness`."""
    values = second_half(figures)
    name = "Memory is flat over the second half"
    if len(values) < 2 * BLOCKS:
        return Claim(name, f"{len(values)} samples are too few to say", None)
    found = growth(values)
    requests = figures["samples"]["requests"][-1] / 2
    return Claim(
        name,
        f"{found.growth:+,.0f} KiB, of which {found.margin:,.0f} may be chance (99 %);"
        f" a leak of {found.seen * 1_024 / requests:,.2f} bytes a request would be seen",
        found.flat,
    )


def quiet(figures: Figures) -> Claim:
    """Nothing is logged, or reaches the Hub, but what was to."""
    bad = figures["stopped"]["unexpected"]
    good = f"{sum(figures['stopped']['logged'].values()):,} records, all of them due"
    return Claim("Nothing unexpected was logged, or reached the Hub", listed(bad, good), not bad)


def ended_well(figures: Figures) -> Claim:
    """The server's process ended when it was told to."""
    status = figures["status"]
    return Claim("The server drained, and ended", f"status {status}", status == 0)


def thorough(figures: Figures) -> Claim:
    """Whatever was to occur, has."""
    missing = list(absent(figures))
    moves = len(figures["client"]["by_move"])
    good = f"{figures['end']['kills']:,} random kills, {moves} moves, all outcomes"
    return Claim("All that was to occur has occurred", listed(missing, good), not missing)


def absent(figures: Figures) -> Iterator[str]:
    """What has not."""
    client, plan = figures["client"], figures["plan"]
    total = client["sent"] + client["recurring"]
    if plan["requests"] and total < plan["requests"]:
        yield f"{total:,} requests of {plan['requests']:,}"
    if len(plan["groups"]) < ALL_GROUPS:
        return
    yield from (one.name for one in OUTCOMES if not count(figures, outcome=one.name))
    yield from (one.name for one in ENDINGS if not count(figures, ended=one.name))
    pools = [one["pool"] for one in figures["end"]["servers"].values()]
    for what in ("tainted", "retired"):
        if not sum(pool[what] for pool in pools):
            yield f"no worker was {what}"
    if not figures["end"]["kills"]:
        yield "no random kill"


JUDGES: tuple[Callable[[Figures], Claim], ...] = (
    once,
    recurring_once,
    every_byte,
    requests_balance,
    connections_balance,
    workers_rest,
    descriptors_back,
    objects_back,
    memory_flat,
    quiet,
    ended_well,
    thorough,
)
