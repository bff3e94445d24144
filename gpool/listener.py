"""The listening socket: from what a user calls an address to a socket that listens.

gevent's forms of an address (``(host, port)``, ``"host:port"``, ``":8000"``, a port), and
``"unix:/path"``. All interfaces (``""``) are IPv6 and IPv4 in one socket, or IPv4 where there is
no IPv6.

Guarantees: no descriptor is left when binding fails, and the error names the address; a unix
socket's file that nobody listens on any more is taken over, one that somebody listens on is not;
a file is removed at the end only if it is the one that was made.
"""

import _socket
import errno
from contextlib import closing, suppress
from pathlib import Path
from socket import (
    AF_INET,
    AF_INET6,
    AF_UNIX,
    IPPROTO_IPV6,
    IPV6_V6ONLY,
    SO_REUSEADDR,
    SO_REUSEPORT,
    SOL_SOCKET,
)
from typing import Any

from gevent import socket
from gevent.baseserver import parse_address  # type: ignore[attr-defined]  # not in the stubs

__all__ = ["bind", "bound", "is_unix", "made", "parse", "remove"]

UNIX = "unix:"


def is_unix(listener: Any) -> bool:
    """Whether `listener` is a unix socket's ``"unix:/path"``."""
    return isinstance(listener, str) and listener.startswith(UNIX)


def parse(listener: Any) -> tuple[int, Any]:
    """The family and the address of what a user calls an address.

    Raises:
        TypeError: it is of no form that is known.
        ValueError: it is malformed.
    """
    if not is_unix(listener):
        family, address = parse_address(listener)
        return (family if address[0] else AF_INET6), address
    path = listener.removeprefix(UNIX)
    if not path:
        raise ValueError(f"Failed to parse address {listener!r}: no path")
    return AF_UNIX, path


def bind(family: int, address: Any, backlog: int, *, reuse_port: bool) -> socket.socket:
    """A socket that listens on `address`.

    Raises:
        OSError: it cannot be bound; the text names it.
    """
    return socket.socket(fileno=bound(family, address, backlog, reuse_port=reuse_port))


def bound(family: int, address: Any, backlog: int, *, reuse_port: bool) -> int:
    """The same as a descriptor, for who is not to have a Hub: a socket of gevent makes one."""
    try:
        return listen(family, address, backlog, reuse_port=reuse_port).detach()
    except OSError as error:
        everywhere = family == AF_INET6 and not address[0]
        if everywhere and error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
            return bound(AF_INET, address, backlog, reuse_port=reuse_port)
        words = error.strerror or error  # a path that is too long has no number
        raise OSError(error.errno, f"{words}: {address!r}") from error


def listen(family: int, address: Any, backlog: int, *, reuse_port: bool) -> _socket.socket:
    """The same, with the system's own words for what went wrong."""
    listener = _socket.socket(family)
    try:
        if family == AF_UNIX:
            remove_stale(address)
        else:
            listener.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        if reuse_port:
            listener.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1)
        if family == AF_INET6 and not address[0]:
            listener.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 0)
        listener.bind(address)
        listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    return listener


def remove_stale(path: str) -> None:
    """Remove a unix socket's file that nobody listens on."""
    if not Path(path).is_socket():
        return
    # Not gevent's socket, which would wait for one that is overloaded.
    with closing(_socket.socket(AF_UNIX)) as probe:
        probe.settimeout(0.0)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink()
        except BlockingIOError:
            pass  # somebody listens, and has no time


def made(family: int, address: Any) -> tuple[str, int] | None:
    """What `remove` needs to know of a unix socket's file; None for other sockets."""
    if family != AF_UNIX or not address or address[:1] in ("\0", b"\0"):
        return None
    return address, Path(address).stat().st_ino


def remove(file: tuple[str, int]) -> None:
    """Remove a unix socket's file, unless another server has put its own there."""
    path, inode = file
    with suppress(OSError):
        if Path(path).stat().st_ino == inode:
            Path(path).unlink()
