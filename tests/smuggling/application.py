"""The application that is smuggled to: it notes each request, and says in each answer what it saw.

What a request was is one string, ``METHOD target body``: the target as it came, the body without
its space if there is none or it was not read, ``!`` with the error's name if it cannot be read. An
answer has its beginning in X-Saw, percent-encoded, so that a client can tell whose it has got; and
the requests are kept in `SEEN`, which a server in another process shows at /seen and forgets at
/forget. What else happens is the path's first part:

/early/...    answers without reading the body
/part/...     reads two bytes of the body, and answers
/told/...     answers with the host, the path and the field X-A that it is told, after the body
/raise/...    raises without reading the body
/204/...      answers without reading, and gives a body that must not be sent; the same for /304
/stream/...   answers in two blocks, the first before it reads the body
/upgrade/...  takes the connection, and answers with 101 and whatever comes on it, until its end
"""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import quote

__all__ = ["PEERS", "SAID", "SEEN", "app"]

#: The requests that have come, and the ports of the clients of each.
SEEN: list[str] = []
PEERS: list[str] = []

Environ = dict[str, Any]
Start = Callable[[str, list[tuple[str, str]]], Callable[[bytes], object]]
SAID = 500  # characters of what was seen
TEXT = ("Content-Type", "text/plain")


def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """Note the request, and do as its path says."""
    path = environ["PATH_INFO"]
    if path == "/seen":
        return control(start_response, json.dumps({"seen": SEEN, "peers": PEERS}))
    if path == "/forget":
        SEEN.clear()
        PEERS.clear()
        return control(start_response, "")
    PEERS.append(environ["REMOTE_PORT"])
    page = PAGES.get(path.split("/")[1] if path else "", whole)
    return page(environ, start_response, f"{environ['REQUEST_METHOD']} {environ['RAW_URI']}")


def control(start_response: Start, text: str) -> Iterable[bytes]:
    """An answer to the test itself."""
    start_response("200 OK", [TEXT])
    return [text.encode()]


def answer(start_response: Start, saw: str, status: str = "200 OK") -> Iterable[bytes]:
    """Note what was seen, and say it."""
    SEEN.append(saw)
    start_response(status, [TEXT, said(saw)])
    return [saw.encode("latin-1")]


def said(saw: str) -> tuple[str, str]:
    """The header that says it, as far as a proxy has room for."""
    return "X-Saw", quote(saw[:SAID], "/ :?&=*+", "latin-1")


def read(environ: Environ, saw: str, size: int = -1) -> str:
    """What was seen, with so much of the body; notes why it cannot be read."""
    try:
        body = environ["wsgi.input"].read(size).decode("latin-1")
    except Exception as error:
        SEEN.append(f"{saw} !{type(error).__name__}")
        raise
    return f"{saw} {body}" if body else saw


def whole(environ: Environ, start_response: Start, saw: str) -> Iterable[bytes]:
    """Read all."""
    return answer(start_response, read(environ, saw))


def early(environ: Environ, start_response: Start, saw: str) -> Iterable[bytes]:
    """Read nothing."""
    return answer(start_response, saw)


def part(environ: Environ, start_response: Start, saw: str) -> Iterable[bytes]:
    """Read little."""
    return answer(start_response, read(environ, saw, 2))


def told(environ: Environ, start_response: Start, saw: str) -> Iterable[bytes]:
    """What the fields and the target say beside the body."""
    keys = ("HTTP_HOST", "PATH_INFO", "HTTP_X_A")
    words = [environ.get(key) or "-" for key in keys]
    return answer(start_response, " ".join([read(environ, saw), *words]))


def broken(environ: Environ, start_response: Start, saw: str) -> Iterable[bytes]:
    """Fail."""
    SEEN.append(saw)
    raise LookupError(saw)


def nothing(environ: Environ, start_response: Start, saw: str) -> Iterable[bytes]:
    """An answer that never has a body, whatever is given."""
    status = "204 No Content" if environ["PATH_INFO"].startswith("/204") else "304 Not Modified"
    return answer(start_response, saw, status)


def stream(environ: Environ, start_response: Start, saw: str) -> Iterator[bytes]:
    """Begin to answer, then read."""
    start_response("200 OK", [TEXT, said(saw)])
    yield saw.encode("latin-1")
    SEEN.append(read(environ, saw))
    yield b"!"


def upgrade(environ: Environ, start_response: Start, saw: str) -> Iterable[bytes]:
    """Speak another protocol: an echo."""
    SEEN.append(saw)
    with environ["werkzeug.socket"] as sock:
        sock.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
        )
        while data := sock.recv(65_536):
            sock.sendall(data)
    return []


PAGES: dict[str, Callable[[Environ, Start, str], Iterable[bytes]]] = {
    "early": early,
    "part": part,
    "told": told,
    "raise": broken,
    "204": nothing,
    "304": nothing,
    "stream": stream,
    "upgrade": upgrade,
}
