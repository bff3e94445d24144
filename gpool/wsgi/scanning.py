"""Hub side: heads of the usual kind, in one pass over their bytes.

What is usual is read here and has one meaning; for all else the answer is False or None, and
`gpool.wsgi.request` reads it by the rules, and says what is wrong with it. So nothing is decided
here, and nothing is well-formed here that is not well-formed there.

In Python one pass over bytes takes longer than the rules do, so here no head is usual. In a wheel
`scanning.pyx` is in the place of this file (docs/decisions.md has what it saves).
"""

# ruff: noqa: ARG001  # the arguments are for the form in C
from typing import Any

__all__ = ["is_printable", "scan_fields", "scan_request_line"]

PRINTABLE = bytes(range(0x20, 0x7F))


def is_printable(data: bytes) -> bool:
    """Hub side. Whether all of `data` are ASCII characters that are seen, or spaces."""
    return not data.translate(None, PRINTABLE)


def scan_request_line(line: bytes, methods: frozenset[str], environ: dict[str, Any]) -> bool:
    """Hub side. Read a request line that asks for a path without escapes, in HTTP/1.1.

    Args:
        line: without its end.
        methods: those that are usual.
        environ: gets what it says.

    Returns:
        Whether it is one of that kind; nothing else is said of it.
    """
    return False


def scan_fields(head: bytes, end: int, keys: dict[str, str], most: int) -> dict[str, Any] | None:
    """Hub side. Read header fields whose names are known, each of which comes once.

    Args:
        head: a request line and fields, without the empty line.
        end: where the request line ends.
        keys: of an environ, by the names of headers; empty for those that are left out.
        most: how many fields there may be.

    Returns:
        What an environ has of them; None if there is anything else, well-formed or not.
    """
    return None
