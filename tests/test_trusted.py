"""Whom a setting has named, and whom it has not."""

import pytest

from gpool.trusted import MAX_REMEMBERED, NOBODY, Trusted, plain

UNIX = ""  # a peer's address, as a unix socket's accept has it


def peer(host):
    """An address as accept has it."""
    return (host, 5_000, 0, 0) if ":" in host else (host, 5_000)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "::ffff:127.0.0.1"),
        ("127.0.0.1", "::ffff:7f00:1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("fe80::1", "fe80::1%eth0"),
        ("10.0.0.0/8", "10.255.0.1"),
        ("10.0.0.0/255.0.0.0", "10.255.0.1"),
        ("::ffff:10.0.0.0/104", "10.255.0.1"),
        ("2001:db8::/32", "2001:db8:ffff::1"),
        ("192.0.2.1, 10.0.0.0/8,", "10.0.0.1"),
        ("0.0.0.0/0", "::ffff:192.0.2.1"),
        ("*", "192.0.2.1"),
        ("*", "2001:db8::1"),
        ("unix,*", "192.0.2.1"),
    ],
)
def test_who_is_named_is_trusted(text, host):
    trusted = Trusted(text)
    for _ in range(2):  # the second answer is remembered
        assert peer(host) in trusted and trusted.host(host)
    assert trusted


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("127.0.0.1", "127.0.0.2"),
        ("127.0.0.1", "::1"),
        ("127.0.0.1", "::127.0.0.1"),  # RFC 4291 section 2.5.5.1: not the same host
        ("::1", "127.0.0.1"),
        ("::/0", "192.0.2.1"),
        ("0.0.0.0/0", "2001:db8::1"),
        ("10.0.0.0/8", "11.0.0.0"),
        ("2001:db8::/32", "2001:db9::"),
        ("unix", "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
def test_nobody_else_is_trusted(text, host):
    trusted = Trusted(text)
    for _ in range(2):
        assert peer(host) not in trusted and not trusted.host(host)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("unix", True), ("127.0.0.1, unix", True), ("*", True), ("0.0.0.0/0", False)],
)
def test_the_peer_of_a_unix_socket_is_trusted_by_its_own_name(text, expected):
    trusted = Trusted(text)
    for address in ("", b"", "/run/client", b"\0abstract", None):
        assert (address in trusted) is expected
    assert trusted.host("") is expected


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1:80", "[::1]", "127.1", "127.0.0.01", " ::1", "1"]
)
def test_what_is_no_address_is_trusted_only_where_everybody_is(host):
    assert not Trusted("0.0.0.0/0,::/0,unix").host(host)
    assert Trusted("*").host(host)


@pytest.mark.parametrize("text", ["", " ", ",", " , ,"])
def test_nothing_named_is_nobody(text):
    assert not Trusted(text) and ("127.0.0.1", 1) not in Trusted(text) and "" not in Trusted(text)
    assert not NOBODY


@pytest.mark.parametrize(
    "item",
    [
        "localhost",
        "10.0.0.1/8",
        "10.0.0.0/33",
        "10.0.0",
        "127.0.0.1:80",
        "[::1]",
        "fe80::1%eth0",
        "**",
        "UNIX",
        "unix:/run/socket",
        "1.2.3.4 5.6.7.8",
    ],
)
def test_a_bad_item_is_named_with_what_is_allowed(item):
    with pytest.raises(
        ValueError, match="proxy_allow_ips must have IP addresses, networks"
    ) as info:
        Trusted(f"127.0.0.1, {item}", "proxy_allow_ips")
    assert f"not {item!r}" in str(info.value) and "'unix' and '*'" in str(info.value)


@pytest.mark.parametrize("text", [None, ["127.0.0.1"], b"127.0.0.1", 1])
def test_what_is_no_text_is_named(text):
    with pytest.raises(TypeError, match="proxy_allow_ips must be a text"):
        Trusted(text, "proxy_allow_ips")


def test_the_answers_that_are_kept_are_bounded():
    trusted = Trusted("10.0.0.0/8")
    for number in range(3 * MAX_REMEMBERED):
        assert trusted.host(f"10.0.{number >> 8}.{number & 255}")
        assert not trusted.host(f"garbage {number}")
    assert len(trusted._answers) <= MAX_REMEMBERED


def test_repr_has_the_text():
    assert repr(Trusted("::1,unix")) == "<Trusted '::1,unix'>"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("FE80::1%a%b", "fe80::1"),
        ("1.2.3.4%a", None),
        ("%", None),
        ("", None),
    ],
)
def test_a_plain_address_has_no_scope_and_is_ipv4_where_it_can_be(host, expected):
    address = plain(host)
    assert (None if address is None else str(address)) == expected
