"""A Flask application on gpool's WSGI server: what `make serve` runs.

From gevent.pywsgi it is the import line that differs. A worker is only held while the application
runs, so `max_workers` bounds the requests in it, and not the connections.

python examples/flask_app.py [HOST] [PORT]
"""

from gevent import monkey

monkey.patch_all()

import errno  # noqa: E402  # after the patch, as everything an application imports
import signal  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

import gevent  # noqa: E402
from flask import Flask, jsonify, request  # noqa: E402
from flask.typing import ResponseReturnValue  # noqa: E402

from gpool import WSGIServer  # noqa: E402

app = Flask(__name__)


@app.get("/")
def hello() -> ResponseReturnValue:
    """Say hello."""
    return "hello from a reused worker\n", {"Content-Type": "text/plain"}


@app.get("/wait")
def wait() -> ResponseReturnValue:
    """Block for `?seconds=`, as a database would; other requests go on."""
    seconds = min(request.args.get("seconds", 0.1, type=float), 10.0)
    time.sleep(seconds)
    return jsonify(waited=seconds)


@app.get("/pool")
def stats() -> ResponseReturnValue:
    """Tell how the pool is."""
    now = app.config["POOL"].stats()
    return jsonify({name: getattr(now, name) for name in now.__slots__})


def main(host: str = "127.0.0.1", port: str = "8000") -> None:
    """Serve until interrupted or terminated; requests that are in progress are answered."""
    server = WSGIServer((host, int(port)), app, max_workers=1_000)
    app.config["POOL"] = server.pool
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, server.stop, 10)
    try:
        server.start()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        sys.exit(f"port {port} of {host} is taken; try another: make serve PORT={int(port) + 1}")
    print(f"serving on http://{host}:{server.server_port}/ (also /wait and /pool)", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
