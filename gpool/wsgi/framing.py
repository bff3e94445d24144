"""How a request goes on after its head: the body's length, and the connection's fate.

What RFC 9112 section 6.3 decides, in one function (`framing_of`) and its numbered steps, and how
much of a request is read at all (`Limits`).
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from gpool.errors import BadRequest

__all__ = [
    "CHUNKED",
    "LAST",
    "OLD",
    "PLAIN",
    "SMALL",
    "TOKEN",
    "Application",
    "Environ",
    "Framing",
    "Limits",
    "framing_of",
]

#: PEP 3333's two sides of a call.
Environ: TypeAlias = dict[str, Any]
Application: TypeAlias = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

SMALL = 1_024  # characters of a head; what is larger is measured. No limit may be smaller
CHUNKED = -1  # the length of a body that says itself where it ends
TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 section 5.6.2
DIGITS = re.compile(r"[0-9]{1,20}")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a request is read before it is refused.

    Attributes:
        max_request_line: bytes (414 above).
        max_headers: how many field lines (431 above); trailers the same.
        max_header_size: bytes of one field line (431 above).
        max_head_size: bytes of the whole head (431 above).
        max_body_size: bytes (413 above).
    """

    max_request_line: int = 8_190  # gunicorn's, Apache's; nginx has 8 192
    max_headers: int = 100  # gunicorn's, Apache's
    max_header_size: int = 8_190  # the same
    max_head_size: int = 65_536
    max_body_size: int = 1 << 30  # waitress's


@dataclass(frozen=True, slots=True)
class Framing:
    """What a head says of the rest of the connection.

    Attributes:
        http11: whether the client speaks HTTP/1.1, and so knows chunks and 1xx answers.
        keep_alive: whether it wants the connection to stay (RFC 9112 section 9.3).
        length: bytes of the body; `CHUNKED` if it is chunked.
        expects_continue: whether it waits for "100 Continue" before it sends the body.
        head_only: whether the answer is to have no body: the method is HEAD.
        upgrade: whether the client offers another protocol, and has no body to send before.
    """

    http11: bool = True
    keep_alive: bool = True
    length: int = 0
    expects_continue: bool = False
    head_only: bool = False
    upgrade: bool = False


#: Nearly every request is one of these three: no body, and nothing else to say. One object each.
PLAIN = Framing()
LAST = Framing(keep_alive=False)
OLD = Framing(http11=False, keep_alive=False)  # HTTP/1.0; nginx's way to its upstreams


def framing_of(fields: Environ, http11: bool, limits: Limits) -> Framing:
    """Decide how the body ends, by RFC 9112 section 6.3, and what becomes of the connection."""
    keep_alive = wants_keep_alive(fields.get("HTTP_CONNECTION", ""), http11)
    length = fields.get("CONTENT_LENGTH")
    coding = fields.get("HTTP_TRANSFER_ENCODING")
    # Steps 1 and 2 are about responses. Step 3: both are an attack until proven otherwise.
    if coding is not None:
        if length is not None:
            raise BadRequest(400, "both Content-Length and Transfer-Encoding")
        if not http11:
            raise BadRequest(400, "Transfer-Encoding in HTTP/1.0")
        size = check_coding(coding)  # step 4
    elif length is not None:
        size = check_length(length, limits)  # steps 5 and 6
    else:
        size = 0  # step 7
    expects = fields.get("HTTP_EXPECT")
    if expects is not None and http11 and expects.lower() != "100-continue":
        raise BadRequest(417, "unknown expectation")  # RFC 9110 section 10.1.1
    upgrade = http11 and not size and offers_upgrade(fields)
    if not size and not upgrade and (http11 or not keep_alive):
        return PLAIN if keep_alive else LAST if http11 else OLD
    return Framing(
        http11=http11,
        keep_alive=keep_alive,
        length=size,
        expects_continue=expects is not None and http11 and size != 0,
        upgrade=upgrade,
    )


def check_coding(coding: str) -> int:
    """Check RFC 9112 section 6.1: chunked, once, and nothing else is understood."""
    codings = [one.strip(" \t").lower() for one in coding.split(",")]
    if codings == ["chunked"]:
        return CHUNKED
    if not all(TOKEN.fullmatch(one) for one in codings) or codings.count("chunked") > 1:
        raise BadRequest(400, "malformed Transfer-Encoding")
    raise BadRequest(501, "unknown transfer coding")


def check_length(length: str, limits: Limits) -> int:
    """Check RFC 9110 section 8.6, without the list of equal numbers that it would allow."""
    if not DIGITS.fullmatch(length):
        raise BadRequest(400, "malformed Content-Length")
    size = int(length)
    if size > limits.max_body_size:
        raise BadRequest(413, f"body of more than {limits.max_body_size} bytes")
    return size


def wants_keep_alive(connection: str, http11: bool) -> bool:
    """Decide RFC 9112 section 9.3."""
    if not connection or connection in ("keep-alive", "Keep-Alive"):
        return http11 or bool(connection)
    options = options_of(connection)
    if "close" in options:
        return False
    return http11 or "keep-alive" in options


def offers_upgrade(fields: Environ) -> bool:
    """Decide RFC 9110 section 7.8; the option must be there, or some proxy has passed it by."""
    return "HTTP_UPGRADE" in fields and "upgrade" in options_of(fields.get("HTTP_CONNECTION", ""))


def options_of(connection: str) -> list[str]:
    """The options of a Connection header field (RFC 9110 section 7.6.1)."""
    return [option.strip(" \t").lower() for option in connection.split(",")]
