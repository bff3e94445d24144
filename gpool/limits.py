"""How many connections there may be: in total, and from one address.

fasthttp's ``perIPConnCounter`` (peripconn.go), with IPv6 counted by /64, the smallest network
that one customer gets, where fasthttp does not limit it at all. Unix sockets have no address to
limit. The answer for a new connection is a value, `None` or the reason for refusing it; what to
tell the client is left to the server.

Guarantee: the counts are those of the connections admitted and not yet released; an address
without connections takes no memory.
"""

from collections.abc import Callable
from enum import Enum
from socket import AF_INET6, inet_pton
from typing import Any

from gpool.config import optional_at_least

__all__ = ["ConnectionLimits", "Refusal", "network"]

V4_MAPPED = b"\0" * 10 + b"\xff\xff"  # ::ffff:0:0/96, RFC 4291 section 2.5.5.2
SITE = 8  # bytes of an IPv6 address: /64


class Refusal(Enum):
    """Why a connection was refused."""

    FULL = "all workers are busy"
    OVERLOADED = "the application is overloaded"  # below that: ``overflow="adaptive"``
    MAX_CONNECTIONS = "max_connections reached"
    MAX_CONNS_PER_IP = "max_conns_per_ip reached"


def network(address: Any) -> bytes | str | None:
    """The part of a peer's address that is limited as one.

    Args:
        address: as `socket.accept` gives it: ``(host, port, ...)``, or a unix socket's name.

    Returns:
        An IPv4 address, also for its IPv6 form (``::ffff:192.0.2.1``), as text; the first 64
        bits of any other IPv6 address; None for a unix socket.
    """
    if not isinstance(address, tuple):
        return None
    host: str = address[0]
    if ":" not in host:
        return host
    packed = inet_pton(AF_INET6, host.partition("%")[0])
    if packed.startswith(V4_MAPPED):
        return ".".join(str(byte) for byte in packed[12:])
    return packed[:SITE]


class ConnectionLimits:
    """Counts of the open connections, with an upper bound each.

    Args:
        max_connections: in total, 1 or more; None for no limit.
        max_conns_per_ip: from one `network`, 1 or more; None for no limit.
    """

    __slots__ = (
        "_by_network",
        "_waiting",
        "expected",
        "max_connections",
        "max_conns_per_ip",
        "open",
    )

    def __init__(
        self, max_connections: int | None = None, max_conns_per_ip: int | None = None
    ) -> None:
        self.max_connections = optional_at_least("max_connections", max_connections, 1)
        self.max_conns_per_ip = optional_at_least("max_conns_per_ip", max_conns_per_ip, 1)
        self.open = 0
        self.expected = 0
        self._by_network: dict[bytes | str, int] = {}
        self._waiting: list[Callable[[], object]] = []

    def __repr__(self) -> str:
        return f"<ConnectionLimits open={self.open} networks={len(self._by_network)}>"

    def full(self) -> bool:
        """Any side. Whether `max_connections` are open, or will be."""
        return self._reached(self.open + self.expected)

    def _reached(self, count: int) -> bool:
        return self.max_connections is not None and count >= self.max_connections

    def when_room(self, callback: Callable[[], object]) -> None:
        """Any side. Have `callback` called once, when a connection is released."""
        if callback not in self._waiting:
            self._waiting.append(callback)

    def admit(self, address: Any) -> Refusal | None:
        """Hub side. Count a new connection from `address`, or say why not."""
        if self.max_connections is not None and self._reached(self.open):
            return Refusal.MAX_CONNECTIONS
        if self.max_conns_per_ip is not None:
            peer = network(address)
            if peer is not None:
                count = self._by_network.get(peer, 0)
                if count >= self.max_conns_per_ip:
                    return Refusal.MAX_CONNS_PER_IP
                self._by_network[peer] = count + 1
        self.open += 1
        return None

    def release(self, address: Any) -> None:
        """Any side. An admitted connection from `address` is closed."""
        self.open -= 1
        if self.max_conns_per_ip is not None:
            self._release_network(network(address))
        if self._waiting:
            self._tell_of_room()

    def expect(self) -> None:
        """Hub side. A connection has come that is to be admitted when its address is known.

        It takes nobody's place, but makes `full` true earlier, so that no more are accepted than
        can be admitted in the end.
        """
        self.expected += 1

    def expect_no_more(self) -> None:
        """Any side. One of those is to be admitted now, or never."""
        self.expected -= 1
        self._tell_of_room()

    def _tell_of_room(self) -> None:
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for callback in waiting:
                callback()

    def _release_network(self, peer: bytes | str | None) -> None:
        if peer is None:
            return
        count = self._by_network[peer] - 1
        if count:
            self._by_network[peer] = count
        else:
            del self._by_network[peer]
