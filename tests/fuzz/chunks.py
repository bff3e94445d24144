"""A walk over the chunks of a body, for what rewrites them; without any check."""

import re
from collections.abc import Callable

__all__ = ["head_and_body", "rewritten"]

SIZE = re.compile(rb"[0-9A-Fa-f]+")


def head_and_body(data: bytes) -> tuple[bytes, bytes]:
    """The first head of `data` with its empty line, and what follows."""
    head, end, rest = data.partition(b"\r\n\r\n")
    return head + end, rest


def rewritten(
    body: bytes, line: Callable[[bytes], bytes], trailer: Callable[[bytes], bool]
) -> bytes:
    """`body`, a chunked one and what follows it, with changes.

    Args:
        body: from its first byte.
        line: what becomes of the line of a chunk's size.
        trailer: whether a trailer stays.
    """
    done, place = b"", 0
    while (end := body.find(b"\r\n", place)) >= 0:
        size = SIZE.match(body, place)
        if size is None:
            break
        done += line(body[place:end]) + b"\r\n"
        place = end + 2
        count = int(size[0], 16)
        if not count:
            trailers, found, rest = (b"\r\n" + body[place:]).partition(b"\r\n\r\n")
            kept = [one for one in trailers.split(b"\r\n")[1:] if trailer(one)]
            return done + b"".join(one + b"\r\n" for one in kept) + found[2:] + rest
        done += body[place : place + count + 2]
        place += count + 2
    return done + body[place:]
