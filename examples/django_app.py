"""A Django application on gpool, settings and all in one file.

In a project of its own, the settings and the URLs are where they always are, and what is left of
this file is its `main`, with `application` from the project's wsgi.py. As workers are reused, the
database connection of one request is kept for the next one (CONN_MAX_AGE).

python examples/django_app.py [HOST] [PORT]
"""

from gevent import monkey

monkey.patch_all()

import signal  # noqa: E402  # after the patch, as everything an application imports
import sys  # noqa: E402

import django  # noqa: E402
import gevent  # noqa: E402
from django.conf import settings  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection  # noqa: E402
from django.http import HttpRequest, HttpResponse, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402

from gpool import WSGIServer  # noqa: E402

settings.configure(
    SECRET_KEY="change me",  # noqa: S106  # as the text says
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
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


def hello(request: HttpRequest) -> HttpResponse:
    """Say hello to `?name=`."""
    return HttpResponse(f"hello {request.GET.get('name', 'world')}\n", content_type="text/plain")


def total(request: HttpRequest) -> HttpResponse:
    """Let the database add what was posted as `number`, any number of times."""
    numbers = [float(number) for number in request.POST.getlist("number")]
    with connection.cursor() as cursor:
        cursor.execute("select sum(value) from json_each(%s)", [str(numbers)])
        return JsonResponse({"total": cursor.fetchone()[0]})


urlpatterns = [path("", hello), path("total", total)]
application = get_wsgi_application()


def main(host: str = "127.0.0.1", port: str = "8000") -> None:
    """Serve until interrupted or terminated; requests that are in progress are answered."""
    server = WSGIServer((host, int(port)), application, max_workers=100)
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, server.stop, 10)
    server.start()
    print(f"serving on http://{host}:{server.server_port}/ (also /total)", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
