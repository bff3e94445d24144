"""Plans for an application, made at random: see `tests.fuzz.responses`."""

from random import Random

from tests.fuzz.grammar import VALUES
from tests.fuzz.responses import RECORD, UNIT

__all__ = ["plan"]

STATUSES = [b"200 OK"] * 6 + [
    *(
        b"404 Not Found",
        b"204 No Content",
        b"304 Not Modified",
        b"299",
        b"200 ",
        b"500 \xe9",
        b"100 C",
    ),
    *(
        b"200 OK\r\nX: y",
        b"200OK",
        b"20",
        b"",
        "200 \N{EURO SIGN}".encode(),
        b"999 x\ty",
        b"205 Reset",
    ),
]
LENGTHS = [
    b"5",
    b"0",
    b"05",
    b"4",
    b"100",
    b"5",
    b"-1",
    b"",
    b"5, 5",
    b"5 ",
    "\N{ARABIC-INDIC DIGIT FIVE}".encode(),
]
HEADERS = [
    *(b"Content-Type", b"Set-Cookie", b"set-cookie", b"Date", b"Server", b"X-Of-Application"),
    *(
        b"Connection",
        b"Transfer-Encoding",
        b"Trailer",
        b"a b",
        b"",
        b"X:",
        b"Keep-Alive",
        b"X\r\nY",
    ),
]
GOOD = [
    b"Content-Type",
    b"Set-Cookie",
    b"X-A",
    b"x-a",
    b"X_B",
    b"ETag",
    b"!#$%",
    b"Date",
    b"Server",
]
ODD = [
    b"a\r\nX: y",
    b"a\nb",
    b"\0",
    b"a\r\n\r\nHTTP/1.1 200 OK",
    "\N{EURO SIGN}".encode(),
    b"  a ",
    b"\x7f",
]
BLOCKS = [b"hello", b"", b"x", b"\r\n", b"0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"y" * 70_000]


def plan(random: Random) -> bytes:
    """The stream of an input."""
    steps = [b"S" + random.choice(STATUSES)]
    for _ in range(random.choice([0, 1, 1, 2, 4])):
        odd = random.random() < 0.1  # one in ten
        name = random.choice(HEADERS if odd else GOOD)
        steps.append(b"H" + name + UNIT + random.choice(ODD if odd else VALUES))
    if random.random() < 0.4:  # many
        steps.append(b"HContent-Length" + UNIT + random.choice(LENGTHS))
    for _ in range(random.choice([0, 1, 1, 2, 5])):
        kind = random.choice([b"B"] * 5 + [b"W", b"W"])
        steps.append(kind + random.choice(BLOCKS))
    for _ in range(random.choice([0, 0, 0, 0, 0, 1, 2])):
        step = random.choice([b"E", b"Ttext", b"R", b"ILink" + UNIT + b"</a>", b"I\r" + UNIT])
        steps.insert(random.randrange(len(steps) + 1), step)
    return RECORD.join(steps)
