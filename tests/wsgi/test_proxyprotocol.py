"""The PROXY protocol's two headers, by the sections of its text."""

import struct
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpool.wsgi.proxyprotocol import (
    FIXED,
    MAX_LENGTH,
    MAX_LINE,
    MAX_SIZE,
    SIGNATURE,
    BadHeader,
    Header,
    read,
)

PORTS = st.integers(0, 65_535)
V4, V6 = st.ip_addresses(v=4), st.ip_addresses(v=6)


def address(host, port):
    """As accept has it."""
    inner = getattr(host, "ipv4_mapped", None) or host
    return (str(inner), port, 0, 0) if inner.version == 6 else (str(inner), port)


@st.composite
def lines(draw):
    """A header of version 1, and the client in it."""
    host = draw(st.one_of(V4, V6))
    other, port, other_port = draw(V4 if host.version == 4 else V6), draw(PORTS), draw(PORTS)
    line = f"PROXY TCP{host.version} {host} {other} {port} {other_port}\r\n"
    return line.encode(), address(host, port)


def binary(command=1, family=0x11, block=b"", tlvs=b"", version=2):
    """A header of version 2."""
    length = len(block) + len(tlvs)
    return (
        SIGNATURE
        + bytes([version << 4 | command, family])
        + length.to_bytes(2, "big")
        + block
        + tlvs
    )


def block_of(host, other, port, other_port):
    return host.packed + other.packed + struct.pack("!HH", port, other_port)


def unix(name):
    return name.ljust(108, b"\0") + b"/run/proxy".ljust(108, b"\0")


@st.composite
def binaries(draw):
    """A header of version 2, and the client in it."""
    host = draw(st.one_of(V4, V6))
    other, port, other_port = draw(V4 if host.version == 4 else V6), draw(PORTS), draw(PORTS)
    family = (0x10 if host.version == 4 else 0x20) + draw(st.integers(1, 2))
    block = block_of(host, other, port, other_port)
    return binary(1, family, block, draw(st.binary(max_size=300))), address(host, port)


UNKNOWN = st.sampled_from(
    [
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n",
        b"PROXY UNKNOWN what\rever \xff\r\n",
        binary(0, 0x00),
        binary(0, 0x11, bytes(12)),
        binary(0, 0x99, b"x"),
        binary(1, 0x00),
        binary(1, 0x00, b"", bytes(100)),
    ]
).map(lambda data: (data, None))
HEADERS = st.one_of(lines(), binaries(), UNKNOWN)


# ---------------------------------------------------------------------- any header, any bytes


@given(HEADERS, st.binary(max_size=200))
def test_a_header_is_read_and_what_follows_is_not_part_of_it(header, rest):
    data, source = header
    assert read(data + rest) == Header(len(data), source)


@given(HEADERS, st.integers(0, 5_000))
def test_a_part_of_a_header_asks_for_no_more_than_what_is_missing(header, cut):
    """So that whoever reads as many bytes as were asked for never reads beyond the header."""
    data, _ = header
    cut %= len(data)
    missing = read(data[:cut])
    assert isinstance(missing, int) and 1 <= missing <= len(data) - cut


@given(HEADERS, st.data())
def test_it_is_the_same_header_however_it_arrives(header, data):
    whole, source = header
    received = b""
    while isinstance(answer := read(received), int):
        size = data.draw(st.integers(1, answer))
        received += whole[len(received) : len(received) + size]
    assert (answer, received) == (Header(len(whole), source), whole)


BEGINNINGS = st.sampled_from(
    [b"", b"PROXY ", b"PROXY TCP4 ", b"PROXY TCP6 ", SIGNATURE, SIGNATURE + b"\x21\x11\0\x0c"]
)


@given(BEGINNINGS, st.binary(max_size=400))
def test_any_bytes_are_a_header_or_too_few_or_bad(beginning, rest):
    data = beginning + rest
    try:
        answer = read(data)
    except BadHeader:
        return
    if isinstance(answer, Header):
        assert FIXED - 1 <= answer.size <= len(data)
    else:
        assert answer >= 1 and len(data) + answer <= MAX_SIZE


@given(
    st.lists(
        st.sampled_from(
            [b"PROXY", b"TCP4", b"TCP6", b"1.2.3.4", b"::1", b" ", b"80", b"\r", b"\n", b"\r\n"]
        ),
        max_size=20,
    )
)
def test_words_of_a_header_in_any_order_raise_nothing_else(words):
    with suppress(BadHeader):
        read(b"PROXY " + b" ".join(words))


# ---------------------------------------------------------------------- version 1


@pytest.mark.parametrize(
    ("line", "source"),
    [
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443", ("192.0.2.1", 56_324)),
        (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535", ("255.255.255.255", 65_535)),
        (b"PROXY TCP4 0.0.0.0 0.0.0.0 0 0", ("0.0.0.0", 0)),
        (b"PROXY TCP6 2001:DB8::1 ::1 1 2", ("2001:db8::1", 1, 0, 0)),
        (b"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2", ("192.0.2.1", 1)),
        (
            b"PROXY TCP6 " + b"ffff:" * 7 + b"ffff " + b"ffff:" * 7 + b"ffff 65535 65535",
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65_535, 0, 0),
        ),
        (b"PROXY UNKNOWN", None),
        (b"PROXY UNKNOWN " + b"x" * (MAX_LINE - 16), None),
    ],
)
def test_a_good_line(line, source):
    assert read(line + b"\r\n") == Header(len(line) + 2, source)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY\r\n",
        b"PROXY \r\n         ",
        b"PROXY TCP4\r\n    ",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
        b"PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
        b"PROXY\tTCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 \xb2 2\r\n",
        b"PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 localhost 1 2\r\n",
        b"PROXY TCP4 ::1 ::1 1 2\r\n",
        b"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY TCP6 ::1 1.2.3.4 1 2\r\n",
        b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
        b"PROXY TCP6 [::1] [::1] 1 2\r\n",
        b"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY UNKNOWNS\r\n",
        b"PROXY UNKNOWN\n\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
        b"PROXY UNKNOWN " + b"x" * (MAX_LINE - 15) + b"\r\n",
        b"PROXY UNKNOWN " + b"x" * (MAX_LINE - 14),
    ],
)
def test_a_bad_line(data):
    with pytest.raises(BadHeader):
        read(data)


def test_a_line_that_can_still_end_in_time_is_waited_for():
    line = b"PROXY UNKNOWN".ljust(MAX_LINE - 2, b"x").replace(b"x", b" ", 1)
    assert read(line) == 2
    assert read(line + b"\r") == 1
    assert read(line + b"\r\n") == Header(MAX_LINE, None)
    with pytest.raises(BadHeader, match="107 bytes"):
        read(line + b" ")
    with pytest.raises(BadHeader, match="107 bytes"):
        read(line + b" \r")


def test_it_is_bad_with_the_first_byte_that_cannot_be():
    for data in (b"G", b"PROXX", b"PROXY\r", b"\r\n\r\n\1", b"\r\nGET", b"\0"):
        with pytest.raises(BadHeader, match="no PROXY header"):
            read(data)
    for data in (b"", b"P", b"PROXY ", b"\r", SIGNATURE):
        assert isinstance(read(data), int)


# ---------------------------------------------------------------------- version 2

TCP4 = block_of(IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2"), 5_000, 443)
TCP6 = block_of(IPv6Address("2001:db8::1"), IPv6Address("::1"), 5_000, 443)
MAPPED = block_of(IPv6Address("::ffff:192.0.2.1"), IPv6Address("::1"), 5_000, 443)


@pytest.mark.parametrize(
    ("data", "source"),
    [
        (binary(1, 0x11, TCP4), ("192.0.2.1", 5_000)),
        (binary(1, 0x12, TCP4), ("192.0.2.1", 5_000)),
        (binary(1, 0x21, TCP6), ("2001:db8::1", 5_000, 0, 0)),
        (binary(1, 0x21, MAPPED), ("192.0.2.1", 5_000)),
        (binary(1, 0x31, unix(b"/run/client")), "/run/client"),
        (binary(1, 0x31, unix(b"")), ""),
        (binary(1, 0x32, unix(b"\xff")), "\\xff"),
        (binary(1, 0x11, TCP4, b"\x03\0\4abcd"), ("192.0.2.1", 5_000)),  # a CRC32C that is wrong
        (binary(1, 0x11, TCP4, b"\x01\xff\xffx"), ("192.0.2.1", 5_000)),  # a TLV that is malformed
        (binary(1, 0x11, TCP4, bytes(MAX_LENGTH - 12)), ("192.0.2.1", 5_000)),
    ],
)
def test_a_good_block(data, source):
    assert read(data + b"GET /") == Header(len(data), source)


@pytest.mark.parametrize(
    "data",
    [
        binary(1, 0x11, TCP4, version=1),
        binary(1, 0x11, TCP4, version=3),
        binary(2, 0x11, TCP4),
        binary(15, 0x11, TCP4),
        *(binary(1, family, bytes(216)) for family in (0x01, 0x10, 0x13, 0x20, 0x30, 0x41, 0xFF)),
        binary(1, 0x11, TCP4[:-1]),
        binary(1, 0x21, TCP6[:-1]),
        binary(1, 0x31, unix(b"x")[:-1]),
        binary(1, 0x11),
        binary(1, 0x11, TCP4, bytes(MAX_LENGTH - 11)),
        binary(0, 0x00, bytes(MAX_LENGTH + 1)),
    ],
)
def test_a_bad_block_is_bad_as_soon_as_its_fixed_part_is_there(data):
    for cut in (len(data), FIXED):
        with pytest.raises(BadHeader):
            read(data[:cut])
