"""What the bytes of an input say: two that choose how a case goes, and those that are sent.

An input is a file of the corpus, or what an engine has made; every one is valid. The choices come
first, so that an engine that changes the stream keeps them, and two inputs can be spliced.

Guarantees: the same input is the same case, in any process.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from random import Random

__all__ = ["CHOICES", "Input"]

CHOICES = 2  # bytes at the beginning of an input
FEW, MANY = 3, 40  # cuts
STINGY = 7  # bytes that a socket takes at a time which takes few


@dataclass(frozen=True)
class Input:
    """An input.

    Attributes:
        mode: eight choices, of which each target has its own use.
        seed: of the cuts.
        stream: what is sent.
    """

    mode: int
    seed: int
    stream: bytes

    @classmethod
    def of(cls, data: bytes) -> "Input":
        """Read an input; bytes that are not there are 0."""
        mode, seed = data[:CHOICES].ljust(CHOICES, b"\0")
        return cls(mode, seed, data[CHOICES:])

    def choice(self, bit: int, bits: int = 1) -> int:
        """Some bits of `mode`."""
        return self.mode >> bit & (1 << bits) - 1

    def cuttings(self) -> Iterator[list[bytes]]:
        """The stream in pieces, in three ways: a few, many, and, if it is short, each byte."""
        yield self._cut(FEW)
        yield self._cut(MANY)
        if len(self.stream) <= 300:  # or it would take most of the time
            yield [self.stream[place : place + 1] for place in range(len(self.stream))]

    def _cut(self, count: int) -> list[bytes]:
        digest = hashlib.blake2b(bytes([self.seed, count]) + self.stream, digest_size=8).digest()
        random, size = Random(digest), len(self.stream)
        ends = [place + 1 for place in range(size) if self.stream[place] in b"\r\n: ;"]
        likely = random.sample(ends, min(len(ends), count)) if ends else []
        anywhere = [random.randrange(size + 1) for _ in range(random.randrange(count))]
        places = sorted({0, size, *likely[: random.randrange(count + 1)], *anywhere})
        return [self.stream[begin:end] for begin, end in pairwise(places)]

    @property
    def takes(self) -> float:
        """How many bytes the peer takes at a time."""
        return STINGY if self.seed % 4 == 3 else inf  # one in four
