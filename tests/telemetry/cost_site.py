"""What `tests.telemetry.cost` measures: a server, with or without instrumentation and SDK.

python -m tests.telemetry.cost_site MIDDLEWARE SDK, each 0 or 1; serves until its input ends.
"""

from gevent import monkey

monkey.patch_all()

import sys  # noqa: E402  # after the patch; the exporter hangs at the end otherwise

from gevent.fileobject import FileObject  # noqa: E402
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware  # noqa: E402

from gpool import WSGIServer  # noqa: E402
from tests.telemetry.conftest import from_page  # noqa: E402


def hello(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]


def main(middleware, sdk):
    if sdk == "1":
        from_page("set_up")()
    application = OpenTelemetryMiddleware(hello) if middleware == "1" else hello
    server = WSGIServer(("127.0.0.1", 0), application)
    server.start()
    print(server.server_port, flush=True)
    FileObject(sys.stdin.fileno(), "rb", closefd=False).read()
    server.stop(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
