"""The WSGI application under load: an answer for each workload, and one about the server.

It is written as PEP 3333 wants it, without a Connection header, which is the server's. The
exception is `announcing`, for pywsgi.
"""

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment
from wsgiref.util import FileWrapper

import gevent

BODY = b"Hello, World!"
HEADERS = [("Content-Type", "text/plain"), ("Content-Length", "13")]
CLOSING = [*HEADERS, ("Connection", "close")]
BLOCK = bytes(range(256)) * 256  # 64 KiB
MIB = 2**20
WAIT = 0.01  # seconds

#: Say how many workers the servers of this process have; `bench.servers` adds to it.
running_workers: list[Callable[[], int]] = []


def hello(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Hello world."""
    del environ
    start_response("200 OK", list(HEADERS))
    return [BODY]


def wait(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The same after a cooperative wait, as for a database."""
    gevent.sleep(WAIT)
    return hello(environ, start_response)


def upload(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Read the whole body, as one stores it: block by block."""
    read = environ["wsgi.input"].read
    missing = int(environ["CONTENT_LENGTH"])
    while missing and (block := read(min(missing, len(BLOCK)))):
        missing -= len(block)
    if missing:
        start_response("400 Bad Request", list(HEADERS))
        return [BODY]
    return hello(environ, start_response)


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
    said = json.dumps({"running": [running() for running in running_workers]}).encode()
    start_response("200 OK", [("Content-Length", str(len(said)))])
    return [said]


ROUTES: dict[str, WSGIApplication] = {
    "/wait": wait,
    "/upload": upload,
    "/stats": stats,
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
    """The same for pywsgi, which does not announce on its own that it closes.

    wrk counts a close that the answer has not announced as a read error.
    """
    if environ.get("HTTP_CONNECTION") != "close":
        return application(environ, start_response)
    start_response("200 OK", list(CLOSING))
    return [BODY]
