"""The application of these tests on a server in a process of its own, monkey-patched first.

python -m tests.blackbox.serving gpool|gunicorn|pywsgi [hurried]: serves on a free port of
127.0.0.1, prints it, and goes on until SIGTERM. A hurried server has timeouts of a second.
"""

from gevent import monkey

monkey.patch_all()

import signal  # noqa: E402  # after the patch, as in any application
import sys  # noqa: E402
from importlib import import_module  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402

from tests.blackbox.application import application  # noqa: E402

ADDRESS = ("127.0.0.1", 0)
HURRIED: dict[str, Any] = {
    "header_timeout": 1,
    "keepalive_timeout": 1,
    "body_timeout": 1,
    "write_timeout": 1,
    "max_body_size": 1 << 20,
}


def gpool_server(settings: dict[str, Any]) -> None:
    """Ours."""
    from gpool import WSGIServer

    serve(WSGIServer(ADDRESS, application, **settings))


def pywsgi_server(settings: dict[str, Any]) -> None:
    """Gevent's, to see what is sane to ask."""
    from gevent.pywsgi import WSGIServer

    serve(WSGIServer(ADDRESS, application, spawn=1_000, log=None))


def gunicorn_server(settings: dict[str, Any]) -> None:
    """Gunicorn's gevent worker, the strictest of the others."""
    base: Any = import_module("gunicorn.app.base").BaseApplication

    def ready(arbiter: Any) -> None:
        print(arbiter.LISTENERS[0].getsockname()[1], flush=True)

    def load_config(self: Any) -> None:
        self.cfg.set("bind", "127.0.0.1:0")
        self.cfg.set("worker_class", "gevent")
        self.cfg.set("when_ready", ready)

    attributes = {"load_config": load_config, "load": lambda _: application}
    type("Application", (base,), attributes)().run()


def serve(server: Any) -> None:
    """Until SIGTERM."""
    server.start()
    gevent.signal_handler(signal.SIGTERM, server.stop, 1)
    print(server.server_port, flush=True)
    server.serve_forever()


def main(kind: str, hurry: str = "") -> None:
    """Serve with the server that was asked for."""
    servers = {"gpool": gpool_server, "pywsgi": pywsgi_server, "gunicorn": gunicorn_server}
    servers[kind](HURRIED if hurry else {})


if __name__ == "__main__":
    main(*sys.argv[1:])
