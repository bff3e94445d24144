"""Worker side: one request, from the call of the application to the last byte of its answer.

An `Exchange` is what a worker is given: a request's environ, and the connection to answer on. It
calls the application, lets `gpool.wsgi.answer` send what comes, and calls ``close``.

Guarantees:

- ``close`` is called once, whatever happened, and nothing of the application runs after it.
- Whatever an application raises ends its own request only: as a 500 if nothing was sent, else by
  ending the connection so that the client can tell. SystemExit is an error like any other here: a
  request must not end the server. Control-C still does.

How the answer is framed is left to `gpool.wsgi.answer`; what becomes of the connection, to it.
"""

import logging
from dis import opmap
from sys import getrefcount
from time import time
from typing import Any

from greenlet import GreenletExit, getcurrent

from gpool.connection import ConnState
from gpool.errors import (
    BadRequest,
    BodyTimeout,
    ClientDisconnected,
    Hijacked,
    RequestTimeout,
    WriteTimeout,
)
from gpool.wsgi.answer import (
    COMPLETE,
    DONE,
    GOODBYE,
    HIJACKED,
    NEW,
    SENT,
    STARTED,
    TAKEN,
    UPGRADED,
    Answer,
    Phase,
)
from gpool.wsgi.framing import Environ, Framing
from gpool.wsgi.response import BodyFraming, body_of, canned, line_of
from gpool.wsgi.wire import Verdict, Wire, Wrap

__all__ = ["Exchange"]

logger = logging.getLogger("gpool.wsgi")

SWITCHING = 101  # RFC 9110 section 15.2.2
RAISES = (opmap["RAISE_VARARGS"], opmap["RERAISE"])


class Exchange(Answer):
    """One request and its response.

    Args:
        conn: where the request came from.
        environ: for the application; the exchange does not keep it.
        framing: what the request's head said.
    """

    __slots__ = ("environ",)

    def __init__(self, conn: Wire, environ: Environ, framing: Framing) -> None:
        self.begin(conn, environ, framing)

    def begin(self, conn: Wire, environ: Environ, framing: Framing) -> None:
        """Hub side. The constructor; see `Connection.take`."""
        self.conn = conn
        self.framing = framing
        self.environ: Environ | None = environ
        self.status = ""
        self.sent = 0
        self._phase = NEW
        self._enough = False
        # Two can be called as they are, which spares each request two bound methods.
        environ["gpool.hijack"] = self
        environ["gpool.disconnected"] = conn
        environ["wsgi.early_hints"] = self.early_hints

    def __repr__(self) -> str:
        return f"<Exchange {self._phase.name} {self.status}>"

    def take_environ(self) -> Environ | None:
        """Any side. The environ of a request that is not to be run; it holds the exchange."""
        environ, self.environ = self.environ, None
        return environ

    # ------------------------------------------------------------------ the request

    def run(self) -> None:  # noqa: C901  # see below
        """Worker side. Run this request, and what else has come with it.

        In one function, since it is the hot path. Requests of a batch share a hand-off, which is a
        third of what a request costs. Not if something may still switch to the worker, which would
        reach another request (see `gpool.workers`): with the worker itself on top, its references
        may say so without need, after a wait; then the Hub hands the next request over.
        """
        exchange = self
        conn: Any = self.conn  # an `HTTPConnection`, which is above this module
        site = conn.site
        application, access = site.application, site.access
        worker = getcurrent()
        references = getrefcount(worker) if conn.buffer and site.fresh_context else 0
        while True:
            conn.worker = worker
            environ: Any = exchange.environ
            exchange.environ = None  # or it would hold itself, through its bound methods
            started = 0.0 if access is None else time()
            result: Any = None
            whole = False
            try:
                try:
                    result = application(environ, exchange.start_response)
                    whole = type(result) is list or type(result) is tuple
                    if whole and exchange._phase is STARTED:
                        exchange._send_list(result)
                    else:
                        exchange._send_iterable(result)
                finally:
                    if not whole and hasattr(result, "close"):
                        result.close()
                if exchange._phase is COMPLETE:
                    exchange._finish(b"")
            except BaseException as error:
                if exchange._failed(error, environ):
                    if access is not None:
                        access.add(environ, exchange.status, exchange.sent, started)
                    raise
            if access is not None:
                access.add(environ, exchange.status, exchange.sent, started)
            if not references or getrefcount(worker) != references:
                return
            following: Exchange | None = conn.next_of_batch()
            if following is None:
                return
            exchange = following
            worker.gr_context = site.fresh_context()

    # ------------------------------------------------------------------ errors

    def _failed(self, error: BaseException, environ: Any) -> bool:
        """Worker side. Answer if nothing was sent, else end the connection; log what is news.

        Returns:
            Whether `error` is to end the worker too.
        """
        conn = self.conn
        status = self._blame(error, environ)
        phase, self._phase = self._phase, DONE
        if phase is DONE or phase is HIJACKED:
            pass
        elif phase is UPGRADED:
            conn.let_go(GOODBYE if status == SWITCHING else 0.0)
        elif phase is COMPLETE:  # only close() failed
            conn.finish(self._verdict, b"")
        elif phase is SENT:
            ends_with_close = self._body_framing is BodyFraming.CLOSE
            reset = ends_with_close or isinstance(error, WriteTimeout)
            conn.finish(Verdict.RESET if reset else Verdict.LINGER, b"")
        else:
            self.status = str(status)
            text = "Internal Server Error" if status == 500 else str(error)  # noqa: PLR2004
            only = self.framing.head_only
            self.sent = 0 if only else len(body_of(text))
            conn.finish(Verdict.LINGER, canned(status, text, conn.site.dates, head_only=only))
        return isinstance(error, GreenletExit) or is_control_c(error)

    def _blame(self, error: BaseException, environ: Environ) -> int:
        # The status that says whose fault it is.
        if isinstance(error, BadRequest):
            return error.status
        if isinstance(error, BodyTimeout):
            return 408
        if isinstance(error, (ClientDisconnected, WriteTimeout, GreenletExit, Hijacked)):
            return 500
        if self._phase in TAKEN and self._is_its_end(error):
            return SWITCHING
        self.conn.site.errors += 1
        request = f"{environ.get('REQUEST_METHOD')} {environ.get('RAW_URI')}"
        if isinstance(error, RequestTimeout):
            logger.error("%s took longer than request_timeout", request, exc_info=error)
            return 504
        logger.error("the application raised, for %s", request, exc_info=error)
        return 500

    def _is_its_end(self, error: BaseException) -> bool:
        # How libraries end a WebSocket: flask-sock and engineio; or what the client's end looks
        # like to who still reads or writes.
        if isinstance(error, StopIteration) or type(error) is ConnectionError:
            return True
        if self._phase is HIJACKED or not isinstance(error, OSError):
            return False
        conn = self.conn
        if conn.state is ConnState.CLOSED:  # by the end of a drain
            return True
        return conn.socket is not None and conn.caused(error)

    # ------------------------------------------------------------------ what the environ offers

    def early_hints(self, headers: list[tuple[str, str]]) -> None:
        """Worker side. Send a 103 (RFC 8297) to a client that knows such; before the response.

        Raises:
            AssertionError: the response's head is sent.
            TypeError: see `start_response`.
            ValueError: the same.
        """
        lines = [line_of(header) for header in headers]
        if self._phase not in (NEW, STARTED):
            raise AssertionError("early hints come before the response")
        if self.framing.http11:
            self.conn.interim(b"HTTP/1.1 103 Early Hints\r\n%b\r\n" % b"".join(lines))

    def __call__(self) -> tuple[Any, bytes]:
        """Worker side. ``gpool.hijack``: take the connection for good.

        Returns:
            A socket of gevent, in blocking mode, and what was read from it beyond the request.

        Raises:
            AssertionError: something was sent, or the response is over.
        """
        return self._take(HIJACKED)

    def upgrade(self, wrap: Wrap) -> Any:
        """Worker side. Take the connection until the call of the application is over.

        Args:
            wrap: makes one thing of the socket and of what was read from it.

        Raises:
            AssertionError: see `__call__`.
        """
        taken, _ = self._take(UPGRADED, wrap)
        self.status = f"{SWITCHING} Switching Protocols"
        return taken

    def _take(self, phase: Phase, wrap: Wrap | None = None) -> tuple[Any, bytes]:
        if self._phase not in (NEW, STARTED):
            raise AssertionError("a connection can be hijacked only before the response is sent")
        taken = self.conn.hijack(wrap)
        self._phase = phase
        return taken


def is_control_c(error: BaseException) -> bool:
    """Whether `error` is a KeyboardInterrupt of the user, and not one that an application raised.

    Python raises it wherever it happens to be, an application too, which has a ``raise`` there.
    """
    if not isinstance(error, KeyboardInterrupt):
        return False
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is None or last.tb_frame.f_code.co_code[last.tb_lasti] not in RAISES
