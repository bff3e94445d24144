"""The types of the options: what they take, what they make of it, and what they say."""

from math import inf

import click
import pytest

from gpool.command.types import (
    HEADERS,
    PEERS,
    AddressType,
    BindType,
    CountType,
    ListType,
    ModeType,
    SecondsType,
    ShareType,
    SizeType,
)


def convert(kind, value):
    return kind.convert(value, None, None)


def refused(kind, value):
    with pytest.raises(click.BadParameter) as raised:
        convert(kind, value)
    return raised.value.message


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (CountType(1), "1", 1),
        (CountType(1), 7, 7),
        (CountType(0), "0", 0),
        (CountType(0), " 1_000 ", 1_000),
        (CountType(1, optional=True), "none", None),
        (CountType(1, optional=True), "NONE", None),
        (CountType(1, optional=True), None, None),
        (CountType(1, maximum=8), "8", 8),
        (SizeType(0), "0", 0),
        (SizeType(0), "64k", 65_536),
        (SizeType(0), "64K", 65_536),
        (SizeType(0), "64kb", 65_536),
        (SizeType(0), "64KiB", 65_536),
        (SizeType(0), "2 M", 2 << 20),
        (SizeType(0), "1g", 1 << 30),
        (SizeType(0), 65_536, 65_536),
        (SecondsType(), "1.5", 1.5),
        (SecondsType(), 2, 2.0),
        (SecondsType(), "1e3", 1_000.0),
        (SecondsType(), "none", None),
        (SecondsType(), "inf", None),
        (SecondsType(optional=False), "inf", inf),
        (SecondsType(zero=True), 0, 0.0),
        (ShareType(), "0.25", 0.25),
        (ShareType(), 1, 1.0),
        (AddressType(), "localhost:80", "localhost:80"),
        (AddressType(), ":80", ":80"),
        (AddressType(), "[::1]:80", "[::1]:80"),
        (AddressType(), "unix:/run/a.sock", "unix:/run/a.sock"),
        (AddressType(), "8000", "127.0.0.1:8000"),
        (AddressType(), 8000, "127.0.0.1:8000"),
        (AddressType(), "a:0", "a:0"),
        (BindType(), "fd://3", "fd://3"),
        (PEERS, "", ""),
        (PEERS, "*", "*"),
        (PEERS, ["10.0.0.0/8", "unix"], "10.0.0.0/8,unix"),
        (PEERS, [], ""),
        (HEADERS, "Forwarded", "Forwarded"),
        (ModeType(), "27", 0o27),
        (ModeType(), "027", 0o27),
        (ModeType(), "0o27", 0o27),
        (ModeType(), 0o27, 0o27),
        (ModeType(), "777", 0o777),
        (ModeType(), "0", 0),
    ],
)
def test_what_is_taken(kind, value, expected):
    assert convert(kind, value) == expected


@pytest.mark.parametrize(
    ("kind", "value", "allowed"),
    [
        (CountType(1), "0", "a whole number of at least 1."),
        (CountType(1), "-3", "at least 1"),
        (CountType(1), "1.0", "a whole number"),
        (CountType(1), 1.0, "a whole number"),
        (CountType(1), "none", "a whole number of at least 1."),
        (CountType(1), "", "a whole number"),
        (CountType(0), True, "a whole number"),
        (CountType(0), [1], "a whole number"),
        (CountType(0), {"a": 1}, "a whole number"),
        (CountType(1, optional=True), "0", "at least 1, or none."),
        (CountType(1, maximum=8), "9", "at least 1 and at most 8."),
        (CountType(0), "9" * 5_000, "a whole number"),
        (SizeType(1_024), "1023", "a number of bytes of at least 1024, such as 65536, 64k or 1M."),
        (SizeType(0), "64q", "64k"),
        (SizeType(0), "1.5M", "64k"),
        (SizeType(0), "k", "64k"),
        (SizeType(0), True, "64k"),
        (SecondsType(), "0", "a number of seconds, more than 0, or none."),
        (SecondsType(), "-1", "more than 0"),
        (SecondsType(), "nan", "more than 0"),
        (SecondsType(), "10s", "more than 0"),
        (SecondsType(), True, "more than 0"),
        (SecondsType(), 10**400, "more than 0"),
        (SecondsType(zero=True), "-1", "0 or more"),
        (SecondsType(optional=False), "none", "a number of seconds, more than 0."),
        (ShareType(), "0", "a number more than 0 and at most 1, such as 0.0005."),
        (ShareType(), "1.5", "at most 1"),
        (ShareType(), "nan", "at most 1"),
        (ShareType(), "1%", "at most 1"),
        (ShareType(), True, "at most 1"),
        (ShareType(), 10**400, "at most 1"),
        (AddressType(), "localhost", "host:port, [::1]:8000, :8000 (all interfaces), unix:/path."),
        (AddressType(), "fd://3", "host:port"),
        (AddressType(), "a:99999", "host:port"),
        (AddressType(), "a:-1", "host:port"),
        (AddressType(), "::1", "host:port"),
        (AddressType(), "http://a:80", "host:port"),
        (AddressType(), "a:http", "host:port"),
        (AddressType(), "unix:", "unix:/path"),
        (AddressType(), "", "host:port"),
        (AddressType(), "²", "host:port"),
        (AddressType(), True, "host:port"),
        (AddressType(), 70_000, "host:port"),
        (AddressType(), ["a:1"], "host:port"),
        (BindType(), "fd://", "or fd://3"),
        (BindType(), "fd://x", "or fd://3"),
        (BindType(), "fd://-1", "or fd://3"),
        (ModeType(), "8", "an octal number from 0 to 777, such as 027."),
        (ModeType(), "1000", "from 0 to 777"),
        (ModeType(), "-1", "from 0 to 777"),
        (ModeType(), True, "from 0 to 777"),
        (ModeType(), 27.0, "from 0 to 777"),
    ],
)
def test_what_is_refused_is_named_with_what_is_allowed(kind, value, allowed):
    message = refused(kind, value)
    assert message.startswith((repr(value), str(value), repr(str(value))))
    assert allowed in message
    assert message.endswith(".")
    assert "\n" not in message


@pytest.mark.parametrize("value", ["10.0.0.0/99", "proxy.example", 3, {"a": 1}, [1]])
def test_peers_are_addresses(value):
    message = refused(PEERS, value)
    assert "IP addresses, networks (10.0.0.0/8), 'unix' and '*', between commas" in message
    assert "\n" not in message


def test_headers_are_those_that_are_known():
    assert "x-forwarded-for" in refused(HEADERS, "X-Real-IP")


@pytest.mark.parametrize("text", ["a:1,b:2", "a:1 b:2", "a:1, b:2", " a:1  b:2 "])
def test_a_variable_has_several_addresses(text):
    assert BindType().split_envvar_value(text) == ["a:1", "b:2"]


def test_what_is_allowed_is_said_in_words():
    kind = ListType("names", str, "words")
    assert kind.allowed() == "words"
