"""A site on a server in a process of its own, monkey-patched as in production.

python -m tests.frameworks.serving gpool|pywsgi flask|django|falcon|bottle: serves on a free port
of 127.0.0.1 and prints it. SIGTERM stops it, when the requests in it have been answered.
"""

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402  # after the patch, as in any application
import signal  # noqa: E402
import sys  # noqa: E402
from importlib import import_module  # noqa: E402
from typing import Any  # noqa: E402
from wsgiref.validate import validator  # noqa: E402

import gevent  # noqa: E402

DRAIN = 60  # longer than any test waits for the end


class Switched:
    """The application, and at /wrapped how often it made a `wsgi.file_wrapper`, at /pool the pool.

    With a header X-Validated both sides of WSGI are checked for this request.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._validated = validator(app)
        self._wrapped = 0
        self.pool: Any = None

    def __call__(self, environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/wrapped":
            return answer(start_response, str(self._wrapped))
        if environ["PATH_INFO"] == "/pool":
            stats = self.pool.stats()
            numbers = {name: getattr(stats, name) for name in stats.__slots__}
            return answer(start_response, json.dumps(numbers))
        if "HTTP_X_VALIDATED" in environ:
            # Told of an end, Werkzeug reads without a size, which the validator does not allow.
            environ.pop("wsgi.input_terminated", None)
            return self._validated(environ, start_response)
        if wrapper := environ.get("wsgi.file_wrapper"):
            environ["wsgi.file_wrapper"] = self._counting(wrapper)
        return self._app(environ, start_response)

    def _counting(self, wrapper: Any) -> Any:
        def wrap(*args: Any) -> Any:
            self._wrapped += 1
            return wrapper(*args)

        return wrap


def answer(start_response: Any, text: str) -> Any:
    """Answer without the application."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [text.encode()]


def pywsgi_server(app: Any) -> Any:
    """Gevent's, without Nagle's algorithm, to compare with."""
    from socket import IPPROTO_TCP, TCP_NODELAY

    from gevent.pywsgi import WSGIServer

    server = WSGIServer(("127.0.0.1", 0), app, spawn=1_000, log=None)
    server.start()
    server.socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
    return server


def gpool_server(app: Any) -> Any:
    """Ours."""
    from gpool import WSGIServer

    server = WSGIServer(("127.0.0.1", 0), app)
    server.start()
    return server


def main(kind: str, site: str) -> None:
    """Serve until SIGTERM comes and the requests are answered."""
    app = Switched(import_module(f"tests.frameworks.{site}_site").app)
    server = {"pywsgi": pywsgi_server, "gpool": gpool_server}[kind](app)
    app.pool = server.pool

    def stop() -> None:
        print("stopping", flush=True)
        server.stop(DRAIN)

    gevent.signal_handler(signal.SIGTERM, stop)
    print(server.server_port, flush=True)
    server.serve_forever()
    print("stopped", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
