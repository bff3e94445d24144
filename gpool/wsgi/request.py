"""From the bytes of a request's head to its environ and framing; no I/O.

A head is read in one go, when its empty line has arrived. RFC 9112 sections 2 to 7 say what is
well-formed; wherever they leave a choice between repairing and refusing, it is refused, since two
servers that repair differently are what request smuggling is made of.

Guarantees: whatever the bytes, the answer is a `Framing` or a `BadRequest` with its status; what
is well-formed is read the same however it arrived; the environ has the application's keys only,
as native strings of latin-1 (PEP 3333), and nothing of a client's header can pass for another.

How the body ends is decided in `gpool.wsgi.framing`; reading from a socket, and the time it
takes, is left to the connection.
"""

import re
from dataclasses import replace
from urllib.parse import unquote_to_bytes

from gpool.errors import BadRequest
from gpool.wsgi.framing import SMALL, TOKEN, Environ, Framing, Limits, framing_of
from gpool.wsgi.scanning import scan_fields, scan_request_line

__all__ = ["HOST", "NOT_IN_A_FIELD", "Heads", "check_beginning"]

NOT_IN_A_FIELD = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # RFC 9110 section 5.5
HOST = re.compile(
    r"(?:[\w\-.~!$&'()*+,;=%]*|\[[0-9A-Fa-f:.]+\]|\[v[0-9A-Fa-f]+\.[\w\-.~!$&'()*+,;=:]+\])(?::\d*)?",
    re.ASCII,
)  # RFC 3986 section 3.2.2 and 3.2.3
ABSOLUTE = re.compile(r"https?://([^/?#]+)(.*)", re.IGNORECASE)  # RFC 9112 section 3.2.2
VERSION = re.compile(r"HTTP/(\d)\.(\d)", re.ASCII)

CONTROLS = bytes({*range(32), 127} - {ord("\t")})
LF = 10
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"})

#: What a header's name is called in an environ; it grows with the names that come, to a bound.
KEYS = {"Content-Type": "CONTENT_TYPE", "Content-Length": "CONTENT_LENGTH"}
MAX_KEYS = 1_024  # arbitrary
MAX_REMEMBERED = 512  # request lines, and blocks of fields; arbitrary
MAX_SEEN, MAX_HOSTS = 2_048, 256  # hashes of parts, and names; arbitrary
MAX_LINE, MAX_BLOCK = 256, 2_048  # bytes of one; arbitrary, but 512 of each stay under 3 MiB

#: Fields that say where a message ends or whom it is for: never twice.
ONCE = frozenset({"CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING", "HTTP_HOST"})


class Heads:
    """Reads heads into environs, and remembers their parts.

    A client that stays sends the same header fields again and again, and a site's clients ask for
    the same targets. So request lines and blocks of fields are remembered apart, to a bound: a head
    whose two parts are known costs a fourth of one that is new (docs/decisions.md).

    Args:
        limits: what is too much.
        template: the keys of an environ that are the same for each request.

    Attributes:
        whole: what heads say, empty line and all, that have come three times and announce no body
            and no upgrade.
    """

    __slots__ = ("_blocks", "_hosts", "_limits", "_lines", "_seen", "_template", "_usual", "whole")

    def __init__(self, limits: Limits, template: Environ) -> None:
        self._limits = limits
        # What is no larger has no part that is too large.
        self._usual = min(limits.max_request_line, limits.max_header_size, limits.max_head_size)
        self._template = template
        self.whole: dict[bytes, tuple[Environ, Framing]] = {}
        # With a target that is a path: nearly all there are. What the fields mean depends on the
        # version, whose last digit is part of a block therefore.
        self._lines: dict[bytes, Environ] = {}
        self._blocks: dict[bytes, tuple[Environ, Framing]] = {}
        self._hosts: set[str] = set()  # well-formed ones
        self._seen: set[int] = set()  # hashes of what has come once

    def read(self, head: bytes) -> tuple[Environ, Framing]:
        """Hub side. Read all that comes before the empty line.

        Returns:
            An environ of its own, and how the message goes on.

        Raises:
            BadRequest: the head is malformed, too large, or of a kind that is not served.
        """
        end = head.find(b"\r\n")
        line, block = head[:end], head[end - 1 :]
        known = self._blocks.get(block)
        if known is None or line not in self._lines or len(head) > self._limits.max_head_size:
            return self._read_new(head, line, block)
        environ = self._lines[line].copy()
        fields, framing = known
        environ.update(fields)
        if not framing.upgrade:
            if len(self.whole) >= MAX_REMEMBERED:
                self.whole.clear()
            self.whole[head + b"\r\n\r\n"] = environ.copy(), framing
        return environ, framing

    def _read_new(self, head: bytes, line: bytes, block: bytes) -> tuple[Environ, Framing]:
        environ = self._template.copy()
        fields, http11 = None, True
        if len(head) <= self._usual and scan_request_line(line, METHODS, environ):
            fields = scan_fields(head, len(line), KEYS, self._limits.max_headers)
        if fields is None:
            fields, http11 = self._read_by_rules(head, environ)
        self._check_host(fields.get("HTTP_HOST"), http11)
        framing = framing_of(fields, http11, self._limits)
        target = environ["RAW_URI"]
        if environ["REQUEST_METHOD"] == "HEAD":
            framing = replace(framing, head_only=True)
        elif target[0] == "/":
            self._remember(line, block, environ, fields, framing)
        if target[0] != "/":
            take_authority(environ, fields)
        environ.update(fields)
        return environ, framing

    def _check_host(self, host: str | None, http11: bool) -> None:
        # One server has few names.
        if host in self._hosts:
            return
        check_host(host, http11)
        if host is not None and len(self._hosts) < MAX_HOSTS:
            self._hosts.add(host)

    def _read_by_rules(self, head: bytes, environ: Environ) -> tuple[Environ, bool]:
        # The fields, and whether it is HTTP/1.1.
        text = head.decode("latin-1")
        lines = text.split("\r\n")
        # All controls but the tab are those of the lines' ends, or there are some too many.
        if count_controls(head) != 2 * (len(lines) - 1):
            raise BadRequest(400, "control character in the head")  # RFC 9112 section 2.2
        if len(text) > SMALL or len(lines) > self._limits.max_headers:
            check_sizes(text, lines, self._limits)
        http11 = read_request_line(lines[0], environ)
        return read_fields(lines), http11

    def _remember(
        self, line: bytes, block: bytes, environ: Environ, fields: Environ, framing: Framing
    ) -> None:
        if len(line) <= MAX_LINE and line not in self._lines and self._has_come(line):
            if len(self._lines) >= MAX_REMEMBERED:
                self._lines.clear()
            self._lines[line] = environ.copy()
        if len(block) <= MAX_BLOCK and framing.length == 0 and self._has_come(block):
            if len(self._blocks) >= MAX_REMEMBERED:
                self._blocks.clear()
            self._blocks[block] = fields, framing

    def _has_come(self, part: bytes) -> bool:
        # Whether it comes for the second time: what comes once is not worth a copy.
        seen = self._seen
        if hash(part) in seen:
            return True
        if len(seen) >= MAX_SEEN:
            seen.clear()
        seen.add(hash(part))
        return False


def check_sizes(head: str, lines: list[str], limits: Limits) -> None:
    """Find what is too much; small heads have nothing of the kind."""
    if len(lines[0]) > limits.max_request_line:
        raise BadRequest(414, f"request line of more than {limits.max_request_line} bytes")
    if len(head) > limits.max_head_size:
        raise BadRequest(431, f"head of more than {limits.max_head_size} bytes")
    if len(lines) - 1 > limits.max_headers:
        raise BadRequest(431, f"more than {limits.max_headers} header fields")
    for line in lines[1:]:
        if len(line) > limits.max_header_size:
            raise BadRequest(431, f"header field of more than {limits.max_header_size} bytes")


def check_beginning(data: bytes, searched: int, limits: Limits) -> None:
    """Refuse the beginning of a head as soon as it cannot become a good one.

    Args:
        data: what has come, without an empty line.
        searched: how much of it has been looked at before.
        limits: what is too much.

    Raises:
        BadRequest: it never will be a head, or too large a one.
    """
    begin = max(searched - 1, 0)
    new = data[begin - (data[begin] == LF and begin > 0) :]  # not from the middle of a line's end
    # All controls but the tab are those of lines' ends, of which the last may have half come.
    if count_controls(new) != 2 * new.count(b"\r\n") + new.endswith(b"\r"):
        raise BadRequest(400, "control character in the head")
    if len(data) > limits.max_head_size + len(b"\r\n\r"):
        raise BadRequest(431, f"head of more than {limits.max_head_size} bytes")
    last = data.rfind(b"\r\n")  # what follows is a line that has begun
    size = len(data) - data.endswith(b"\r")  # which may be of its end
    if last < 0:
        if size > limits.max_request_line:
            raise BadRequest(414, f"request line of more than {limits.max_request_line} bytes")
        return
    if size - last - 2 > limits.max_header_size:
        raise BadRequest(431, f"header field of more than {limits.max_header_size} bytes")
    if last + 2 > searched:  # lines have become whole
        check_lines(data, searched, last, limits)


def count_controls(data: bytes) -> int:
    """How many control characters there are; tabs, which are whitespace, not among them."""
    return len(data) - len(data.translate(None, CONTROLS))


def check_lines(data: bytes, searched: int, last: int, limits: Limits) -> None:
    """Check the lines that have become whole.

    Args:
        data: what has come.
        searched: how much of it has been looked at before.
        last: where the last whole line ends.
        limits: what is too much.
    """
    before = data.rfind(b"\r\n", 0, searched)
    lines = data[max(before, 0) : last].decode("latin-1").split("\r\n")
    if before < 0:
        check_sizes("", lines[:1], limits)
        read_request_line(lines[0], {})
    if data.count(b"\r\n") > limits.max_headers + 1:
        raise BadRequest(431, f"more than {limits.max_headers} header fields")
    read_fields(lines)


# ---------------------------------------------------------------------- the request line


def read_request_line(line: str, environ: Environ) -> bool:
    """Read RFC 9112 section 3 into `environ`; returns whether it is HTTP/1.1."""
    try:
        method, target, version = line.split(" ")
    except ValueError:
        raise BadRequest(400, "malformed request line") from None
    if method not in METHODS and not TOKEN.fullmatch(method):
        raise BadRequest(400, "malformed method")
    http11 = version == "HTTP/1.1" or is_http11(version)
    if not target.isascii() or "#" in target or "\t" in target:
        raise BadRequest(400, "malformed request target")
    environ["REQUEST_METHOD"] = method
    environ["RAW_URI"] = environ["REQUEST_URI"] = target
    environ["SERVER_PROTOCOL"] = "HTTP/1.1" if http11 else "HTTP/1.0"
    if target[:1] != "/" or method == "CONNECT":
        target = other_form(method, target)
    path, _, environ["QUERY_STRING"] = target.partition("?")
    environ["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1") if "%" in path else path
    return http11


def is_http11(version: str) -> bool:
    """Read a version that is not HTTP/1.1 (RFC 9112 section 2.3, RFC 9110 section 2.5)."""
    digits = VERSION.fullmatch(version)
    if digits is None:
        raise BadRequest(400, "malformed HTTP version")
    if digits[1] != "1":
        raise BadRequest(505, "only HTTP/1.0 and HTTP/1.1 are served")
    return digits[2] != "0"  # a later 1.x is read as the latest that is known


def other_form(method: str, target: str) -> str:
    """The path and query of a target that is no path (RFC 9112 section 3.2.2 to 3.2.4)."""
    if method == "CONNECT":
        raise BadRequest(501, "CONNECT is for proxies")
    if target == "*" and method == "OPTIONS":
        return ""  # PEP 3333 wants a path or nothing
    absolute = ABSOLUTE.fullmatch(target)
    if absolute is None or not HOST.fullmatch(absolute[1]):
        raise BadRequest(400, "malformed request target")
    path = absolute[2]
    return path if path.startswith("/") else "/" + path


def take_authority(environ: Environ, fields: Environ) -> None:
    """Let the host of a target in absolute form replace the Host field (section 3.2.2)."""
    absolute = ABSOLUTE.fullmatch(environ["RAW_URI"])
    if absolute is not None:
        fields["HTTP_HOST"] = absolute[1]


# ---------------------------------------------------------------------- header fields


def read_fields(lines: list[str]) -> Environ:
    """Read RFC 9112 section 5: all lines but the first, as keys of an environ."""
    fields: Environ = {}
    keys = KEYS
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        key = keys.get(name)
        if key is None or not colon:
            key = key_of(name, colon)
        if not key:
            continue
        if key in fields:
            value = repeated(key, fields[key], value)
        fields[key] = value.strip(" \t")
    return fields


def key_of(name: str, colon: str) -> str:
    """The environ's key of a header that is not yet known; empty for one that is left out."""
    if not colon or not TOKEN.fullmatch(name):
        # Also a folded line, and whitespace before the colon (RFC 9112 sections 5.1 and 5.2).
        raise BadRequest(400, "malformed header field")
    key = name.upper().replace("-", "_")
    if "_" in name:
        key = ""  # would pass for one with "-"; other servers leave it out too
    elif key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        key = "HTTP_" + key
    if len(KEYS) < MAX_KEYS:
        KEYS[name] = key
    return key


def repeated(key: str, first: str, second: str) -> str:
    """The value of a header that comes again (RFC 9110 section 5.3)."""
    if key in ONCE:
        raise BadRequest(400, "header field that must not be repeated")
    separator = "; " if key == "HTTP_COOKIE" else ","  # RFC 6265 section 5.4
    return first + separator + second.strip(" \t")


def check_host(host: str | None, http11: bool) -> None:
    """Check RFC 9112 section 3.2."""
    if host is None:
        if http11:
            raise BadRequest(400, "no Host header field")
    elif not HOST.fullmatch(host):
        raise BadRequest(400, "malformed Host header field")
