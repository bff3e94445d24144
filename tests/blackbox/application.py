"""The application under the server under test: each route is there for some kind of question.

A path that is none of them is answered with the environ, so any target can be asked about.
"""

import ast
import io
import tempfile
from collections.abc import Callable
from typing import Any
from wsgiref.validate import validator

from tests.blackbox.events import record, wait
from tests.blackbox.plans import plan

TEXT = ("Content-Type", "text/plain")


def text(start_response: Any, body: bytes, *headers: tuple[str, str]) -> list[bytes]:
    """Answer 200 with `body`."""
    length = ("Content-Length", str(len(body)))
    start_response("200 OK", [TEXT, length, *headers])
    return [body]


def hello(environ: Any, start_response: Any) -> Any:
    """Answer without having read."""
    return text(start_response, b"hello")


def smuggled(environ: Any, start_response: Any) -> Any:
    """What must never be answered."""
    return text(start_response, b"smuggled")


def echo(environ: Any, start_response: Any) -> Any:
    """The request's body."""
    record(environ.get("HTTP_X_TOKEN", ""), "called")
    return text(start_response, environ["wsgi.input"].read())


def method(environ: Any, start_response: Any) -> Any:
    """The method, and the path below this one."""
    return text(start_response, f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}".encode())


def show(environ: Any, start_response: Any) -> Any:
    """The environ, as a literal; what no literal is, by its type. And the types of all."""
    values = {
        key: value if type(value) in (str, int, bool, tuple) else f"a {type(value).__name__}"
        for key, value in environ.items()
    }
    values["types"] = {key: type(value).__name__ for key, value in environ.items()}
    values["type"] = type(environ).__name__
    return text(start_response, ascii(values).encode())


def mutate(environ: Any, start_response: Any) -> Any:
    """Whether what an earlier request did to its environ is seen in this one; does the same."""
    before = (environ.get("leaked"), environ["SERVER_NAME"], environ["wsgi.version"])
    environ["leaked"] = "yes"
    for key in [key for key in environ if key.isupper()]:
        environ[key] = "mutated"
    environ["wsgi.version"] = (9, 9)
    return text(start_response, ascii(before).encode())


def read(environ: Any, start_response: Any) -> Any:
    """What the calls in X-Calls return, as a literal; (name, *arguments) each."""
    stream = environ["wsgi.input"]
    results: list[Any] = []
    for name, *args in ast.literal_eval(environ["HTTP_X_CALLS"]):
        if name == "iterate":
            results.append(list(stream))
        elif name == "next":
            results.append(next(iter(stream), None))
        else:
            results.append(getattr(stream, name)(*args))
    return text(start_response, repr(results).encode())


def errors(environ: Any, start_response: Any) -> Any:
    """Use wsgi.errors in every way."""
    stream = environ["wsgi.errors"]
    stream.write("a line of the blackbox tests, \u00e9\n")
    stream.writelines(["two ", "lines\n"])
    print("printed", file=stream)
    stream.flush()
    return text(start_response, b"written")


class Noted(io.FileIO):
    """A real file that notes its end."""

    token = ""

    def close(self) -> None:
        if not self.closed:
            record(self.token, "closed")
        super().close()


class NotedBytes(io.BytesIO):
    """The same in memory, without a descriptor."""

    token = ""

    def close(self) -> None:
        if not self.closed:
            record(self.token, "closed")
        super().close()


class Bare:
    """A file-like that can only read."""

    def __init__(self, data: bytes) -> None:
        self._stream = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._stream.read(size)


def file(environ: Any, start_response: Any) -> Any:
    """A file as X-File says: kind, size, offset, length (Content-Length), block, written, used."""
    told: dict[str, Any] = {"kind": "real", "size": 100_000, "offset": 0, "used": ""}
    told |= ast.literal_eval(environ["HTTP_X_FILE"])
    wrapper = environ.get("wsgi.file_wrapper")
    if wrapper is None:
        return text(start_response, b"absent", ("X-Absent", "yes"))
    data = bytes(range(256)) * (told["size"] // 256) + bytes(told["size"] % 256)
    stream: Any
    if told["kind"] == "real":
        with tempfile.NamedTemporaryFile(delete=False) as temporary:
            temporary.write(data)
        stream = Noted(temporary.name)
    elif told["kind"] == "bare":
        stream = Bare(data)
    else:
        stream = NotedBytes(data)
    if told["kind"] != "bare":
        stream.token = environ.get("HTTP_X_TOKEN", "")
        stream.seek(told["offset"])
    headers = [TEXT, *([("Content-Length", str(told["length"]))] if "length" in told else [])]
    write = start_response(told.get("status", "200 OK"), headers)
    if "written" in told:
        write(told["written"])
    wrapped = wrapper(stream, *([told["block"]] if "block" in told else []))
    if told["used"] == "in part":
        return (block for block in wrapped)
    return [b"another"] if told["used"] == "not" else wrapped


def events(environ: Any, start_response: Any) -> Any:
    """/events/TOKEN/EVENT: what has happened, once this has."""
    _, _, token, event = environ["PATH_INFO"].split("/")
    return text(start_response, repr(wait(token, event)).encode())


def tell(environ: Any, start_response: Any) -> Any:
    """/tell/TOKEN/EVENT: let a plan go on."""
    _, _, token, event = environ["PATH_INFO"].split("/")
    record(token, event)
    return text(start_response, b"told")


def strict(environ: Any, start_response: Any) -> Any:
    """Something ordinary, in the form that wsgiref's validator asks for."""
    size = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(size)
    body += environ["wsgi.input"].readline(10)
    environ["wsgi.errors"].write("validated\n")
    environ["wsgi.errors"].flush()
    status = "204 No Content" if environ["QUERY_STRING"] == "204" else "200 OK"
    headers = [] if status.startswith("204") else [TEXT]
    if environ["QUERY_STRING"] == "write":
        start_response(status, headers)(b"written ")
    else:
        start_response(status, headers)
    return iter([] if status.startswith("204") else [b"validated ", body])


ROUTES: dict[str, Callable[[Any, Any], Any]] = {
    "hello": hello,
    "smuggled": smuggled,
    "echo": echo,
    "method": method,
    "mutate": mutate,
    "read": read,
    "errors": errors,
    "file": file,
    "events": events,
    "tell": tell,
    "plan": plan,
    "validated": validator(strict),
}


def application(environ: Any, start_response: Any) -> Any:
    """Whatever the first segment of the path says."""
    name = environ["PATH_INFO"].split("/")[1:2]
    return ROUTES.get("".join(name), show)(environ, start_response)
