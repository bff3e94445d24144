"""The site in Falcon."""

from typing import Any

from falcon import (
    HTTP_204,
    HTTP_304,
    App,
    HTTPNotFound,
    HTTPSeeOther,
    Request,
    Response,
)

from tests.frameworks import parts

app = App()


class Greet:
    def on_get(self, request: Request, response: Response) -> None:
        tags = request.get_param_as_list("tag") or []
        response.text = parts.greeting(request.get_param("name", required=True), tags)

    on_head = on_get


class Page:
    def on_get(self, _request: Request, response: Response, title: str) -> None:
        response.text = title


class Form:
    def on_post(self, request: Request, response: Response) -> None:
        fields = request.get_media()
        response.media = {
            name: value if isinstance(value, list) else [value] for name, value in fields.items()
        }


class Upload:
    def on_post(self, request: Request, response: Response) -> None:
        answer: dict[str, Any] = {}
        for part in request.get_media():
            if part.name == "file":
                answer |= {"name": part.filename, **parts.digest(part.stream.read)}
            else:
                answer[part.name] = part.text
        response.media = answer


class Stream:
    def on_get(self, request: Request, response: Response) -> None:
        response.stream = parts.lines(request.get_param_as_int("count", required=True))

    on_head = on_get


class Download:
    def on_get(self, _request: Request, response: Response) -> None:
        path = parts.large_file()
        response.downloadable_as = path.name
        response.set_stream(path.open("rb"), path.stat().st_size)

    on_head = on_get


class Move:
    def on_get(self, _request: Request, _response: Response) -> None:
        raise HTTPSeeOther("/greet?name=moved")

    on_post = on_get


class SetCookies:
    def on_get(self, _request: Request, response: Response) -> None:
        for name, value in parts.COOKIES.items():
            response.set_cookie(name, value, secure=False)
        response.text = "set"


class Cookies:
    def on_get(self, request: Request, response: Response) -> None:
        response.media = request.cookies


class Json:
    def on_post(self, request: Request, response: Response) -> None:
        response.media = request.get_media()


class Fail:
    def on_get(self, _request: Request, _response: Response) -> None:
        raise RuntimeError("on purpose")

    def on_get_late(self, _request: Request, response: Response) -> None:
        response.stream = parts.late_failure()


class Missing:
    def on_get(self, _request: Request, _response: Response) -> None:
        raise HTTPNotFound


class Nothing:
    def on_delete(self, _request: Request, response: Response) -> None:
        response.status = HTTP_204


class Pieces:
    def on_put(self, request: Request, response: Response) -> None:
        """Of the server's stream: a bounded one is empty for a body without a length."""
        response.media = parts.digest(request.stream.read)


class Dated:
    def on_get(self, request: Request, response: Response) -> None:
        response.etag = parts.ETAG
        if parts.ETAG in (request.if_none_match or []):
            response.status = HTTP_304
        else:
            response.text = parts.DATED


def token(request: Request) -> str:
    return request.get_param("token", required=True)


class Isolated:
    def on_get(self, request: Request, response: Response) -> None:
        seen = parts.isolated(token(request), request.context)
        response.media = seen | {"request": token(request)}

    def on_get_stream(self, request: Request, response: Response) -> None:
        response.stream = parts.isolated_lines(token(request))


class Endless:
    def on_get(self, _request: Request, response: Response) -> None:
        response.stream = parts.endless()


class Closed:
    def on_get(self, _request: Request, response: Response) -> None:
        response.media = {"closed": parts.closed()}


app.add_route("/greet", Greet())
app.add_route("/page/{title}", Page())
app.add_route("/form", Form())
app.add_route("/upload", Upload())
app.add_route("/stream", Stream())
app.add_route("/download", Download())
app.add_route("/move", Move())
app.add_route("/cookies/set", SetCookies())
app.add_route("/cookies", Cookies())
app.add_route("/json", Json())
app.add_route("/fail", Fail())
app.add_route("/fail/late", Fail(), suffix="late")
app.add_route("/missing", Missing())
app.add_route("/nothing", Nothing())
app.add_route("/pieces", Pieces())
app.add_route("/dated", Dated())
app.add_route("/isolated", Isolated())
app.add_route("/isolated/stream", Isolated(), suffix="stream")
app.add_route("/endless", Endless())
app.add_route("/closed", Closed())
