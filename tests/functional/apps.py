"""Real applications, served in a process of their own, monkey-patched as in production.

python -m tests.functional.apps flask|django: serves on a free port and prints it.
"""

from gevent import monkey

monkey.patch_all()

import signal  # noqa: E402  # after the patch, as in any application
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402
from gevent.pywsgi import WSGIServer  # noqa: E402

from gpool import WorkerPool  # noqa: E402

pool = WorkerPool(max_workers=50)
current: list[int] = [0, 0]  # requests in flight, and the most there were


def counted() -> None:
    """Block for a moment, as a database would, and count who does so at the same time."""
    current[0] += 1
    current[1] = max(current)
    time.sleep(0.05)
    current[0] -= 1


def numbers() -> dict[str, Any]:
    """What the tests ask about."""
    stats = pool.stats()
    return {
        "most_at_once": current[1],
        "created": stats.created,
        "reused": stats.reused,
        "tainted": stats.tainted,
        "running": stats.running,
    }


def flask_app() -> Any:
    """A Flask application with request locals, a body, an error."""
    from flask import Flask, g, jsonify, request

    app = Flask(__name__)

    @app.before_request
    def fresh() -> None:
        assert not hasattr(g, "seen"), "of another request"
        g.seen = request.path

    @app.get("/wait")
    def wait() -> str:
        counted()
        return str(g.seen)

    @app.post("/body")
    def body() -> Any:
        return request.get_data()[::-1]

    @app.get("/fail")
    def fail() -> str:
        raise RuntimeError("on purpose")

    app.add_url_rule("/numbers", view_func=lambda: jsonify(numbers()))
    return app


def django_app() -> Any:
    """A Django application with a database connection that is kept for the next request."""
    import django
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.db import connection
    from django.http import HttpRequest, HttpResponse, JsonResponse
    from django.urls import path
    from django.views.decorators.csrf import csrf_exempt

    settings.configure(
        SECRET_KEY="of a test",
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=__name__,
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": ":memory:",
                "CONN_MAX_AGE": None,
            }
        },
    )
    django.setup()
    opened: set[int] = set()

    def wait(request: HttpRequest) -> HttpResponse:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
        opened.add(id(connection.connection))
        counted()
        return HttpResponse(request.path)

    @csrf_exempt  # type: ignore[untyped-decorator]  # Django has no annotations
    def body(request: HttpRequest) -> HttpResponse:
        return HttpResponse(request.body[::-1])

    def fail(request: HttpRequest) -> HttpResponse:
        raise RuntimeError("on purpose")

    urlpatterns[:] = [
        path("wait", wait),
        path("body", body),
        path("fail", fail),
        path("numbers", lambda request: JsonResponse(numbers() | {"opened": len(opened)})),
    ]
    return get_wsgi_application()


urlpatterns: list[Any] = []
APPLICATIONS: dict[str, Callable[[], Any]] = {"flask": flask_app, "django": django_app}

if __name__ == "__main__":
    sys.modules["tests.functional.apps"] = sys.modules["__main__"]
    server = WSGIServer(("127.0.0.1", 0), APPLICATIONS[sys.argv[1]](), spawn=pool, log=None)  # type: ignore[call-overload]
    server.start()
    print(server.server_port, flush=True)
    gevent.signal_handler(signal.SIGTERM, server.stop)
    server.serve_forever()
    print("stopped", pool.stats().running, flush=True)
