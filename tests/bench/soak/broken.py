"""The soak's server with gpool broken on purpose: what the checker is there to notice.

python -m tests.bench.soak.broken FAULT FOLDER SETTINGS
"""

import os
import sys
from collections.abc import Callable
from contextvars import copy_context
from itertools import count
from typing import Any

import gpool.workers
import gpool.wsgi.application
from bench.soak import serving
from bench.soak.application import Boom
from gpool import WSGIServer
from gpool.wsgi.connection import HTTPConnection

NOW_AND_THEN = 50  # of so many, one
WARM_UP = 8  # connections that are made at most before anything is compared


CALLS = count(1)


def due() -> bool:
    return next(CALLS) % NOW_AND_THEN == 0


def finishing(change: Callable[[HTTPConnection, bytes], bytes]) -> None:
    """Change what some answers are."""
    finish = HTTPConnection.finish

    def changed(conn: HTTPConnection, verdict: Any, data: Any) -> None:
        data = bytes(data)
        finish(conn, verdict, change(conn, data) if data and due() else data)

    HTTPConnection.finish = changed  # type: ignore[assignment,method-assign]


def answers_twice(_host: serving.Host) -> None:
    finishing(lambda _conn, data: data + data)


def answers_with_anothers_bytes(_host: serving.Host) -> None:
    before = [b""]

    def swap(_conn: HTTPConnection, data: bytes) -> bytes:
        before[0], other = data, before[0]
        return other or data

    finishing(swap)


def changes_a_byte(_host: serving.Host) -> None:
    finishing(lambda _conn, data: data[:-1] + bytes((data[-1] ^ 1,)))


def loses_answers(_host: serving.Host) -> None:
    def lose(conn: HTTPConnection, _data: bytes) -> bytes:
        conn.hang_up()
        return b""

    finishing(lose)


def calling(host: serving.Host, call: Callable[[Any, Any, Any], Any]) -> None:
    """Call some requests' application in another way."""
    application = host.application

    def changed(environ: Any, start_response: Any) -> Any:
        wanted = environ["PATH_INFO"].startswith("/f/") and due()
        return (call if wanted else usual)(application, environ, start_response)

    def usual(application: Any, environ: Any, start_response: Any) -> Any:
        return application(environ, start_response)

    for server in host.servers.values():
        server.site.application = changed


def runs_twice(host: serving.Host) -> None:
    def twice(application: Any, environ: Any, start_response: Any) -> Any:
        copy_context().run(application, environ, lambda *_: None)
        return application(environ, start_response)

    calling(host, twice)


def answers_500_after_running_well(host: serving.Host) -> None:
    def fail(application: Any, environ: Any, start_response: Any) -> Any:
        application(environ, start_response)
        raise Boom("although it has run")

    calling(host, fail)


def answers_without_running(host: serving.Host) -> None:
    def skip(application: Any, environ: Any, start_response: Any) -> Any:
        _, _, number, size = environ["PATH_INFO"].split("/")
        return application.plain(int(number, 16), int(size), environ, start_response)

    calling(host, skip)


def leaks_a_descriptor(_host: serving.Host) -> None:
    forget = WSGIServer.close_connection
    once = [True]

    def leak(server: WSGIServer, conn: Any) -> None:
        if once and server.accepted > WARM_UP:  # the warm-up is over
            once.clear()
            os.open("/dev/zero", os.O_RDONLY)
        forget(server, conn)

    WSGIServer.close_connection = leak  # type: ignore[assignment,method-assign]


def reuses_tainted_workers(host: serving.Host) -> None:
    """References count for nothing."""
    pools = [server.pool for server in host.servers.values()]
    for module in (gpool.workers, gpool.wsgi.application):
        vars(module)["getrefcount"] = lambda _: 1
    for pool in pools:
        pool._parked_references = 1


if __name__ == "__main__":
    fault = globals()[sys.argv[1]]
    serving.main(sys.argv[2], sys.argv[3], fault)
