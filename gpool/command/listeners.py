"""From the addresses of ``--bind`` to what a server listens on.

An address is left to the server, which binds it at its start. A descriptor, ``fd://3``, becomes a
socket here, since only here it is known what the user called it.
"""

import socket
from collections.abc import Iterable
from typing import Any

import click
from gevent import socket as gevent_socket

from gpool.command.types import FD
from gpool.listener import bind, is_unix, parse

__all__ = ["bound", "listener", "shown"]


def listener(address: str) -> Any:
    """What `gpool.WSGIServer` takes for `address`.

    Raises:
        click.ClickException: it is no socket that listens.
    """
    if not address.startswith(FD):
        return address
    descriptor = int(address.removeprefix(FD))
    try:
        sock = gevent_socket.socket(fileno=descriptor)
        listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise click.ClickException(f"--bind {address}: {error.strerror}") from None
    except OverflowError:  # no descriptor has such a number
        raise click.ClickException(f"--bind {address}: Bad file descriptor") from None
    if not listens:
        sock.detach()
        raise click.ClickException(f"--bind {address}: it is a socket, but does not listen")
    return sock


def bound(addresses: Iterable[str], backlog: int, *, reuse_port: bool) -> list[Any]:
    """Sockets that listen on `addresses` already.

    Raises:
        click.ClickException: one cannot be bound.
    """
    found = []
    for address in addresses:
        if address.startswith(FD):
            found.append(listener(address))
            continue
        try:
            found.append(bind(*parse(address), backlog, reuse_port=reuse_port))
        except OSError as error:
            raise click.ClickException(f"--bind: {error.strerror}") from None  # it has the address
    return found


def shown(address: Any, *, tls: bool) -> str:
    """An address as a user can use it.

    Args:
        address: what a listener's ``getsockname`` has, or ``unix:/path``.
        tls: whether it speaks TLS.
    """
    if isinstance(address, str):
        return address if is_unix(address) else f"unix:{address}"
    host, port = address[:2]
    host = f"[{host}]" if ":" in host else host
    return f"{'https' if tls else 'http'}://{host}:{port}"
