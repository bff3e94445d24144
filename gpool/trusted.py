"""Whom to believe: a list of addresses and networks, as a setting has it.

gunicorn's and uvicorn's syntax (``forwarded_allow_ips``), with networks, and unix sockets by name:
that somebody may open the socket's file does not make them a proxy, so they are asked for.

Guarantees: an IPv4 address is the same in its IPv6 form (RFC 4291 section 2.5.5.2), as a peer and
in the list; what is no address is never trusted, unless everybody is; asking twice for one address
costs a look-up, and what is kept for that is bounded.

What a trusted peer may say is left to who asks.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, TypeAlias

from gpool.config import kind

__all__ = ["NOBODY", "Trusted", "plain"]

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

EVERYBODY, UNIX = "*", "unix"
ALLOWED = f"IP addresses, networks (10.0.0.0/8), {UNIX!r} and {EVERYBODY!r}, between commas"
MAPPED = 96  # bits before the IPv4 address in its IPv6 form
MAX_REMEMBERED = 1_024  # answers; arbitrary, some 100 KiB


class Trusted:
    """A set of peers: ``peer in trusted``.

    Args:
        text: IP addresses, networks, ``unix`` for the peers of a unix socket, ``*`` for all,
            between commas; empty for none.
        name: of the setting, for errors.

    Raises:
        TypeError: `text` is no text.
        ValueError: there is something else in it.
    """

    __slots__ = ("_answers", "_everybody", "_networks", "_text", "_unix")

    def __init__(self, text: str, name: str = "trusted") -> None:
        self._text = kind(name, text, str, f"a text of {ALLOWED}")
        items = {item.strip() for item in text.split(",")} - {""}
        self._everybody = EVERYBODY in items
        self._unix = self._everybody or UNIX in items
        self._networks = tuple(network(item, name) for item in items - {EVERYBODY, UNIX})
        self._answers: dict[str, bool] = {}

    def __repr__(self) -> str:
        return f"<Trusted {self._text!r}>"

    def __bool__(self) -> bool:
        return self._unix or bool(self._networks)

    def __contains__(self, peer: Any) -> bool:
        """Any side. Whether a peer is trusted, by its address as `socket.accept` gives it."""
        return self.host(peer[0]) if isinstance(peer, tuple) else self._unix

    def host(self, host: str) -> bool:
        """Any side. Whether a host is trusted.

        Args:
            host: the text of an address, as REMOTE_ADDR or X-Forwarded-For has it; empty for the
                peer of a unix socket.
        """
        if self._everybody:
            return True
        if not host:
            return self._unix
        answer = self._answers.get(host)
        return self._ask(host) if answer is None else answer

    def _ask(self, host: str) -> bool:
        address = plain(host)
        if address is None:
            return False  # not remembered: there is no end to what is no address
        if len(self._answers) >= MAX_REMEMBERED:
            self._answers.clear()
        answer = self._answers[host] = any(address in one for one in self._networks)
        return answer


NOBODY = Trusted("")


def plain(host: str) -> Address | None:
    """The address that a text is: IPv4 if it is that in IPv6's form, and without a scope.

    A scope (``fe80::1%eth0``) says which of the machine's own interfaces leads there.
    """
    try:
        address = ip_address(host.partition("%")[0] if ":" in host else host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def network(item: str, name: str) -> Network:
    """Read one item of a list.

    Raises:
        ValueError: it is none; the text says what is allowed.
    """
    try:
        found = ip_network(item)
    except ValueError as error:
        raise ValueError(f"{name} must have {ALLOWED}, not {item!r}: {error}") from None
    if "%" in item:
        raise ValueError(f"{name} must have {ALLOWED}, not {item!r}: an address has no scope here")
    inner = getattr(found.network_address, "ipv4_mapped", None)
    if inner is None or found.prefixlen < MAPPED:
        return found
    return IPv4Network((inner, found.prefixlen - MAPPED))
