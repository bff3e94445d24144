"""The heads of responses: what an application may say, and what the server says itself."""

import re
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpool.wsgi import response
from gpool.wsgi.response import (
    BLOCKS,
    KNOWN,
    MAX_BLOCK,
    MAX_BLOCKS,
    BodyFraming,
    Dates,
    Length,
    block_of,
    canned,
    check_status,
    choose,
    line_of,
)
from tests.wsgi.parts import parsed

CONTROLS = [*map(chr, (*range(0x09), *range(0x0A, 0x20), 0x7F))]
#: Whose last byte is CR, LF or NUL, in one encoding or another; and other line ends of Unicode.
BEYOND = ["\u010a", "\u010d", "\u0100", "\u560a", "\u2028", "\u20ac", "\U0001f600", "\ud800"]
HOP_BY_HOP = [
    *("Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "TE", "Trailers"),
    *("Trailer", "Transfer-Encoding", "Upgrade", "transfer-encoding", "CONNECTION", "tE"),
]


@pytest.fixture
def known(monkeypatch):
    """An empty memory of headers."""
    before = dict(KNOWN)
    KNOWN.clear()
    yield KNOWN
    KNOWN.clear()
    KNOWN.update(before)


@pytest.fixture
def blocks(known):
    """The same for blocks of them."""
    before = dict(BLOCKS)
    BLOCKS.clear()
    yield BLOCKS
    BLOCKS.clear()
    BLOCKS.update(before)


# ---------------------------------------------------------------------- blocks of headers

LENGTH, TYPE = ("Content-Length", "5"), ("Content-Type", "text/plain")
DATE = ("Date", "today")


@pytest.mark.parametrize(
    ("headers", "length", "own", "usual_length"),
    [
        ([], None, set(), -1),
        ([TYPE], None, set(), -1),
        ([LENGTH], 5, set(), 5),
        ([TYPE, LENGTH, ("X", "y"), ("X", "y")], 5, set(), 5),
        ([LENGTH, DATE], 5, {"date"}, -1),
        ([DATE, ("server", "mine")], None, {"date", "server"}, -1),
    ],
)
def test_a_block_says_what_is_in_it(blocks, headers, length, own, usual_length):
    for _ in range(3):  # new, of known headers, and from memory
        block = blocks.get(tuple(headers)) or block_of(headers)
        assert (block.length, block.own, block.usual_length) == (length, own, usual_length)
        lines = [f"{name}: {value}\r\n".encode() for name, value in headers]
        assert [bytes(line) for line in block.lines] == lines
        assert block.data == b"".join(lines)


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ((TYPE,), TypeError),
        (None, TypeError),
        ({TYPE: 1}, TypeError),
        ([["X", "y"]], TypeError),
        ([("X", [])], TypeError),
        ([TYPE, ("X", 1)], TypeError),
        ([LENGTH, LENGTH], ValueError),
        ([LENGTH, ("content-length", "6")], ValueError),
        ([DATE, ("DATE", "tomorrow")], ValueError),
        ([TYPE, ("X", "y\n")], ValueError),
    ],
)
def test_a_bad_block_is_refused_each_time_and_not_remembered(blocks, headers, error):
    block_of([TYPE, LENGTH, DATE])
    for _ in range(3):
        with pytest.raises(error, match=r"header|twice"):
            block_of(headers)
    assert not blocks


def test_a_block_is_remembered_when_all_its_headers_were_known(blocks):
    block_of([TYPE, LENGTH])
    assert not blocks
    block = block_of([TYPE, LENGTH])
    assert blocks == {(TYPE, LENGTH): block}
    block_of([TYPE, ("X", "new")])
    assert len(blocks) == 1


def test_how_many_blocks_are_remembered_and_of_which_size_is_bounded(blocks):
    for number in range(3 * MAX_BLOCKS):
        for _ in range(2):
            block_of([("X", str(number % 700)), ("Y", str(number % 13))])
        assert len(blocks) <= MAX_BLOCKS
    assert blocks
    blocks.clear()
    for size in (MAX_BLOCK, MAX_BLOCK + 1):
        for _ in range(3):
            block_of([TYPE] * size)
    assert list(map(len, blocks)) == [MAX_BLOCK]


# ---------------------------------------------------------------------- header lines


@pytest.mark.parametrize(
    ("header", "line"),
    [
        (("X", "y"), b"X: y\r\n"),
        (("X", ""), b"X: \r\n"),
        (("x-Y.z!#$%&'*+^_`|~0", "a\tb"), b"x-Y.z!#$%&'*+^_`|~0: a\tb\r\n"),
        (("X", "\xe9\xff\x80\x85\xa0"), b"X: \xe9\xff\x80\x85\xa0\r\n"),
        (("X", '"\\:; '), b'X: "\\:; \r\n'),
        (("Connection-X", "close"), b"Connection-X: close\r\n"),
        (("Content-Length", "0012"), b"Content-Length: 12\r\n"),
        (("content-LENGTH", "0"), b"Content-Length: 0\r\n"),
        (("Date", "now"), b"Date: now\r\n"),
        (("SERVER", "mine"), b"SERVER: mine\r\n"),
    ],
)
def test_a_header_is_sent_as_it_is(header, line):
    for _ in range(2):
        assert line_of(header) == line


@pytest.mark.parametrize("character", [*CONTROLS, *BEYOND])
@pytest.mark.parametrize("name", ["X", "Date", "Content-Length"])
def test_a_value_with_what_cannot_be_sent_is_refused(character, name):
    for text in ("{}", "a{}", "{}b", "a{}b", "a\r{}b"):
        with pytest.raises(ValueError, match=r"a header|Content-Length"):
            line_of((name, text.format(character)))


@pytest.mark.parametrize("character", [*CONTROLS, *BEYOND, *' \t"(),/:;<=>?@[\\]{}\x80\xe9\xff'])
def test_a_name_that_is_no_token_is_refused(character):
    for text in ("{}", "a{}", "{}b", "a{}b"):
        with pytest.raises(ValueError, match="name must be a token"):
            line_of((text.format(character), "value"))


def test_an_empty_name_is_refused():
    with pytest.raises(ValueError, match="name must be a token"):
        line_of(("", "value"))


@pytest.mark.parametrize("name", HOP_BY_HOP)
def test_what_is_about_the_connection_is_the_servers(name):
    with pytest.raises(ValueError, match="hop-by-hop"):
        line_of((name, "close"))


@pytest.mark.parametrize("value", ["", "-1", "+1", " 1", "1 ", "1,1", "0x1", "1e3", "²", "9" * 19])
def test_a_length_that_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match="Content-Length must be a number"):
        line_of(("Content-Length", value))


def test_a_length_says_its_number():
    line = line_of(("Content-length", "0042"))
    assert type(line) is Length and line.number == 42


@pytest.mark.parametrize(
    "header",
    [
        None,
        "X: y",
        ["X", "y"],
        (),
        ("X",),
        ("X", "y", "z"),
        (b"X", b"y"),
        ("X", b"y"),
        (b"X", "y"),
        ("X", 1),
        ("X", None),
        (None, "y"),
        ("Content-Length", 5),
    ],
)
def test_what_is_no_pair_of_strings_is_refused(header):
    with pytest.raises(TypeError):
        line_of(header)


LINE = re.compile(rb"[^\0-\x20\x7f-\xff:]+: [^\0-\x08\x0a-\x1f\x7f]*\r\n")
texts = st.text(
    st.one_of(st.characters(max_codepoint=0x200), st.sampled_from([*"\r\n\0:", *BEYOND])),
    max_size=8,
)


@settings(deadline=None, max_examples=300)
@given(
    name=st.one_of(st.sampled_from(["X", "Content-Length", "Date", *HOP_BY_HOP]), texts),
    value=texts,
)
def test_whatever_is_said_it_is_one_line_or_none(name, value):
    try:
        line = line_of((name, value))
    except ValueError:
        assert (name, value) not in KNOWN
        return
    assert LINE.fullmatch(line)
    assert line == KNOWN[name, value]
    if type(line) is not Length:
        assert line == f"{name}: {value}\r\n".encode("latin-1")


# ---------------------------------------------------------------------- the memory of good ones


def test_only_what_is_good_is_remembered(known):
    bad = [
        ("X", "a\nb"),
        ("X\r\n", "a"),
        ("Upgrade", "h2c"),
        ("X", "\u010a"),
        ("Content-Length", "x"),
    ]
    for header in bad * 2:
        with pytest.raises(ValueError, match=r"header|Content-Length"):
            line_of(header)
    assert not known
    line_of(("X", "a"))
    assert known == {("X", "a"): b"X: a\r\n"}


def test_what_is_remembered_of_one_header_says_nothing_of_another(known):
    line_of(("X", "a"))
    for header in (("X", "a\n"), ("X ", "a"), ("X", "a\0")):
        assert known.get(header) is None
        with pytest.raises(ValueError, match="header"):
            line_of(header)


def test_the_memory_of_headers_stays_within_its_bound(known):
    for number in range(3 * response.MAX_KNOWN):
        assert line_of(("X", str(number))) == b"X: %d\r\n" % number
        assert len(known) <= response.MAX_KNOWN
        assert known["X", str(number)] == b"X: %d\r\n" % number


def test_long_headers_are_not_remembered(known):
    most = response.MAX_KNOWN_SIZE - 1
    line_of(("X", "a" * most))
    assert len(known) == 1
    for header in (("X", "a" * (most + 1)), ("X" * (most + 1), "a"), ("X", "a" * 100_000)):
        line_of(header)
    assert len(known) == 1


# ---------------------------------------------------------------------- statuses


@pytest.mark.parametrize(
    ("status", "line"),
    [
        ("200 OK", b"HTTP/1.1 200 OK\r\n"),
        ("200", b"HTTP/1.1 200 \r\n"),
        ("200 ", b"HTTP/1.1 200 \r\n"),
        ("404 Nicht gef\xfcnden", b"HTTP/1.1 404 Nicht gef\xfcnden\r\n"),
        ("599 a\tb  c", b"HTTP/1.1 599 a\tb  c\r\n"),
        ("999 Other", b"HTTP/1.1 999 Other\r\n"),
    ],
)
def test_a_status_is_sent_as_it_is(status, line):
    assert check_status(status) == line


@pytest.mark.parametrize(
    "status",
    ["", "OK", "20", "20 OK", "2000 OK", "200OK", " 200 OK", "200\tOK", "-200 OK", "0200 OK"]
    + ["100 Continue", "101 Switching Protocols", "103 Early Hints", "099 X", "000 X", "²00 OK"]
    + [f"200 a{character}b" for character in [*CONTROLS, *BEYOND]]
    + [f"200{character}" for character in CONTROLS]
    + ["200 OK\r\nX: y"],
)
def test_a_status_that_is_none_is_refused(status):
    with pytest.raises(ValueError, match="a status must be"):
        check_status(status)
    with pytest.raises(ValueError, match="a status must be"):
        Dates("test").prefix(status)


@pytest.mark.parametrize("status", [None, 200, b"200 OK", ("200", "OK"), HTTPStatus.OK])
def test_a_status_that_is_no_string_is_refused(status):
    with pytest.raises(TypeError, match="a status must be a str"):
        check_status(status)


# ---------------------------------------------------------------------- Server and Date


@pytest.fixture
def now(monkeypatch):
    """The seconds of the epoch, to be set."""
    seconds = [784_111_777.9]
    monkeypatch.setattr(response, "time", lambda: seconds[0])
    return seconds


def test_a_beginning_has_status_server_and_date(now):
    assert Dates("test/1").prefix("200 OK") == (
        b"HTTP/1.1 200 OK\r\nServer: test/1\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    )


def test_the_date_changes_with_the_tick_and_not_before(now):
    dates = Dates("test")
    first = dates.prefix("200 OK")
    now[0] += 1
    assert dates.prefix("200 OK") == first == dates.prefixes["200 OK"]
    dates.tick()
    assert not dates.prefixes
    assert b"08:49:38 GMT" in dates.prefix("200 OK")
    assert b"08:49:38 GMT" in dates.without("200 OK", frozenset({"server"}))


def test_only_responses_with_a_body_have_their_beginnings_kept(now):
    dates = Dates("test")
    for status in ("200 OK", "204 No Content", "204", "304 Not Modified", "404 Not Found"):
        assert dates.prefix(status) == dates.prefix(status)
    assert dates.prefixes.keys() == {"200 OK", "404 Not Found"}


@pytest.mark.parametrize(
    ("names", "line"),
    [
        ({"date"}, b"Server: test\r\n"),
        ({"server"}, b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
        ({"date", "server"}, b""),
    ],
)
def test_a_beginning_leaves_out_what_the_application_says(now, names, line):
    assert Dates("test").without("200 OK", frozenset(names)) == b"HTTP/1.1 200 OK\r\n" + line


def test_the_memory_of_statuses_is_bounded():
    dates = Dates("test")
    for number in range(3 * response.MAX_KNOWN):
        dates.prefix(f"200 request {number}")
    assert len(dates.prefixes) <= response.MAX_KNOWN + 1


# ---------------------------------------------------------------------- framing


@pytest.mark.parametrize("length", [None, 0, 5])
@pytest.mark.parametrize(
    "status", ["200 OK", "200", "204 None", "204", "304 Same", "404 Not", "2040"]
)
@pytest.mark.parametrize("http11", [True, False])
@pytest.mark.parametrize("head_only", [True, False])
def test_how_a_client_finds_the_end(head_only, http11, status, length):
    framing = choose(head_only=head_only, status=status, length=length, http11=http11)
    if head_only or status.split(" ")[0] in {"204", "304"} or status == "2040":
        assert framing is BodyFraming.NONE
    elif length is not None:
        assert framing is BodyFraming.LENGTH
    else:
        assert framing is (BodyFraming.CHUNKED if http11 else BodyFraming.CLOSE)


# ---------------------------------------------------------------------- canned answers


@pytest.mark.parametrize("status", [400, 408, 413, 414, 417, 429, 431, 500, 501, 503, 504, 505])
def test_the_servers_own_answers_are_whole_and_the_last_ones(status):
    dates = Dates("test")
    for _ in range(2):
        got = parsed(canned(status, "a text", dates))
        assert got.status.startswith(f"{status} ") and got.body == b"a text\n"
        assert got.whole and not got.rest
        assert got.values("Connection") == ["close"]
        assert got.values("Content-Length") == ["7"]
        assert got.values("Server") == ["test"]
        assert parsedate_to_datetime(*got.values("Date"))
        head = parsed(canned(status, "a text", dates, head_only=True), "HEAD")
        assert (head.status, head.headers, head.rest) == (got.status, got.headers, b"")


def test_a_canned_answer_may_have_more_headers():
    got = parsed(canned(503, "a text", Dates("test"), b"Retry-After: 1\r\n", b"X: y\r\n"))
    assert got.values("Retry-After") == ["1"] and got.values("X") == ["y"] and got.whole


def test_the_phrases_are_those_of_rfc_9110():
    phrases = {413: "Content Too Large", 414: "URI Too Long", 503: "Service Unavailable"}
    for status, phrase in phrases.items():
        assert parsed(canned(status, "", Dates("test"))).status == f"{status} {phrase}"


def test_a_text_that_is_not_latin_1_is_still_one_body():
    got = parsed(canned(400, "\u20ac\u010a", Dates("test")))
    assert got.body == b"??\n" and got.whole and not got.rest
