"""A file with the number of the process, for those who send it signals.

Guarantees: the file of another process that runs is not taken over; at the end it is removed only
if it still has our number.
"""

import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import click

__all__ = ["PidFile"]


class PidFile:
    """The file, while this is entered.

    Args:
        path: of the file; None for none.

    Raises:
        click.ClickException: it is another process's, or cannot be written.
    """

    def __init__(self, path: str | None) -> None:
        # Absolute, since an application may go elsewhere.
        self._path = None if path is None else Path(path).absolute()

    def __enter__(self) -> Self:
        if self._path is not None:
            other = number_in(self._path)
            if other is not None and other != os.getpid() and runs(other):
                raise click.ClickException(f"--pid-file {self._path}: process {other} runs")
            try:
                self._path.write_text(f"{os.getpid()}\n")
            except OSError as error:
                raise click.ClickException(f"--pid-file {self._path}: {error.strerror}") from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._path is not None and number_in(self._path) == os.getpid():
            with suppress(OSError):
                self._path.unlink()


def number_in(path: Path) -> int | None:
    """The number in a file, None if there is none."""
    try:
        number = int(path.read_text())
    except (OSError, ValueError):
        return None
    return number if number > 0 else None  # others are not processes to kill(2)


def runs(number: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
