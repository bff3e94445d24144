"""What client and server have agreed on: how a request says its number, and its answer's bytes.

A request is ``/LETTER/NUMBER/SIZE``: what the application is to do, the request's number in eight
hex digits, and how large the answer's body is to be. That body is the number again and again, so
that any byte of another's answer shows. Of an answer only the Date is not known beforehand; an
answer is told here as what follows it.

Requests of letter R say no number: their heads recur, so that the server remembers them. Their
answer says how often the place has been asked, which its only user counts too.
"""

from gpool.limits import Refusal
from gpool.wsgi.refusals import ANSWERS
from gpool.wsgi.response import REASONS
from gpool.wsgi.server import SOFTWARE

__all__ = [
    "ANY_LENGTH",
    "DATE",
    "ERRORS",
    "LEAD",
    "PLACES",
    "UPGRADED",
    "body",
    "counted",
    "error",
    "path",
    "pieces",
    "rest",
    "stored",
    "text",
]

SERVER = f"\r\nServer: {SOFTWARE}\r\nDate: ".encode()
LEAD = b"HTTP/1.1 200 OK" + SERVER  # what is before the Date
DATE = len("Thu, 01 Jan 1970 00:00:00 GMT")
TYPE = b"\r\nContent-Type: text/plain\r\n"
CLOSE = b"Connection: close\r\n"
PLACES = 256  # of letter R
STORED = 1 << 20  # bytes of the file that answers are sent from
ANY_LENGTH = "gmq"  # letters whose answers come in chunks
PLAIN = "f"  # the letter whose headers repeat
FROM_FILE = "s"
UPGRADED = "huj"  # letters that take the connection
#: The server's own answers: more header lines, and what the text may be.
ERRORS: dict[int, tuple[bytes, tuple[str, ...]]] = {
    400: (b"", ("malformed header field",)),
    408: (b"", ("the request did not arrive in time", "the client was silent for too long")),
    500: (b"", ("Internal Server Error",)),
    503: (b"Retry-After: 1\r\n", (ANSWERS[Refusal.FULL][1],)),
    504: (b"", ("request_timeout is over",)),
}


def path(letter: str, number: int, size: int) -> bytes:
    """The target of a request."""
    return f"/{letter}/{number:08x}/{size}".encode()


def text(number: int, size: int) -> bytes:
    """The number, again and again."""
    return ((b"%08x" % number) * (size // 8 + 1))[:size]


def stored() -> bytes:
    """The file: each eight bytes of it say where they are."""
    return b"".join(b"%07x\n" % place for place in range(STORED // 8))


FILE = stored()


def where(number: int, size: int) -> int:
    """From where in the file an answer is."""
    return number * 8 % (STORED - size)


def body(letter: str, number: int, size: int) -> bytes:
    """The body of an answer."""
    if letter == FROM_FILE:
        at = where(number, size)
        return FILE[at : at + size]
    return text(number, size)


def pieces(number: int, size: int) -> list[bytes]:
    """A body in three blocks, none of them empty."""
    whole, third = text(number, size), size // 3
    return [whole[:third], whole[third : 2 * third], whole[2 * third :]]


def rest(letter: str, number: int, size: int, *, last: bool = False) -> bytes:
    """What follows the Date of an answer.

    Args:
        letter: of the request.
        number: the same.
        size: of the body, 3 or more where it comes in chunks.
        last: whether it is the last of its connection.
    """
    close = CLOSE if last else b""
    if letter in ANY_LENGTH:
        head = b"%bX-Request: %08x\r\nTransfer-Encoding: chunked\r\n%b\r\n" % (TYPE, number, close)
        chunks = (b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces(number, size))
        return b"%b%b0\r\n\r\n" % (head, b"".join(chunks))
    mark = b"" if letter == PLAIN else b"X-Request: %08x\r\n" % number
    head = b"%b%bContent-Length: %d\r\n%b\r\n" % (TYPE, mark, size, close)
    return head + body(letter, number, size)


def counted(place: int, count: int) -> bytes:
    """What follows the Date of an answer of letter R."""
    return b"%bContent-Length: 14\r\n\r\n%b" % (TYPE, count_text(place, count))


def count_text(place: int, count: int) -> bytes:
    """Its body."""
    return b"%03x %010d" % (place, count)


def error(status: int) -> tuple[bytes, tuple[bytes, ...]]:
    """One of the server's own answers: what is before the Date, and what may follow it."""
    more, texts = ERRORS[status]
    line = f"HTTP/1.1 {status} {REASONS[status]}".encode()
    head = b"\r\n%bConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n" % more
    rests = (
        b"%bContent-Length: %d\r\n\r\n%b\n" % (head, len(said) + 1, said.encode()) for said in texts
    )
    return line + SERVER, tuple(rests)
