"""What most of the traffic is: clients that behave, one after the other and in batches.

A move is a function of the client's book: it makes a connection, plays on it, and ends it in good
order. `bench.soak.nasty` has those that do not behave.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

from bench.soak.ledger import Outcome
from bench.soak.player import Book, Line
from bench.soak.protocol import counted, path, rest, text

__all__ = ["BULK", "MILD", "Move", "ask", "chunks", "expected", "server_of"]

Move = Callable[[Book], None]
SIZES = (24, 24, 24, 200, 1_000)
BATCHES = (8, 16, 32, 64)
#: The letters of a batch that is not all the same; some of them end the connection.
MIXED = "ffffffiiiigwpsltv"
#: Every so many batches are mixed.
MIXED_OF = 6
PLAYED_ON = ("calm", "calm", "calm", "strict")
SINGLES = "ffiigwps"


def server_of(book: Book) -> str:
    """One of the two."""
    return book.random.choice(PLAYED_ON)


def ask(letter: str, number: int, size: int, *more: bytes, version: bytes = b"HTTP/1.1") -> bytes:
    """A request, with the body that its letter wants.

    Args:
        letter: what the application is to do.
        number: the request's.
        size: of the answer's body.
        more: header lines, without their ends.
        version: HTTP's.
    """
    lines = [b"%b %b %b" % (method(letter), path(letter, number, size), version), b"Host: soak"]
    if letter == "p":
        lines.append(b"Content-Length: %d" % size)
    body = text(number, size) if letter == "p" else b""
    return b"\r\n".join([*lines, *more, b"", body])


def method(letter: str) -> bytes:
    """The method of a request."""
    return b"POST" if letter == "p" else b"GET"


def chunks(letter: str, number: int, size: int, cuts: Sequence[int]) -> bytes:
    """The same with its body in chunks, cut at these places."""
    head = b"POST %b HTTP/1.1\r\nHost: soak\r\nTransfer-Encoding: chunked\r\n\r\n"
    whole, places = text(number, size), [0, *sorted(cuts), size]
    parts = [whole[a:b] for a, b in pairwise(places)]
    made = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts if part)
    return head % path(letter, number, size) + made + b"0\r\n\r\n"


def expected(line: Line, letter: str, number: int, size: int, *, last: bool = False) -> Outcome:
    """Read the answer to it."""
    return line.answer(number, rest(letter, number, size, last=last), last=last)


def batch_of(book: Book, line: Line, move: str, letters: str, size: int) -> None:
    """Send a batch, and read its answers."""
    numbers = book.take(move, len(letters))
    both = list(zip(letters, numbers, strict=True))
    line.send(b"".join([ask(letter, number, size) for letter, number in both]))
    line.batch(numbers, [rest(letter, number, size) for letter, number in both])


def plain_batch(book: Book, line: Line, count: int, size: int) -> None:
    """The same of letter F alone: most of the traffic, so that it has to be fast."""
    numbers = book.take("pipelined", count)
    head = b"GET /f/%%08x/%d HTTP/1.1\r\nHost: soak\r\n\r\n" % size
    about = b"\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % size
    line.send(b"".join([head % number for number in numbers]))
    line.batch(numbers, [about + text(number, size) for number in numbers])


def pipelined(book: Book) -> None:
    """Batch after batch on a connection; now and then with others among them."""
    line, chance = book.connect(server_of(book)), book.random
    for _ in range(book.session):
        if book.stopping or not line.open:
            break
        count, size = chance.choice(BATCHES), chance.choice(SIZES)
        if chance.randrange(MIXED_OF):
            plain_batch(book, line, count, size)
        else:
            letters = "".join(chance.choices(MIXED, k=count))
            batch_of(book, line, "pipelined", letters, size)
    line.quiet()


def recurring(book: Book) -> None:
    """The same heads again and again, which the server knows by heart; also in batches."""
    if not book.free_places:
        return
    place = book.free_places.pop()
    request = b"GET /r/%03x/0 HTTP/1.1\r\nHost: soak\r\n\r\n" % place
    line = book.connect("calm")
    for _ in range(book.session * 4):
        count = book.random.choice((1, 1, 1, 8))
        if book.stopping or not line.open:
            break
        line.send(request * count)
        for _ in range(count):
            line.recurring(place, counted(place, book.counts[place] + 1))
    line.quiet()
    book.free_places.append(place)


def one_by_one(book: Book) -> None:
    """Requests of all good kinds, each after the answer to the one before."""
    line, chance = book.connect(server_of(book)), book.random
    for _ in range(chance.randrange(5, 30)):
        if book.stopping or not line.open:
            break
        (number,) = book.take("one by one")
        letter, size = chance.choice(SINGLES), chance.choice(SIZES)
        line.send(ask(letter, number, size))
        expected(line, letter, number, size)
    line.quiet()


def closing(book: Book) -> None:
    """A connection for a request; by its header, or as an old client."""
    line, (number,) = book.connect(server_of(book)), book.take("close")
    letter, size = book.random.choice("fips"), book.random.choice(SIZES)
    if book.random.randrange(3):
        line.send(ask(letter, number, size, b"Connection: close"))
    else:
        line.send(ask(letter, number, size, version=b"HTTP/1.0"))
    expected(line, letter, number, size, last=True)
    line.quiet()


BULK: dict[str, tuple[Move, int]] = {"pipelined": (pipelined, 5), "recurring": (recurring, 2)}
MILD: dict[str, tuple[Move, int]] = {"one by one": (one_by_one, 1), "close": (closing, 5)}
