"""What is told of each answer: gunicorn's access log, its hooks, and the count of requests.

Each is an `Observer`, and is there only if somebody asks for it: without an access log, hooks and
max_requests a request costs nothing here. What gunicorn's own workers have at hand, a request and a
response, is made from the environ and from what the observer is told.

Guarantees: every atom of access_log_format works; a log or a hook that fails costs no answer; a
post_request hook is called once for each request that a pre_request hook could see, on the worker
side, so that it may block.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from time import time
from typing import Any

from gunicorn import config, glogging

from gpool.log import QuietLog
from gpool.wsgi.access import Observer
from gpool.wsgi.framing import Environ
from gpool.wsgi.site import Application

__all__ = [
    "AccessLines",
    "Countdown",
    "Hooks",
    "Request",
    "Response",
    "keeping_headers",
    "needs_headers",
    "wants_lines",
    "with_script_name",
]

logger = logging.getLogger("gpool.gunicorn")

#: Where, in an environ, the answer's headers and the hooks' request are kept.
HEADERS, REQUEST = "gpool.gunicorn.headers", "gpool.gunicorn.request"
#: gunicorn's logger indexes these; an answer without a request (408, 503) has none.
UNKNOWN = {"REQUEST_METHOD": "-", "RAW_URI": "-", "SERVER_PROTOCOL": "-"}
TAKEN = "101"  # the status of a connection that the application took; nginx logs the same


class Request:
    """A request, with what gunicorn's `Request` has for a hook to read.

    Args:
        environ: of the request; what a hook changes here, the application does not see.
    """

    __slots__ = (
        "body",
        "fragment",
        "headers",
        "method",
        "path",
        "peer_addr",
        "query",
        "remote_addr",
        "scheme",
        "trailers",
        "uri",
        "version",
    )

    def __init__(self, environ: Environ) -> None:
        self.method: str = environ["REQUEST_METHOD"]
        self.uri: str = environ["RAW_URI"]
        self.path: str = self.uri.partition("?")[0]
        self.query: str = environ["QUERY_STRING"]
        self.fragment = ""
        self.version = (1, 1) if environ["SERVER_PROTOCOL"] == "HTTP/1.1" else (1, 0)
        self.headers = headers_of(environ)
        self.trailers: list[tuple[str, str]] = []
        self.body: Any = environ["wsgi.input"]
        self.scheme: str = environ["wsgi.url_scheme"]
        port = environ.get("REMOTE_PORT")
        self.remote_addr: Any = (environ["REMOTE_ADDR"], int(port)) if port else ""
        self.peer_addr = self.remote_addr

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.uri}>"


class Response:
    """An answer, with what gunicorn's `Response` has for a hook or a logger to read.

    Args:
        status: the code, and what follows it.
        headers: of the application.
        sent: bytes of the body.
    """

    __slots__ = ("headers", "sent", "status")

    def __init__(self, status: str, headers: list[tuple[str, str]], sent: int) -> None:
        self.status = status or TAKEN
        self.headers = headers
        self.sent = sent

    @property
    def status_code(self) -> int:
        """The code."""
        return int(self.status[:3])


def headers_of(environ: Environ) -> list[tuple[str, str]]:
    """The header fields of a request, in gunicorn's capitals."""
    headers = [
        (key[5:].replace("_", "-"), value)
        for key, value in environ.items()
        if key.startswith("HTTP_")
    ]
    headers += [
        (key.replace("_", "-"), environ[key])
        for key in ("CONTENT_TYPE", "CONTENT_LENGTH")
        if key in environ
    ]
    return headers


# ---------------------------------------------------------------------- the access log


def wants_lines(log: Any, cfg: Any) -> bool:
    """Whether gunicorn's logger wants to be told of answers; one like statsd's does in any case."""
    if type(log).access is not glogging.Logger.access:
        return True
    enabled: bool | None = getattr(log, "access_log_enabled", None)  # gunicorn 25 and later
    if enabled is not None:
        return enabled
    to_syslog = cfg.syslog and not cfg.disable_redirect_access_to_syslog
    return bool(cfg.accesslog or has_log_config(cfg) or to_syslog)


def has_log_config(cfg: Any) -> bool:
    """Whether the user has set up the loggers; a formatter may then use any atom."""
    return bool(cfg.logconfig or cfg.logconfig_dict or cfg.logconfig_json)


def needs_headers(log: Any, cfg: Any) -> bool:
    """Whether somebody may ask for an answer's headers."""
    own_logger = type(log).atoms is not glogging.Logger.atoms
    in_lines = own_logger or has_log_config(cfg) or "}o" in cfg.access_log_format
    return (wants_lines(log, cfg) and in_lines) or is_set(cfg, "post_request")


def keeping_headers(application: Application) -> Application:
    """`application`, with the headers of its answer kept for the log and the hooks."""

    def call(environ: Environ, start_response: Callable[..., Any]) -> Any:
        def start(status: Any, headers: Any, *exc_info: Any) -> Any:
            write = start_response(status, headers, *exc_info)
            environ[HEADERS] = list(headers)
            return write

        return application(environ, start)

    return call


class AccessLines(Observer):
    """gunicorn's access log.

    Args:
        log: gunicorn's logger, or what is in its place.
    """

    def __init__(self, log: Any) -> None:
        self._log = log
        self._complain = QuietLog(logger, logging.ERROR)

    def add(self, environ: Environ, status: str, sent: int, started: float) -> None:
        """Any side. See `gpool.wsgi.access.Observer`."""
        seconds = max(time() - started, 0.0)  # or somebody has set the clock
        known = environ if environ.keys() >= UNKNOWN.keys() else UNKNOWN | environ
        response = Response(status, environ.get(HEADERS, []), sent)
        try:
            self._log.access(response, headers_of(environ), known, timedelta(seconds=seconds))
        except Exception as error:
            self._complain("a line of the access log is lost: %r", error)


# ---------------------------------------------------------------------- the hooks


def is_set(cfg: Any, hook: str) -> bool:
    """Whether the user has set a hook of gunicorn's."""
    defaults: Mapping[str, Any] = {
        "pre_request": config.PreRequest.pre_request,
        "post_request": config.PostRequest.post_request,
    }
    return getattr(cfg, hook) is not defaults[hook]


class Hooks(Observer):
    """gunicorn's pre_request and post_request.

    Args:
        worker: gunicorn's, for the hooks.
        cfg: gunicorn's.
    """

    def __init__(self, worker: Any, cfg: Any) -> None:
        self._worker = worker
        self._before: Callable[..., Any] | None = None
        self._after: Callable[..., Any] | None = None
        if is_set(cfg, "pre_request"):
            self._before = cfg.pre_request
        if is_set(cfg, "post_request"):
            self._after = cfg.post_request

    def __bool__(self) -> bool:
        return self._before is not None or self._after is not None

    def around(self, application: Application) -> Application:
        """`application`, with pre_request before it; what that raises is answered with a 500."""

        def call(environ: Environ, start_response: Callable[..., Any]) -> Any:
            request = environ[REQUEST] = Request(environ)
            if self._before is not None:
                self._before(self._worker, request)
            return application(environ, start_response)

        return call

    def add(self, environ: Environ, status: str, sent: int, started: float) -> None:  # noqa: ARG002  # an observer's
        """Any side. See `gpool.wsgi.access.Observer`; those without a request have no hook."""
        request = environ.pop(REQUEST, None)
        if request is None or self._after is None:
            return
        try:
            response = Response(status, environ.get(HEADERS, []), sent)
            self._after(self._worker, request, environ, response)
        except Exception:
            logger.exception("post_request raised")


# ---------------------------------------------------------------------- the count


class Countdown(Observer):
    """gunicorn's count of requests, and its end.

    Args:
        worker: gunicorn's; its `nr` grows up to `max_requests`.
        over: called once, when it is there.
    """

    def __init__(self, worker: Any, over: Callable[[], object]) -> None:
        self._worker = worker
        self._over = over

    def add(self, environ: Environ, status: str, sent: int, started: float) -> None:  # noqa: ARG002  # an observer's
        """Any side. See `gpool.wsgi.access.Observer`; those without a request do not count."""
        if environ:
            worker = self._worker
            worker.nr += 1
            if worker.nr == worker.max_requests:
                self._over()


# ---------------------------------------------------------------------- SCRIPT_NAME


def with_script_name(application: Application, name: str) -> Application:
    """`application` mounted at a path, as gunicorn's variable SCRIPT_NAME has it.

    A request for another path is answered with a 500, since it says that the proxy or the
    variable is wrong.

    Args:
        application: PEP 3333's.
        name: the path, such as ``/shop``.
    """

    def call(environ: Environ, start_response: Callable[..., Any]) -> Any:
        path: str = environ["PATH_INFO"]
        if not path.startswith(name):
            raise ValueError(f"the path {path!r} does not begin with SCRIPT_NAME, {name!r}")
        environ["SCRIPT_NAME"], environ["PATH_INFO"] = name, path[len(name) :]
        return application(environ, start_response)

    return call
