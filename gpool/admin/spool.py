"""Figures of several processes: each writes its own to a file, and each can read all.

gunicorn's worker processes share a listener and nothing else, and whichever of them accepts a
scrape has to answer for all. So each keeps a file in a directory, replaced as a whole once a
second. What a process has done does not undo itself when it ends: its counts are added to a file
of the ended, and its own is removed.

Guarantees:

- A reader sees a file as it was written, or not at all; what cannot be read is passed over.
- The files of a run are those of its processes, one of the ended, and a lock; files of another run
  are never read, and removed when nobody has touched them for an hour.
- Counts do not become smaller between two reads, whoever reads, as long as files are not lost: a
  process that has ended is counted once, from its own file or from that of the ended. What it did
  in the second before it was killed is lost.
- No process waits for another.

It takes some 0.1 ms to write where files are in memory (`/dev/shm`) and 0.4 ms in
`/tmp`, and 0.1 ms to read, for each process; both once a second, and for each answer.
How a run gets its name, and who removes the directory, is left to who starts the processes.
"""

import fcntl
import json
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import time
from typing import Any

from gpool.admin.snapshot import Snapshot, from_json, merged
from gpool.log import QuietLog

__all__ = ["Spool"]

logger = logging.getLogger("gpool.admin")

RUN = re.compile(r"[A-Za-z0-9.]{1,64}")
REMEMBERED = 64  # files added to those of the ended, and perhaps not removed yet; arbitrary
FORGOTTEN = 3600.0  # seconds after which files of another run are nobody's


class Spool:
    """What one process writes and reads.

    Args:
        directory: where the files are; made, for this user alone, if it is not there.
        run: a name that all processes of a run have, and no other: letters, digits and dots.
        pid: of this process.

    Raises:
        ValueError: `run` has other characters, or none, or more than 64.
        OSError: the directory cannot be made.
    """

    def __init__(self, directory: str | os.PathLike[str], run: str, *, pid: int) -> None:
        if not RUN.fullmatch(run):
            raise ValueError(f"run must be 1 to 64 letters, digits and dots, not {run!r}")
        self._run = run
        self._directory = Path(directory)
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._own = self._path(str(pid))
        self._identity = identity(pid)
        self._complain = QuietLog(logger, logging.ERROR)
        self._remove_forgotten()
        self._add_the_ended()  # there may be one whose pid this process has now

    def __repr__(self) -> str:
        return f"<Spool {self._own}>"

    def write(self, snapshot: Snapshot) -> None:
        """Any side. Put this process's figures in the place of its last ones.

        A file system that fails costs the figures, and a word in the log; nothing is raised.
        """
        try:
            replace(self._own, {"identity": self._identity, "snapshot": snapshot.as_json()})
        except OSError as error:
            self._complain("cannot write to %s: %s", self._own, error)

    def read(self) -> list[Snapshot]:
        """Any side. The figures of all processes of this run, and those of the ended."""
        entries = list(self._entries())
        # After the others: who was added since, and removed or not, is told by it.
        ended, added = self._ended()
        snapshots = [] if ended is None else [ended]
        some_ended = False
        for _, entry in entries:
            alive = lives(entry["identity"])
            some_ended = some_ended or not alive
            if entry["identity"] not in added:
                snapshots.append(entry["snapshot"] if alive else entry["snapshot"].ended())
        if some_ended:
            self._add_the_ended()
        return snapshots

    # ------------------------------------------------------------------ files

    def _path(self, name: str) -> Path:
        return self._directory / f"gpool-{self._run}-{name}.json"

    def _entries(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        for path in self._directory.glob(f"gpool-{self._run}-*.json"):
            entry = load(path)
            if entry is not None and "identity" in entry:
                yield path, entry

    def _ended(self) -> tuple[Snapshot | None, list[str]]:
        # Their sum, and the identities of those that it was made from last.
        entry = load(self._path("ended"))
        return (None, []) if entry is None else (entry["snapshot"], entry.get("added", []))

    def _add_the_ended(self) -> None:
        try:
            with self._lock() as locked:
                for path, entry in self._entries() if locked else ():  # else a sibling is at it
                    if not lives(entry["identity"]):
                        self._add(entry)
                        path.unlink(missing_ok=True)
                        draft_of(path).unlink(missing_ok=True)
        except OSError as error:
            self._complain("cannot write to %s: %s", self._directory, error)

    def _add(self, entry: dict[str, Any]) -> None:
        ended, added = self._ended()
        if entry["identity"] in added:
            return  # who added it could not remove it
        parts = [entry["snapshot"].ended(), *([] if ended is None else [ended])]
        data = {
            "snapshot": merged(parts).as_json(),
            "added": [*added, entry["identity"]][-REMEMBERED:],
        }
        replace(self._path("ended"), data)

    @contextmanager
    def _lock(self) -> Iterator[bool]:
        descriptor = os.open(
            self._directory / f"gpool-{self._run}.lock", os.O_CREAT | os.O_RDWR, 0o600
        )
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(descriptor)

    def _remove_forgotten(self) -> None:
        for path in self._directory.glob("gpool-*"):
            if not path.name.startswith((f"gpool-{self._run}-", f"gpool-{self._run}.lock")):
                with suppress(OSError):
                    if time() - path.stat().st_mtime > FORGOTTEN:
                        path.unlink()


def replace(path: Path, data: dict[str, Any]) -> None:
    """Write `data` to `path`, so that a reader sees all of it or none."""
    draft = draft_of(path)
    draft.write_text(json.dumps(data))
    draft.replace(path)


def draft_of(path: Path) -> Path:
    """What `path` is called while it is written."""
    return path.with_suffix(".draft")


def load(path: Path) -> dict[str, Any] | None:
    """What a file has, its snapshot read; None if it cannot be read, or is something else."""
    try:
        data = json.loads(path.read_bytes())
        data["snapshot"] = from_json(data["snapshot"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return data if isinstance(data, dict) else None


def identity(pid: int) -> str:
    """A process, told apart from others that had or will have its pid, where the system can."""
    return f"{pid}.{birth(pid) or 0}"


def lives(who: str) -> bool:
    """Whether the process with this `identity` is there."""
    pid, _, born = who.partition(".")
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    now = birth(int(pid))
    return now is None or born == str(now)


def birth(pid: int) -> int | None:
    """When a process began, in ticks since boot (proc(5), field 22); None where nobody tells."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The second field is the program's name in parentheses, and may have any character.
    state, *others = stat.rpartition(b")")[2].split()
    return -1 if state in (b"Z", b"X") else int(others[18])
