"""Hub side: where a proxy's connections wait until it is known whose they are.

A connection that a trusted proxy has opened begins with a PROXY header, see
`gpool.wsgi.proxyprotocol`. It waits here until that is read, and is then let in as if the client
itself had come: limits, TLS, REMOTE_ADDR and the access log see the client's address.

A peer that is not trusted is served as itself, without a header: load balancers check the health of
a server from addresses of their own, and so does whoever looks after it. If it sends a header all
the same, that is a malformed request line to HTTP, and answered with 400: nobody can choose their
address. A trusted peer must send one (for its own checks, LOCAL or UNKNOWN): the protocol's text
forbids to guess (section 2).

Guarantees:

- Nothing behind a header is read: TLS, or HTTP, finds all of its bytes.
- Who is silent is closed when `header_timeout` is over, which then begins anew for the request; who
  sends something else is closed at once; neither gets an answer.
- Never more than `max_waiting` wait. Above that, who has waited for longest is closed: a proxy
  sends its header with its first packet, so that one has the least hope.
- Who waits takes no slot of any limit, and is not in `stats`. But the server leaves room for them
  when it decides whether to accept more (`ConnectionLimits.expect`): with ``overflow="wait"`` they
  would be refused in the end.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from math import inf
from socket import MSG_PEEK
from typing import Any

from gpool.limits import ConnectionLimits
from gpool.log import QuietLog
from gpool.trusted import Trusted
from gpool.wsgi.proxyprotocol import MAX_SIZE, BadHeader, Header, read
from gpool.wsgi.site import Site
from gpool.wsgi.wire import READ

__all__ = ["Guest", "Lobby"]

logger = logging.getLogger("gpool.wsgi")

MAX_WAITING = 1_024  # arbitrary, as many as may linger; a descriptor and some 800 bytes each


class Why(Enum):
    """Why a connection is closed without being let in."""

    SILENT = "no PROXY header within header_timeout"
    MALFORMED = "a malformed PROXY header"
    TOO_MANY = "too many connections wait for theirs"


class Lobby:
    """The connections of proxies that have not yet said whose they are.

    Args:
        site: whose settings, loop and deadlines count.
        proxies: who is believed.
        admit: called with a socket and the client's address.
        limits: returns the server's.
        max_waiting: how many may wait, 1 or more.
    """

    __slots__ = (
        "_admit",
        "_guests",
        "_limits",
        "_log",
        "_max_waiting",
        "_site",
        "proxies",
    )

    def __init__(
        self,
        site: Site,
        proxies: Trusted,
        admit: Callable[[Any, Any], object],
        *,
        limits: Callable[[], ConnectionLimits],
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._site = site
        self._limits = limits
        self._admit = admit
        self._max_waiting = max_waiting
        self._guests: dict[Guest, Any] = {}  # and their watchers; the oldest first
        self._log = {why: QuietLog(logger) for why in Why}
        self.proxies = proxies

    def __len__(self) -> int:
        return len(self._guests)

    def enter(self, socket: Any, address: Any) -> None:
        """Hub side. Let a proxy's connection wait for its header.

        Args:
            socket: non-blocking.
            address: the proxy's.
        """
        if len(self._guests) >= self._max_waiting:
            self.turn_out(next(iter(self._guests)), Why.TOO_MANY)
        guest = Guest(self, socket, address)
        self._guests[guest] = None
        self._limits().expect()
        guest.ready()  # the header has come with the connection, nearly always
        if guest in self._guests:
            watcher = self._guests[guest] = self._site.loop.io(socket.fileno(), READ)
            watcher.start(guest.ready)
            self._site.deadlines.set(guest, self._site.settings.header_timeout)

    def let_in(self, guest: "Guest", source: Any) -> None:
        """Any side. Serve the client at `source`; None stands for the proxy itself."""
        self._forget(guest)
        self._admit(guest.socket, guest.address if source is None else source)

    def turn_out(self, guest: "Guest", why: Why | None, what: object = "") -> None:
        """Any side. Close a connection; `why` is logged, and `what` exactly it was."""
        self._forget(guest)
        with suppress(OSError):
            guest.socket.close()
        if why is not None:
            detail = f": {what}" if what else ""
            self._log[why](
                "closed a connection of the proxy %s: %s%s", guest.address, why.value, detail
            )

    def drain(self) -> None:
        """Any side. The server stops: let in whose header is here, close the others."""
        for guest in tuple(self._guests):
            guest.ready()
            if guest in self._guests:
                self.turn_out(guest, None)

    def _forget(self, guest: "Guest") -> None:
        watcher = self._guests.pop(guest)
        if watcher is not None:
            watcher.close()
        self._site.deadlines.drop(guest)
        self._limits().expect_no_more()


class Guest:
    """One connection that waits.

    Args:
        lobby: where.
        socket: the proxy's connection.
        address: the proxy's.

    Attributes:
        deadline: see `gpool.wsgi.parking.Timed`.
        slot: the same.
    """

    __slots__ = ("_lobby", "_received", "address", "deadline", "slot", "socket")

    def __init__(self, lobby: Lobby, socket: Any, address: Any) -> None:
        self._lobby = lobby
        self._received = b""
        self.socket = socket
        self.address = address
        self.deadline = inf
        self.slot = 0

    def __repr__(self) -> str:
        return f"<Guest from {self.address!r}, {len(self._received)} bytes of a header>"

    def ready(self) -> None:
        """Any side. Something has come, or may have."""
        try:
            header = self._read()
        except BlockingIOError:
            return
        except BadHeader as error:
            self._lobby.turn_out(self, Why.MALFORMED, error)
        except OSError:
            self._lobby.turn_out(self, None)  # the proxy is gone
        else:
            if isinstance(header, Header):
                self._lobby.let_in(self, header.source)

    def _read(self) -> Header | int:
        # Look first, take what is known to be of the header: all of it, while more is to come. So
        # nothing is left that would wake the watcher again.
        seen = self.socket.recv(MAX_SIZE - len(self._received), MSG_PEEK)
        if not seen:
            if self._received:
                raise BadHeader("it ends too early")
            raise ConnectionError("not a word")  # the way in which ports are probed
        header = read(self._received + seen)
        if isinstance(header, Header):
            seen = seen[: header.size - len(self._received)]
        taken = self.socket.recv(len(seen))
        self._received += taken
        return header if len(taken) == len(seen) else 0  # or it is read again, with the rest

    def expired(self) -> None:
        """Hub side. The deadline is over."""
        self._lobby.turn_out(self, Why.SILENT)
