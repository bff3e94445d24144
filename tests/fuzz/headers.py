"""PROXY headers, made at random: see `tests.fuzz.proxies`."""

import struct
from ipaddress import IPv4Address, IPv6Address
from random import Random

from gpool.wsgi.proxyprotocol import SIGNATURE

__all__ = ["header"]

BEHIND = [b"", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01", b"\r\n", b"PROXY UNKNOWN\r\n"]
FAMILIES = {0x11: 4, 0x12: 4, 0x21: 16, 0x22: 16, 0x31: 108, 0x32: 108, 0x00: 0}
MAPPED = bytes(10) + b"\xff\xff"


def header(random: Random) -> bytes:
    """A header, and what follows it."""
    return random.choice([line, line, block])(random) + random.choice(BEHIND)


def line(random: Random) -> bytes:
    """Version 1."""
    if random.random() < 0.2:  # one in five
        return b"PROXY UNKNOWN" + random.choice([b"", b" x y", b" ::1 ::1 1 1"]) + b"\r\n"
    if random.random() < 0.5:  # half of them
        hosts = [str(IPv4Address(random.randbytes(4))) for _ in range(2)]
        family = "TCP4"
    else:
        hosts = [str(IPv6Address(address(random))) for _ in range(2)]
        family = "TCP6"
    ports = [str(random.choice([0, 80, 65_535, random.randrange(65_536)])) for _ in range(2)]
    return " ".join(["PROXY", family, *hosts, *ports]).encode() + b"\r\n"


def address(random: Random) -> bytes:
    """Of IPv6, or of IPv4 in its form."""
    if random.random() < 0.3:  # some
        return MAPPED + random.randbytes(4)
    return random.choice([random.randbytes(16), bytes(15) + b"\1", bytes(16)])


def block(random: Random) -> bytes:
    """Version 2."""
    family, size = random.choice(list(FAMILIES.items()))
    hosts = b"".join(name(random, size) for _ in range(2))
    ports = struct.pack("!HH", 443, 80) if size in (4, 16) else b""
    tlvs = random.choice([b"", b"\x04\x00\x02\x00\x00", random.randbytes(random.randrange(30))])
    rest = hosts + ports + tlvs
    command = random.choice([0x21, 0x21, 0x20])
    return SIGNATURE + bytes([command, family]) + len(rest).to_bytes(2, "big") + rest


def name(random: Random, size: int) -> bytes:
    """An address of so many bytes."""
    if size == 16:  # IPv6
        return address(random)
    if size == 108:  # a unix socket
        return random.choice([b"/run/a", b"", b"\xff\0x"]).ljust(size, b"\0")
    return random.randbytes(size)
