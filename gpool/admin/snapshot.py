"""All figures of one process at one moment, and those of several put together.

Whatever the admin listener shows is made from a `Snapshot`: it is what a process writes down for
its siblings, what the history takes differences of, and what Prometheus gets.

Guarantees: a snapshot does not change; `from_json` gives back what `as_json` was given, or raises;
in `merged`, counts of processes that have ended go on counting, what they held does not.

When snapshots are taken, and who reads them, is left to others.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from time import monotonic, time
from typing import Any, Protocol

from gpool.connection import ConnState
from gpool.hosting import Hosting, HostingState
from gpool.limits import Refusal
from gpool.version import __version__
from gpool.wsgi.tally import BOUNDS, CLASSES, Tally

__all__ = ["REASONS", "STATES", "Snapshot", "Watch", "from_json", "merged", "take"]

#: The states that an open connection can have, in the order of its life.
STATES = tuple(state.name.lower() for state in ConnState if state is not ConnState.CLOSED)
REASONS = tuple(reason.name.lower() for reason in Refusal)

#: What the whole is doing, if its processes do different things: the first of these.
PRECEDENCE = tuple(
    state.name for state in (HostingState.SERVING, HostingState.DRAINING, HostingState.STOPPED)
)


class Watch(Protocol):
    """What knows when the Hub was blocked: `gpool.hubwatch`.

    Attributes:
        blocked: how many times.
        longest: seconds of the longest.
        last: what blocked it last; None if nothing has.
    """

    blocked: int
    longest: float
    last: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The figures of a process, or of several.

    Attributes:
        title: what is served.
        version: gpool's.
        pids: of the processes; none for counts of those that have ended.
        started: when the oldest of them began, in seconds of the epoch.
        taken: when this was, likewise.
        state: a `HostingState`'s name.
        full_for: seconds for which there has been no room; 0 if there is some.
        max_workers: the most workers there may be.
        limit: how many requests may be in flight now; `max_workers` unless that adapts.
        running: workers there are, ``ready + busy``.
        ready: workers that wait for a request.
        busy: workers that have one.
        open: open connections, hijacked ones among them.
        lingering: refused connections whose peer has not closed yet.
        connections: open connections, by `STATES`.
        accepted: connections accepted, refused ones among them.
        created: workers created.
        reused: requests given to a worker that was there already.
        retired: workers ended because nobody had needed them.
        tainted: workers not reused because something still referred to them.
        errors: requests that the application has failed.
        refused: connections and requests that were refused, by `REASONS`.
        requests: answers, by `gpool.wsgi.tally.CLASSES`.
        sent: bytes of their bodies.
        buckets: their times, see `gpool.wsgi.tally.BOUNDS`.
        seconds: the sum of the times.
        blocked: how many times the Hub was blocked.
        longest: seconds of the longest.
        last: what blocked it last.
    """

    title: str = ""
    version: str = __version__
    pids: tuple[int, ...] = ()
    started: float = 0.0
    taken: float = 0.0
    state: str = HostingState.STOPPED.name
    full_for: float = 0.0
    # Gauges.
    max_workers: int = 0
    limit: int = 0
    running: int = 0
    ready: int = 0
    busy: int = 0
    open: int = 0
    lingering: int = 0
    connections: dict[str, int]
    # Counts since the start.
    accepted: int = 0
    created: int = 0
    reused: int = 0
    retired: int = 0
    tainted: int = 0
    errors: int = 0
    refused: dict[str, int]
    requests: dict[str, int]
    sent: int = 0
    buckets: tuple[int, ...] = (0,) * (len(BOUNDS) + 1)
    seconds: float = 0.0
    blocked: int = 0
    longest: float = 0.0
    last: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Any side. What `json.dumps` takes."""
        return asdict(self)

    def ended(self) -> "Snapshot":
        """Any side. What is left of it when its process has ended: the counts."""
        held = dict.fromkeys((*HELD, "full_for"), 0)
        nothing = dict.fromkeys(STATES, 0)
        stopped = HostingState.STOPPED.name
        return replace(self, pids=(), state=stopped, connections=nothing, **held)  # type: ignore[arg-type]


#: What a process holds only while it lives.
HELD = ("max_workers", "limit", "running", "ready", "busy", "open", "lingering")
#: What is added up, each by itself or key by key.
SUMS = (
    *HELD,
    *("accepted", "created", "reused", "retired", "tainted", "errors"),
    *("sent", "seconds", "blocked"),
)
TIMES = ("started", "taken", "full_for", "longest")
TABLES = {"connections": STATES, "refused": REASONS, "requests": CLASSES}


def take(
    hosting: Hosting, tally: Tally, watch: Watch | None, *, title: str, pid: int, started: float
) -> Snapshot:
    """Any side. The figures of this process now.

    Looks at every connection, some 0.05 us each.

    Args:
        hosting: whose.
        tally: of its answers.
        watch: of its Hub, if there is one.
        title: what is served.
        pid: this process's.
        started: when it began, in seconds of the epoch.
    """
    stats = hosting.stats()
    pool, server = stats.pool, stats.server
    return Snapshot(
        title=title,
        pids=(pid,),
        started=started,
        taken=time(),
        state=stats.state.name,
        full_for=0.0 if stats.full_since is None else monotonic() - stats.full_since,
        max_workers=pool.max_workers,
        limit=stats.limit,
        running=pool.running,
        ready=pool.ready,
        busy=pool.busy,
        open=server.open,
        lingering=server.lingering,
        connections={name: stats.connections.get(name.upper(), 0) for name in STATES},
        accepted=server.accepted,
        created=pool.created,
        reused=pool.reused,
        retired=pool.retired,
        tainted=pool.tainted,
        errors=server.errors,
        refused={reason.name.lower(): count for reason, count in server.refused.items()},
        requests=tally.requests(),
        sent=tally.sent,
        buckets=tuple(tally.buckets),
        seconds=tally.seconds,
        blocked=watch.blocked if watch else 0,
        longest=watch.longest if watch else 0.0,
        last=watch.last if watch else None,
    )


def from_json(data: Any) -> Snapshot:
    """Any side. What `Snapshot.as_json` gave, after a trip through JSON.

    Raises:
        ValueError: it is not that.
    """
    names = {field.name for field in fields(Snapshot)}
    if not isinstance(data, dict) or data.keys() != names:
        raise ValueError("not a snapshot of this version of gpool")
    try:
        tuples = {name: tuple(int(one) for one in data[name]) for name in ("pids", "buckets")}
        tables = {name: {key: int(value) for key, value in data[name].items()} for name in TABLES}
        numbers = {name: data[name] + 0 for name in (*SUMS, *TIMES)}
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"not a snapshot: {error}") from error
    if len(tuples["buckets"]) != len(BOUNDS) + 1:
        raise ValueError("not a snapshot: its buckets are others")
    if data["state"] not in PRECEDENCE:
        raise ValueError("not a snapshot: its state is another")
    return Snapshot(**{**data, **tuples, **tables, **numbers})


def merged(snapshots: Iterable[Snapshot]) -> Snapshot:
    """Any side. Several processes' figures as one's.

    Sums, but for: `started`, the oldest; `taken`, the newest; `longest`, the longest; `state`, the
    best of those that live, and `full_for`, the shortest, since one with room is enough.

    Args:
        snapshots: one or more; those without pids are of processes that have ended.
    """
    parts = list(snapshots)
    live = [part for part in parts if part.pids] or parts
    newest = max(live, key=lambda part: part.taken)
    sums: dict[str, Any] = {name: sum(getattr(part, name) for part in parts) for name in SUMS}
    tables: dict[str, Any] = {name: table(name, parts) for name in TABLES}
    told = [part for part in sorted(parts, key=lambda part: part.taken) if part.last is not None]
    return replace(
        newest,
        pids=tuple(sorted(pid for part in parts for pid in part.pids)),
        started=min(part.started for part in live),
        state=min((part.state for part in live), key=PRECEDENCE.index),
        full_for=min(part.full_for for part in live),
        buckets=tuple(map(sum, zip(*(part.buckets for part in parts), strict=True))),
        longest=max(part.longest for part in parts),
        last=told[-1].last if told else None,
        **sums,
        **tables,
    )


def table(name: str, parts: list[Snapshot]) -> dict[str, int]:
    """The sums of a table, key by key."""
    sums: Counter[str] = Counter()
    for part in parts:
        sums.update(getattr(part, name))
    return {key: sums[key] for key in TABLES[name]}
