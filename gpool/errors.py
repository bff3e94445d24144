"""What gpool raises.

One small tree. Expected outcomes are return values (a full pool answers ``False``), so most
of these are misuse: the text says what to do instead. Two are not errors but control flow and
derive from `BaseException`, so that an application's ``except Exception`` does not swallow
them: `Hijacked` here, as `greenlet.GreenletExit` in gevent.
"""

__all__ = ["GpoolError", "HandshakeFailed", "Hijacked", "IllegalMove", "PoolClosed", "PoolFull"]


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


class Hijacked(BaseException):
    """Raised by a handler that keeps its socket; the same as returning `gpool.HIJACKED`."""
