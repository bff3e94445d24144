"""What became of each request, as either side saw it: a byte a request, in files that both map.

The server's process writes how often a request has reached the application, and how that ended;
the client's, which move it was part of, and what it got. A request's number is its place. The
files outlive both processes, so that one that dies has told all it knew, and their pages are no
anonymous memory, which is what the server's is judged by.

Guarantees: a request that is begun or ended twice stays known as such. What may be, is left to
`bench.soak.rules`.
"""

import mmap
from enum import IntEnum
from pathlib import Path
from typing import Self

__all__ = ["Ending", "Ledger", "Outcome"]

MOST = 255  # what fits into a byte


class Ending(IntEnum):
    """How a request ended in the application; the server's side."""

    NONE = 0  # it was not begun, or goes on
    RETURNED = 1  # it gave all of its answer
    RAISED = 2  # as it was to
    KILLED = 3  # by who was to
    OVERRAN = 4  # request_timeout
    DISCONNECTED = 5  # it was told that its client is gone
    CLOSED = 6  # its iterable was closed before the end
    FOREIGN = 7  # an exception, a kill or a context that was another's
    WRONG = 8  # its body was not the one that was sent
    TWICE = 9


class Outcome(IntEnum):
    """What a request got; the client's side."""

    UNSENT = 0
    OPEN = 1  # sent, and nothing more is known
    ANSWERED = 2  # all of the application's answer, each byte as it was to be
    UNAVAILABLE = 3  # 503
    BAD = 4  # 400
    LATE = 5  # 408
    FAILED = 6  # 500
    OVERRAN = 7  # 504
    CANCELLED = 8  # 500 of one whose client sends no more
    CUT = 9  # the right beginning of an answer, then the end of the connection
    BROKEN = 10  # the client left before it had all
    TORN = 11  # the client left before it had sent all
    DROPPED = 12  # behind an answer that was the connection's last, or to one that was over
    LOST = 13  # the end of the connection, and not a byte
    WRONG = 14  # bytes that are not its answer
    HUNG = 15  # nothing, for too long


class Column:
    """A byte for each request.

    Args:
        path: of the file.
        size: of it; None for one that is there.
    """

    def __init__(self, path: Path, size: int | None = None) -> None:
        with path.open("r+b" if size is None else "w+b") as file:
            if size is not None:
                file.truncate(size)
            self.map = mmap.mmap(file.fileno(), 0)

    def first(self, count: int) -> bytes:
        """Those of the first requests."""
        return self.map[:count]


class Ledger:
    """All four columns.

    Args:
        folder: where their files are.
        size: how many requests there may be; None if the files are there.
    """

    def __init__(self, folder: Path, size: int | None = None) -> None:
        names = ("begun", "ended", "moves", "outcomes")
        self.columns = [Column(folder / name, size) for name in names]
        self.begun, self.ended, self.moves, self.outcomes = (one.map for one in self.columns)
        self.size = len(self.begun)

    def begin(self, number: int) -> None:
        """Server. It has reached the application."""
        begun = self.begun[number]
        if begun < MOST:
            self.begun[number] = begun + 1

    def end(self, number: int, how: Ending) -> None:
        """Server. The application is done with it."""
        self.ended[number] = Ending.TWICE if self.ended[number] else how

    def send(self, first: int, count: int, move: int) -> None:
        """Client. Some are about to be sent."""
        self.moves[first : first + count] = bytes((move,)) * count
        self.outcomes[first : first + count] = OPEN * count

    def got(self, number: int, what: Outcome, count: int = 1) -> None:
        """Client. What came of some."""
        if count == 1:
            self.outcomes[number] = what
        else:
            self.outcomes[number : number + count] = bytes((what,)) * count

    def close(self) -> None:
        """Let go of the files."""
        for one in self.columns:
            one.map.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


OPEN = bytes((Outcome.OPEN,))
