"""The site in Bottle."""

from typing import Any

from bottle import Bottle, HTTPResponse, abort, redirect, request, response, static_file

from tests.frameworks import parts

app = Bottle()


@app.get("/greet")
def greet() -> Any:
    return parts.greeting(request.query.getunicode("name"), request.query.decode().getall("tag"))


@app.route("/greet", method="OPTIONS")
def greet_options() -> Any:
    response.set_header("Allow", "GET, HEAD, OPTIONS")


@app.get("/page/<title>")
def page(title: str) -> Any:
    return title


@app.post("/form")
def form() -> Any:
    fields = request.forms.decode()
    return {name: fields.getall(name) for name in fields}


@app.post("/upload")
def upload() -> Any:
    file = request.files["file"]
    named = {"name": file.raw_filename, "note": request.forms.getunicode("note")}
    return named | parts.digest(file.file.read)


@app.get("/stream")
def stream() -> Any:
    return parts.lines(int(request.query["count"]))


@app.get("/download")
def download() -> Any:
    path = parts.large_file()
    return static_file(path.name, root=path.parent, download=True)


@app.route("/move", method=["GET", "POST"])
def move() -> Any:
    redirect("/greet?name=moved", 303)


@app.get("/cookies/set")
def set_cookies() -> Any:
    for name, value in parts.COOKIES.items():
        response.set_cookie(name, value)
    return "set"


@app.get("/cookies")
def cookies() -> Any:
    return dict(request.cookies)


@app.post("/json")
def echo() -> Any:
    return request.json


@app.get("/fail")
def fail() -> Any:
    raise RuntimeError("on purpose")


@app.get("/fail/late")
def fail_late() -> Any:
    return parts.late_failure()


@app.get("/missing")
def missing() -> Any:
    abort(404)


@app.delete("/nothing")
def nothing() -> Any:
    response.status = 204


@app.put("/pieces")
def pieces() -> Any:
    """Of the server's stream: Bottle's own would undo the chunks that the server has undone."""
    return parts.digest(request.environ["wsgi.input"].read)


@app.get("/dated")
def dated() -> Any:
    etag = f'"{parts.ETAG}"'
    if request.get_header("If-None-Match") == etag:
        return HTTPResponse(status=304, ETag=etag)
    return HTTPResponse(parts.DATED, ETag=etag)


class OnRequest:
    """What is set on Bottle's request."""

    @property
    def token(self) -> Any:
        return request.environ.get("site.token")

    @token.setter
    def token(self, value: str) -> None:
        request.environ["site.token"] = value


@app.get("/isolated")
def isolated() -> Any:
    seen = parts.isolated(request.query["token"], OnRequest())
    return seen | {"request": request.query["token"]}


@app.get("/isolated/stream")
def isolated_stream() -> Any:
    return parts.isolated_lines(request.query["token"])


@app.get("/endless")
def endless() -> Any:
    return parts.endless()


@app.get("/closed")
def closed() -> Any:
    return {"closed": parts.closed()}
