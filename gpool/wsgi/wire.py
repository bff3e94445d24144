"""The socket of a connection: sending, waiting, reading a body; which side does what.

Whatever is sent goes through one ordered list of what the kernel did not take, so that an answer
may be begun by a worker, or by several requests of a batch, and be ended by the Hub. A worker that
has to wait for the socket waits here, with a deadline; the Hub wakes it from the one watcher that
a connection has.

Guarantees: sending never blocks, `Wire.write` does; bytes leave in the order in which they were
given; a worker that waits is woken by the socket, its deadline or a kill, and by nothing else.

Which request a byte belongs to, and what state the connection is in, is left to
`gpool.wsgi.connection`.
"""

import os
from collections.abc import Callable
from enum import Enum, auto
from math import inf
from typing import Any, TypeAlias

import gevent
from gevent import socket as gevent_socket
from gevent.hub import get_hub
from greenlet import getcurrent, greenlet

from gpool.connection import ConnState
from gpool.errors import BodyTimeout, ClientDisconnected, WriteTimeout
from gpool.wsgi.body import Body, LengthBody
from gpool.wsgi.site import Site
from gpool.wsgi.watched import READ, WRITE, Watched
from gpool.wsgi.windows import LARGE_ANSWER, heed_window

__all__ = [
    "CHUNK",
    "CLOSE",
    "HELD",
    "KEEP",
    "LINGER",
    "OPEN",
    "READ",
    "WRITE",
    "Peer",
    "Verdict",
    "Wire",
    "Wrap",
]

Wrap: TypeAlias = Callable[[Any, bytes], Any]
CHUNK = 65_536  # bytes read at a time, and kept of what comes while a worker is at work
HELD = 65_536  # bytes of answers that wait for the rest of their batch
TURN = 524_288  # bytes that one connection may send before others have their turn; arbitrary


class Verdict(Enum):
    """What becomes of a connection after a response."""

    KEEP = auto()
    CLOSE = auto()  # the client expects it
    LINGER = auto()  # the client may be sending still, and must get the answer
    RESET = auto()  # the answer is not complete, and nothing else would tell


KEEP, CLOSE, LINGER = Verdict.KEEP, Verdict.CLOSE, Verdict.LINGER


class Peer(Enum):
    """What is known of the client."""

    OPEN = auto()
    ENDED = auto()  # sends no more; may still read
    GONE = auto()


OPEN = Peer.OPEN
UNFINISHED = (ConnState.NEW, ConnState.READING, ConnState.WRITING)


class Wire(Watched):
    """A client's socket.

    Args:
        socket: non-blocking, with the methods of `_socket.socket`.
        address: the peer's.
        site: what it shares with the others.

    Attributes:
        buffer: what has come and is not used yet.
        body: of the request that is read or served, until it is over.
        expects: whether the client waits for "100 Continue".
        peer: whether it is still there.
    """

    __slots__ = (
        "_decoded",
        "_out",
        "_out_size",
        "_request_deadline",
        "_turn",
        "_verdict",
        "_wait_error",
        "_waiter",
        "body",
        "buffer",
        "deadline",
        "expects",
        "peer",
        "slot",
    )

    def __init__(self, socket: Any, address: Any, site: Site) -> None:
        self.take(socket, address)
        self.join(site)

    def join(self, site: Site) -> None:
        """Hub side. The rest of the constructor; see `Connection.take`."""
        self.site = site
        self.buffer = b""
        self.body: Body | None = None
        self.expects = False
        self.peer = OPEN
        self.deadline = inf
        self.slot = 0
        self._io: Any = None
        self._decoded = b""  # what the application has not yet read of a chunk
        self._out: list[Any] = []  # what the kernel did not take
        self._out_size = 0
        self._waiter: greenlet | None = None  # the worker that waits for the socket
        self._wait_error: type[Exception] = BodyTimeout
        self._request_deadline = inf
        self._turn = TURN  # bytes until the others' turn
        self._verdict = KEEP  # what follows WRITING

    # ------------------------------------------------------------------ for subclasses

    def expired(self) -> None:
        """Hub side. The deadline is over."""
        raise NotImplementedError

    def finish(self, verdict: Verdict, data: Any) -> None:
        """Worker side. Send `data`, the last of a response, and give the connection back."""
        raise NotImplementedError

    # ------------------------------------------------------------------ any side: sending

    def _send(self, data: Any) -> None:
        """Any side. Send what the kernel takes, and keep the rest."""
        if self.peer is Peer.GONE:
            return
        if self._out:
            self._out.append(data)
            self._out_size += len(data)
            return
        try:
            sent = self._socket.send(data) if data else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            self.peer = Peer.GONE
            return
        if sent != len(data):
            self._out.append(memoryview(data)[sent:])
            self._out_size = len(data) - sent

    def _flush(self) -> bool:
        """Any side. Send more of what was kept; returns whether anything was taken."""
        out = self._out
        if len(out) > 1 and self._out_size <= 2 * HELD:
            out[:] = [b"".join(out)]
        before = self._out_size
        try:
            while out:
                sent = self._socket.send(out[0])
                self._out_size -= sent
                if sent == len(out[0]):
                    del out[0]
                else:
                    out[0] = memoryview(out[0])[sent:]
        except BlockingIOError:
            self._moved(before - self._out_size)
        except OSError:
            self.peer = Peer.GONE
            self._drop_out()
        return self._out_size < before

    def _drop_out(self) -> None:
        # Any side. Nobody will take what was kept.
        self._out.clear()
        self._out_size = 0

    # ------------------------------------------------------------------ waiting

    def is_slow(self) -> bool:
        """Hub side. Whether it still waits for the rest of something."""
        return self.state in UNFINISHED or self._waiter is not None

    def _wait(self, events: int, after: float, error: type[Exception]) -> None:
        """Worker side. Wait until the socket is ready; raises `error` after `after` seconds."""
        if self._waiter is not None:
            raise RuntimeError("another greenlet waits for this connection")
        hub = get_hub()
        deadlines = self.site.deadlines
        slow = self.site.slow
        self._wait_error = error
        self._waiter = getcurrent()
        slow.workers += 1
        try:
            if slow.workers_crowded:
                self._moved(0)
            deadlines.set(self, min(after, self._request_deadline - deadlines.now))
            self._watch(events)
            while self._waiting():
                hub.switch()
        finally:
            self._waiter = None
            slow.workers -= 1
            deadlines.set_at(self, self._request_deadline)
            if self._io is not None and events != READ:
                self._watch(READ)
            if self.peer is not OPEN and self._io is not None:
                self._io.stop()

    def _waiting(self) -> bool:
        return self._waiter is not None

    # ------------------------------------------------------------------ worker side

    def _check(self) -> None:
        # Worker side.
        if self.state is not ConnState.ACTIVE:
            raise ClientDisconnected("the request is over")
        if self.peer is Peer.GONE:
            raise ClientDisconnected("the client went away")

    def write(self, data: Any, left: int = 0) -> None:
        """Worker side. Send `data`; returns when all but `left` bytes of it are with the kernel.

        Raises:
            ClientDisconnected: the client is gone.
            WriteTimeout: it took nothing for `write_timeout` seconds.
        """
        self._check()
        if len(data) > LARGE_ANSWER:
            heed_window(self._socket)
        self._send(data)
        while self._out_size > left:
            self._wait(WRITE, self.site.settings.write_timeout, WriteTimeout)
            self._flush()
        self._take_turns(len(data))
        self._check()

    def interim(self, data: bytes) -> None:
        """Worker side. Send a response that is not the final one."""
        self.write(data, self.site.settings.write_buffer)

    def send_file(self, descriptor: int, offset: int, count: int) -> int:
        """Worker side. Let the kernel send part of a file; returns how many bytes there were."""
        self.write(b"")
        if count > LARGE_ANSWER:
            heed_window(self._socket)
        done = 0
        while done < count:
            try:
                sent = os.sendfile(
                    self._socket.fileno(), descriptor, offset + done, min(count - done, TURN)
                )
            except BlockingIOError:
                sent = -1
            except ConnectionError as error:  # any other is the file's
                self.peer = Peer.GONE
                raise ClientDisconnected(str(error)) from error
            if sent < 0:  # not in the clause above, whose error would be kept while this waits
                self._wait(WRITE, self.site.settings.write_timeout, WriteTimeout)
                continue
            if not sent:
                break
            done += sent
            self._take_turns(sent)
        return done

    def _take_turns(self, sent: int) -> None:
        # Worker side. A client that reads as fast as we write must not keep the Hub to itself.
        self._turn -= sent
        if self._turn <= 0:
            self._turn = TURN
            gevent.sleep(0)

    def read_body(self, body: Body, into: memoryview) -> int:
        """Worker side. Read some of `body` into `into`; 0 at its end.

        Raises:
            BadRequest: it is malformed or too large.
            BodyTimeout: nothing of it came for `body_timeout` seconds.
            ClientDisconnected: it ends too early, or the request is over.
        """
        while not self._decoded:
            if body.done:
                return 0
            self._check()
            if body is not self.body:  # of a request that is over
                raise ClientDisconnected("the request is over")
            if not self.buffer and isinstance(body, LengthBody):
                # A slice that is not needed is one object more for the collector, while this waits.
                count = self._receive_into(into if len(into) <= body.left else into[: body.left])
                if count:
                    body.took(count)
                    return count
            elif self.buffer or self._receive_body():
                self._decode(body)
        piece = self._decoded[: len(into)]
        self._decoded = self._decoded[len(piece) :]
        into[: len(piece)] = piece
        return len(piece)

    def _decode(self, body: Body) -> None:
        data, self.buffer = self.buffer, b""
        self._decoded = body.feed(data)
        if body.done:
            self.buffer, body.rest = body.rest, b""

    def _receive_into(self, into: memoryview) -> int:
        # 0 after waiting for more.
        try:
            count: int = self._socket.recv_into(into)
        except BlockingIOError:
            count = -1
        except OSError as error:
            self.peer = Peer.GONE
            raise ClientDisconnected(str(error)) from error
        if count < 0:  # not in the clause above: the error, its traceback and frames would be kept
            self._wait_for_body()
            return 0
        if not count:
            self.peer = Peer.ENDED
            raise ClientDisconnected("the body ended too early")
        if count < len(into):
            self._moved(count)
        return count

    def _receive_body(self) -> bool:
        data = bytearray(CHUNK)
        count = self._receive_into(memoryview(data))
        self.buffer = bytes(data[:count])
        return count > 0

    def _wait_for_body(self) -> None:
        if self.expects:
            self.expects = False
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")  # all of it: the client waits for it
        self._wait(READ, self.site.settings.body_timeout, BodyTimeout)

    def hijack(self, wrap: Wrap | None = None) -> tuple[Any, bytes]:
        """Worker side. Give the socket away, with what was read and not used.

        Args:
            wrap: makes of both what the application gets in the socket's place.
        """
        self.write(b"")
        rest, self.buffer = self.buffer, b""
        self._unwatch()
        self.site.deadlines.drop(self)
        self.body = None
        self.worker = None
        sock = self._blocking_socket()
        sock = self._socket = wrap(sock, rest) if wrap else sock
        self.site.hijacked(self)  # from here on, the connection has only a weak reference to it
        return sock, rest

    def _blocking_socket(self) -> Any:
        # Worker side. The socket, as an application may have it.
        raw = self._socket
        descriptor = raw.detach()
        try:
            return gevent_socket.socket(raw.family, raw.type, raw.proto, fileno=descriptor)
        except BaseException:
            os.close(descriptor)
            raise

    def let_go(self, after: float) -> None:
        """Any side. Who hijacked the connection is done with it: close it, if they have not.

        Args:
            after: seconds that their own greenlets may have it still, 0 for none.
        """
        if self.state is ConnState.HIJACKED and after and not self.gone():
            self.site.deadlines.set(self, after)
        elif self.state is ConnState.HIJACKED:
            self.hang_up()
            self.site.closed(self)

    def __call__(self) -> bool:
        """Any side. ``gpool.disconnected``: whether the client has gone, as far as is known."""
        return self.peer is not OPEN
