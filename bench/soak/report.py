"""A soak in words and tables: the claims, the picture, what was sent, what became of it."""

from collections.abc import Iterator, Sequence

from bench.soak.claims import Claim
from bench.soak.running import Figures

__all__ = ["report"]

SAID = {True: "held", False: "**did not hold**", None: "not judged"}
MOVES = {
    "pipelined": "batches of 8 to 64 on a connection, some of them mixed",
    "recurring": "the same heads again and again, known by their count",
    "one by one": "kept connections",
    "close": "a connection each, by its header or as HTTP/1.0",
    "slow": "requests in pieces, answers read late",
    "upload": "bodies of up to 1 MB, with a length or in chunks",
    "100-continue": "bodies that wait for the server's word",
    "download": "answers of up to 1 MB: in one, in chunks, from a file",
    "torn": "clients that leave before a request is whole",
    "leaves": "clients that leave while the application runs",
    "leaves batch": "the same within a batch",
    "resets in answer": "clients that leave within a large answer",
    "resets in body": "clients that leave within a large body",
    "half-close": "clients that send no more, and read",
    "poisoned": "handlers that raise, are killed in time or late, leak a Timeout, or give their"
    " greenlet's switch away, among others in a batch",
    "taken over": "hijacked and upgraded connections, some of them left",
    "malformed": "a bad head within a batch",
    "burst": "more requests at once than there are workers",
    "stalled": "heads and bodies that do not go on",
    "overrunning": "handlers that take longer than request_timeout, within a batch",
}


def table(heads: Sequence[str], rows: Sequence[Sequence[object]], numbers: str) -> Iterator[str]:
    """A table; the columns of `numbers` are on the right."""
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "|".join("--:" if head in numbers else "---" for head in heads) + "|"
    for row in rows:
        cells = (f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row)
        yield "| " + " | ".join(cells) + " |"


def report(figures: Figures, judged: Sequence[Claim]) -> str:
    """All of it, in Markdown."""
    return "\n".join(parts(figures, judged)) + "\n"


def parts(figures: Figures, judged: Sequence[Claim]) -> Iterator[str]:
    """Its lines."""
    client, machine, samples = figures["client"], figures["machine"], figures["samples"]
    total = client["sent"] + client["recurring"]
    seconds = samples["seconds"][-1] if samples else 0
    yield "# A soak of gpool\n"
    yield "What `make soak` has done and written; nothing here was written by hand.\n"
    connections = sum(client["connections"].values())
    source = "the sources" if figures["plan"]["pure"] else "compiled"
    yield (
        f"{total:,} requests in {seconds / 60:.1f} minutes, by {connections:,} connections,"
        f" seed {figures['plan']['seed']}, {source}. {machine['cpu']}, {machine['date']},"
        f" revision {machine['revision']}.\n"
    )
    yield "[![Requests a second, memory, descriptors and workers over time](soak.svg)](soak.svg)\n"
    yield "## What was claimed\n"
    rows = [(one.name, SAID[one.holds], one.found) for one in judged]
    yield from table(("claim", "", "found"), rows, "")
    yield "\n## What was sent\n"
    moves = [(name, client["by_move"].get(name, 0), MOVES[name]) for name in MOVES]
    yield from table(("move", "requests", "what it is"), moves, "requests")
    yield "\n## What became of it\n"
    yield "What the client got, how often the application was reached, how that ended.\n"
    yield from table(("got", "run", "ended", "requests"), figures["cases"], "run requests")
    yield "\n`bench/soak/rules.py` has the rules by which these are judged."
