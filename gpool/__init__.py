"""gpool: fasthttp's worker pool for gevent, and servers on it. Public names, no logic."""

from gpool.connection import HIJACKED, Connection, ConnState
from gpool.errors import (
    BadRequest,
    BodyTimeout,
    ClientDisconnected,
    GpoolError,
    Hijacked,
    PoolClosed,
    PoolFull,
    RequestTimeout,
    WriteTimeout,
)
from gpool.limits import Refusal
from gpool.pool import PoolState, WorkerPool
from gpool.server import StreamServer
from gpool.stats import PoolStats, ServerStats
from gpool.version import __version__
from gpool.wsgi.server import WSGIServer

__all__ = [
    "HIJACKED",
    "BadRequest",
    "BodyTimeout",
    "ClientDisconnected",
    "ConnState",
    "Connection",
    "GpoolError",
    "Hijacked",
    "PoolClosed",
    "PoolFull",
    "PoolState",
    "PoolStats",
    "Refusal",
    "RequestTimeout",
    "ServerStats",
    "StreamServer",
    "WSGIServer",
    "WorkerPool",
    "WriteTimeout",
    "__version__",
]
