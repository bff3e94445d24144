"""The application gives what the workloads ask for, as WSGI and as ASGI."""

import asyncio
import io
import json
import wsgiref.validate
from wsgiref.util import setup_testing_defaults

import pytest

from bench import application, asgi, queries

WHOLE = ("/", "/anything", "/wait", "/json", "/database", "/1-whole", "/1-iterable")


@pytest.fixture
def rows(monkeypatch):
    """A database that is none."""
    monkeypatch.setattr(queries, "row", lambda number: (number, f"row {number}"))
    monkeypatch.setattr(queries, "any_number", lambda: 7)

    class Rows:
        async def fetchrow(self, query, number):
            assert query == "SELECT id, text FROM rows WHERE id = $1"
            return number, f"row {number}"

    monkeypatch.setitem(asgi.pools, "rows", Rows())


def ask(path, app=application.application, body=None, **more):
    """The status, headers and body of an answer, checked by the standard library's validator."""
    environ = {"PATH_INFO": path, "SCRIPT_NAME": "", "QUERY_STRING": "", **more}
    if body is not None:
        environ |= {"REQUEST_METHOD": "POST", "wsgi.input": io.BytesIO(body)}
    setup_testing_defaults(environ)
    said = []

    def start_response(status, headers, exc_info=None):
        said[:] = [status, dict(headers)]
        return said.append

    if body is None:
        app = wsgiref.validate.validator(app)
    answer = app(environ, start_response)
    try:
        whole = b"".join(answer)
    finally:
        getattr(answer, "close", lambda: None)()
    return *said, whole


def ask_asgi(path, *pieces):
    """The same from the other one."""
    sent = []
    coming = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    coming.append({"type": "http.request", "body": b""})

    async def receive():
        return coming.pop(0)

    async def send(message):
        sent.append(message)

    asyncio.run(asgi.application({"type": "http", "path": path}, receive, send))
    assert not coming or path != "/upload"
    head, *rest = sent
    assert not rest[-1].get("more_body")
    headers = {name.decode().title(): value.decode() for name, value in head["headers"]}
    return head["status"], headers, b"".join(one.get("body", b"") for one in rest)


@pytest.mark.parametrize("path", WHOLE)
def test_both_give_the_same(rows, path):
    status, headers, body = ask(path)
    assert status == "200 OK"
    assert headers["Content-Length"] == str(len(body))
    assert ask_asgi(path) == (200, headers, body)


@pytest.mark.parametrize("path", ["/", "/wait", "/anything"])
def test_hello(path):
    assert ask(path)[1:] == (
        {"Content-Type": "text/plain", "Content-Length": "13"},
        b"Hello, World!",
    )


def test_the_listing_is_10_kb_that_are_made_anew():
    body = ask("/json")[2]
    assert 10_000 < len(body) < 10_500
    assert len(json.loads(body)["items"]) == 114
    assert application.items() is not application.items()


def test_a_row_of_the_database(rows):
    assert json.loads(ask("/database")[2]) == {"id": 7, "text": "row 7"}


@pytest.mark.parametrize("path", ["/1-whole", "/1-iterable", "/1-file"])
def test_a_mebibyte(path):
    """In whichever way, the same."""
    status, headers, body = ask(path)
    assert (status, headers["Content-Length"]) == ("200 OK", str(2**20))
    assert body == bytes(range(256)) * 4096


def test_an_upload_is_read_to_its_end():
    sent = io.BytesIO(bytes(100_000) + b"the next request")
    more = {"CONTENT_LENGTH": "100000"}
    assert ask("/upload", body=sent.read(100_000), **more)[0] == "200 OK"
    assert ask("/upload", body=bytes(99_999), **more)[0] == "400 Bad Request"
    assert ask_asgi("/upload", b"a", b"b")[2] == b"Hello, World!"


def test_the_workers_are_told(monkeypatch):
    assert json.loads(ask("/stats")[2]) == {"running": []}
    monkeypatch.setattr(application, "running_workers", [lambda: 3])
    assert json.loads(ask("/stats")[2]) == {"running": [3]}


@pytest.mark.parametrize("path", ["/", "/json"])
def test_a_close_is_announced_when_it_was_asked_for(path):
    app = application.announcing
    status, headers, body = ask(path)
    assert ask(path, app, HTTP_CONNECTION="keep-alive") == (status, headers, body)
    # The validator, rightly, does not let an application do so.
    closing = ask(path, app, b"", HTTP_CONNECTION="close")
    assert closing == (status, headers | {"Connection": "close"}, body)
