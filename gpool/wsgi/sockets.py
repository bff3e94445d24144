"""Any side: accepting, and sockets that never block.

Here it is Python's own. In a wheel `sockets.pyx` is in the place of this file: the same methods,
as far as they are used, without what a call of `_socket` costs beside the system call (an argument
tuple, a look at the timeout, the GIL given away and taken back around a call that never waits, a
buffer of 64 KiB that is shrunk to what has come): 0.6 us less for a request (docs/decisions.md).
"""

import _socket
from typing import Any, TypeAlias

__all__ = ["Accepted", "Kind", "accept", "accepted"]

Kind: TypeAlias = tuple[int, int, int]  # family, type, protocol
Accepted: Any = _socket.socket  # what `accept` and `accepted` make


def accept(listener: Any, kind: Kind) -> tuple[Any, Any] | None:
    """Hub side. Accept a connection.

    Args:
        listener: a socket of gevent, non-blocking.
        kind: the listener's.

    Returns:
        The connection's socket and its peer's address; None if there is none.

    Raises:
        OSError: see accept(2).
    """
    try:
        descriptor, address = listener._accept()  # noqa: SLF001  # as gevent's servers do
    except BlockingIOError:
        return None
    return accepted(descriptor, kind), address


def accepted(descriptor: int, kind: Kind) -> Any:
    """Hub side. The socket of a connection that was just accepted.

    Args:
        descriptor: of the connection; it is taken over.
        kind: the listener's.
    """
    sock = _socket.socket(*kind, descriptor)
    sock.settimeout(0.0)
    return sock
