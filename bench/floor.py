"""floor.c, compiled where there is a compiler."""

from pathlib import Path

from bench.compiling import compiled, compiler

__all__ = ["build", "compiler"]

SOURCE = Path(__file__).with_name("floor.c")


def build() -> Path:
    """The program, no older than its source.

    Raises:
        RuntimeError: there is no compiler, or it refuses.
    """
    return compiled(SOURCE)
