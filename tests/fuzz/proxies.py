"""Target: the PROXY header in front of a connection, and the lobby in which its bearer waits.

What must hold, whatever comes:

- a header, a wait for some bytes more, or `BadHeader`, and nothing after a refusal makes it good;
- a header that is read is read the same when more has come, and bytes that are waited for are not
  more than it has;
- the address is one that `socket.accept` could have given, and is what `ipaddress` makes of it;
- in the lobby, in any pieces, the client is let in with all that follows its header, to the byte,
  or its socket is closed.
"""

from ipaddress import ip_address
from typing import Any, cast

from gpool.trusted import Trusted
from gpool.wsgi.lobby import Lobby
from gpool.wsgi.proxyprotocol import MAX_SIZE, SIGNATURE, BadHeader, Header, read
from tests.fuzz.inputs import Input
from tests.fuzz.wires import ADDRESS, Loop, Socket, site_of

__all__ = ["run"]

MAX_PORT = 65_535
LENGTHS = {1: 4, 2: 16}  # of an address, by the family of version 2


def run(data: bytes) -> bool:
    """See the module. Returns whether it was a header."""
    case = Input.of(data)
    stream = case.stream
    result = outcome(stream)
    if isinstance(result, Header):
        check_header(stream, result)
    for place in range(min(len(stream), MAX_SIZE)):
        check_beginning(outcome(stream[:place]), place, result)
    for pieces in ([stream], *case.cuttings()):
        check_lobby(pieces, result)
    return isinstance(result, Header)


def outcome(data: bytes) -> Header | int | None:
    """What reading comes to; None for a refusal."""
    try:
        return read(data)
    except BadHeader:
        return None


def check_beginning(early: Header | int | None, size: int, late: Header | int | None) -> None:
    """What the beginning was read as, and what it is with more behind it."""
    if isinstance(early, Header) or early is None:
        assert late == early, (early, late)
    else:
        assert early > 0, early
        assert not isinstance(late, Header) or size + early <= late.size, (size, early, late)


def check_header(data: bytes, header: Header) -> None:
    """A header by itself."""
    assert 0 < header.size <= min(len(data), MAX_SIZE)
    source = header.source
    if isinstance(source, tuple):
        host, port, *more = source
        address = ip_address(host)
        assert str(address) == host and more == [0, 0] * (address.version == 6)  # IPv6
        assert 0 <= port <= MAX_PORT
        assert (address, port) == named(data[: header.size])
    else:
        assert source is None or type(source) is str


def named(header: bytes) -> tuple[Any, int]:
    """The client that a header names, read a second time; IPv4 in IPv6's form is IPv4."""
    if header.startswith(SIGNATURE):
        size = LENGTHS[header[13] >> 4]
        address = ip_address(header[16 : 16 + size])
        port = int.from_bytes(header[16 + 2 * size : 18 + 2 * size], "big")
    else:
        _, _, host, _, text, _ = header.decode("latin-1").split(" ")
        address, port = ip_address(host), int(text)
    return getattr(address, "ipv4_mapped", None) or address, port


class Room:
    """The limits of a server, as far as a lobby knows them."""

    expected = 0

    def expect(self) -> None:
        """One more."""
        self.expected += 1

    def expect_no_more(self) -> None:
        """One less."""
        self.expected -= 1


def check_lobby(pieces: list[bytes], result: Header | int | None) -> None:
    """The same bytes, as they come to a lobby."""
    admitted: list[Any] = []
    site, room = site_of(lambda *_: []), Room()
    loop, socket = Loop(), Socket()
    site.loop = loop
    lobby = Lobby(
        site,
        Trusted("*"),
        lambda *client: admitted.append(client),
        limits=lambda: cast("Any", room),
    )
    lobby.enter(socket, ADDRESS)
    for piece in pieces:
        socket.comes(piece)
        loop.settle(socket)
    if isinstance(result, Header):
        assert admitted == [(socket, result.source or ADDRESS)] or result.source == "", admitted
        assert socket.unread == b"".join(pieces)[result.size :] and not socket.closed
    else:
        assert not admitted and socket.closed is (result is None)
    socket.ends()
    loop.settle(socket)
    assert not len(lobby) and not room.expected and not loop.watchers
