"""Clients that are slow, leave, tear, and ask for what fails.

Each move knows what may come of it: what it broke itself it enters as that, everything else the
line reads and enters. On the strict server a client that sends no more is one that has left.
"""

from collections.abc import Iterator

import gevent

from bench.soak.ledger import Outcome
from bench.soak.moves import Move, ask, batch_of, chunks, expected, server_of
from bench.soak.player import Book, Line
from bench.soak.protocol import text

__all__ = ["NASTY", "PATIENT"]

SOON = 0.004  # seconds between two pieces, at most
LARGE = (70_000, 200_000, 600_000, 1_000_000)
POISON = "emkqltv"
BURST = 130  # and the calm server has 96 workers
HUNDRED = b"HTTP/1.1 100 Continue\r\n\r\n"
SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: soak\r\n"
    b"X-Request: %08x\r\n\r\n"
)


def pause(book: Book) -> None:
    """Some milliseconds."""
    gevent.sleep(book.random.uniform(0, SOON))


def cut(book: Book, data: bytes, most: int = 5) -> Iterator[bytes]:
    """Data in some pieces."""
    count = book.random.randrange(1, most)
    places = sorted(book.random.randrange(len(data) + 1) for _ in range(count))
    for begin, end in zip([0, *places], [*places, len(data)], strict=True):
        yield data[begin:end]


def slowly(book: Book, line: Line, data: bytes) -> None:
    """Send it piece by piece."""
    for piece in cut(book, data):
        if piece and not line.send(piece):
            return
        pause(book)


def one(book: Book, move: str) -> tuple[Line, int]:
    """A connection, and a number."""
    line = book.connect(server_of(book))
    (number,) = book.take(move)
    return line, number


def slow(book: Book) -> None:
    """A request in pieces, whose answer is read late."""
    line, number = one(book, "slow")
    letter, size = book.random.choice("fipgs"), book.random.choice((24, 3_000))
    slowly(book, line, ask(letter, number, size))
    pause(book)
    expected(line, letter, number, size)
    line.quiet()


def upload(book: Book) -> None:
    """A large body, with its length or in chunks, whole or in pieces."""
    line, number = one(book, "upload")
    chance, size = book.random, book.random.choice(LARGE)
    if chance.randrange(2):
        data = ask("p", number, size)
    else:
        data = chunks("p", number, size, [chance.randrange(size) for _ in range(6)])
    if chance.randrange(2):
        line.send(data)
    else:
        slowly(book, line, data)
    expected(line, "p", number, size)
    line.quiet()


def expecting(book: Book) -> None:
    """A body that waits for the server's word."""
    line, number = one(book, "100-continue")
    size = book.random.choice((1_000, 100_000))
    whole = ask("p", number, size, b"Expect: 100-continue")
    head = whole[: len(whole) - size]
    line.send(head)
    if line.some(len(HUNDRED)) and line.buffer.startswith(HUNDRED):
        del line.buffer[: len(HUNDRED)]
        line.send(text(number, size))
    expected(line, "p", number, size)
    line.quiet()


def download(book: Book) -> None:
    """A large answer, read in bits."""
    line, number = one(book, "download")
    letter, size = book.random.choice("igs"), book.random.choice(LARGE)
    line.send(ask(letter, number, size))
    for part in range(1, 4):
        line.some(part * size // 8)
        pause(book)
    expected(line, letter, number, size)
    line.quiet()


def torn(book: Book) -> None:
    """Gone before the request was whole: it must not have been run."""
    line, number = one(book, "torn")
    whole = ask(book.random.choice("fp"), number, 2_000)
    line.send(whole[: book.random.randrange(1, len(whole))])
    book.ledger.got(number, Outcome.TORN)
    leave(book, line)


def leave(book: Book, line: Line) -> None:
    """Reset, or close."""
    if book.random.randrange(2):
        pause(book)
    if book.random.randrange(3):
        line.reset()
    else:
        line.close()


def leaves_while_it_runs(book: Book) -> None:
    """Gone while the application works."""
    line, number = one(book, "leaves")
    line.send(ask(book.random.choice("ddg"), number, 24))
    book.ledger.got(number, Outcome.BROKEN)
    leave(book, line)


def leaves_batch(book: Book) -> None:
    """The same, in the middle of a batch."""
    line = book.connect(server_of(book))
    numbers = book.take("leaves batch", 8)
    letters = book.random.choices("fiwg", k=8)
    line.send(b"".join(ask(one, number, 24) for one, number in zip(letters, numbers, strict=True)))
    book.ledger.got(numbers.first, Outcome.BROKEN, numbers.count)
    leave(book, line)


def resets_in_answer(book: Book) -> None:
    """Gone with a part of a large answer."""
    line, number = one(book, "resets in answer")
    letter, size = book.random.choice("igs"), book.random.choice(LARGE)
    line.send(ask(letter, number, size))
    line.some(book.random.randrange(1, size // 2))
    begun = bytes(line.buffer[:12])
    if begun and begun != b"HTTP/1.1 200"[: len(begun)]:  # it was refused
        expected(line, letter, number, size)
    else:
        book.ledger.got(number, Outcome.BROKEN)
    leave(book, line)


def resets_in_body(book: Book) -> None:
    """Gone with a part of a large body sent, which the application may be reading."""
    line, number = one(book, "resets in body")
    whole = ask("p", number, book.random.choice(LARGE))
    line.send(whole[: book.random.randrange(200, len(whole))])
    book.ledger.got(number, Outcome.BROKEN)
    leave(book, line)


def half_closed(book: Book) -> None:
    """Requests, and then no more; the answers are due, unless leaving is to cancel them."""
    server = server_of(book)
    line, numbers = book.connect(server), book.take("half-close", 4)
    letters = book.random.choices("fiwg", k=4)
    both = list(zip(letters, numbers, strict=True))
    line.send(b"".join(ask(letter, number, 24) for letter, number in both))
    line.half_close()
    for letter, number in both:
        what = expected(line, letter, number, 24)
        if server == "strict" and what in (Outcome.FAILED, Outcome.CUT):
            book.ledger.got(number, Outcome.CANCELLED)
    line.quiet()


def poisoned(book: Book) -> None:
    """One that fails, is killed or leaves something behind, among others that must not notice."""
    line, chance = book.connect(server_of(book)), book.random
    letters = ["f"] * chance.randrange(1, 6)
    letters[chance.randrange(len(letters))] = chance.choice(POISON)
    batch_of(book, line, "poisoned", "".join(letters), chance.choice((24, 300)))
    line.quiet()


def taken_over(book: Book) -> None:
    """A connection that the application takes: an echo, sometimes left before its end."""
    line, number = one(book, "taken over")
    letter, size = book.random.choice("huj"), book.random.choice((24, 5_000, 100_000))
    head = ask(letter, number, size, b"Connection: Upgrade", b"Upgrade: soak")
    first, *others = cut(book, text(number, size))
    line.send(head + first)
    if not book.random.randrange(3):
        book.ledger.got(number, Outcome.BROKEN)
        leave(book, line)
        return
    answer = SWITCHING % number + text(number, size) + b"bye %08x" % number
    for piece in others:
        line.send(piece)
        pause(book)
    book.ledger.got(number, echoed(line, number, answer))
    line.quiet()


def echoed(line: Line, number: int, answer: bytes) -> Outcome:
    """What came of it: there is no Date."""
    line.some(len(answer))
    if line.buffer == answer:
        line.buffer.clear()
        return Outcome.ANSWERED
    if line.buffer.startswith(b"HTTP/1.1 5"):
        return line.next_answer(number, b"", b"")
    line.book.complain(f"request {number}: not its echo, but {bytes(line.buffer[:200])!r}")
    line.buffer.clear()
    return Outcome.WRONG


def malformed(book: Book) -> None:
    """A bad head behind a good one: 400, and what is behind it is not read."""
    line = book.connect(server_of(book))
    good, bad, behind = book.take("malformed", 3)
    line.send(ask("f", good, 24) + ask("f", bad, 24, b"no header") + ask("f", behind, 24))
    for number in (good, bad, behind):
        expected(line, "f", number, 24)
    line.quiet()


def burst(book: Book) -> None:
    """More at once than there are workers."""
    lines = [(book.connect("calm"), number) for number in book.take("burst", BURST)]
    for line, number in lines:
        line.send(ask("d", number, 24))
    for line, number in lines:
        expected(line, "d", number, 24)
        line.quiet()


def stalled(book: Book) -> None:
    """A head, or a body, that does not go on: 408; with a large body from the application."""
    line, number = one(book, "stalled")
    letter, size = book.random.choice((("f", 400), ("p", 400), ("p", 100_000)))
    whole = ask(letter, number, size)
    line.send(whole[: len(whole) - book.random.randrange(1, 30)])
    expected(line, letter, number, size)
    line.quiet()


def overrunning(book: Book) -> None:
    """An application that takes too long: 504; what is behind it is not run."""
    line = book.connect(server_of(book))
    before, slow_one, behind = book.take("overrunning", 3)
    line.send(ask("f", before, 24) + ask("o", slow_one, 24) + ask("f", behind, 24))
    expected(line, "f", before, 24)
    expected(line, "o", slow_one, 24)
    expected(line, "f", behind, 24)
    line.quiet()


NASTY: dict[str, tuple[Move, int]] = {
    "slow": (slow, 60),
    "upload": (upload, 20),
    "100-continue": (expecting, 20),
    "download": (download, 20),
    "torn": (torn, 60),
    "leaves": (leaves_while_it_runs, 60),
    "leaves batch": (leaves_batch, 20),
    "resets in answer": (resets_in_answer, 30),
    "resets in body": (resets_in_body, 20),
    "half-close": (half_closed, 40),
    "poisoned": (poisoned, 100),
    "taken over": (taken_over, 60),
    "malformed": (malformed, 30),
    "burst": (burst, 1),
}
PATIENT: dict[str, tuple[Move, int]] = {"stalled": (stalled, 1), "overrunning": (overrunning, 1)}
