"""A line for each answer, whatever kind of answer it was."""

import io
import json
import logging
import re

import pytest

from tests.support import settle
from tests.wsgi_server.clients import lapse, request, until

pytestmark = pytest.mark.limit(3)

LINE = re.compile(
    r'(\S+) - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000\] "([^"]*)" (\S+) (\S+) '
    r'"([^"]*)" "([^"]*)" (\d+\.\d{6})\n'
)


class Logs:
    """Both formats of one server's answers."""

    def __init__(self, serve, log_format, **settings):
        self.out = io.StringIO()
        self.json = log_format == "json"
        self.server = serve(log=self.out, log_format=log_format, **settings)

    def lines(self):
        """(request line, status, bytes) of all that was logged."""
        self.server.site.access.flush()
        lines = self.out.getvalue().splitlines(keepends=True)
        if self.json:
            return [self._of_json(json.loads(line)) for line in lines]
        return [self._of_combined(LINE.fullmatch(line)) for line in lines]

    def _of_json(self, entry):
        words = entry["method"], entry["target"], entry["protocol"]
        return " ".join(words), str(entry["status"]), str(entry["bytes"] or "-")

    def _of_combined(self, match):
        assert match is not None
        return match[2], match[3], match[4]


@pytest.fixture(params=["combined", "json"])
def logs(serve, request):
    return lambda **settings: Logs(serve, request.param, **settings)


def test_ordinary_answers_have_a_line_each_in_order(logs, visit):
    logs = logs()
    client = visit(logs.server)
    client.send(request("/one") + request("/two?x=y"))
    for _ in range(2):
        client.answer()
    client.ask("/echo", body=b"12345", method="POST")
    assert logs.lines() == [
        ("GET /one HTTP/1.1", "200", "4"),
        ("GET /two?x=y HTTP/1.1", "200", "4"),
        ("POST /echo HTTP/1.1", "200", "5"),
    ]


def test_streamed_large_and_bodyless_answers_have_their_bytes(logs, site, visit):
    logs = logs()
    site.gate.set()
    client = visit(logs.server)
    client.ask("/stream")
    client.ask("/large")
    client.send(request("/head", method="HEAD")).answer(head_only=True)
    assert logs.lines() == [
        ("GET /stream HTTP/1.1", "200", "6"),
        ("GET /large HTTP/1.1", "200", str(8 << 20)),
        ("HEAD /head HTTP/1.1", "200", "-"),
    ]


def test_a_file_has_its_bytes(logs, site, visit, tmp_path):
    (tmp_path / "file").write_bytes(bytes(1_000))

    def file(environ, start_response):
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"]((tmp_path / "file").open("rb"))

    site.more["file"] = file
    logs = logs()
    visit(logs.server).ask("/file")
    assert logs.lines() == [("GET /file HTTP/1.1", "200", "1000")]


def test_an_error_of_the_application_has_the_bytes_of_the_answer(logs, visit):
    logs = logs()
    body = visit(logs.server).ask("/fail").body
    assert logs.lines() == [("GET /fail HTTP/1.1", "500", str(len(body)))]


def test_a_malformed_request_has_a_line(logs, visit):
    logs = logs()
    body = visit(logs.server).send(b"GET / HTTP/1.1\r\n\r\n").answer().body
    assert logs.lines() == [("- - -", "400", str(len(body)))]


def test_a_refused_request_has_a_line(logs, site, visit):
    logs = logs(max_workers=1, overflow_pause=0)
    visit(logs.server).send(request("/hold"))
    until(lambda: site.calls)
    body = visit(logs.server).ask("/refused").body
    assert logs.lines() == [("GET /refused HTTP/1.1", "503", str(len(body)))]


def test_a_refused_head_request_has_no_bytes(logs, site, visit):
    logs = logs(max_workers=1, overflow_pause=0)
    visit(logs.server).send(request("/hold"))
    until(lambda: site.calls)
    visit(logs.server).send(request("/refused", method="HEAD")).answer(head_only=True)
    assert logs.lines() == [("HEAD /refused HTTP/1.1", "503", "-")]


@pytest.mark.parametrize("settings", [{"max_connections": 1}, {"max_conns_per_ip": 1}], ids=str)
def test_a_refused_connection_has_a_line(logs, visit, settings):
    logs = logs(**settings, overflow_pause=0)
    first = visit(logs.server)
    assert first.ask().status == 200
    status = visit(logs.server).send(b"").answer().status
    assert [line[1] for line in logs.lines()] == ["200", str(status)]


def test_a_timed_out_request_has_a_line(logs, site, visit):
    logs = logs(request_timeout=5, header_timeout=5)
    slow = visit(logs.server).send(b"GET /")
    long = visit(logs.server).send(request("/hold"))
    until(lambda: site.calls)
    settle()
    lapse(logs.server, 5)
    bodies = {client.answer().status: len(client.rest()) for client in (slow, long)}
    assert set(bodies) == {408, 504}
    assert sorted(line[:2] for line in logs.lines()) == [
        ("- - -", "408"),
        ("GET /hold HTTP/1.1", "504"),
    ]


def test_a_hijacked_request_has_a_line_and_spoils_no_other(logs, site, visit):
    def hijack(environ, start_response):
        environ["gpool.hijack"]()[0].close()
        return []

    site.more["hijack"] = hijack
    logs = logs()
    client = visit(logs.server)
    client.ask("/before")
    client.send(request("/hijack")).rest()
    visit(logs.server).ask("/after")
    assert [line[0].split()[1] for line in logs.lines()] == ["/before", "/hijack", "/after"]


def test_all_lines_are_written_at_the_tick_and_when_the_server_stops(logs, visit):
    logs = logs()
    visit(logs.server).ask("/one")
    logs.server.site.tick()
    assert logs.out.getvalue().count("\n") == 1
    visit(logs.server).ask("/two")
    logs.server.stop()
    assert logs.out.getvalue().count("\n") == 2


def test_what_a_client_sends_cannot_make_a_line_of_its_own(logs, visit):
    logs = logs()
    visit(logs.server).ask('/"%0a', 'User-Agent: a" \\ b\x85', "Referer: \xa0\xadx")
    assert len(logs.out.getvalue().splitlines()) == 0
    logs.server.site.access.flush()
    assert logs.out.getvalue().count("\n") == len(logs.out.getvalue().splitlines()) == 1


def test_a_logger_gets_a_record_a_line(serve, visit, caplog):
    caplog.set_level(logging.INFO, "access")
    server = serve(log=logging.getLogger("access"))
    visit(server).ask("/logged")
    server.stop()
    assert [record.name for record in caplog.records] == ["access"]
    assert '"GET /logged HTTP/1.1" 200 7' in caplog.text


# ---------------------------------------------------------------------- a sink that fails


class Broken:
    """A log whose disk is full."""

    def __init__(self):
        self.asked = 0

    def write(self, text):
        self.asked += 1
        raise OSError(28, "No space left on device")


@pytest.fixture
def broken(serve, monkeypatch):
    """A server whose log is written for each answer, and fails."""
    monkeypatch.setattr("gpool.wsgi.access.MANY", 1)
    sink = Broken()
    return serve(log=sink, max_workers=1, overflow_pause=0, header_timeout=5), sink


def test_a_log_that_fails_does_not_hurt_serving(broken, visit):
    server, sink = broken
    client = visit(server)
    for path in ("/one", "/two", "/fail"):
        assert client.ask(path).status in (200, 500)
    assert client.rest() == b""
    assert sink.asked == 3
    assert server.pool.stats().running == 1


def test_a_log_that_fails_does_not_hurt_refusing(broken, site, visit):
    server, _ = broken
    assert visit(server).send(b"GET / HTTP/1.1\r\n\r\n").answer().status == 400
    held = visit(server).send(request("/hold"))
    until(lambda: site.calls)
    refused = visit(server)
    assert refused.ask().status == 503
    assert refused.rest() == b""
    site.gate.set()
    assert held.answer().status == 200


def test_a_log_that_fails_does_not_hurt_the_clock(broken, visit):
    server, _ = broken
    slow = visit(server).send(b"GET /")
    until(lambda: any(conn.buffer for conn in server._connections))
    lapse(server, 5)
    assert slow.answer().status == 408
    assert slow.rest() == b""


def test_a_log_that_fails_does_not_hurt_the_end(serve, visit):
    server = serve(log=Broken())
    visit(server).ask()
    server.stop()
    assert server._ticking is None


def test_a_request_that_a_drain_has_killed_has_a_line(logs, site, visit):
    logs = logs()
    client = visit(logs.server).send(request("/hold"))
    until(lambda: site.calls)
    logs.server.stop(0)
    answer = client.answer()
    assert answer.status == 500
    assert logs.lines() == [("GET /hold HTTP/1.1", "500", str(len(answer.body)))]
