"""``wsgi.file_wrapper``: a file as a response, sent by the kernel where that is possible.

PEP 3333, "Optional Platform-Specific File Handling". An application returns what it calls with a
file; middleware may wrap it again, then it is just an iterable.
"""

import io
import os
import stat
import tempfile
from collections.abc import Iterator
from typing import Any

__all__ = ["FileWrapper"]

BLOCK = 65_536  # bytes read at a time where the kernel cannot send


class FileWrapper:
    """A file-like object as an iterable of blocks.

    Args:
        filelike: has ``read(size)``.
        block_size: bytes a block, where it is iterated.
    """

    def __init__(self, filelike: Any, block_size: int = BLOCK) -> None:
        self.filelike = filelike
        self.block_size = block_size
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self) -> Iterator[bytes]:
        while block := self.filelike.read(self.block_size):
            yield block

    def part(self) -> tuple[int, int, int] | None:
        """Worker side. What is left of a regular file; None if it is none.

        Returns:
            Its descriptor, where it is to be read from, and how many bytes there are.
        """
        file = plain_file(self.filelike)
        if file is None or file.closed:
            return None
        if isinstance(file, io.BufferedRandom):
            file.flush()
        descriptor = file.fileno()
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return None
        offset: int = file.tell()
        return descriptor, offset, max(status.st_size - offset, 0)


def plain_file(filelike: Any) -> Any:
    """The file that `filelike` reads from as it is; None if there may be more to it.

    Whatever else has a ``fileno`` may read something else than the file's bytes: `gzip.open` has
    that of the compressed file.
    """
    if type(filelike) is tempfile._TemporaryFileWrapper:  # noqa: SLF001  # has no public name
        filelike = filelike.file
    if type(filelike) in (io.BufferedReader, io.BufferedRandom):
        return filelike if type(filelike.raw) is io.FileIO else None
    return filelike if type(filelike) is io.FileIO else None
