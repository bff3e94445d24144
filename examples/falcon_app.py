"""A JSON service in Falcon on gpool: notes that are kept in memory.

python examples/falcon_app.py [HOST] [PORT], then:
curl -d '{"text": "buy milk"}' -H 'Content-Type: application/json' http://127.0.0.1:8000/notes
"""

from gevent import monkey

monkey.patch_all()

import signal  # noqa: E402  # after the patch, as everything an application imports
import sys  # noqa: E402
from typing import Any  # noqa: E402

import falcon  # noqa: E402
import gevent  # noqa: E402

from gpool import WSGIServer  # noqa: E402

notes: list[Any] = []


class Notes:
    """All of them."""

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        """List them."""
        response.media = notes

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """Add one, and say where it is."""
        notes.append(request.get_media())
        response.status = falcon.HTTP_201
        response.location = f"/notes/{len(notes)}"


class Note:
    """One of them."""

    def on_get(self, _request: falcon.Request, response: falcon.Response, number: int) -> None:
        """Show it."""
        if number > len(notes):
            raise falcon.HTTPNotFound(description=f"there are {len(notes)} notes")
        response.media = notes[number - 1]


app = falcon.App()
app.add_route("/notes", Notes())
app.add_route("/notes/{number:int(min=1)}", Note())


def main(host: str = "127.0.0.1", port: str = "8000") -> None:
    """Serve until interrupted or terminated; requests that are in progress are answered."""
    server = WSGIServer((host, int(port)), app)
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, server.stop, 10)
    server.start()
    print(f"serving on http://{host}:{server.server_port}/notes", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
