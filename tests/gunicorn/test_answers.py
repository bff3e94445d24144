"""What gunicorn's log and hooks are given of an answer, without a server."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from gunicorn import config, glogging

from gpool.gunicorn.answers import AccessLines, Countdown, Hooks, Request, Response, wants_lines

ENVIRON = {
    "REQUEST_METHOD": "GET",
    "RAW_URI": "/a?b",
    "PATH_INFO": "/a",
    "QUERY_STRING": "b",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "192.0.2.1",
    "REMOTE_PORT": "1",
    "HTTP_X_Y": "z",
    "CONTENT_TYPE": "text/plain",
    "wsgi.url_scheme": "http",
    "wsgi.input": None,
}


def test_a_request_and_its_answer_have_what_hooks_ask_for():
    request = Request(ENVIRON)
    assert repr(request) == "<Request GET /a?b>"
    assert request.remote_addr == request.peer_addr == ("192.0.2.1", 1)
    assert Request(ENVIRON | {"REMOTE_PORT": ""}).remote_addr == ""
    response = Response("404 Not Found", [], 5)
    assert (response.status_code, response.sent) == (404, 5)


def test_a_log_that_raises_costs_a_line_and_no_more(logged):
    lines = []

    class Log:
        def access(self, response, headers, environ, seconds):
            if not lines:
                lines.append("lost")
                raise ValueError("no such atom")
            lines.append((response.status, sorted(headers), environ["RAW_URI"]))
            assert seconds >= timedelta(0)

    log = AccessLines(Log())
    for _ in range(2):
        log.add(ENVIRON, "200 OK", 5, 0.0)
    headers = [("CONTENT-TYPE", "text/plain"), ("X-Y", "z")]
    assert lines == ["lost", ("200 OK", headers, "/a?b")]
    assert logged() == ["a line of the access log is lost: ValueError('no such atom')"]


class Own(glogging.Logger):
    def access(self, *args):
        pass


class Silent(glogging.Logger):
    """As it was before version 25."""

    access_log_enabled = None  # type: ignore[assignment]  # it had none


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, False),
        ({"accesslog": "-"}, True),
        ({"logconfig": "a.ini"}, True),
        ({"syslog": True}, True),
        ({"syslog": True, "disable_redirect_access_to_syslog": True}, False),
    ],
)
def test_whether_gunicorn_wants_lines_follows_from_its_settings_where_it_does_not_say(
    settings, wanted
):
    cfg = config.Config()
    for name, value in settings.items():
        cfg.set(name, value)
    assert wants_lines(object.__new__(Silent), cfg) is wanted
    assert wants_lines(object.__new__(Own), cfg)


@pytest.mark.parametrize("name", ["pre_request", "post_request"])
def test_one_hook_is_called_without_the_other(name, logged):
    called = []
    hook = {
        "pre_request": lambda worker, req: called.append((worker, req.uri)),
        "post_request": lambda worker, req, environ, resp: called.append((worker, req.uri)),
    }[name]
    cfg = config.Config()
    cfg.set(name, hook)
    hooks = Hooks("me", cfg)
    environ = ENVIRON.copy()
    application = hooks.around(lambda environ, start_response: [b"body"])
    assert application(environ, None) == [b"body"]
    hooks.add(environ, "200 OK", 4, 0.0)
    assert called == [("me", "/a?b")]
    assert set(environ) == set(ENVIRON)
    assert not logged()


def test_without_a_hook_there_is_nothing_to_observe():
    assert not Hooks(None, config.Config())


def test_the_last_request_of_a_worker_is_told_once():
    over = []
    worker = SimpleNamespace(nr=0, max_requests=2)
    countdown = Countdown(worker, lambda: over.append(worker.nr))
    countdown.add({}, "400 Bad Request", 0, 0.0)  # it did not get as far as a request
    for _ in range(4):
        countdown.add(ENVIRON, "200 OK", 0, 0.0)
    assert (worker.nr, over) == (4, [2])
