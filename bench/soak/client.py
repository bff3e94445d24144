"""The client's process: players that play moves until enough requests are sent.

python -m bench.soak.client FOLDER SETTINGS is started by `bench.soak.running`.

Each group of players has a share of all requests; who is ahead of their share waits, so that the
mix is the same from the beginning to the end, however fast the server is. All moves are played
once first, on both servers, so that what is allocated once is there before anything is compared;
then the client waits for a line on its input.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import gevent.os

from bench.soak import moves, nasty
from bench.soak.ledger import Ledger
from bench.soak.moves import Move
from bench.soak.player import SESSION, Book

__all__ = ["GROUPS", "main"]

TURN = 0.01  # seconds that who is ahead waits
SLACK = 100  # requests that a group may be ahead


class Group:
    """Players who choose from the same moves.

    Args:
        choices: the moves, each with its weight.
        players: how many there are.
        share: of all requests; None to take what they can.
    """

    def __init__(
        self, choices: dict[str, tuple[Move, int]], players: int, share: float | None
    ) -> None:
        self.names = list(choices)
        self.moves = [move for move, _ in choices.values()]
        self.weights = [weight for _, weight in choices.values()]
        self.players = players
        self.share = share


GROUPS = {
    "bulk": Group(moves.BULK, 6, 0.90),
    "mild": Group(moves.MILD, 24, 0.07),
    "nasty": Group(nasty.NASTY, 40, 0.03),
    "patient": Group(nasty.PATIENT, 12, None),
}


class Client:
    """All players.

    Args:
        book: what they share.
        settings: ``requests``, ``seconds`` (None for no limit of that kind), ``groups``, and how
            many seconds there are between two lines (``every``).
    """

    def __init__(self, book: Book, settings: dict[str, Any]) -> None:
        self.book = book
        self.requests = settings["requests"] or sys.maxsize
        self.seconds = settings["seconds"] or float("inf")
        self.groups = {name: GROUPS[name] for name in settings["groups"]}
        self.shares = sum(group.share or 0 for group in self.groups.values())
        self.every = settings["every"]
        self.until = 0.0
        self.warm = 0

    def warm_up(self) -> None:
        """Each move twice."""
        chosen = [move for group in self.groups.values() for move in group.moves]
        gevent.joinall([gevent.spawn(self.played, move) for move in chosen * 2])
        self.warm = self.book.total
        self.book.session = SESSION

    def play(self) -> Iterator[dict[str, Any]]:
        """Play; tells how far it is."""
        self.until = time.monotonic() + self.seconds
        players = [
            gevent.spawn(self.player, group)
            for group in self.groups.values()
            for _ in range(group.players)
        ]
        while not self.enough():
            gevent.sleep(self.every)
            yield self.told()
        self.book.stopping = True
        gevent.joinall(players)
        yield self.told()

    def enough(self) -> bool:
        """Whether the end has come."""
        over = self.book.total - self.warm >= self.requests or time.monotonic() >= self.until
        return over or self.book.stopping or len(self.book.complaints) > 0

    def player(self, group: Group) -> None:
        """One of them."""
        book = self.book
        while not self.enough():
            if self.ahead(group):
                gevent.sleep(TURN)
                continue
            (move,) = book.random.choices(group.moves, group.weights)
            self.played(move)

    def played(self, move: Move) -> None:
        """Play a move; what it raises is the server's fault, or its own."""
        try:
            move(self.book)
        except Exception as error:
            self.book.complain(f"{move.__name__}: {error!r}")

    def ahead(self, group: Group) -> bool:
        """Whether a group has more than its share."""
        if group.share is None:
            return False
        return self.sent(group) > group.share / self.shares * self.book.total + SLACK

    def sent(self, group: Group) -> int:
        """How many requests its moves have sent."""
        return sum(self.book.by_move[name] for name in group.names)

    def told(self) -> dict[str, Any]:
        """How far it is."""
        return {"requests": self.book.total - self.warm, "complaints": len(self.book.complaints)}

    def all(self) -> dict[str, Any]:
        """What there is to know in the end."""
        book = self.book
        return {
            "sent": book.sent,
            "recurring": book.recurring,
            "counts": book.counts,
            "connections": dict(book.connections),
            "by_move": dict(book.by_move),
            "complaints": book.complaints,
        }


def say(answer: object) -> None:
    """A line of JSON."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main(folder: str, given: str) -> None:
    """Play; what is said: when it is warm, how far it is, and all of it."""
    settings = json.loads(given)
    with Ledger(Path(folder)) as ledger:
        names = [name for group in GROUPS.values() for name in group.names]
        book = Book(ledger, names, settings["ports"], settings["seed"], settings["timeout"])
        client = Client(book, settings)
        client.warm_up()
        say({"warm": client.warm})
        gevent.os.tp_read(0, 1)
        for told in client.play():
            say(told)
        say(client.all())


if __name__ == "__main__":
    main(*sys.argv[1:])
