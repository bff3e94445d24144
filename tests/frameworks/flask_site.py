"""The site in Flask."""

from typing import Any

from flask import Flask, Response, abort, g, jsonify, redirect, request, send_file

from tests.frameworks import parts

app = Flask(__name__)


@app.get("/greet")
def greet() -> Any:
    return parts.greeting(request.args["name"], request.args.getlist("tag"))


@app.get("/page/<title>")
def page(title: str) -> Any:
    return title


@app.post("/form")
def form() -> Any:
    return jsonify({name: request.form.getlist(name) for name in request.form})


@app.post("/upload")
def upload() -> Any:
    file = request.files["file"]
    return jsonify(name=file.filename, note=request.form["note"], **parts.digest(file.stream.read))


@app.get("/stream")
def stream() -> Any:
    return Response(parts.lines(request.args.get("count", 3, int)), mimetype="text/plain")


@app.get("/download")
def download() -> Any:
    return send_file(parts.large_file(), as_attachment=True)


@app.route("/move", methods=["GET", "POST"])
def move() -> Any:
    return redirect("/greet?name=moved", 303)


@app.get("/cookies/set")
def set_cookies() -> Any:
    response = Response("set")
    for name, value in parts.COOKIES.items():
        response.set_cookie(name, value)
    return response


@app.get("/cookies")
def cookies() -> Any:
    return jsonify(request.cookies)


@app.post("/json")
def echo() -> Any:
    return jsonify(request.get_json())


@app.get("/fail")
def fail() -> Any:
    raise RuntimeError("on purpose")


@app.get("/fail/late")
def fail_late() -> Any:
    return Response(parts.late_failure())


@app.get("/missing")
def missing() -> Any:
    abort(404)


@app.delete("/nothing")
def nothing() -> Any:
    return "", 204


@app.put("/pieces")
def pieces() -> Any:
    return jsonify(parts.digest(request.stream.read))


@app.get("/dated")
def dated() -> Any:
    response = Response(parts.DATED)
    response.set_etag(parts.ETAG)
    return response.make_conditional(request)


@app.get("/isolated")
def isolated() -> Any:
    seen = parts.isolated(request.args["token"], g)
    return jsonify(seen | {"request": request.args["token"]})


@app.get("/isolated/stream")
def isolated_stream() -> Any:
    return Response(parts.isolated_lines(request.args["token"]))


@app.get("/endless")
def endless() -> Any:
    return Response(parts.endless())


@app.get("/closed")
def closed() -> Any:
    return jsonify(closed=parts.closed())
