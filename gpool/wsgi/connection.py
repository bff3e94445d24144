"""Hub side: one connection of an HTTP client, from accept to close.

A connection belongs to the Hub until a whole request is there; then a worker has it for as long
as the application needs, and the Hub takes it back. Follow it from the top: `begin`, `ready`,
`_receive`, `next_request`; then, on the worker's side, `finish`.

    NEW --bytes--> READING --whole--> (QUEUED) --> ACTIVE --> IDLE --bytes--> READING ...
                                                     |    +-> WRITING: the rest of the answer
                                                     v
                                      LINGERING, HIJACKED, CLOSED

Guarantees:

- A worker is held by the application only, or by what it reads or writes beyond the buffers.
- Requests of one connection are run one after the other, answers leave in the order of requests;
  those of a batch that was read at once leave together.
- One watcher for the whole life. While a worker has the connection it stays on, so that a client
  that goes is noticed, and is stopped only when more comes than is to be kept.
- What a stalled or broken client leaves behind is at most a deadline.

Sending and waiting is `gpool.wsgi.wire`'s; what the bytes mean, `gpool.wsgi.request`'s and
`gpool.wsgi.body`'s.
"""

from collections.abc import Callable
from contextlib import suppress
from math import inf
from socket import SO_LINGER, SOL_SOCKET
from struct import pack
from typing import Any

from gpool.connection import Connection, ConnState
from gpool.errors import ClientDisconnected, PoolClosed, RequestTimeout
from gpool.wsgi.application import Exchange
from gpool.wsgi.intake import Intake
from gpool.wsgi.wire import CHUNK, CLOSE, HELD, KEEP, OPEN, READ, WRITE, Peer, Verdict

__all__ = ["HTTPConnection"]

RESET = pack("ii", 1, 0)  # SO_LINGER: close with a reset

NEW, READING, QUEUED, ACTIVE, WRITING, IDLE, LINGERING, HIJACKED, CLOSED = ConnState
GIVEN_AWAY = (LINGERING, HIJACKED, CLOSED)


class HTTPConnection(Intake):
    """A client's connection.

    Args:
        socket: non-blocking, with the methods of `_socket.socket`.
        address: the peer's.
        site: what it shares with the others.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<HTTPConnection {self.state.name} from {self.address!r}>"

    # ------------------------------------------------------------------ Hub side: reading

    def begin(self, *, at_once: bool) -> None:
        """Hub side. Wait for the first request; `at_once`: it may be here already."""
        try:
            if at_once:
                self.ready()
        finally:  # also when memory ran out: it is counted, so somebody must look after it
            if self.state is NEW:
                self.site.deadlines.set(self, self.site.settings.header_timeout)
            if self._io is None and self.state not in GIVEN_AWAY:
                self._watch_first()

    def ready(self) -> None:
        """Hub side. The socket is ready for what it is watched for."""
        if self.state is not IDLE and self._ready_otherwise():
            return
        try:
            data = self._socket.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            self.peer = Peer.GONE
            self.site.closed(self)
            return
        site = self.site
        known = site.whole.get(data)
        if known is not None and not self.buffer and self.body is None:
            # A request that is known, and nothing else. The rest does the same for all cases.
            exchange = self._begin(known[0].copy(), known[1])
            try:
                if site.serve(exchange):
                    return
            except PoolClosed:
                pass
            site.no_worker(self, exchange)
        elif data:
            self._receive(data)
        else:
            self.peer = Peer.ENDED
            self._pump()

    def _receive(self, data: bytes) -> None:
        # Hub side. What has come; nearly always it is a request, and begins where one may.
        buffer = self.buffer
        if buffer or self.body is not None:
            self.buffer = buffer + data
            if not self._goes_on(buffer, data):
                self._pump()
            return
        self.buffer = data
        exchange = self.next_request()
        if exchange is None:
            self._after_batch()
        elif self.buffer:
            self._pump(exchange)
        else:
            self._give(exchange, self.site.serve)

    def _give(self, exchange: Exchange, serve: Callable[[Exchange], bool]) -> None:
        try:
            served = serve(exchange)
        except PoolClosed:
            served = False
        if not served:
            self.site.no_worker(self, exchange)

    def _ready_otherwise(self) -> bool:
        # Hub side. False if it is a request that is waited for.
        waiter, state = self._waiter, self.state
        if waiter is not None:
            self._waiter = None
            waiter.switch()
        elif state is WRITING:
            self._write_on()
        elif state is ACTIVE or state is QUEUED:
            self._read_ahead()
        else:
            return False
        return True

    def _read_ahead(self) -> None:
        # A worker has the connection: the next request, the body of this one, or the end.
        if self._out:
            self._flush()
            if not self._out:
                self._watch(READ)
            return
        if self.body is not None or len(self.buffer) >= CHUNK:
            self._io.stop()  # the worker reads it, or it can wait
            return
        try:
            data = self._socket.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            self.peer = Peer.GONE
            if self.state is QUEUED:
                self.site.closed(self)
                return
        else:
            if data:
                self.buffer += data
                return
            self.peer = Peer.ENDED
        self._io.stop()
        if self.site.settings.cancel_on_disconnect and self.worker is not None:
            self.worker.throw(ClientDisconnected("the client went away"))

    def _pump(
        self,
        exchange: Exchange | None = None,
        serve: Callable[[Exchange], bool] | None = None,
    ) -> None:
        """Hub side. Serve what is in the buffer, until one has to wait.

        Args:
            exchange: to be served before that.
            serve: how; the site's way by default.
        """
        site = self.site
        site.pumping = self
        try:
            while True:
                exchange = exchange or self.next_request()
                if exchange is None:
                    break
                self._give(exchange, serve or site.serve)
                if self.state is not IDLE or not self.buffer:
                    break
                exchange = serve = None
        finally:
            site.pumping = None
        self._after_batch()

    def next_of_batch(self) -> Exchange | None:
        """Worker side. What else has come with a request, if that was answered without a wait."""
        going_on = self.site.pumping is self and self.state is IDLE and self._out_size <= HELD
        return self.next_request() if going_on else None

    def _after_batch(self) -> None:
        # Hub side. What was held back leaves now.
        if self._out:
            self._flush()
        if not self._out and self.state is WRITING:
            self.settle(self._verdict)
        elif self._out and self.state is ACTIVE:
            self._watch(WRITE)
        elif self._out and self.state in (IDLE, READING):
            self._write_then(KEEP)
        elif self.state is IDLE:
            self.settle(KEEP)
        elif self.state in (NEW, READING):
            if self.peer is OPEN:
                self._watch(READ)
            else:
                self._end(Verdict.CLOSE)

    def run(self, exchange: Exchange) -> None:
        """Hub side. A worker is free for a request that has waited."""
        self.state = ACTIVE
        if self.site.request_timeout != inf:
            self._limit()
        self._pump(exchange, self.site.give)

    def _resume(self) -> None:
        # Hub side. A worker has left, and more is in the buffer.
        if self.state is IDLE or (self.state is READING and self.body is not None):
            self._pump()

    # ------------------------------------------------------------------ any side: writing

    def _write_then(self, verdict: Verdict) -> None:
        """Any side. Let the Hub send the rest."""
        self.move(WRITING)
        self._verdict = verdict
        self._watch(WRITE)
        self.site.deadlines.set(self, self.site.settings.write_timeout)

    def _write_on(self) -> None:
        # Hub side.
        if self._flush():
            self.site.deadlines.set(self, self.site.settings.write_timeout)
        if not self._out:
            # The client has had time to send something, which a plain close would answer with a
            # reset.
            self.settle(Verdict.LINGER if self._verdict is CLOSE else self._verdict)

    # ------------------------------------------------------------------ any side: what is next

    def finish(self, verdict: Verdict, data: Any) -> None:
        """Worker side. Send `data`, the last of a response, and give the connection back."""
        self.worker = None
        if data and self.body is None and (verdict is KEEP or verdict is CLOSE):
            # Nearly always one of these three. What follows does the same for all cases.
            if self.buffer or self._out:
                if verdict is KEEP and self.site.pumping is self and self._out_size <= HELD:
                    # Part of a batch: its answers share a packet, see `_after_batch`.
                    self._out.append(data)
                    self._out_size += len(data)
                    self.state = IDLE
                    return
            else:
                try:
                    sent = self._socket.send(data)
                except BlockingIOError:
                    sent = 0
                except OSError:
                    sent = 0
                    self.peer = Peer.GONE
                if sent == len(data) and self.peer is OPEN:
                    if verdict is CLOSE:
                        self.site.closed(self)
                        return
                    self.state = IDLE
                    deadlines = self.site.deadlines
                    self.deadline = deadlines.usual
                    if not 0 < self.slot <= deadlines.usual_slot:
                        deadlines.set_usual(self)
                    return
                data = memoryview(data)[sent:]
        self._request_deadline = inf
        self._send(data)
        self.settle(verdict)

    def settle(self, verdict: Verdict) -> None:
        """Any side. A response is over."""
        body = self.body
        if body is not None and body.done:
            self._end_body(body)
            body = None
        if verdict is Verdict.RESET:
            self._drop_out()
        if self.peer is Peer.GONE:
            self._end(Verdict.RESET)  # if it is there all the same, it must not take this for all
        elif self._out:
            self._write_then(verdict)
        elif verdict is not KEEP:
            self._end(verdict)
        elif body is not None:
            self._read_rest_of_body()
        elif self.buffer or (self.peer is OPEN and self.site.keep_alive):
            self.state = IDLE
            self._idle()
        else:
            self._end(Verdict.CLOSE)

    def _read_rest_of_body(self) -> None:
        # The application has left some, or, with `_pending`, answers have left in between.
        self._decoded = b""
        self._searched = 0
        self.move(READING)
        self.site.deadlines.set(self, self.site.settings.body_timeout)
        self._watch(READ)
        if self.buffer or self.peer is not OPEN:
            self.site.loop.run_callback(self._resume)

    def _idle(self) -> None:
        # Any side. Wait for the next request.
        self.site.deadlines.set_usual(self)
        if self.peer is OPEN:
            self._watch(READ)
        if self.buffer and self.site.pumping is not self:
            self.site.loop.run_callback(self._resume)

    def _end(self, verdict: Verdict) -> None:
        """Any side. Close in the way that the client needs."""
        if verdict is Verdict.LINGER and self.peer is OPEN:
            self._unwatch()
            self.site.deadlines.drop(self)
            self.move(LINGERING)
            self.site.lingering.close(self._socket, b"", self)
            return
        if verdict is Verdict.RESET:
            with suppress(OSError):
                self._abort()
        self.site.closed(self)

    def _abort(self) -> None:
        # Any side. Let the close that follows be a reset.
        self._socket.setsockopt(SOL_SOCKET, SO_LINGER, RESET)

    def close(self) -> None:
        """Any side. Close the socket; a second call does nothing."""
        self._unwatch()
        if self.slot:
            self.site.deadlines.drop(self)
        self.buffer = b""
        self.body = self._pending = None
        if self._out:
            self._drop_out()
        Connection.close(self)  # not super(), which Cython lacks where C calls the method

    def drain(self) -> None:
        """Hub side. The server stops: answer what has come, and what may be on its way."""
        if self.state in (NEW, IDLE) and not self.buffer and self._socket is not None:
            self.ready()
            if self.state in (NEW, IDLE):
                self._close_when_quiet()

    def _close_when_quiet(self) -> None:
        # A client that has just connected, or got an answer, may have sent a request that is not
        # here yet; a close would lose it.
        settings, deadlines = self.site.settings, self.site.deadlines
        timeout = settings.header_timeout if self.state is NEW else settings.keepalive_timeout
        quiet = 0.0 if timeout == inf else deadlines.now - (self.deadline - timeout)
        left = settings.keepalive_min_timeout - quiet
        if left > 0:
            deadlines.set(self, left)
        else:
            self.site.closed(self)

    def expired(self) -> None:
        """Hub side. The deadline is over."""
        state = self.state
        if state is NEW or state is IDLE:
            self.site.closed(self)
        elif state is READING:
            if self.body is not None and self._pending is None:
                self._end(Verdict.CLOSE)
            else:
                self.refuse(408, "the request did not arrive in time")
        elif state is QUEUED:
            self.site.no_worker(self, None)
        elif state is WRITING:
            self._end(Verdict.RESET)
        elif state is ACTIVE:
            self._interrupt()
        elif state is HIJACKED:
            self.let_go(0.0)

    def _interrupt(self) -> None:
        worker, waiter = self.worker, self._waiter
        if self._request_deadline <= self.site.deadlines.now:
            self._request_deadline = inf
            if worker is not None:
                worker.throw(RequestTimeout("request_timeout is over"))
        elif waiter is not None:
            waiter.throw(self._wait_error("the client was silent for too long"))
