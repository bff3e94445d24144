"""TLS for a connection of the Hub: a socket that never blocks, and a handshake in steps.

The TLS socket is the one that the context makes (gevent's, in a program that is monkey-patched, so
that an application which takes it over can block on it). Here it is used without blocking, and
given the manners of a plain socket, so that a connection need not know the difference.

A client that speaks HTTP without TLS is told so in plain text; whoever speaks something else is
closed. What the handshake said of the client is in the environ of each request.

Guarantees: no method blocks; what would block raises `BlockingIOError`; the end of TLS is said to
the client (close_notify) before the end of TCP; no request before the handshake is done.
"""

import re
import ssl
from collections.abc import Callable
from contextlib import suppress
from enum import auto
from socket import MSG_PEEK
from typing import Any

from gevent import socket as gevent_socket

from gpool.states import State, moved
from gpool.wsgi.connection import HTTPConnection
from gpool.wsgi.site import Site
from gpool.wsgi.tls_environ import facts
from gpool.wsgi.wire import READ, WRITE, Peer, Verdict

__all__ = ["TLSConnection", "TLSSocket"]

#: How a request begins, as far as `LOOK` bytes show it; TLS begins with a byte of 22.
METHOD = re.compile(rb"[A-Z]+(?: |\Z)")
LOOK = 18  # bytes: the longest method (RFC 9110, WebDAV) is UPDATEREDIRECTREF, and a space
NOT_HTTPS = "This is a port of HTTPS, and the request came as plain HTTP; use https:// for it"


def at_once(call: Callable[[Any], Any], argument: Any) -> Any:
    """Any side. Call a method of a TLS socket, which says in its own way that it would block."""
    try:
        return call(argument)
    except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
        raise BlockingIOError from None


class TLSSocket:
    """A socket with TLS, in the manners of `_socket.socket`.

    Args:
        raw: the accepted socket; it is taken over.
        context: of the server.
    """

    __slots__ = ("_aborted", "tls")

    def __init__(self, raw: Any, context: ssl.SSLContext) -> None:
        plain = gevent_socket.socket(raw.family, raw.type, raw.proto, fileno=raw.detach())
        self._aborted = False
        try:
            self.tls: Any = context.wrap_socket(
                plain, server_side=True, do_handshake_on_connect=False
            )
        except OSError:  # it is gone already
            plain.close()
            raise
        self.tls.settimeout(0.0)

    def handshake(self) -> int:
        """Hub side. Go on with the handshake.

        Returns:
            What to wait for, `READ` or `WRITE`; 0 when it is done.

        Raises:
            OSError: the client did not get through it.
        """
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return READ
        except ssl.SSLWantWriteError:
            return WRITE
        return 0

    def recv(self, size: int) -> bytes:
        """Any side. Receive."""
        data: bytes = at_once(self.tls.recv, size)
        return data

    def recv_into(self, view: Any) -> int:
        """Any side. Receive."""
        count: int = at_once(self.tls.recv_into, view)
        return count

    def send(self, data: Any) -> int:
        """Any side. Send."""
        sent: int = at_once(self.tls.send, data)
        if not sent and data:
            raise BlockingIOError  # gevent's way to say it
        return sent

    def pending(self) -> int:
        """Any side. How many bytes are here that the kernel does not know of."""
        count: int = self.tls.pending()
        return count

    def shutdown(self, how: int) -> None:
        """Any side. Say that nothing more will come, as TLS does and as TCP does."""
        with suppress(OSError, ValueError):
            self.tls.unwrap()
        self.tls.shutdown(how)

    def close(self) -> None:
        """Any side. Close."""
        if not self._aborted:
            with suppress(OSError, ValueError):
                self.tls.unwrap()
        self.tls.close()

    def abort(self) -> None:
        """Any side. Do not say that this is the end: it is not a clean one."""
        self._aborted = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tls, name)


class Shake(State):
    """How far a connection is with TLS; `MOVES` is what may follow."""

    SILENT = auto()  # nothing has come; the socket is a plain one still
    SHAKING = auto()
    SECURE = auto()
    PLAIN = auto()  # the client speaks HTTP without TLS, and is told so


SILENT, SHAKING, SECURE, PLAIN = Shake
MOVES: dict[Shake, tuple[Shake, ...]] = {
    SILENT: (SHAKING, PLAIN),
    SHAKING: (SECURE,),
    SECURE: (),
    PLAIN: (),
}


class TLSConnection(HTTPConnection):
    """A client's connection with TLS.

    Args:
        socket: the accepted socket.
        address: the peer's.
        site: what it shares with the others.
        context: of the server.
    """

    __slots__ = ("_context", "_shake")

    def __init__(self, socket: Any, address: Any, site: Site, context: ssl.SSLContext) -> None:
        super().__init__(socket, address, site)
        self._context = context
        self._shake = SILENT

    def _blocking_socket(self) -> Any:
        tls = self._socket.tls
        tls.settimeout(None)
        return tls

    def _abort(self) -> None:
        if isinstance(self._socket, TLSSocket):
            self._socket.abort()
        super()._abort()

    def _watch(self, events: int) -> None:
        # What TLS has taken from the kernel already, the kernel will not tell of.
        super()._watch(events)
        if events == READ and self._shake is SECURE and self._socket.pending():
            self.site.loop.run_callback(self._ready_again)

    def _ready_again(self) -> None:
        # Hub side.
        if self._io is not None and self._io.active and self._socket.pending():
            self.ready()

    # ------------------------------------------------------------------ Hub side: the handshake

    def ready(self) -> None:
        """Hub side. Go on with the handshake, then as any connection."""
        if self._shake is SILENT:
            self._meet()
        elif self._shake is SHAKING:
            self._go_on()
        else:
            super().ready()

    def _meet(self) -> None:
        # The first bytes tell what the client speaks. They are left to TLS, unless it is HTTP: an
        # answer to that must not go through TLS.
        try:
            first = self._socket.recv(LOOK, MSG_PEEK)
        except BlockingIOError:
            return
        except OSError:
            first = b""
        if not first:
            self.peer = Peer.GONE
            self.site.closed(self)
        elif METHOD.match(first):
            self._shake = moved(MOVES, self._shake, PLAIN)
            self.buffer = first
            self.refuse(400, NOT_HTTPS)
        else:
            self._begin_tls()

    def _begin_tls(self) -> None:
        try:
            self._socket = TLSSocket(self._socket, self._context)
        except OSError:  # it is gone already
            self.peer = Peer.GONE
            self.site.closed(self)
            return
        self._shake = moved(MOVES, self._shake, SHAKING)
        self._go_on()

    def _go_on(self) -> None:
        try:
            wanted = self._socket.handshake()
            if wanted:
                self._watch(wanted)
                return
            self.facts = facts(self._socket.tls)
        except (OSError, ValueError):
            # Nothing in common, no good certificate, no TLS at all, or gone. ValueError: a
            # certificate that OpenSSL takes, and Python cannot read.
            self._end(Verdict.LINGER)
            return
        self._shake = moved(MOVES, self._shake, SECURE)
        self._watch(READ)
        super().ready()
