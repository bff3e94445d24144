"""The access log: a line for each answer, and nothing that a client could make of it."""

import io
import json
import logging
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpool.wsgi import access
from gpool.wsgi.access import FORMATS, MANY, AccessLog, Observers

ENVIRON = {
    "REMOTE_ADDR": "192.0.2.1",
    "REQUEST_METHOD": "GET",
    "RAW_URI": "/a?b",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "HTTP_REFERER": "http://c/",
    "HTTP_USER_AGENT": "d (e)",
    "HTTP_HOST": "f",
}
#: Apache's combined format, and the seconds.
COMBINED = re.compile(
    r"(\S+) - - \[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000)\] "
    r'"((?:[^"\\]|\\.)*)" (\d{3}|-) (\d+|-) "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)" (\d+\.\d{6})\n'
)
#: Latin-1, as in an environ.
texts = st.one_of(
    st.text(st.characters(max_codepoint=0xFF), max_size=20),
    st.text("ab \\\"'\n", max_size=5),
)


@pytest.fixture(autouse=True)
def now(monkeypatch):
    """The seconds of the epoch, when an answer is done."""
    seconds = [784_111_777.25]
    monkeypatch.setattr(access, "time", lambda: seconds[0])
    return seconds


def written(entries, log_format="combined"):
    """What the log of these answers is."""
    sink = io.StringIO()
    log = AccessLog(sink, log_format)
    for entry in entries:
        log.add(*entry)
    log.flush()
    return sink.getvalue()


def entry(status="200 OK", sent=5, started=784_111_777.0, **environ):
    return ENVIRON | environ, status, sent, started


def test_a_line_of_the_combined_format():
    assert written([entry()]) == (
        '192.0.2.1 - - [06/Nov/1994:08:49:37 +0000] "GET /a?b HTTP/1.1" 200 5 '
        '"http://c/" "d (e)" 0.250000\n'
    )


def test_a_line_of_json():
    assert json.loads(written([entry()], "json")) == {
        "time": "1994-11-06T08:49:37.250+00:00",
        "remote": "192.0.2.1",
        "method": "GET",
        "target": "/a?b",
        "protocol": "HTTP/1.1",
        "referer": "http://c/",
        "user_agent": "d (e)",
        "host": "f",
        "status": 200,
        "bytes": 5,
        "seconds": 0.25,
    }


@pytest.mark.parametrize("log_format", FORMATS)
@pytest.mark.parametrize("environ", [{}, {"REMOTE_ADDR": ""}, {"REMOTE_ADDR": "192.0.2.1"}])
def test_what_is_not_known_of_a_request_is_a_hyphen(log_format, environ):
    """A 408 has no request; a unix socket has no addresses."""
    line = written([(environ, "408", 5, 0.0)], log_format)
    if log_format == "json":
        assert json.loads(line)["target"] == json.loads(line)["user_agent"] == "-"
        assert json.loads(line)["status"] == 408
    else:
        match = COMBINED.fullmatch(line)
        assert match[1] == environ.get("REMOTE_ADDR", "") or match[1] == "-"
        assert (match[3], match[4], match[6], match[7]) == ("- - -", "408", "-", "-")


@pytest.mark.parametrize("log_format", FORMATS)
def test_a_request_that_was_hijacked_has_no_status(log_format):
    line = written([entry(status="", sent=0)], log_format)
    if log_format == "json":
        assert json.loads(line)["status"] is None and json.loads(line)["bytes"] == 0
    else:
        assert COMBINED.fullmatch(line).group(4, 5) == ("-", "-")


@settings(deadline=None)
@given(
    entries=st.lists(
        st.fixed_dictionaries(
            {}, optional=dict.fromkeys(("RAW_URI", "HTTP_USER_AGENT", "HTTP_REFERER"), texts)
        ),
        min_size=1,
        max_size=5,
    )
)
def test_a_clients_text_makes_no_line_and_no_quote(entries):
    text = written([entry(**environ) for environ in entries])
    lines = text.splitlines(keepends=True)
    assert len(lines) == len(entries) == text.count("\n")
    for line, environ in zip(lines, entries, strict=True):
        match = COMBINED.fullmatch(line)
        assert line[:-1].isprintable()
        for field, said in (
            (match[3], "GET {} HTTP/1.1".format(environ.get("RAW_URI", "/a?b"))),
            (match[6], environ.get("HTTP_REFERER", "http://c/")),
            (match[7], environ.get("HTTP_USER_AGENT", "d (e)")),
        ):
            assert json.loads(f'"{field}"') == said


@settings(deadline=None)
@given(
    entries=st.lists(st.fixed_dictionaries(dict.fromkeys(ENVIRON, texts)), min_size=1, max_size=5)
)
def test_each_line_of_json_is_an_object_with_what_was_said(entries):
    lines = written([entry(**environ) for environ in entries], "json").split("\n")
    assert lines.pop() == ""
    for line, environ in zip(lines, entries, strict=True):
        assert line.isascii() and line.isprintable()
        said = json.loads(line)
        assert said["target"] == environ["RAW_URI"] and said["host"] == environ["HTTP_HOST"]
        assert said["remote"] == environ["REMOTE_ADDR"]


def test_a_line_can_be_written_in_any_encoding():
    """Else a client's é costs the lines of all others."""
    assert written([entry(HTTP_USER_AGENT="\xe9")]).isascii()


@pytest.mark.parametrize(
    ("log_format", "value"), [("combined", None), ("combined", b"bytes"), ("json", b"bytes")]
)
def test_what_an_application_does_to_its_environ_costs_no_lines(log_format, value):
    """PEP 3333 lets it: the environ is the application's."""
    text = written([entry(), entry(HTTP_USER_AGENT=value, REMOTE_ADDR=value), entry()], log_format)
    assert text.count("\n") == 3


# ---------------------------------------------------------------------- batches


class Sink:
    """Has write(), and nothing else."""

    def __init__(self):
        self.texts = []

    def write(self, text):
        self.texts.append(text)


def test_lines_are_written_together_and_once():
    sink = Sink()
    log = AccessLog(sink)
    for _ in range(3):
        log.add(*entry())
    assert not sink.texts
    log.flush()
    log.flush()
    (text,) = sink.texts
    assert text.count("\n") == 3 and text.endswith("\n")


def test_many_lines_do_not_wait():
    sink = Sink()
    log = AccessLog(sink)
    for _ in range(MANY - 1):
        log.add(*entry())
    assert not sink.texts
    log.add(*entry())
    assert [text.count("\n") for text in sink.texts] == [MANY]
    log.flush()
    assert len(sink.texts) == 1


def test_what_is_added_while_a_batch_is_written_comes_after_it():
    """A sink may switch to other greenlets."""

    class Slow(Sink):
        def write(self, text):
            super().write(text)
            if len(self.texts) == 1:
                log.add(*entry(RAW_URI="/second"))
                log.flush()

    sink = Slow()
    log = AccessLog(sink)
    log.add(*entry(RAW_URI="/first"))
    log.flush()
    log.flush()
    assert ["/first" in text for text in sink.texts] == [True, False]
    assert "/second" in sink.texts[1] and len(sink.texts) == 2


def test_what_an_answer_was_is_kept_when_it_is_done(now):
    """The environ may change until the line is written."""
    sink = Sink()
    log = AccessLog(sink)
    environ = dict(ENVIRON)
    log.add(environ, "200 OK", 5, now[0] - 1)
    environ.clear()
    now[0] += 100
    log.flush()
    assert '"GET /a?b HTTP/1.1"' in sink.texts[0] and sink.texts[0].endswith(" 1.000000\n")


# ---------------------------------------------------------------------- sinks


def test_a_logger_gets_a_record_a_line(caplog):
    caplog.set_level(logging.INFO, "gpool.test")
    log = AccessLog(logging.getLogger("gpool.test"))
    log.add(*entry(RAW_URI="/100%s"))
    log.add(*entry(RAW_URI="/b"))
    log.flush()
    assert ["/100%s" in caplog.messages[0], "/b" in caplog.messages[1]] == [True, True]
    assert {record.levelno for record in caplog.records} == {logging.INFO}


def test_a_file_is_flushed(tmp_path):
    path = tmp_path / "log"
    with path.open("w") as file:
        log = AccessLog(file)
        log.add(*entry())
        log.flush()
        assert path.read_text().count("\n") == 1


@pytest.mark.parametrize("sink", [None, "access.log", 1, object(), {"write": print}])
def test_what_cannot_be_written_to_is_no_sink(sink):
    with pytest.raises(TypeError, match=r"log must be a logging.Logger, or have write\(\)"):
        AccessLog(sink)


@pytest.mark.parametrize("log_format", ["", "common", "JSON"])
def test_another_format_is_named_with_those_that_there_are(log_format):
    with pytest.raises(ValueError, match="log_format must be one of 'combined', 'json'"):
        AccessLog(io.StringIO(), log_format)


def test_a_sink_that_fails_costs_its_lines_and_a_word(logged):
    class Full(Sink):
        def write(self, text):
            super().write(text)
            if len(self.texts) == 1:
                raise OSError(28, "No space left on device")

    sink = Full()
    log = AccessLog(sink)
    for _ in range(2):
        log.add(*entry())
    log.flush()
    log.flush()
    log.add(*entry())
    log.flush()
    assert [text.count("\n") for text in sink.texts] == [2, 1]
    assert len(logged()) == 1 and "2 lines" in logged()[0]


def test_several_observers_are_told_in_their_order():
    told = []

    class One:
        def __init__(self, name):
            self.name = name

        def add(self, *entry):
            told.append((self.name, entry))

        def flush(self):
            told.append((self.name, "flush"))

    both = Observers(One("first"), One("second"))
    both.add(*entry())
    both.flush()
    assert told == [
        ("first", entry()),
        ("second", entry()),
        ("first", "flush"),
        ("second", "flush"),
    ]
