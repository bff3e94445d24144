"""The site in Django, settings and all in one module."""

import json
from typing import Any

import django
from asgiref.local import Local
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.urls import path
from django.views import View
from django.views.decorators.http import etag, require_http_methods

from tests.frameworks import parts

settings.configure(
    SECRET_KEY="of a test",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    FILE_UPLOAD_MAX_MEMORY_SIZE=100_000,  # so that a large upload goes through a file
)
django.setup()

#: What Django keeps its active language and time zone in.
local = Local()


class Greet(View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(parts.greeting(request.GET["name"], request.GET.getlist("tag")))


def page(_request: HttpRequest, title: str) -> HttpResponse:
    return HttpResponse(title)


@require_http_methods(["POST"])
def form(request: HttpRequest) -> HttpResponse:
    return JsonResponse(dict(request.POST.lists()))


def upload(request: HttpRequest) -> HttpResponse:
    file = request.FILES["file"]
    named = {"name": file.name, "note": request.POST["note"]}
    return JsonResponse(named | parts.digest(file.read))


def stream(request: HttpRequest) -> HttpResponse:
    return StreamingHttpResponse(parts.lines(int(request.GET["count"])))


def download(_request: HttpRequest) -> HttpResponse:
    return FileResponse(parts.large_file().open("rb"), as_attachment=True)


def move(_request: HttpRequest) -> HttpResponse:
    response = HttpResponseRedirect("/greet?name=moved")
    response.status_code = 303
    return response


def set_cookies(_request: HttpRequest) -> HttpResponse:
    response = HttpResponse("set")
    for name, value in parts.COOKIES.items():
        response.set_cookie(name, value)
    return response


def cookies(request: HttpRequest) -> HttpResponse:
    return JsonResponse(request.COOKIES)


def echo(request: HttpRequest) -> HttpResponse:
    return JsonResponse(json.loads(request.body))


def fail(_request: HttpRequest) -> HttpResponse:
    raise RuntimeError("on purpose")


def fail_late(_request: HttpRequest) -> HttpResponse:
    return StreamingHttpResponse(parts.late_failure())


def missing(_request: HttpRequest) -> HttpResponse:
    raise Http404


def nothing(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=204)


def pieces(request: HttpRequest) -> HttpResponse:
    """Of the server's stream: Django's own takes a chunked body for an empty one."""
    return JsonResponse(parts.digest(request.environ["wsgi.input"].read))


@etag(lambda _request: f'"{parts.ETAG}"')
def dated(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(parts.DATED)


def isolated(request: HttpRequest) -> HttpResponse:
    seen = parts.isolated(request.GET["token"], local)
    return JsonResponse(seen | {"request": request.GET["token"]})


def isolated_stream(request: HttpRequest) -> HttpResponse:
    return StreamingHttpResponse(parts.isolated_lines(request.GET["token"]))


def endless(_request: HttpRequest) -> HttpResponse:
    return StreamingHttpResponse(parts.endless())


def closed(_request: HttpRequest) -> HttpResponse:
    return JsonResponse({"closed": parts.closed()})


urlpatterns: list[Any] = [
    path("greet", Greet.as_view()),
    path("page/<title>", page),
    path("form", form),
    path("upload", upload),
    path("stream", stream),
    path("download", download),
    path("move", move),
    path("cookies/set", set_cookies),
    path("cookies", cookies),
    path("json", echo),
    path("fail", fail),
    path("fail/late", fail_late),
    path("missing", missing),
    path("nothing", nothing),
    path("pieces", pieces),
    path("dated", dated),
    path("isolated", isolated),
    path("isolated/stream", isolated_stream),
    path("endless", endless),
    path("closed", closed),
]
app = get_wsgi_application()
