"""A site in Django on PostgreSQL, settings and all in one module.

The database is at DATABASE_HOST (a folder) and DATABASE_PORT; CONN_MAX_AGE, a number of seconds
or None, and CONN_HEALTH_CHECKS are Django's.

/pid        the number of the PostgreSQL process that answers
/wait       the same, when another connection says so: it waits for an advisory lock
/fail       begins a transaction, writes, and raises
/rows       how many rows have been written
/setting    sets a variable of the session, and shows what it was before
/collect    collects what is garbage

With the variable POOL_SIZE Django's own pool has so many connections at most, which goes with a
CONN_MAX_AGE of 0.
With the variable CLOSE_WITH_WORKER a connection is closed as soon as its worker has ended.

python -m tests.neighbours.database_site: serves it with gevent.pywsgi, for comparison.
"""

if __name__ == "__main__":
    from gevent import monkey

    monkey.patch_all()

import gc
import os
import signal
import sys
import threading
from ast import literal_eval
from typing import Any

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection, transaction
from django.db.backends.signals import connection_created
from django.http import HttpRequest, HttpResponse
from django.urls import path

__all__ = ["app"]

LOCK = 7  # of nobody else

POOL: dict[str, Any] = {}
if "POOL_SIZE" in os.environ:
    POOL["pool"] = {"min_size": 1, "max_size": int(os.environ["POOL_SIZE"]), "timeout": 20}

if not settings.configured:
    settings.configure(
        SECRET_KEY="of a test",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        LOGGING_CONFIG=None,
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "HOST": os.environ.get("DATABASE_HOST", ""),
                "PORT": os.environ.get("DATABASE_PORT", ""),
                "NAME": "postgres",
                "USER": "postgres",
                "CONN_MAX_AGE": literal_eval(os.environ.get("CONN_MAX_AGE", "None")),
                "CONN_HEALTH_CHECKS": "CONN_HEALTH_CHECKS" in os.environ,
                "OPTIONS": {"application_name": "site"} | POOL,
            }
        },
    )
    django.setup()


local = threading.local()


class ClosedWithWorker:
    """What goes with the last reference to it: a worker's locals have that one."""

    def __init__(self, opened: Any) -> None:
        self._opened = opened

    def __del__(self) -> None:
        self._opened.close()


def close_with_worker(connection: Any, **_: object) -> None:
    """Keep a new connection for as long as its worker lives."""
    setattr(local, connection.alias, ClosedWithWorker(connection.connection))


if "CLOSE_WITH_WORKER" in os.environ:
    connection_created.connect(close_with_worker)


def value(query: str) -> HttpResponse:
    """What a query has found."""
    with connection.cursor() as cursor:
        cursor.execute(query)
        return HttpResponse(str(cursor.fetchone()[0]), content_type="text/plain")


def pid(_request: HttpRequest) -> HttpResponse:
    return value("SELECT pg_backend_pid()")


def wait(_request: HttpRequest) -> HttpResponse:
    return value(f"SELECT pg_backend_pid() FROM pg_advisory_xact_lock_shared({LOCK})")


def fail(_request: HttpRequest) -> HttpResponse:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("INSERT INTO written VALUES (1)")
        raise RuntimeError("on purpose")


def rows(_request: HttpRequest) -> HttpResponse:
    return value("SELECT count(*) FROM written")


def setting(_request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(current_setting('site.seen', true), '')")
        before = cursor.fetchone()[0]
        cursor.execute("SET site.seen = 'yes'")
    return HttpResponse(before or "no")


def collect(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(gc.collect()))


VIEWS = (pid, wait, fail, rows, setting, collect)
urlpatterns = [path(view.__name__, view) for view in VIEWS]
app = get_wsgi_application()


def main() -> None:
    """Serve until SIGTERM comes."""
    import gevent
    from gevent.pywsgi import WSGIServer

    server = WSGIServer(("127.0.0.1", 0), app, log=None)
    gevent.signal_handler(signal.SIGTERM, server.stop, 1)
    server.start()
    sys.stderr.write(f"port {server.server_port}\n")
    server.serve_forever()


if __name__ == "__main__":
    main()
