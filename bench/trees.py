"""What a process and all that descend from it have used, from proc(5).

A process that has ended counts as far as its parent has waited for it, which is where the kernel
keeps its times; one whose parent has ended too is lost to the tree. Processes that come and go
during a look are seen or not seen, which is no error.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["alive", "cpu_seconds", "memory_kib"]

TICKS = os.sysconf("SC_CLK_TCK")
ENDED = "ZX"


@dataclass(frozen=True, slots=True)
class Process:
    """A line of /proc/PID/stat.

    Attributes:
        pid: its number.
        parent: that of its parent.
        group: that of the first process of its group.
        state: a letter.
        user: seconds, with those of the children that it has waited for.
        system: the same in the kernel.
    """

    pid: int
    parent: int
    group: int
    state: str
    user: float
    system: float


def parsed(pid: int, line: str) -> Process:
    """What proc(5) says of fields 3, 4, 5 and 14 to 17; the name before them may be anything."""
    fields = line.rpartition(")")[2].split()
    user, system, waited_user, waited_system = (int(ticks) / TICKS for ticks in fields[11:15])
    return Process(
        pid, int(fields[1]), int(fields[2]), fields[0], user + waited_user, system + waited_system
    )


def processes() -> Iterator[Process]:
    """All that run."""
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            with suppress(FileNotFoundError, ProcessLookupError):
                yield parsed(int(path.name), (path / "stat").read_text(errors="replace"))


def tree(pid: int) -> list[Process]:
    """A process and its descendants.

    Raises:
        ProcessLookupError: there is no such process.
    """
    there = {one.pid: one for one in processes()}
    if pid not in there:
        raise ProcessLookupError(f"no process {pid}")
    found = [there[pid]]
    for one in found:  # which grows meanwhile
        found += [child for child in there.values() if child.parent == one.pid]
    return found


def cpu_seconds(pid: int) -> tuple[float, float]:
    """User and system time of a process and its descendants up to now.

    Raises:
        ProcessLookupError: there is no such process.
    """
    found = tree(pid)
    return sum(one.user for one in found), sum(one.system for one in found)


def memory_kib(pid: int, field: str = "VmRSS") -> int:
    """Memory that a process and its descendants have resident; shared pages count for each.

    Args:
        pid: the process.
        field: of /proc/PID/status: VmHWM for the most that each has had.

    Raises:
        ProcessLookupError: there is no such process.
        ValueError: there is no such field.
    """
    return sum(field_of(one.pid, field) for one in tree(pid) if one.state not in ENDED)


def field_of(pid: int, field: str) -> int:
    """One field of one process, in KiB; 0 if it has just ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        lines = Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines()
        for line in lines:
            if line.startswith(f"{field}:"):
                return int(line.split()[1])
        if any(line.startswith("VmSize:") for line in lines):
            raise ValueError(f"no {field} in /proc/PID/status")
    return 0


def alive(group: int) -> list[int]:
    """The processes of a group that have not ended."""
    return [one.pid for one in processes() if one.group == group and one.state not in ENDED]
