"""The PROXY protocol, versions 1 and 2: the header in front of a connection; no I/O.

A proxy that passes on bytes, and cannot say in HTTP who the client is, says it before the first of
them (haproxy's proxy-protocol.txt, whose sections are named here). Wherever the text leaves a
choice, a header is refused: to guess would be to believe a client.

Guarantees: whatever the bytes, the answer is a `Header`, how many bytes more there are at least,
or `BadHeader`; asked for more, all that was given is of the header; the answer is the same however
the bytes arrived.

Not looked at: the TLVs of version 2 (section 2.2), and so neither their CRC32C, whose check the
text leaves to the receiver, and which TCP makes nearly useless; the address that the client had
connected to.
"""

import re
import struct
from socket import AF_INET6, inet_ntop
from typing import Any, NamedTuple, TypeAlias

from gpool.trusted import plain

__all__ = ["MAX_SIZE", "BadHeader", "Header", "read"]

#: What `socket.accept` has for a peer: a tuple for IP, a name for a unix socket.
Address: TypeAlias = Any

WORD = b"PROXY "
MAX_LINE = 107  # bytes, with CRLF: section 2.1
MIN_LINE = len(b"PROXY UNKNOWN\r\n")
PORT = re.compile(r"0|[1-9]\d{0,4}", re.ASCII)
MAX_PORT = 65_535

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
FIXED = len(SIGNATURE) + 4  # with version, family and length
#: Bytes of addresses and TLVs. The text allows 65 535; haproxy's own buffer takes some hundred, and
#: the largest TLV there is, a client's certificate, has some 2 000.
MAX_LENGTH = 4_096
MAX_SIZE = FIXED + MAX_LENGTH
VERSION, LOCAL, PROXY = 2, 0, 1
#: Families and transports (section 2.2), and their addresses: the client's, the proxy's, ports.
#: Datagrams too: with HTTP/3, that is what the client has sent to the proxy.
IPV4, IPV6, UNIX = struct.Struct("!4s4sHH"), struct.Struct("!16s16sHH"), struct.Struct("!108s108s")
NOTHING = struct.Struct("")
FAMILIES = {0x00: NOTHING, 0x11: IPV4, 0x12: IPV4, 0x21: IPV6, 0x22: IPV6, 0x31: UNIX, 0x32: UNIX}


class BadHeader(ValueError):
    """It is no PROXY header, or a malformed one."""


class Header(NamedTuple):
    """What a header says.

    Attributes:
        size: how many bytes it has.
        source: the client's address; None if the proxy speaks for itself, or does not know.
    """

    size: int
    source: Address | None


def read(data: bytes) -> Header | int:
    """Read a header from the beginning of a connection.

    Args:
        data: what has come, of which more may follow the header.

    Returns:
        The header, or how many bytes are still to come, at least.

    Raises:
        BadHeader: it is none.
    """
    if data[:1] == SIGNATURE[:1]:
        return read_binary(data)
    if not WORD.startswith(data[: len(WORD)]):
        raise BadHeader("no PROXY header")
    return read_line(data)


# ---------------------------------------------------------------------- version 1


def read_line(data: bytes) -> Header | int:
    """Read version 1 (section 2.1)."""
    line, ended, _ = data[:MAX_LINE].partition(b"\r\n")
    if b"\n" in line:
        raise BadHeader("a line that does not end with CRLF")
    if ended:
        return Header(len(line) + 2, source_of_line(line))
    missing = max(MIN_LINE - len(data), 1 if line.endswith(b"\r") else 2)
    if len(data) + missing > MAX_LINE:
        raise BadHeader(f"a line of more than {MAX_LINE} bytes")
    return missing


def source_of_line(line: bytes) -> Address | None:
    """The client that a whole line names."""
    _, family, *rest = line.decode("latin-1").split(" ")
    if family == "UNKNOWN":
        return None  # whatever follows
    if family not in ("TCP4", "TCP6") or len(rest) != 4:  # noqa: PLR2004  # addresses and ports
        raise BadHeader("a malformed line")
    for host in rest[:2]:
        check_host(host, colon=family == "TCP6")
    source, _ = (port_of(text) for text in rest[2:])
    return address_of(rest[0], source)


def check_host(host: str, *, colon: bool) -> None:
    """Check the text of an address; `colon`: it is IPv6."""
    if plain(host) is None or "%" in host or (":" in host) is not colon:
        raise BadHeader("a malformed address")


def port_of(text: str) -> int:
    """Read a port."""
    if not PORT.fullmatch(text) or int(text) > MAX_PORT:
        raise BadHeader("a malformed port")
    return int(text)


def address_of(host: str, port: int) -> Address:
    """An address as `socket.accept` has it; IPv4 in IPv6's form is IPv4."""
    address = plain(host)
    return (str(address), port, 0, 0) if ":" in str(address) else (str(address), port)


# ---------------------------------------------------------------------- version 2


def read_binary(data: bytes) -> Header | int:
    """Read version 2 (section 2.2)."""
    if not SIGNATURE.startswith(data[: len(SIGNATURE)]):
        raise BadHeader("no PROXY header")
    if len(data) < FIXED:
        return FIXED - len(data)
    version, command = divmod(data[12], 16)
    length = int.from_bytes(data[14:FIXED], "big")
    if version != VERSION or command not in (LOCAL, PROXY):
        raise BadHeader("an unknown version or command")
    if length > MAX_LENGTH:
        raise BadHeader(f"addresses and TLVs of more than {MAX_LENGTH} bytes")
    family = FAMILIES.get(data[13]) if command == PROXY else NOTHING
    if family is None:
        raise BadHeader("an unknown family or transport")
    if length < family.size:
        raise BadHeader("too few bytes for the addresses")
    if len(data) < FIXED + length:
        return FIXED + length - len(data)
    return Header(FIXED + length, source_of_block(family, data))


def source_of_block(family: struct.Struct, data: bytes) -> Address | None:
    """The client that a whole header names."""
    if family is NOTHING:
        return None
    source, _, *ports = family.unpack_from(data, FIXED)
    if family is UNIX:
        name: bytes = source.rstrip(b"\0")
        return name.decode("utf-8", "backslashreplace")
    if family is IPV4:
        return ".".join(map(str, source)), ports[0]
    return address_of(inet_ntop(AF_INET6, source), ports[0])
