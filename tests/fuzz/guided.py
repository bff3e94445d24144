"""The engine that is guided by coverage: atheris, which is libFuzzer for Python.

Run as a program of its own, since libFuzzer ends its process: ``python -m tests.fuzz.guided
TARGET`` and libFuzzer's own arguments. gpool is instrumented as it is imported, so nothing of it
may be imported before. Half of the mutations are libFuzzer's, half know what HTTP is made of.
"""

import sys
from importlib import import_module
from random import Random
from typing import Any

__all__ = ["main"]


def main(name: str, arguments: list[str]) -> None:
    """Fuzz until libFuzzer has enough; does not return.

    Args:
        name: of the target.
        arguments: libFuzzer's.
    """
    atheris: Any = import_module("atheris")
    with atheris.instrument_imports(include=["gpool"]):
        from tests.fuzz.mutate import mutated_input
        from tests.fuzz.targets import TARGETS
    target = TARGETS[name]

    def run(data: bytes) -> None:
        target.run(data)

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        random = Random(seed)
        if random.random() < 0.5:  # half of them
            mutated: bytes = atheris.Mutate(data, most)
            return mutated
        return mutated_input(data, target.good(random), random)[:most]

    atheris.Setup([sys.argv[0], *arguments], run, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
