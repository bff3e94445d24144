"""Heads of requests for hypothesis: good ones, nearly good ones, and anything."""

from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

TOKEN = "!#$%&'*+-.^_`|~0123456789abcxyzABCXYZ"
#: What stands in a field's value: visible, space, tab, and the upper half of latin-1.
VALUE = "".join(map(chr, (*range(0x20, 0x7F), 0x09, *range(0x80, 0x100))))
PATH = "abcXYZ019-._~!$&'()*+,;=:@/[]{}|\\^`\"<>"

values = st.text(VALUE, max_size=20)
names = st.text(TOKEN.replace("_", ""), min_size=1, max_size=12).map("X-".__add__)
paths = st.lists(
    st.one_of(
        st.text(PATH, max_size=8), st.sampled_from(["%20", "%00", "%0d%0A", "%ff", "%", "%g"])
    ),
    max_size=5,
).map(lambda parts: "/" + "".join(parts))
queries = st.one_of(st.just(""), st.text(PATH + "?%", max_size=10).map("?".__add__))
methods = st.one_of(
    st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "BREW"]),
    st.text(TOKEN, min_size=1, max_size=8).filter(lambda method: method != "CONNECT"),
)
targets = st.one_of(
    st.builds("{}{}".format, paths, queries),
    st.builds(
        "{}://{}{}{}".format, st.sampled_from(["http", "HTTPS"]), st.just("b:1"), paths, queries
    ),
)
request_lines = st.builds(
    "{} {} HTTP/1.{}".format, methods, targets, st.sampled_from(["1", "1", "1", "0", "7"])
)
#: Fields that say how the message goes on; only some of them may stand together.
SPECIAL = (
    (),
    ("Content-Length: 5",),
    ("content-length:\t0 ",),
    ("Connection: close",),
    ("Connection: keep-alive, x",),
    ("Expect: 100-continue", "Content-Length: 5"),
    ("Content-Type: text/plain", "Cookie: a", "cookie: b"),
)


def placed(fields: list[str], host: str, place: int) -> list[str]:
    """`fields`, with `host` among them."""
    place %= len(fields) + 1
    return [*fields[:place], host, *fields[place:]]


def wire(line: str, fields: list[str]) -> bytes:
    """A head as it is sent, without its empty line."""
    return "\r\n".join([line, *fields]).encode("latin-1")


blocks = st.builds(
    placed,
    st.builds(
        lambda special, others: [*special, *others],
        st.sampled_from(SPECIAL),
        st.lists(st.builds("{}:{}".format, names, values), max_size=4),
    ),
    st.sampled_from(["Host: a", "host: [::1]:80", "HOST:"]),
    st.integers(0, 9),
)
good = st.builds(wire, request_lines, blocks)

#: What heads are made of, and what they must not be made of.
PIECES = [
    *(b"GET", b"HEAD", b"POST", b"CONNECT", b" ", b"/", b"*", b"?", b"#", b"%41", b"http://a"),
    *(b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/0.9", b"GET / HTTP/1.1", b"\r\n", b"\r", b"\n"),
    *(b"Host: a", b"Host: a/b", b"Content-Length: 5", b"Content-Length: -1", b"Content_Length: 5"),
    *(b"Content-Length: 99999999999999999999", b"Transfer-Encoding: chunked", b"Expect: 200-ok"),
    *(b"Transfer-Encoding: gzip, chunked", b"Connection: close", b": a", b"A:", b" folded", b"\t"),
    *(b"\0", b"\x7f", b"\x85", b"\xa0", b"\xff", b"_", b"b" * 1_100, b"A: b\r\n" * 101),
]
pieced = st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join)


def changed(head: bytes, at: int, gone: int, new: bytes) -> bytes:
    """`head`, with some of it replaced."""
    at %= len(head) + 1
    return head[:at] + new + head[at + gone :]


nearly = st.builds(
    changed,
    good,
    st.integers(0, 200),
    st.integers(0, 3),
    st.one_of(st.sampled_from(PIECES), st.binary(max_size=3)),
)
anything = st.one_of(st.binary(max_size=60), pieced, nearly, good)


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    """`data` in pieces."""
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[begin:end] for begin, end in pairwise(places)]


cuts: Any = st.lists(st.integers(0, 400), max_size=12)
