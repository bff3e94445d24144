"""Room for descriptors, made before there are clients.

Linux doubles a process's table of descriptors whenever it is full. In a process with threads, and
the watch over the Hub is one, it then waits until every CPU has passed through the scheduler: 8 to
20 ms, in which an `accept` does not return and nobody is served, and that with the 256th, the
512th, ... client of a crowd. The table never shrinks, so one descriptor with a high number, opened
and closed, makes room for all below it.

It costs 8 bytes of the kernel's memory for each. A process that is forked has a small table again.
"""

import fcntl
import os
import resource
from contextlib import suppress

__all__ = ["make_room"]

MOST = 65_536  # half a MiB; where more are allowed, the table doubles when they come


def make_room(descriptor: int) -> None:
    """Any side. Let the table have room for as many as are allowed.

    Args:
        descriptor: an open one, of which there is a copy for a moment.
    """
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed == resource.RLIM_INFINITY:
        allowed = MOST
    with suppress(OSError):  # the highest is taken: there is room
        os.close(fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, min(allowed, MOST) - 1))
