"""What Linux tells of a TCP connection, or of a listener, in its struct tcp_info."""

import socket
import sys
from socket import IPPROTO_TCP
from typing import Any

__all__ = ["BACKLOG_LENGTH", "PEER_WINDOW", "tcp_info"]

TCP_INFO: Any = getattr(socket, "TCP_INFO", None) if sys.platform.startswith("linux") else None
#: Where fields lie (linux/tcp.h). Of a listener, tcpi_unacked is the length of its backlog.
BACKLOG_LENGTH = slice(24, 28)
PEER_WINDOW = slice(228, 232)  # tcpi_snd_wnd, in bytes; since Linux 5.4


def tcp_info(sock: Any, field: slice) -> int | None:
    """Any side. One field; no more of the struct is asked for than up to there.

    Args:
        sock: of any family.
        field: one of those above.

    Returns:
        None if nobody tells: no TCP, no Linux, one that is too old, or a connection that is gone.
    """
    if TCP_INFO is None:
        return None
    try:
        value = sock.getsockopt(IPPROTO_TCP, TCP_INFO, field.stop)[field]
    except OSError:  # also of a kernel in user space, or one without memory
        return None
    return int.from_bytes(value, sys.byteorder) if value else None
