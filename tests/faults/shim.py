"""The preloaded library, and what it shares with whoever drives it.

The library is compiled when it is first asked for, into the folder that is named, with `cc`. A
`Plan` is a file that both processes have mapped: writing it takes no system call that the server
could notice, and it has answered when the next byte of it comes.
"""

import mmap
import struct
import subprocess
from pathlib import Path
from typing import NamedTuple

__all__ = ["COUNTED", "FUNCTIONS", "Fault", "Plan", "library"]

#: What can fail, in the order of `shim.c`.
FUNCTIONS = (
    *("accept", "recv", "send", "read", "write", "sendfile", "epoll_ctl", "epoll_wait", "close"),
    *("setsockopt", "getsockopt", "getsockname", "getpeername", "shutdown", "malloc"),
)
#: What is counted only: the table has no errors for it. Of ioctl it is FIONBIO, of fcntl F_GETFD
#: (by gevent's watchers), which fail for what is no open socket, and for nothing else; the others
#: nobody calls on a connection.
COUNTED = (
    *("ioctl", "fcntl"),
    *("dup", "poll", "recvfrom", "recvmsg", "sendto", "sendmsg", "readv", "writev"),
)
HEAD = struct.Struct("6i")  # armed, function, index, error, lost, fired
COUNTS = struct.Struct(f"{len(FUNCTIONS) + len(COUNTED)}i")


class Fault(NamedTuple):
    """One call that fails.

    Attributes:
        function: which, of `FUNCTIONS`.
        at: the how manieth call of it, from 0.
        error: errno, or `tests.faults.table.SHORT` or `END`.
        lost: whether the connection is lost with it.
    """

    function: str
    at: int
    error: int
    lost: bool = False


class Plan:
    """What is to fail, and what has been called."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "plan"
        self.path.write_bytes(bytes(HEAD.size + COUNTS.size))
        with self.path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)

    def arm(self, fault: Fault | None) -> None:
        """Count from now on, and let `fault` happen."""
        COUNTS.pack_into(self._memory, HEAD.size, *[0] * (len(FUNCTIONS) + len(COUNTED)))
        number, index, error, lost = 0, -1, 0, False
        if fault is not None:
            number, index = FUNCTIONS.index(fault.function), fault.at
            error, lost = fault.error, fault.lost
        HEAD.pack_into(self._memory, 0, 0, number, index, error, lost, 0)
        HEAD.pack_into(self._memory, 0, 1, number, index, error, lost, 0)

    def disarm(self) -> None:
        """Let nothing fail any more; what was counted stays."""
        self._memory[:4] = bytes(4)

    @property
    def fired(self) -> bool:
        """Whether the fault has happened."""
        return bool(HEAD.unpack_from(self._memory)[5])

    def counts(self) -> dict[str, int]:
        """How often each function was called since it was armed."""
        numbers = COUNTS.unpack_from(self._memory, HEAD.size)
        return dict(zip((*FUNCTIONS, *COUNTED), numbers, strict=True))

    def close(self) -> None:
        """Unmap it."""
        self._memory.close()


def library(compiler: str, folder: Path) -> Path:
    """Compile the library into `folder`."""
    made = folder / "shim.so"
    source = Path(__file__).with_name("shim.c")
    options = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([compiler, *options, "-o", made, source, "-ldl"], check=True)
    return made
