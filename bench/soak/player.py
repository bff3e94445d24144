"""A client's connection, and the book of what was sent and came.

A move (`bench.soak.moves`, `bench.soak.nasty`) takes numbers, sends requests on a `Line`, and says
which answers it expects; the line reads them, compares every byte, and enters what came of each
into the ledger. What an answer may be instead is one of the server's errors, which are known to
the byte as well.

Guarantees: each number that was taken is entered; a byte that nobody expected is a complaint, with
the number of the request; nothing waits longer than `PATIENCE`.
"""

import random
import struct
import time
from collections import Counter
from contextlib import suppress
from email.utils import parsedate_to_datetime
from functools import lru_cache
from math import inf
from socket import SO_LINGER, SOL_SOCKET
from typing import Any

from gevent import socket

from bench.soak.ledger import Ledger, Outcome
from bench.soak.protocol import DATE, ERRORS, LEAD, PLACES, error

__all__ = ["SESSION", "Book", "Line", "Numbers"]

SHORT_SESSION, SESSION = 2, 25  # batches of a connection: while warming up, and later
PATIENCE = 30.0  # seconds for an answer that never takes that long
CHUNK = 262_144
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset
BIND_ADDRESS_NO_PORT = 24  # Linux: a port is chosen when it is known where to
BEGIN = len(LEAD) + DATE
STATUS = len("HTTP/1.1 200")
MAX_COMPLAINTS = 50
CLOCK = 5.0  # seconds that a Date may be away from ours

OUTCOMES = {
    400: Outcome.BAD,
    408: Outcome.LATE,
    500: Outcome.FAILED,
    503: Outcome.UNAVAILABLE,
    504: Outcome.OVERRAN,
}
#: What may come of a request without a number.
RECURRING = (Outcome.ANSWERED, Outcome.UNAVAILABLE, Outcome.OVERRAN, Outcome.DROPPED)
KNOWN = {error(status)[0][:STATUS]: (error(status), OUTCOMES[status]) for status in ERRORS}


@lru_cache(maxsize=64)
def dated(date: bytes) -> bool:
    """Whether that is a Date, and about now."""
    try:
        told = parsedate_to_datetime(date.decode("latin-1")).timestamp()
    except ValueError:
        return False
    return abs(told - time.time()) < CLOCK


class Numbers:
    """Consecutive numbers of requests that were taken together."""

    __slots__ = ("count", "first")

    def __init__(self, first: int, count: int) -> None:
        self.first = first
        self.count = count

    def __iter__(self) -> Any:
        return iter(range(self.first, self.first + self.count))


class Book:
    """What all connections of the client share.

    Attributes:
        ledger: where outcomes are entered.
        moves: the names of all moves; the place of one is its byte in the ledger.
        sent: how many numbers are taken.
        recurring: how many requests without a number were answered.
        counts: how often each place was asked, see `bench.soak.protocol`.
        connections: how many were made.
        complaints: what is wrong, in words.
        stopping: whether moves are to come to their end.
        session: how many batches there are on a connection.
        timeout: seconds that the server waits for the first byte of a connection.
    """

    def __init__(
        self,
        ledger: Ledger,
        moves: list[str],
        ports: dict[str, int],
        seed: int,
        timeout: float = inf,
    ) -> None:
        self.ledger = ledger
        self.timeout = timeout
        self.moves = {name: place for place, name in enumerate(moves)}
        self.ports = ports
        self.random = random.Random(seed)  # noqa: S311  # a game of chance
        self.sent = 0
        self.recurring = 0
        self.by_move: Counter[str] = Counter()
        self.counts = [0] * PLACES
        self.free_places = list(range(PLACES))
        self.connections: Counter[str] = Counter()
        self.complaints: list[str] = []
        self.stopping = False
        self.session = SHORT_SESSION

    @property
    def total(self) -> int:
        """Requests of both kinds."""
        return self.sent + self.recurring

    def take(self, move: str, count: int = 1) -> Numbers:
        """Numbers for requests that are about to be sent.

        Raises:
            OverflowError: the ledger is full.
        """
        first = self.sent
        if first + count > self.ledger.size:
            raise OverflowError("the ledger is full")
        self.sent = first + count
        self.by_move[move] += count
        self.ledger.send(first, count, self.moves[move])
        return Numbers(first, count)

    def complain(self, text: str) -> None:
        """Something is wrong."""
        if len(self.complaints) < MAX_COMPLAINTS:
            self.complaints.append(text)

    def connect(self, server: str) -> "Line":
        """A connection to one of the servers.

        From changing addresses of loopback, whose ports would not suffice.
        """
        began = time.monotonic()
        sock = socket.socket()
        sock.settimeout(PATIENCE)
        sock.setsockopt(socket.IPPROTO_IP, BIND_ADDRESS_NO_PORT, 1)
        sock.bind((f"127.0.0.{self.random.randrange(2, 250)}", 0))
        sock.connect(("127.0.0.1", self.ports[server]))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connections[server] += 1
        return Line(self, sock, began)


class Line:
    """A connection to a server.

    Attributes:
        open: whether more may be sent: the server has not said that it closes.
        late: whether the first bytes were sent so late that the server may have closed before, as
            happens where this process has to wait for its CPU.
    """

    def __init__(self, book: Book, sock: Any, began: float) -> None:
        self.book = book
        self._due: float | None = began + book.timeout  # None once something was sent
        self.late = False
        self.sock = sock
        self.buffer = bytearray()
        self.open = True
        self.ended = False  # whether the server's end has come
        self.hung = False

    def send(self, data: bytes) -> bool:
        """Send; False if the server has closed meanwhile, which its answer explains."""
        try:
            self.sock.sendall(data)
        except OSError:
            return False
        finally:
            if self._due is not None:
                self.late, self._due = time.monotonic() >= self._due, None
        return True

    def more(self) -> bool:
        """Wait for more bytes; False if there are no more."""
        if self.ended:
            return False
        try:
            data = self.sock.recv(CHUNK)
        except TimeoutError:
            self.hung = self.ended = True
            return False
        except OSError:
            data = b""
        if not data:
            self.ended = True
            return False
        self.buffer += data
        self.late = False
        return True

    # ------------------------------------------------------------------ answers

    def batch(self, numbers: Numbers, rests: list[bytes]) -> None:
        """Read the answers to some requests that were sent together.

        Args:
            numbers: theirs.
            rests: what follows the Date of each.
        """
        if self.all_at_once(rests):
            self.book.ledger.got(numbers.first, Outcome.ANSWERED, numbers.count)
            return
        for number, rest in zip(numbers, rests, strict=True):
            self.answer(number, rest)

    def all_at_once(self, rests: list[bytes]) -> bool:
        """Whether that is what comes, and with one Date: nearly always."""
        buffer = self.buffer
        if buffer:
            return False
        size, whole = len(rests) * BEGIN + sum(map(len, rests)), b""
        while len(buffer) < size:
            if not self.more():
                return False
            if not whole and len(buffer) >= BEGIN:
                date = bytes(buffer[len(LEAD) : BEGIN])
                whole = (LEAD + date).join([b"", *rests]) if dated(date) else b""
            if not whole or not whole.startswith(buffer):
                return False
        buffer.clear()
        return True

    def answer(self, number: int, rest: bytes, *, last: bool = False) -> Outcome:
        """Read the answer to one request, and enter what it was.

        Args:
            number: the request's.
            rest: what follows the Date.
            last: whether the answer says that it is the last.
        """
        what = self.next_answer(number, LEAD, rest)
        if last:
            self.open = False
        self.book.ledger.got(number, what)
        return what

    def next_answer(self, number: int | None, lead: bytes, rest: bytes) -> Outcome:
        """What comes next; see `answer`."""
        if not self.open:
            return Outcome.DROPPED
        while len(self.buffer) < STATUS and self.more():
            pass
        known = KNOWN.get(bytes(self.buffer[:STATUS]))
        if known is None:
            return self.exactly(number, lead, rest, Outcome.ANSWERED)
        (lead, rests), what = known
        self.some(len(lead) + DATE + min(map(len, rests)))
        rest = next((one for one in rests if self.may_begin(lead, one)), rests[0])
        what = self.exactly(number, lead, rest, what)
        self.open = False
        return what

    def exactly(self, number: int | None, lead: bytes, rest: bytes, what: Outcome) -> Outcome:
        """Read these bytes; what else it is if they do not come."""
        size = len(lead) + DATE + len(rest)
        while len(self.buffer) < size and self.may_begin(lead, rest) and self.more():
            pass
        date, after = len(lead), len(lead) + DATE
        buffer = self.buffer
        if buffer.startswith(lead) and buffer.startswith(rest, after):
            if dated(bytes(buffer[date:after])):
                del buffer[:size]
                return what
        elif len(buffer) < size and self.may_begin(lead, rest):
            return self.early_end()
        wrong = bytes(buffer[:200])
        self.book.complain(f"request {number}: not its answer, but {wrong!r}")
        self.open = False
        buffer.clear()
        return Outcome.WRONG

    def may_begin(self, lead: bytes, rest: bytes) -> bool:
        """Whether what has come is the beginning of what was to come; or what was, of that."""
        begin, after = self.buffer[: len(lead)], self.buffer[len(lead) + DATE :][: len(rest)]
        return lead.startswith(begin) and rest.startswith(after)

    def early_end(self) -> Outcome:
        """An answer is not whole."""
        self.open = False
        began = bool(self.buffer)
        self.buffer.clear()
        if self.hung:
            return Outcome.HUNG
        if self.late:
            return Outcome.DROPPED
        return Outcome.CUT if began else Outcome.LOST

    def recurring(self, place: int, rest: bytes) -> bool:
        """Read the answer to a request without a number; whether it was the application's."""
        what = self.next_answer(None, LEAD, rest)
        if what in (Outcome.ANSWERED, Outcome.OVERRAN):  # it has run
            self.book.counts[place] += 1
        if what not in RECURRING:
            self.book.complain(f"place {place}: {what.name}")
        self.book.recurring += 1
        self.book.by_move["recurring"] += 1
        return what is Outcome.ANSWERED

    def some(self, size: int) -> int:
        """Wait until there is so much of an answer; how much there is."""
        while len(self.buffer) < size and self.more():
            pass
        return len(self.buffer)

    # ------------------------------------------------------------------ the end

    def half_close(self) -> None:
        """Send no more."""
        with suppress(OSError):  # the server was faster
            self.sock.shutdown(socket.SHUT_WR)

    def quiet(self) -> None:
        """End in good order; nothing more may come."""
        self.half_close()
        while not self.buffer and self.more():
            pass
        if self.buffer:
            self.book.complain(f"bytes that nobody has asked for: {bytes(self.buffer[:200])!r}")
        if self.hung:
            self.book.complain("the server did not close a connection")
        self.close()

    def reset(self) -> None:
        """End with a reset."""
        self.sock.setsockopt(SOL_SOCKET, SO_LINGER, RESET)
        self.close()

    def close(self) -> None:
        """End, whatever may come."""
        self.open = False
        self.ended = True
        self.sock.close()
