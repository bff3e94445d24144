"""What goes wrong with a message, or is made to: small changes that know what HTTP is made of.

Each operator changes one place. Most of what comes out is still read by somebody, which is the
point: two parsers disagree on what is nearly good.

Guarantees: the same `Random` makes the same change.
"""

import re
from collections.abc import Callable
from random import Random
from typing import TypeAlias

from tests.fuzz.inputs import CHOICES

__all__ = ["OPERATORS", "mutated", "mutated_input"]

Operator: TypeAlias = Callable[[bytes, Random], bytes]

PIECES = [
    *(b"\r", b"\n", b"\r\n", b"\0", b"\t", b" ", b"\x0b", b"\x0c", b"\x7f", b"\x80", b"\xa0", b"_"),
    *(b"\r\n ", b"\r\n\t", b"\r\n\r\n", b"\n\n", b":", b";", b",", b'"', b"\\", b"=", b"-", b"+"),
    *(b"0x", b"0", b"\r\n0\r\n\r\n", b"chunked", b", chunked", b"identity, ", b"xchunked"),
    *(b"\r\nContent-Length: 5", b"\r\nTransfer-Encoding: chunked", b"\r\nHost: b", b" HTTP/1.1"),
    *(b"\r\nConnection: close", b"\r\nConnection: keep-alive", b"\r\nExpect: 100-continue"),
    *(
        b"\r\nContent-Length : 1",
        b"\r\nTransfer-Encoding:\tchunked",
        b"\r\nUpgrade: h2c",
        b"#",
        b"*",
    ),
    *(b"http://h/", b"HEAD ", b"CONNECT ", b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"\xef\xbb\xbf"),
]
NUMBERS = [b"0", b"1", b"-1", b"+1", b"00", b"1_0", b"1e1", b"0x1", b"5, 5", b"9" * 20, b"9" * 21]
NUMBERS += [
    b"18446744073709551616",
    b"ffffffffffffffff",
    b"10000000000000000",
    b"65536",
    b" 1",
    b"",
]
NUMBER = re.compile(rb"[0-9A-Fa-f]+")
END = re.compile(rb"\n")
SPACE = re.compile(rb" ")
SEPARATORS = re.compile(rb"[ \t:;,=/?]|\r\n|\r|\n")


def inserted(data: bytes, random: Random) -> bytes:
    """A piece more."""
    place = random.randrange(len(data) + 1)
    return data[:place] + random.choice(PIECES) + data[place:]


def inserted_at_separator(data: bytes, random: Random) -> bytes:
    """A piece more, where the grammar changes from one thing to another."""
    match = chosen(SEPARATORS, data, random)
    if match is None:
        return inserted(data, random)
    place = random.choice(match.span())
    return data[:place] + random.choice(PIECES) + data[place:]


def removed(data: bytes, random: Random) -> bytes:
    """A few bytes less."""
    place = random.randrange(len(data) + 1)
    return data[:place] + data[place + random.randint(1, 3) :]


def separator_replaced(data: bytes, random: Random) -> bytes:
    """Another separator, or none."""
    match = chosen(SEPARATORS, data, random)
    if match is None:
        return data
    new = random.choice([b"", *PIECES[:12], b"\n", b"\r", match[0] * 2])
    return data[: match.start()] + new + data[match.end() :]


def line_repeated(data: bytes, random: Random) -> bytes:
    """A line twice, at once or later."""
    places = line_ends(data)
    which = random.randrange(len(places) - 1)
    place = random.choice(places)
    return data[:place] + data[places[which] : places[which + 1]] + data[place:]


def line_removed(data: bytes, random: Random) -> bytes:
    """A line less."""
    places = line_ends(data)
    which = random.randrange(len(places) - 1)
    return data[: places[which]] + data[places[which + 1] :]


def number_replaced(data: bytes, random: Random) -> bytes:
    """Another number."""
    match = chosen(NUMBER, data, random)
    if match is None:
        return data
    return data[: match.start()] + random.choice(NUMBERS) + data[match.end() :]


def case_changed(data: bytes, random: Random) -> bytes:
    """A few letters in the other case."""
    place = random.randrange(len(data) + 1)
    end = place + random.randint(1, 12)
    return data[:place] + data[place:end].swapcase() + data[end:]


def folded(data: bytes, random: Random) -> bytes:
    """A line that goes on in the next (RFC 9112 section 5.2)."""
    match = chosen(SPACE, data, random)
    if match is None:
        return data
    return (
        data[: match.start()] + random.choice([b"\r\n ", b"\r\n\t", b"\n "]) + data[match.end() :]
    )


def byte_changed(data: bytes, random: Random) -> bytes:
    """Any byte."""
    if not data:
        return random.randbytes(1)
    place = random.randrange(len(data))
    return data[:place] + random.randbytes(1) + data[place + 1 :]


def repeated(data: bytes, random: Random) -> bytes:
    """A part twice, or many times."""
    begin = random.randrange(len(data) + 1)
    part = data[begin : begin + random.randint(1, 60)]
    return data[:begin] + part * random.choice([2, 2, 2, 40]) + data[begin + len(part) :]


def cut_off(data: bytes, random: Random) -> bytes:
    """An end that comes too early."""
    return data[: random.randrange(len(data) + 1)]


OPERATORS: tuple[Operator, ...] = (
    inserted,
    inserted_at_separator,
    removed,
    separator_replaced,
    line_repeated,
    line_removed,
    number_replaced,
    case_changed,
    folded,
    byte_changed,
    repeated,
    cut_off,
)


def line_ends(data: bytes) -> list[int]:
    """Where lines end; also the beginning, and the end."""
    return [0, *(match.end() for match in END.finditer(data)), len(data)]


def chosen(pattern: re.Pattern[bytes], data: bytes, random: Random) -> re.Match[bytes] | None:
    """One of the matches."""
    matches = list(pattern.finditer(data))
    return random.choice(matches) if matches else None


def mutated(data: bytes, random: Random) -> bytes:
    """`data` with one change, seldom with more."""
    for _ in range(random.choice([1, 1, 1, 2, 4])):
        data = random.choice(OPERATORS)(data, random)
    return data


def mutated_input(data: bytes, other: bytes, random: Random) -> bytes:
    """An input from an input: other choices, a part of `other`, or a changed stream."""
    choices, stream = data[:CHOICES].ljust(CHOICES, b"\0"), data[CHOICES:]
    kind = random.randrange(10)
    if kind == 0:
        return random.randbytes(CHOICES) + stream
    if kind == 1:
        return choices + spliced(stream, other[CHOICES:], random)
    return choices + mutated(stream, random)


def spliced(data: bytes, other: bytes, random: Random) -> bytes:
    """The beginning of one and the end of the other, mostly at the ends of lines."""
    return data[: random.choice(line_ends(data))] + other[random.choice(line_ends(other)) :]
