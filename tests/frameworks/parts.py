"""What the four sites have in common: everything but how their framework says it.

`serving` patches before it imports this, so `time.sleep` and the locks here let other requests go
on. The tests import it for its constants only.
"""

import hashlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

#: So many requests of the view `isolated` are in it at the same time.
TOGETHER = 20
PIECE = 10_000
LATE_FIRST = b"all is well so far\n"
ETAG = "of the only version"
DATED = "what seldom changes"
COOKIES = {"fruit": "apple", "tree": "oak"}

token: ContextVar[str | None] = ContextVar("token", default=None)
_meeting = threading.Barrier(TOGETHER, timeout=20)
_closed = threading.Semaphore(0)
_folders: list[tempfile.TemporaryDirectory[str]] = []


def content() -> bytes:
    """The file that is downloaded: 2 MB and a bit, no two blocks of it the same."""
    return b"".join(number.to_bytes(4, "big") for number in range(525_001))


@cache
def large_file() -> Path:
    """Where it is, until this process ends."""
    _folders.append(tempfile.TemporaryDirectory(prefix="gpool-site-"))
    path = Path(_folders[-1].name, "large.bin")
    path.write_bytes(content())
    return path


def greeting(name: str, tags: list[str]) -> str:
    return f"hello {name}: {', '.join(tags)}"


def digest(read: Callable[[int], bytes]) -> dict[str, Any]:
    """Read to the end, in pieces."""
    hashed, size = hashlib.sha256(), 0
    while piece := read(PIECE):
        assert len(piece) <= PIECE
        hashed.update(piece)
        size += len(piece)
    return {"size": size, "sha256": hashed.hexdigest()}


def lines(count: int) -> Iterator[bytes]:
    for number in range(count):
        time.sleep(0)
        yield f"line {number}\n".encode()


def late_failure() -> Iterator[bytes]:
    yield LATE_FIRST
    raise RuntimeError("on purpose, late")


def endless() -> Iterator[bytes]:
    """Until it is closed, which `closed` waits for."""
    try:
        while True:
            yield bytes(65_536)
            time.sleep(0)
    finally:
        _closed.release()


def closed() -> bool:
    """Wait until an `endless` has been closed."""
    return _closed.acquire(timeout=20)


def isolated(given: str, local: Any) -> dict[str, str | None]:
    """What a request sees before and after it sets, and others did; `local` is the framework's."""
    seen = {"before": token.get(), "local_before": getattr(local, "token", None)}
    local.token = given
    token.set(given)
    _meeting.wait()
    time.sleep(0.001)
    return seen | {"after": token.get(), "local_after": local.token}


def isolated_lines(given: str) -> Iterator[bytes]:
    """The same, of an answer that is produced while others are."""
    assert token.get() is None, "of another request"
    token.set(given)

    def produced() -> Iterator[bytes]:
        for _ in range(3):
            _meeting.wait()
            yield f"{token.get()}\n".encode()

    return produced()
