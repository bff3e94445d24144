"""What gpool raises.

One small tree. Expected outcomes are return values (a full pool answers ``False``), so most
of these are misuse: the text says what to do instead. Two are not errors but control flow and
derive from `BaseException`, so that an application's ``except Exception`` does not swallow
them: `Hijacked` and `RequestTimeout`, as `greenlet.GreenletExit` and `gevent.Timeout` do.
"""

__all__ = [
    "BadRequest",
    "BodyTimeout",
    "ClientDisconnected",
    "GpoolError",
    "HandshakeFailed",
    "Hijacked",
    "IllegalMove",
    "PoolClosed",
    "PoolFull",
    "RequestTimeout",
    "WriteTimeout",
]


class GpoolError(Exception):
    """Base of every error that gpool raises on its own account."""


class PoolClosed(GpoolError):
    """A job was given to a pool after `WorkerPool.stop`; call `WorkerPool.start` first."""


class PoolFull(GpoolError):
    """`WorkerPool.spawn` was called from the Hub while every worker was busy.

    The Hub cannot wait. Ask `WorkerPool.full` first, or use `WorkerPool.serve`, which answers
    ``False`` instead of raising.
    """


class HandshakeFailed(GpoolError):
    """A client did not get through the TLS handshake: silent, plain text, nothing in common."""


class IllegalMove(GpoolError):
    """A state was to change in a way that its table does not allow; nothing was changed.

    Seeing this means a defect in gpool, never in the application.
    """


class BadRequest(GpoolError):
    """A client's request is malformed, too large, or of a kind that is not served.

    Attributes:
        status: the HTTP status that says so.
    """

    def __init__(self, status: int, text: str) -> None:
        if not 400 <= status <= 599:  # noqa: PLR2004  # HTTP's errors
            raise ValueError(f"the status of an error must be 400 to 599, not {status!r}")
        super().__init__(text)
        self.status = status


class ClientDisconnected(GpoolError, ConnectionError):
    """The client went away: while its body was read, its answer written, or in between."""


class BodyTimeout(GpoolError, TimeoutError):
    """Nothing of the request's body came for `body_timeout` seconds."""


class WriteTimeout(GpoolError, TimeoutError):
    """The client took nothing of the response for `write_timeout` seconds."""


class RequestTimeout(BaseException):
    """Raised in an application that takes longer than `request_timeout` for a request."""


class Hijacked(BaseException):
    """Raised by a handler that keeps its socket; the same as returning `gpool.HIJACKED`."""
