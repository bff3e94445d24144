"""What systemd gives and wants to know: sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3).

Guarantees: without systemd nothing happens; a message that cannot be sent is lost, nothing else.
"""

import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress

__all__ = ["listen_fds", "notify", "watchdog_seconds"]

FIRST = 3  # SD_LISTEN_FDS_START


def listen_fds(environ: MutableMapping[str, str]) -> list[int]:
    """The descriptors of the sockets that systemd has opened for this process.

    Args:
        environ: the environment; the variables are taken out, so that no child takes them for its
            own.
    """
    pid, count = environ.get("LISTEN_PID", ""), environ.get("LISTEN_FDS", "")
    if pid != str(os.getpid()) or not count.isdecimal():
        return []
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        environ.pop(name, None)
    return list(range(FIRST, FIRST + int(count)))


def notify(*lines: str) -> None:
    """Any side. Tell systemd, if it has asked to be told.

    Args:
        lines: such as ``READY=1``.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]  # Linux's abstract names
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.0)
        sock.sendto("\n".join(lines).encode(), address)


def watchdog_seconds() -> float | None:
    """How often systemd wants to hear from this process; None if it does not."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    if not microseconds.isdecimal() or not int(microseconds):
        return None
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(microseconds) / 1e6
