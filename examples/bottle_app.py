"""A file drop in Bottle on gpool: upload a file, and download it again.

A file leaves through the server's `wsgi.file_wrapper`, which is sendfile(2).

python examples/bottle_app.py [HOST] [PORT], then: curl -F file=@README.md http://127.0.0.1:8000/
"""

from gevent import monkey

monkey.patch_all()

import signal  # noqa: E402  # after the patch, as everything an application imports
import sys  # noqa: E402
from tempfile import TemporaryDirectory  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402
from bottle import Bottle, request, response, static_file  # noqa: E402

from gpool import WSGIServer  # noqa: E402

FORM = """<!doctype html><title>files</title>
<form method="post" enctype="multipart/form-data"><input type="file" name="file"><button>
"""

app = Bottle()
folder = TemporaryDirectory(prefix="files-")


@app.get("/")
def form() -> Any:
    """Ask for a file."""
    return FORM


@app.post("/")
def upload() -> Any:
    """Keep it, and say where it is."""
    file = request.files["file"]
    file.save(folder.name, overwrite=True)
    response.status = 201
    response.set_header("Location", f"/{file.filename}")


@app.get("/<name>")
def download(name: str) -> Any:
    """Send it, or a range of it."""
    return static_file(name, root=folder.name, download=True)


def main(host: str = "127.0.0.1", port: str = "8000") -> None:
    """Serve until interrupted or terminated; requests that are in progress are answered."""
    server = WSGIServer((host, int(port)), app)
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, server.stop, 10)
    with folder:
        server.start()
        print(f"serving on http://{host}:{server.server_port}/", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
