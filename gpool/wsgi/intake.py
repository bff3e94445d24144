"""From what has come on a connection to the next request: heads, bodies, and what is refused.

A head is taken when it is whole; a small body, and one in a few chunks, is gathered here before a
worker is taken; a larger one, and one that waits for "100 Continue", the application reads itself.
What an application leaves unread of its body is read here too, and thrown away, up to a bound.

Guarantees: a request is taken out of the buffer whole or not at all, and no byte is used twice; a
malformed one is answered once, and nothing after it is looked at.

When it is called, and what becomes of a request, is left to `gpool.wsgi.connection`.
"""

import io
from math import inf
from time import time
from typing import Any

from gpool.connection import ConnState
from gpool.errors import BadRequest
from gpool.wsgi.application import Exchange
from gpool.wsgi.body import Body, BodyReader, ChunkedBody, LengthBody
from gpool.wsgi.framing import CHUNKED, SMALL, Environ, Framing
from gpool.wsgi.request import check_beginning
from gpool.wsgi.response import body_of, canned
from gpool.wsgi.scanning import is_printable
from gpool.wsgi.site import Site
from gpool.wsgi.upgrade import UpgradeSocket
from gpool.wsgi.wire import CHUNK, KEEP, OPEN, Verdict, Wire

__all__ = ["Intake"]

READING, ACTIVE, IDLE = ConnState.READING, ConnState.ACTIVE, ConnState.IDLE
V4_MAPPED = "::ffff:"  # RFC 4291 section 2.5.5.2


class Intake(Wire):
    """A connection, as far as it turns bytes into requests.

    Args:
        socket: see `Wire`.
        address: the peer's.
        site: what it shares with the others.

    Attributes:
        remote: the peer's address and port, as an environ has them.
        facts: what else is to be in the environ of each request, if there is something.
    """

    __slots__ = ("_pending", "_searched", "facts", "remote")

    def __init__(self, socket: Any, address: Any, site: Site) -> None:
        self.take(socket, address)
        self.join(site)
        self.remote = remote(address)
        self.facts: Environ | None = None
        self._searched = 0  # how much of the buffer has no empty line, or was thrown away
        self._pending: tuple[Environ, Framing, list[bytes]] | None = None  # until its body is there

    # ------------------------------------------------------------------ for subclasses

    def settle(self, verdict: Verdict) -> None:
        """Any side. A response is over, as far as it was given: go on, or close."""
        raise NotImplementedError

    # ------------------------------------------------------------------ Hub side: parking

    def at_rest(self) -> bool:
        """Hub side. Whether there is nothing to it but an open socket and a deadline."""
        return (
            self.state is IDLE
            and self.peer is OPEN
            and not self.buffer
            and not self._out
            and self.body is None  # of which the rest may come still
            and self.worker is None
            and self._waiter is None
            and self.facts is None  # nothing would say them again
        )

    def leave(self) -> None:
        """Hub side. Give the socket up, open as it is; who calls this has its descriptor."""
        self._unwatch()
        self.site.deadlines.drop(self)
        self.enter_closed()
        self._socket.detach()
        self._socket = None

    # ------------------------------------------------------------------ Hub side: requests

    def next_request(self) -> Exchange | None:
        """Hub side. Take a request out of the buffer; None if there is none, or a bad one."""
        if self.body is not None:
            return self._next_of_body(self.body)
        buffer = self.buffer
        while buffer[:2] == b"\r\n":
            buffer = self.buffer = buffer[2:]  # RFC 9112 section 2.2
            self._searched = 0
        end = buffer.find(b"\r\n\r\n", self._searched)
        known = self.site.whole.get(buffer[: end + 4]) if end >= 0 else None
        if known is not None:
            self.buffer = buffer[end + 4 :]
            self._searched = 0
            return self._begin(known[0].copy(), known[1])
        try:
            if end < 0:
                self._wait_for_more(buffer)
                return None
            environ, framing = self.site.heads.read(buffer[:end])
        except BadRequest as error:
            self.refuse(error.status, str(error))
            return None
        self.buffer = buffer[end + 4 :]
        self._searched = 0
        if framing.length:
            return self._begin_body(environ, framing)
        exchange = self._begin(environ, framing)
        if framing.upgrade and environ["REQUEST_METHOD"] == "GET":
            environ["werkzeug.socket"] = UpgradeSocket(exchange.upgrade)
        return exchange

    def _goes_on(self, buffer: bytes, data: bytes) -> bool:
        # Hub side. Whether `data` goes on with a line of a head: nothing ends with it, and nothing
        # can be wrong with it. Thousands of clients may send theirs byte by byte.
        return (
            self.state is READING
            and self.body is None
            and len(buffer) + len(data) <= SMALL
            and not buffer.endswith(b"\r")
            and is_printable(data)
        )

    def _wait_for_more(self, buffer: bytes) -> None:
        if buffer:
            check_beginning(buffer, self._searched, self.site.settings.limits)
        self._searched = max(len(buffer) - 3, 0)
        if self.state is not READING and buffer:
            self.move(READING)
            self.site.deadlines.set(self, self.site.settings.header_timeout)
            self._moved(len(buffer))

    def _begin(self, environ: Environ, framing: Framing) -> Exchange:
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = self.remote
        if self.facts is not None:
            environ.update(self.facts)
        self.state = ACTIVE
        if self.site.request_timeout != inf:
            self._limit()
        exchange = Exchange.__new__(Exchange)
        exchange.begin(self, environ, framing)
        return exchange

    def _limit(self) -> None:
        # Hub side. The application has so much time.
        self.site.deadlines.set(self, self.site.request_timeout)
        self._request_deadline = self.deadline

    def _begin_body(self, environ: Environ, framing: Framing) -> Exchange | None:
        settings = self.site.settings
        chunked = framing.length == CHUNKED
        body: Body = ChunkedBody(settings.limits) if chunked else LengthBody(framing.length)
        self.body = body
        self.expects = framing.expects_continue and not self.buffer
        if self.expects or framing.length > settings.body_buffer:
            return self._stream(environ, framing, body)
        self._pending = (environ, framing, [])
        return self._next_of_body(body)

    def _stream(self, environ: Environ, framing: Framing, body: Body) -> Exchange:
        # The application reads the rest itself.
        environ["wsgi.input"] = io.BufferedReader(BodyReader(self, body), CHUNK)
        return self._begin(environ, framing)

    def _next_of_body(self, body: Body) -> Exchange | None:
        received, self.buffer = self.buffer, b""
        try:
            piece = body.feed(received)
        except BadRequest as error:
            if self._pending is None:  # it is answered: a second one would be the next request's
                self.settle(Verdict.LINGER)
            else:
                self.refuse(error.status, str(error))
            return None
        if self._pending is None:
            return self._discard(body, piece)
        environ, framing, pieces = self._pending
        pieces.append(piece)
        size = sum(map(len, pieces))
        if not body.done and size <= self.site.settings.body_buffer:
            if self.state is not READING:
                self.move(READING)
            self.site.deadlines.set(self, self.site.settings.body_timeout)
            self._moved(len(received) or CHUNK)  # many send the head first, and then the body
            return None
        self._pending = None
        if size > self.site.settings.body_buffer:  # the size decides, not how it has come
            self._decoded = b"".join(pieces)
            return self._stream(environ, framing, body)
        self._end_body(body)
        data = b"".join(pieces)
        environ["wsgi.input"] = io.BytesIO(data)
        if environ.pop("HTTP_TRANSFER_ENCODING", None):
            # The coding is undone, and many an application takes a body without a length for none.
            environ["CONTENT_LENGTH"] = str(len(data))
        return self._begin(environ, framing)

    def _discard(self, body: Body, piece: bytes) -> Exchange | None:
        # What the application has left unread.
        self._searched += len(piece)
        if body.done:
            self._searched = 0
            self._end_body(body)
            self.settle(KEEP)
            return self.next_request() if self.buffer else None
        if self._searched > self.site.settings.body_buffer:
            self.settle(Verdict.LINGER)
        else:
            self.site.deadlines.set(self, self.site.settings.body_timeout)
        return None

    def _end_body(self, body: Body) -> None:
        self.buffer = body.rest + self.buffer
        body.rest = b""
        self.body = None
        self._decoded = b""  # what the application has not read is not the next request's

    def refuse(self, status: int, text: str, *extra: bytes, environ: Environ | None = None) -> None:
        """Hub side. Answer without the application, and close.

        Args:
            status: HTTP's.
            text: the body.
            extra: more header lines.
            environ: of the request, if one was read; that whose body is gathered is known here.
        """
        if self._pending is not None:
            environ = self._pending[0]
        method = environ["REQUEST_METHOD"] if environ else self.buffer[:5].decode("latin-1")
        head_only = method.strip() == "HEAD"
        self.body = self._pending = None
        self.buffer = b""
        self._send(canned(status, text, self.site.dates, *extra, head_only=head_only))
        if self.site.access is not None:
            known = {**(environ or {}), "REMOTE_ADDR": self.remote[0]}
            sent = 0 if head_only else len(body_of(text))
            self.site.access.add(known, str(status), sent, time())
        self.settle(Verdict.LINGER)


def remote(address: Any) -> tuple[str, str]:
    """REMOTE_ADDR and REMOTE_PORT; both empty for a unix socket.

    An IPv4 client of a socket that is IPv6 and IPv4 has its IPv4 address.
    """
    if not isinstance(address, tuple):
        return "", ""
    host: str = address[0]
    if ":" in host and host.startswith(V4_MAPPED) and "." in host:
        host = host.removeprefix(V4_MAPPED)
    return host, str(address[1])
