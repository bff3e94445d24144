"""Any side. Clients that take a large answer in tiny pieces.

Linux takes what it is given to send, as far as its buffer goes, which on a fast network is
megabytes, and cuts it into pieces of half the client's receive window at most. With a window of
some hundred bytes that is thousands of pieces for a MiB: 5 ms of the kernel's time within one call,
and twice the memory, which is what a "slow read" attack lives on. So who has a small window when a
large answer begins gets little of it into the kernel at a time; all others pay one look.

Where the system does not tell (not Linux, or before 5.4) nothing is done.
"""

import socket
from contextlib import suppress
from socket import IPPROTO_TCP
from typing import Any

from gpool.tcpinfo import PEER_WINDOW, tcp_info

__all__ = ["LARGE_ANSWER", "heed_window"]

LARGE_ANSWER = 131_072  # bytes from which on it is worth a look: some 30 us of sending
SMALL_WINDOW = 16_384  # bytes; what a client's kernel begins with is four times that and more
UNSENT = 65_536  # bytes that the kernel takes beyond what the window allows

TCP_NOTSENT_LOWAT: int = getattr(socket, "TCP_NOTSENT_LOWAT", 25)  # Python has no name for it


def heed_window(sock: Any) -> None:
    """Any side. Before a large answer: look at the client's window, and limit what waits for it.

    Args:
        sock: the connection's; of any family.
    """
    window = tcp_info(sock, PEER_WINDOW)
    if window is not None and window < SMALL_WINDOW:
        with suppress(OSError):  # the connection is gone
            sock.setsockopt(IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT)
