"""What is behind the proxies: an application that shows what it is told.

/            the environ, as far as JSON has it
/name        the variable NAME
/digest      how long the request's body is, and its SHA-256
/gate/PORT   answers when the test at that port lets it
/stream/PORT the same between the first and the second half of the answer
/file        the file that the variable FILE names, by wsgi.file_wrapper
"""

import hashlib
import json
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

__all__ = ["app"]

Environ = dict[str, Any]
Start = Callable[[str, list[tuple[str, str]]], object]


def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """Answer by the first part of the path."""
    _, first, *rest = environ["PATH_INFO"].split("/")
    return PAGES[first](environ, start_response, *rest)


def answer(start_response: Start, kind: str, text: str) -> Iterable[bytes]:
    """A short answer."""
    body = text.encode()
    start_response("200 OK", [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]


def show(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """What the application is told."""
    plain = {name: value for name, value in environ.items() if isinstance(value, str)}
    seen = plain | {"peer": environ.get("gpool.peer")}
    return answer(start_response, "application/json", json.dumps(seen))


def name(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """Which process this is."""
    environ["wsgi.input"].read()
    return answer(start_response, "text/plain", os.environ["NAME"])


def digest(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """What has come of a body."""
    body, size = hashlib.sha256(), 0
    while data := environ["wsgi.input"].read(65_536):
        body.update(data)
        size += len(data)
    seen = {"size": size, "sha256": body.hexdigest(), "length": environ.get("CONTENT_LENGTH")}
    return answer(start_response, "application/json", json.dumps(seen))


def wait_at(port: str) -> None:
    """Tell a test that this is reached, and wait until it lets go."""
    with socket.create_connection(("127.0.0.1", int(port))) as gate:
        gate.recv(1)


def gate(_environ: Environ, start_response: Start, port: str) -> Iterable[bytes]:
    """Wait, and answer."""
    wait_at(port)
    return answer(start_response, "text/plain", os.environ["NAME"])


def stream(_environ: Environ, start_response: Start, port: str) -> Iterator[bytes]:
    """Answer, wait, and answer the rest."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"the first half, "
    wait_at(port)
    yield b"the second half"


def file(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """A large file."""
    path = Path(os.environ["FILE"])
    size = str(path.stat().st_size)
    start_response("200 OK", [("Content-Length", size), ("Content-Type", "text/plain")])
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](path.open("rb"))
    return wrapped


PAGES: dict[str, Callable[..., Iterable[bytes]]] = {
    "": show,
    "name": name,
    "digest": digest,
    "gate": gate,
    "stream": stream,
    "file": file,
}
