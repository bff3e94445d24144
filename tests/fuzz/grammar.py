"""HTTP as clients speak it, made at random: good messages, nearly all of them.

A message is made of the parts of RFC 9112's grammar, with what few clients use as often as what all
do: chunk extensions and trailers, absolute targets, empty values, odd names. What is wrong comes
from `tests.fuzz.mutate`, which changes a good one.

Guarantees: the same `Random` makes the same stream.
"""

from collections.abc import Callable
from random import Random

__all__ = ["NAMES", "VALUES", "body", "fields", "head", "message", "stream"]

METHODS = [b"GET", b"POST", b"HEAD", b"PUT", b"OPTIONS", b"PATCH", b"DELETE", b"BREW", b"!#$%"]
TARGETS = [
    *(b"/", b"/a/b", b"/?q=1&r", b"/%41%0d%0A%00%ff", b"/a?b?c", b"//x//", b"/;p@:=+,[]{}|\\^`"),
    *(b"http://b:1/c?d", b"HTTPS://[::1]", b"http://b?x", b"/%", b"/%zz", b'/"<>~'),
]
VERSIONS = [b"HTTP/1.1"] * 8 + [b"HTTP/1.0", b"HTTP/1.2", b"HTTP/1.9"]
NAMES = [
    *(b"Accept", b"X-A", b"x-a", b"X_A", b"Cookie", b"cookie", b"Content-Type", b"User-Agent"),
    *(b"!#$%&'*+-.^`|~1", b"Expect", b"Upgrade", b"Connection", b"TE", b"Trailer", b"Referer"),
    *(b"X-Forwarded-For", b"Proxy", b"Content_Length", b"Keep-Alive", b"Range", b"If-Match"),
]
VALUES = [
    *(b"", b"a", b"a, b", b"a=b; c=d", b"100-continue", b"close", b"keep-alive", b"upgrade, x"),
    *(b"websocket", b"\xe9\x85\xa0\xff", b'"quoted, string"', b"a\tb  c", b"*/*;q=0.8", b"chunked"),
    *(b"bytes=0-1", b",,", b";", b": :", b"text/plain", b"Close , x", b"x" * 300),
]
SPACE = [b" "] * 6 + [b"", b"\t", b"  ", b" \t "]
HOSTS = [b"a"] * 6 + [b"a:80", b"[::1]:8", b"", b"%41", b"a.b-c_d~"]
BODIES = [
    b"",
    b"x",
    b"hello world",
    b"GET / HTTP/1.1\r\nHost: evil\r\n\r\n",
    b"0\r\n\r\n",
    b"\0\xff",
]
EXTENSIONS = [b""] * 8 + [b";a", b";a=b", b';a="b;\\"c"', b" ; a = b", b"\t;x;y=z", b';a="\xe9"']
TRAILERS = [
    b"X-T: v",
    b"Content-Length: 5",
    b"Transfer-Encoding: gzip",
    b"Host: b",
    b"x_t:",
    b"A:\tb",
]


def stream(random: Random) -> bytes:
    """The bytes of a connection."""
    blanks = [b""] * 12 + [b"\r\n", b"\r\n\r\n"]
    count = random.choice([1, 1, 1, 2, 2, 3, 5])
    return b"".join(random.choice(blanks) + message(random) for _ in range(count))


def message(random: Random) -> bytes:
    """A request, with its body."""
    content = body(random)
    kind = random.choice([none, none, length, chunked])
    lines, sent = kind(random, content)
    return head(random, lines) + sent


def none(_: Random, __: bytes) -> tuple[list[bytes], bytes]:
    """Framing: no body."""
    return [], b""


def length(random: Random, content: bytes) -> tuple[list[bytes], bytes]:
    """Framing: a length, with or without zeros in front."""
    digits = b"%d" % len(content)
    if random.random() < 0.1:  # one in ten
        digits = digits.rjust(random.randrange(20), b"0")
    return [cased(random, b"Content-Length") + b":" + random.choice(SPACE) + digits], content


def chunked(random: Random, content: bytes) -> tuple[list[bytes], bytes]:
    """Framing: chunks, with extensions and trailers."""
    sent = b""
    while content:
        count = random.randint(1, len(content))
        sent += size(random, count) + content[:count] + b"\r\n"
        content = content[count:]
    trailers = random.sample(TRAILERS, random.choice([0, 0, 0, 1, 2]))
    sent += size(random, 0) + b"".join(one + b"\r\n" for one in trailers) + b"\r\n"
    return [cased(random, b"Transfer-Encoding") + b": " + cased(random, b"chunked")], sent


def size(random: Random, count: int) -> bytes:
    """The line of a chunk's size."""
    digits = random.choice([b"%x", b"%X", b"%04x"]) % count
    return digits + random.choice(EXTENSIONS) + b"\r\n"


def head(random: Random, lines: list[bytes]) -> bytes:
    """A head with these fields among others."""
    every = [*lines, b"Host:" + random.choice(SPACE) + random.choice(HOSTS), *fields(random)]
    random.shuffle(every)
    line = b" ".join(map(random.choice, (METHODS, TARGETS, VERSIONS)))
    return b"\r\n".join([line, *every, b"", b""])


def fields(random: Random) -> list[bytes]:
    """Field lines that do not say where the message ends."""
    return [field(random) for _ in range(random.choice([0, 1, 1, 2, 3, 6]))]


def field(random: Random) -> bytes:
    """One; those that mean something to a server mostly make sense."""
    name, value = random.choice(NAMES), random.choice(VALUES)
    if name == b"Expect" and random.random() < 0.9:  # nearly always
        value = b"100-continue"
    return b":".join((name, random.choice(SPACE) + value + random.choice(SPACE[5:])))


def body(random: Random) -> bytes:
    """Of a request."""
    makers: list[Callable[[], bytes]] = [
        lambda: random.choice(BODIES),
        lambda: random.randbytes(random.randrange(40)),
        lambda: b"y" * random.randrange(400),
    ]
    return random.choice(makers)()


def cased(random: Random, name: bytes) -> bytes:
    """A name in some mixture of upper and lower case."""
    return random.choice([name, name, name.lower(), name.upper(), name.swapcase()])
