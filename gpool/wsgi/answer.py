"""Worker side: one response, from ``start_response`` to its last byte.

PEP 3333's server side to the letter: ``start_response`` and ``write``, and the blocks of an
iterable. An answer whose blocks are all there leaves in one send, with its head; a block of any
other iterable leaves before the next is asked for.

Guarantees: the head is sent once, with the first block that has something in it, or at the end; a
body that is longer or shorter than the application said never becomes part of another message; a
client that must be told that the body is not whole, is told.

Calling the application, and what it raises, is left to `gpool.wsgi.application`; which bytes the
kernel takes, and what becomes of the connection, to the connection.
"""

import logging
from collections.abc import Callable, Iterable
from enum import Enum, auto
from types import TracebackType
from typing import TypeAlias

from gpool.wsgi.files import FileWrapper
from gpool.wsgi.framing import LAST, OLD, PLAIN, Framing
from gpool.wsgi.response import Block, BodyFraming, Length, block_of, choose, has_no_body
from gpool.wsgi.wire import CLOSE, KEEP, LINGER, Verdict, Wire

__all__ = [
    "COMPLETE",
    "DONE",
    "HIJACKED",
    "NEW",
    "SENT",
    "STARTED",
    "TAKEN",
    "UPGRADED",
    "Answer",
    "Phase",
]

logger = logging.getLogger("gpool.wsgi")

OptExcInfo: TypeAlias = (
    tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None] | None
)
LARGE = 65_536  # bytes of a body above which it is not copied behind its head
CLOSING = b"Connection: close\r\n\r\n"
GOODBYE = 2.0  # seconds for a client to answer the end of its WebSocket; lingering's time


class Phase(Enum):
    """How far a response is."""

    NEW = auto()
    STARTED = auto()  # start_response was called, nothing is sent
    SENT = auto()  # its head is sent, or on its way
    COMPLETE = auto()  # all of it is sent, or on its way; the application is not over
    DONE = auto()  # nothing more can be sent
    HIJACKED = auto()  # the application has the connection
    UPGRADED = auto()  # the same, until its call is over


NEW, STARTED, SENT, COMPLETE, DONE, HIJACKED, UPGRADED = Phase
TAKEN = (HIJACKED, UPGRADED)


class Answer:
    """The response to one request.

    It has no constructor of its own: an `Exchange` is one, and sets what there is from the start;
    the rest is set by `start_response`, and by the head, before anything reads it.

    Attributes:
        conn: where it goes.
        framing: what the request's head said.
        status: the application's; empty until it has said one.
        sent: bytes of the body.
    """

    __slots__ = (
        "_block",
        "_body_framing",
        "_enough",
        "_length",
        "_phase",
        "_prefix",
        "_usual",
        "_verdict",
        "conn",
        "framing",
        "sent",
        "status",
    )

    conn: Wire
    framing: Framing
    status: str
    sent: int
    _phase: Phase
    _length: int | None
    _block: Block
    _prefix: bytes  # all before the block
    _usual: bool  # whether the status is one whose answers have a body
    _enough: bool  # nobody will read more of the body
    _body_framing: BodyFraming
    _verdict: Verdict

    def start_response(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: OptExcInfo = None,
    ) -> Callable[[bytes], object]:
        """Worker side. PEP 3333's callable.

        Raises:
            AssertionError: it was called before, and there is no `exc_info`.
            TypeError: `status` or `headers` are of the wrong type.
            ValueError: they cannot be sent.
        """
        if self._phase is not NEW:
            if self._phase in TAKEN:
                return self.write  # flask-sock answers after the WebSocket is over
            try:
                self._start_again(exc_info)
            finally:
                exc_info = None  # PEP 3333: no cycle
        site = self.conn.site
        prefix = site.dates.prefixes.get(status)
        usual = prefix is not None
        if prefix is None:
            prefix = site.dates.prefix(status)
        try:
            block = site.blocks.get(tuple(headers)) if type(headers) is list else None
        except TypeError:
            block = None
        if block is None:
            block = block_of(headers)
        # Nothing is changed before all of it is known to be good.
        self._prefix, self._block, self._length = prefix, block, block.length
        self._usual = usual
        self.status = status
        self._phase = STARTED
        return self.write

    def _start_again(self, exc_info: OptExcInfo) -> None:
        if exc_info is None:
            raise AssertionError("start_response was called before, and there is no exc_info")
        if self._phase is not STARTED:
            error = exc_info[1] or AssertionError("the response was sent")
            try:
                raise error.with_traceback(exc_info[2])
            finally:
                error = exc_info = None  # type: ignore[assignment]  # no cycle

    # ------------------------------------------------------------------ blocks

    def _send_list(self, blocks: list[bytes] | tuple[bytes, ...]) -> None:
        body = blocks[0] if len(blocks) == 1 else join(blocks)
        if type(body) is not bytes:
            raise TypeError(f"a block must be bytes, not {body!r}")
        size = len(body)
        conn = self.conn
        block = self._block
        if self._usual and block.usual_length == size <= LARGE and conn.site.keep_alive:
            # Nearly always. The rest of this method does the same for all cases.
            framing = self.framing
            if framing is PLAIN:
                self.sent = size
                self._phase = DONE
                conn.finish(KEEP, b"".join((self._prefix, block.data, b"\r\n", body)))
                return
            if framing is LAST or framing is OLD:
                self.sent = size
                self._phase = DONE
                last = b"".join((self._prefix, block.data, CLOSING, body))
                conn.finish(LINGER if conn.buffer else CLOSE, last)
                return
        if self._length is None:
            if size or not self._has_no_body():
                self._length = size
        elif self._length != size:
            self._send_block(body)
            self._end()
            return
        head = self._head()
        if self._body_framing is BodyFraming.NONE:
            self._finish(head)
        elif size <= LARGE:
            self.sent = size
            self._finish(head + body)
        else:
            self.sent = size
            conn.write(head)
            conn.write(body, conn.site.settings.write_buffer)
            self._finish(b"")

    def _send_iterable(self, result: Iterable[bytes]) -> None:
        if self._phase in TAKEN:
            self._end()
            return
        if type(result) is FileWrapper and self._send_file(result):
            return
        for block in result:
            if type(block) is not bytes:
                raise TypeError(f"a block must be bytes, not {block!r}")
            if block:
                self._send_block(block)
                if self._enough:
                    break
        self._end()

    def _send_block(self, block: bytes) -> None:
        if self._phase is STARTED:
            self.conn.write(self._head() + self._framed(block))
        elif self._phase is SENT:
            data = self._framed(block)
            if data:
                self.conn.write(data)
        elif self._phase not in TAKEN:
            raise AssertionError("start_response must be called before the first block")

    def write(self, block: bytes) -> None:
        """Worker side. PEP 3333's callable: send a block at once.

        Raises:
            AssertionError: the response is over.
            TypeError: `block` is not bytes.
        """
        if type(block) is not bytes:
            raise TypeError(f"a block must be bytes, not {block!r}")
        if self._phase in (COMPLETE, DONE):
            raise AssertionError("the response is over")
        if block and not self._enough:
            self._send_block(block)

    def _send_file(self, result: FileWrapper) -> bool:
        # Worker side. False if it is to be iterated instead.
        part = result.part() if self._phase is STARTED else None
        if part is None:
            return False
        descriptor, offset, size = part
        if self._length is None:
            self._length = size
        if not self.conn.site.sendfile:
            return False
        self.conn.write(self._head())
        if self._body_framing is not BodyFraming.NONE:
            self.sent = self.conn.send_file(descriptor, offset, self._length)
        self._end()
        return True

    # ------------------------------------------------------------------ the head and the end

    def _head(self) -> bytes:
        """Worker side. Decide the framing, and what becomes of the connection."""
        framing, block, status = self.framing, self._block, self.status
        kind = self._body_framing = choose(
            head_only=framing.head_only, status=status, length=self._length, http11=framing.http11
        )
        own = block.own
        lines = [self.conn.site.dates.without(status, own) if own else self._prefix]
        lines += [line for line in block.lines if type(line) is not Length]
        if self._length is not None and status[:3] != "204":  # RFC 9110 section 8.6
            lines.append(b"Content-Length: %d\r\n" % self._length)
        elif kind is BodyFraming.CHUNKED:
            lines.append(b"Transfer-Encoding: chunked\r\n")
        self._enough = kind is BodyFraming.NONE
        verdict = self._verdict = self._judge(kind)
        if verdict is not KEEP:
            lines.append(b"Connection: close\r\n")
        elif not framing.http11:
            lines.append(b"Connection: keep-alive\r\n")
        lines.append(b"\r\n")
        self._phase = SENT
        return b"".join(lines)

    def _judge(self, kind: BodyFraming) -> Verdict:
        conn = self.conn
        body = conn.body
        if body is not None and not body.done:
            remaining = body.remaining()
            if remaining is not None and remaining > conn.site.settings.body_buffer:
                return LINGER  # too much to read and throw away
            conn.expects = False  # it is too late to ask for the rest
            if self.framing.expects_continue or not self.framing.keep_alive:
                return LINGER  # whether it comes, only the client knows
        if not self.framing.keep_alive:
            return CLOSE if not conn.buffer else LINGER
        if kind is BodyFraming.CLOSE or not conn.site.keep_alive:
            return LINGER
        return KEEP

    def _framed(self, block: bytes) -> bytes:
        kind = self._body_framing
        if kind is BodyFraming.LENGTH:
            assert self._length is not None
            left = self._length - self.sent
            if len(block) > left:
                self._complain("the body is longer than its Content-Length, which was %d")
                block = block[:left]
                self._enough = True
            self.sent += len(block)
            return block
        if kind is BodyFraming.NONE:
            return b""
        self.sent += len(block)
        if kind is BodyFraming.CHUNKED:
            return b"%x\r\n%b\r\n" % (len(block), block) if block else b""
        return block

    def _end(self) -> None:
        # The iterable has no more.
        if self._phase in TAKEN:
            if self._phase is UPGRADED:
                self.conn.let_go(GOODBYE)
            return
        last = b""
        if self._phase is STARTED:
            if self._length is None and not self._has_no_body():
                self._length = 0
            last = self._head()
        elif self._phase is NEW:
            raise AssertionError("start_response was not called")
        kind = self._body_framing
        if kind is BodyFraming.CHUNKED:
            last = b"0\r\n\r\n"
        elif kind is BodyFraming.LENGTH and self.sent != self._length:
            self._complain("the body is shorter than its Content-Length, which was %d")
            self._verdict = LINGER
        if last:
            self.conn.write(last, self.conn.site.settings.write_buffer)
        self._phase = COMPLETE

    def _has_no_body(self) -> bool:
        # Then the length is that of another answer (RFC 9110 section 8.6), which nobody knows.
        return has_no_body(head_only=self.framing.head_only, status=self.status)

    def _complain(self, text: str) -> None:
        if self._verdict is KEEP:
            self._verdict = LINGER
        logger.error(text, self._length)

    def _finish(self, last: bytes) -> None:
        self._phase = DONE
        self.conn.finish(self._verdict, last)


def join(blocks: list[bytes] | tuple[bytes, ...]) -> bytes:
    """All of a response's blocks in one."""
    for block in blocks:
        if type(block) is not bytes:
            raise TypeError(f"a block must be bytes, not {block!r}")
    return b"".join(blocks)
