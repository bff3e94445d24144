"""The targets by name: what each does with an input, and how one is made."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.fuzz import bodies, connections, differential, grammar, heads, proxies, responses
from tests.fuzz.headers import header
from tests.fuzz.inputs import CHOICES
from tests.fuzz.mutate import mutated_input
from tests.fuzz.plans import plan

__all__ = ["CORPUS", "TARGETS", "Target"]

CORPUS = Path(__file__).parent / "corpus"


@dataclass(frozen=True)
class Target:
    """A target.

    Attributes:
        name: what it is called.
        run: does what its module says with an input; returns whether it was accepted.
        stream: makes a good one.
        folder: of the corpus.
    """

    name: str
    run: Callable[[bytes], bool]
    stream: Callable[[Random], bytes]
    folder: Path

    def good(self, random: Random) -> bytes:
        """An input, mostly good."""
        return random.randbytes(CHOICES) + self.stream(random)

    def made(self, random: Random) -> bytes:
        """An input, mostly not quite good."""
        return mutated_input(self.good(random), self.good(random), random)

    def corpus(self) -> list[Path]:
        """The files of the corpus."""
        return sorted(self.folder.iterdir())


def a_body(random: Random) -> bytes:
    """Chunks."""
    return grammar.chunked(random, grammar.body(random))[1]


def a_head(random: Random) -> bytes:
    """A head without its body."""
    lines, _ = random.choice([grammar.none, grammar.length, grammar.chunked])(random, b"x")
    return grammar.head(random, lines)


TARGETS = {
    target.name: target
    for target in (
        Target("heads", heads.run, a_head, CORPUS / "heads"),
        Target("bodies", bodies.run, a_body, CORPUS / "bodies"),
        Target("connections", connections.run, grammar.stream, CORPUS / "connections"),
        Target("differential", differential.run, grammar.stream, CORPUS / "connections"),
        Target("proxies", proxies.run, header, CORPUS / "proxies"),
        Target("responses", responses.run, plan, CORPUS / "responses"),
    )
}
