"""The WSGI application under load: an answer for each workload, and one about the server.

It is written as PEP 3333 wants it, without a Connection header, which is the server's. The
exception is `announcing`, for pywsgi and uWSGI.

It is the same on every server but for how it waits: by gevent where the variable BENCH_COOPERATIVE
is set, which `bench.processes` does for the servers that run it in greenlets, else by blocking its
thread. Servers that have no use for gevent do not get it into their memory either. Those in other
languages, and `bench.asgi`, give the same bytes at the same paths.
"""

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment
from wsgiref.util import FileWrapper

from bench import queries

sleep: Callable[[float], object]
if queries.COOPERATIVE:
    import gevent

    sleep = gevent.sleep
else:
    import time

    sleep = time.sleep

BODY = b"Hello, World!"
HEADERS = [("Content-Type", "text/plain"), ("Content-Length", "13")]
CLOSING = [*HEADERS, ("Connection", "close")]
BLOCK = bytes(range(256)) * 256  # 64 KiB
MIB = 2**20
LARGE = BLOCK * 16  # 1 MiB
WAIT = 0.01  # seconds
ITEMS = 114  # of the JSON answer, which makes it 10 KB
JSON = "application/json"

#: Say how many workers the servers of this process have; `bench.peers.run_gevent` adds to it.
running_workers: list[Callable[[], int]] = []


def hello(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Hello world."""
    del environ
    start_response("200 OK", list(HEADERS))
    return [BODY]


def wait(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The same after a wait, as for a database."""
    sleep(WAIT)
    return hello(environ, start_response)


def upload(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Read the whole body, as one stores it: block by block."""
    read = environ["wsgi.input"].read
    missing = int(environ.get("CONTENT_LENGTH") or 0)
    while missing and (block := read(min(missing, len(BLOCK)))):
        missing -= len(block)
    if missing:
        start_response("400 Bad Request", list(HEADERS))
        return [BODY]
    return hello(environ, start_response)


def items() -> bytes:
    """Some 10 KB of JSON, made anew of Python's own objects."""
    made = [
        {"id": number, "name": f"item {number}", "tags": ["new", "used"], "stock": number * 7}
        | {"price": f"{number}.50", "sold": number % 2 == 0}
        for number in range(ITEMS)
    ]
    return json.dumps({"items": made}, separators=(",", ":")).encode()


def listing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """An answer in JSON that the application makes for each request."""
    del environ
    return in_json(items(), start_response)


def database(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """One row of the database, another each time."""
    del environ
    number, text = queries.row(queries.any_number())
    return in_json(row(number, text), start_response)


def row(number: int, text: str) -> bytes:
    """A row as JSON."""
    return json.dumps({"id": number, "text": text}, separators=(",", ":")).encode()


def in_json(said: bytes, start_response: StartResponse) -> Iterable[bytes]:
    """An answer that is JSON."""
    start_response("200 OK", [("Content-Type", JSON), ("Content-Length", str(len(said)))])
    return [said]


def whole(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """An answer of 1 MiB in one piece."""
    del environ
    start_response("200 OK", binary(MIB))
    return [LARGE]


def blocks(size: int) -> Iterator[bytes]:
    """So many bytes, 64 KiB at a time."""
    for _ in range(size // len(BLOCK)):
        yield BLOCK


def iterable(size: int) -> WSGIApplication:
    """An answer that is produced block by block."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        del environ
        start_response("200 OK", binary(size))
        return blocks(size)

    return application


def file(size: int) -> WSGIApplication:
    """An answer from a file: by `wsgi.file_wrapper` where the server has it, else read."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        wrapper = environ.get("wsgi.file_wrapper", FileWrapper)
        content = open(file_of(size), "rb")  # noqa: SIM115, PTH123  # the server closes it
        start_response("200 OK", binary(size))
        wrapped: Iterable[bytes] = wrapper(content, len(BLOCK))
        return wrapped

    return application


def binary(size: int) -> list[tuple[str, str]]:
    """Headers of so many bytes."""
    return [("Content-Type", "application/octet-stream"), ("Content-Length", str(size))]


@cache
def made_file(size: int) -> Any:
    """A file of that size, which is gone when the process is."""
    made = tempfile.NamedTemporaryFile(prefix="gpool-bench-")  # noqa: SIM115  # kept by the cache
    for block in blocks(size):
        made.write(block)
    made.flush()
    return made


def file_of(size: int) -> str:
    """Its name; it is made for the first request, which is one that warms up."""
    name: str = made_file(size).name
    return name


def stats(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """How many workers the server has, as JSON; an empty list if it has no pool."""
    del environ
    running = [running() for running in running_workers]
    return in_json(json.dumps({"running": running}).encode(), start_response)


ROUTES: dict[str, WSGIApplication] = {
    "/wait": wait,
    "/upload": upload,
    "/json": listing,
    "/database": database,
    "/stats": stats,
    "/1-whole": whole,
    "/1-iterable": iterable(MIB),
    "/1-file": file(MIB),
    "/100-iterable": iterable(100 * MIB),
    "/100-file": file(100 * MIB),
}


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """What the path names; hello world at any other."""
    route = ROUTES.get(environ["PATH_INFO"])
    if route is not None:
        return route(environ, start_response)
    start_response("200 OK", list(HEADERS))
    return [BODY]


def announcing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The same for pywsgi and uWSGI, which do not announce on their own that they close.

    wrk counts a close that the answer has not announced as a read error.
    """
    if environ.get("HTTP_CONNECTION") != "close":
        return application(environ, start_response)

    def closing(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
        return start_response(status, [*headers, ("Connection", "close")], *more)

    return application(environ, closing)
