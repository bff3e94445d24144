"""gpool as one measurement needs it, where no other does."""

from collections.abc import Callable, Sequence
from importlib.metadata import version

from bench.kinds import Kind, Purpose, Server, Setting, Setup
from bench.peers.installed import interpreter

__all__ = ["own"]


def own(
    module: str,
    words: Callable[[Setup], Sequence[object]],
    setting: str = "defaults",
    *,
    compiled: bool = True,
) -> Server:
    """A server of ours.

    Args:
        module: that Python runs.
        words: what it is told.
        setting: in words, for a table.
        compiled: whether it is the package as a wheel has it.
    """
    return Server(
        title="gpool",
        kind=Kind.OURS,
        command=lambda setup: [*interpreter(module), *map(str, words(setup))],
        said=lambda: version("gpool"),
        settings={Purpose.HELLO: Setting(setting)},
        compiled=compiled,
    )
