"""Exchanges on a scripted connection: errors at each point, close(), the access log."""

from signal import SIGINT, default_int_handler

import pytest
from greenlet import GreenletExit, getcurrent

from gpool.errors import (
    BadRequest,
    BodyTimeout,
    ClientDisconnected,
    Hijacked,
    RequestTimeout,
    WriteTimeout,
)
from gpool.wsgi.access import AccessLog
from gpool.wsgi.files import FileWrapper
from gpool.wsgi.wire import CLOSE, KEEP, Verdict
from tests.wsgi.parts import (
    CLOSING,
    ERRORS,
    GET,
    HEAD,
    OLD,
    TEXT,
    Blocks,
    Conn,
    exchange,
    name_of,
    running,
    saying,
    served,
)

LINGER, RESET = Verdict.LINGER, Verdict.RESET
LENGTH = ("Content-Length", "3")


# ---------------------------------------------------------------------- errors, at each point


@pytest.mark.parametrize("error", ERRORS, ids=name_of)
@pytest.mark.parametrize("head", [GET, HEAD, OLD, CLOSING])
@pytest.mark.parametrize("started", [False, True])
def test_an_error_before_anything_was_sent_is_a_500(error, head, started):
    def application(environ, start_response):
        if started:
            start_response("200 OK", [TEXT, LENGTH])
        raise error

    conn = Conn(application)
    assert running(conn, head) is None
    got = conn.got("HEAD" if head == HEAD else "GET")
    assert got.status == "500 Internal Server Error" and got.whole and not got.rest
    assert got.body == (b"" if head == HEAD else b"Internal Server Error\n")
    assert got.values("Connection") == ["close"] and got.values("Content-Length") == ["22"]
    assert conn.verdicts == [LINGER] and conn.worker is None


@pytest.mark.parametrize("error", ERRORS, ids=name_of)
@pytest.mark.parametrize(
    ("head", "headers", "verdict"),
    [
        (GET, [TEXT], LINGER),  # the last chunk is missing
        (GET, [LENGTH], LINGER),  # some bytes are
        (CLOSING, [TEXT], LINGER),
        (OLD, [LENGTH], LINGER),
        (OLD, [TEXT], RESET),  # nothing else would tell
    ],
)
def test_an_error_after_something_was_sent_ends_the_connection(error, head, headers, verdict):
    blocks = Blocks(b"a", error)
    conn = Conn(saying("200 OK", headers, blocks))
    assert running(conn, head) is None
    assert conn.verdicts == [verdict] and blocks.closed == 1
    got = conn.got()
    assert (got.status, got.body, got.whole, got.rest) == ("200 OK", b"a", False, b"")


def test_a_client_that_takes_nothing_is_not_waited_for_any_longer():
    blocks = Blocks(b"a", WriteTimeout())
    conn = served(saying("200 OK", [TEXT], blocks))
    assert conn.verdicts == [RESET] and blocks.closed == 1


@pytest.mark.parametrize("error", ERRORS[:1])
def test_an_error_in_the_first_iteration_is_a_500(error):
    for blocks in (Blocks(error), Blocks(b"", error)):
        conn = served(saying("200 OK", [TEXT], blocks))
        assert conn.got().status == "500 Internal Server Error" and blocks.closed == 1


@pytest.mark.parametrize("error", ERRORS, ids=name_of)
@pytest.mark.parametrize(("head", "verdict"), [(GET, KEEP), (CLOSING, CLOSE)])
def test_an_error_of_close_is_too_late_to_change_anything(error, head, verdict):
    blocks = Blocks(b"a", b"bc", close_error=error)
    conn = Conn(saying("200 OK", [TEXT], blocks))
    assert running(conn, head) is None
    assert conn.verdicts == [verdict] and blocks.closed == 1
    assert conn.got()[2:] == (b"abc", True, b"")


def test_an_error_of_close_after_another_is_one_answer():
    blocks = Blocks(LookupError(), close_error=ValueError())
    conn = served(saying("200 OK", [TEXT], blocks))
    assert conn.got().status[:3] == "500" and conn.verdicts == [LINGER] and blocks.closed == 1


def control_c():
    """As Python does it, wherever it is; no ``raise`` of an application."""
    default_int_handler(SIGINT, None)


def exiting():
    raise GreenletExit


@pytest.mark.parametrize("end", [exiting, control_c])
@pytest.mark.parametrize("sent", [False, True])
def test_the_end_of_the_worker_goes_on_after_the_answer(end, sent):
    def blocks():
        if sent:
            yield b"a"
        try:
            end()
        finally:
            ended.append(True)

    ended: list[bool] = []
    conn = Conn(saying("200 OK", [TEXT], blocks))
    assert isinstance(running(conn), GreenletExit if end is exiting else KeyboardInterrupt)
    assert conn.verdicts == [LINGER] and ended
    assert conn.got().status == ("200 OK" if sent else "500 Internal Server Error")


@pytest.mark.parametrize(
    ("error", "status", "text", "told"),
    [
        (LookupError("secret"), 500, b"Internal Server Error\n", True),
        (RequestTimeout("too long"), 504, b"too long\n", True),
        (BodyTimeout("silent"), 408, b"silent\n", False),
        (BadRequest(413, "too large"), 413, b"too large\n", False),
        (BadRequest(400, "malformed"), 400, b"malformed\n", False),
        (ClientDisconnected("gone"), 500, b"Internal Server Error\n", False),
        (WriteTimeout("stalled"), 500, b"Internal Server Error\n", False),
        (Hijacked(), 500, b"Internal Server Error\n", False),
    ],
    ids=repr,
)
def test_an_error_says_whose_fault_it_is(error, status, text, told, logged):
    """And nothing of what an application's error says reaches the client."""
    conn = served(saying("200 OK", [TEXT], Blocks(error)))
    got = conn.got()
    assert (got.status[:3], got.body, conn.verdicts) == (str(status), text, [LINGER])
    assert bool(logged()) is told and conn.site.errors == told
    assert not told or "GET /" in logged()[0]


@pytest.mark.parametrize("status", [418, 499, 599])
def test_a_refusal_with_a_status_that_nobody_knows_is_answered_too(status):
    """`gpool.BadRequest` is public: an application may raise it."""
    conn = Conn(saying("200 OK", [TEXT], Blocks(BadRequest(status, "a text"))))
    assert running(conn) is None
    assert conn.verdicts == [LINGER] and conn.got().whole


@pytest.mark.parametrize("status", [299, 399, 600, 1_000])
def test_a_refusal_has_the_status_of_an_error(status):
    with pytest.raises(ValueError, match=f"must be 400 to 599, not {status}"):
        BadRequest(status, "a text")


@pytest.mark.parametrize("spoil", [dict.clear, lambda environ: environ.update(REQUEST_METHOD=5)])
def test_what_an_application_does_to_its_environ_does_no_harm(spoil, logged):
    def application(environ, start_response):
        spoil(environ)
        raise LookupError

    assert served(application).verdicts == [LINGER] and len(logged()) == 1


def test_a_client_that_goes_ends_the_response_quietly(logged):
    def gone():
        raise ClientDisconnected

    conn = Conn()
    blocks = Blocks(b"a", b"b")
    conn.site.application = saying("200 OK", [TEXT], blocks)
    conn.on_send = gone
    assert running(conn) is None
    assert (blocks.yielded, blocks.closed, conn.verdicts) == (1, 1, [LINGER]) and not logged()


# ---------------------------------------------------------------------- the end of a result


@pytest.mark.parametrize(
    ("status", "headers", "blocks"),
    [
        ("200 OK", [TEXT], ()),
        ("200 OK", [TEXT], (b"a", b"b")),
        ("200 OK", [LENGTH], (b"a",)),
        ("200 OK", [LENGTH], (b"abcd", b"e")),
        ("204 No Content", [], (b"a", b"b")),
        ("200 OK", [TEXT], (b"a", "text")),
        ("200 OK", [TEXT], (None,)),
        ("200 OK", [TEXT], (LookupError(),)),
        ("200 OK", [TEXT], (b"a", GreenletExit())),
    ],
)
@pytest.mark.parametrize("head", [GET, HEAD, OLD])
def test_close_is_called_once_after_the_last_block(status, headers, blocks, head):
    result = Blocks(*blocks)
    conn = Conn(saying(status, headers, result))
    running(conn, head)
    assert result.closed == 1 and len(conn.verdicts) == 1


def test_close_is_called_before_the_request_is_over():
    conn = Conn()

    class Result(Blocks):
        def close(self):
            assert not conn.verdicts and conn.worker is getcurrent()
            super().close()

    result = Result(b"abc")
    conn.site.application = saying("200 OK", [TEXT], result)
    assert running(conn) is None
    assert result.closed == 1 and conn.got().body == b"abc"


def test_close_is_called_without_start_response_too():
    result = Blocks(b"a")
    conn = served(lambda environ, start_response: result)
    assert result.closed == 1 and conn.got().status[:3] == "500"


def test_a_file_is_closed_however_it_is_sent(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    for headers in ([TEXT], [("Connection", "close")]):
        file = (tmp_path / "file").open("rb")
        wrapper = FileWrapper(file)

        def application(environ, start_response, headers=headers, wrapper=wrapper):
            try:
                start_response("200 OK", headers)
            except ValueError:
                return wrapper  # without a start
            return wrapper

        served(application)
        assert file.closed


# ---------------------------------------------------------------------- what else there is


def test_an_application_can_ask_whether_its_client_is_there():
    seen = []

    def application(environ, start_response):
        for conn.has_gone in (False, True):
            seen.append(environ["gpool.disconnected"]())
        start_response("200 OK", [TEXT])
        return [b""]

    conn = Conn(application)
    assert running(conn) is None and seen == [False, True]


def test_the_worker_is_known_while_the_application_runs_and_not_after():
    def application(environ, start_response):
        assert conn.worker is getcurrent()
        start_response("200 OK", [TEXT])
        return [b""]

    conn = Conn(application)
    assert running(conn) is None and conn.worker is None


class Lines(list[str]):
    write = list.append


@pytest.mark.parametrize(
    ("application", "head", "status", "sent"),
    [
        (saying("200 OK", [TEXT], [b"abc"]), GET, "200", "3"),
        (saying("201", [LENGTH], [b"abc"]), GET, "201", "3"),
        (saying("200 OK", [TEXT], (b"a", b"bc")), GET, "200", "3"),
        (saying("200 OK", [TEXT], (b"a", b"bc")), OLD, "200", "3"),
        (saying("200 OK", [LENGTH], [b"abcdef"]), GET, "200", "3"),
        (saying("200 OK", [TEXT], [b"abc"]), HEAD, "200", "-"),
        (saying("204 No Content", [], []), GET, "204", "-"),
        (saying("200 OK", [TEXT], lambda: Blocks(b"a", LookupError())), GET, "200", "1"),
        (lambda environ, start_response: 1 / 0, GET, "500", "22"),
        (lambda environ, start_response: 1 / 0, HEAD, "500", "-"),
        (lambda environ, start_response: environ["gpool.hijack"]() and [], GET, "-", "-"),
    ],
)
def test_each_answer_has_its_line_in_the_access_log(application, head, status, sent):
    lines = Lines()
    conn = Conn(application)
    conn.site.access = AccessLog(lines)
    for _ in range(2):
        conn.verdicts.clear()
        running(conn, head)
    conn.site.access.flush()
    (text,) = lines
    assert [line.split('"')[2].split() for line in text.splitlines()] == [[status, sent]] * 2
    assert text.count(f'"{head.decode().partition(" HTTP")[0]} HTTP') == 2


def test_repr_says_how_far_it_is():
    conn = Conn(saying("200 OK", [TEXT], [b""]))
    one = exchange(conn)
    assert repr(one).startswith("<Exchange NEW")
    one.run()
    assert repr(one) == "<Exchange DONE 200 OK>"
