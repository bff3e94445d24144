"""Heads: from bytes to an environ, whatever the bytes, and whatever was read before."""

import re
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpool.errors import BadRequest
from gpool.wsgi import request, scanning
from gpool.wsgi.framing import PLAIN, Framing, Limits
from gpool.wsgi.request import MAX_BLOCK, MAX_LINE, MAX_REMEMBERED, Heads
from tests.wsgi import heads as given_heads

LIMITS = Limits(max_request_line=1_024, max_header_size=1_024, max_head_size=2_048)
STATUSES = {400, 413, 414, 417, 431, 501, 505}
KEY = re.compile(r"HTTP_[!#$%&'*+.^_`|~0-9A-Z]+")
OF_LINE = {
    "REQUEST_METHOD",
    "RAW_URI",
    "REQUEST_URI",
    "SERVER_PROTOCOL",
    "PATH_INFO",
    "QUERY_STRING",
}
EMPTY_LINE = b"\r\n\r\n"
COMPILED = scanning.__file__.endswith(".so")


def outcome(heads, head):
    """What reading comes to; errors as their status and text."""
    try:
        environ, framing = heads.read(head)
    except BadRequest as error:
        return error.status, str(error)
    return dict(environ), framing


def fresh():
    return Heads(LIMITS, {"wsgi.of": "template"})


@settings(deadline=None, max_examples=300)
@given(head=given_heads.anything)
def test_whatever_the_bytes_there_is_an_environ_or_a_refusal(head):
    environ, framing = outcome(Heads(LIMITS, {}), head)
    if isinstance(environ, int):
        assert environ in STATUSES and framing.isascii()  # status and text
        return
    assert environ.keys() >= OF_LINE
    for key, value in environ.items():
        assert type(key) is type(value) is str
        value.encode("latin-1")
        if key not in OF_LINE:
            assert key in {"CONTENT_TYPE", "CONTENT_LENGTH"} or KEY.fullmatch(key)
        if key != "PATH_INFO":  # in which %0A is a line's end
            assert not re.search(r"[\0\r\n]", value)
    assert "HTTP_CONTENT_TYPE" not in environ and "HTTP_CONTENT_LENGTH" not in environ
    assert environ["RAW_URI"].encode() in head
    assert framing.head_only is (environ["REQUEST_METHOD"] == "HEAD")
    assert framing.http11 is (environ["SERVER_PROTOCOL"] == "HTTP/1.1")
    assert not framing.http11 or "HTTP_HOST" in environ


@settings(deadline=None, max_examples=200)
@given(line=given_heads.request_lines, block=given_heads.blocks)
def test_a_well_formed_head_is_read_as_it_is(line, block):
    environ, _ = fresh().read(given_heads.wire(line, block))
    method, target, version = line.split(" ")
    assert environ["REQUEST_METHOD"] == method
    assert environ["RAW_URI"] == environ["REQUEST_URI"] == target
    assert environ["SERVER_PROTOCOL"] == ("HTTP/1.0" if version == "HTTP/1.0" else "HTTP/1.1")
    assert environ["wsgi.of"] == "template"
    expected: dict[str, list[str]] = {}
    for field in block:
        name, _, value = field.partition(":")
        key = name.upper().replace("-", "_")
        key = key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"
        expected.setdefault(key, []).append(value.strip(" \t"))
    if target[0] != "/":
        expected["HTTP_HOST"] = ["b:1"]
    assert environ.keys() - OF_LINE - {"wsgi.of"} == expected.keys()
    for key, values in expected.items():
        joined = ("; " if key == "HTTP_COOKIE" else ",").join(values)
        assert environ[key] == joined.strip(" \t")


# ---------------------------------------------------------------------- memory

#: Heads that share their lines and their blocks, the good and the bad.
lines = st.sampled_from(
    [
        b"GET / HTTP/1.1",
        b"GET /?a=b HTTP/1.1",
        b"POST / HTTP/1.1",
        b"HEAD / HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"GET http://other/ HTTP/1.1",
        b"GET / HTTP/1.0",
        b"GET / HTTP/1.2",
        b"GET / HTTP/2.0",
        b"CONNECT / HTTP/1.1",
        b"GET /%41%0a HTTP/1.1",
        b"GET /" + b"a" * MAX_LINE + b" HTTP/1.1",
        b"GET /\x00 HTTP/1.1",
        b"",
        b"a: b",
    ]
)
blocks = st.sampled_from(
    [
        b"\r\nHost: a",
        b"\r\nhost: a",
        b"\r\nHost: a\r\nConnection: close",
        b"\r\nHost: a\r\nContent-Length: 5",
        b"\r\nHost: a\r\nContent-Length: 0",
        b"\r\nHost: a\r\nTransfer-Encoding: chunked",
        b"\r\nHost: a\r\nExpect: 100-continue",
        b"\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5",
        b"\r\nHost: a\r\nHost: a",
        b"\r\nX: y",
        b"\r\nHost: a\r\nX: " + b"y" * 1_000 + b"\r\nY: " + b"y" * 1_000,
        b"\r\nHost: a\r\nX: " + b"y" * 1_022,
        b"",
        b"\r\nHost: a\r\nGET / HTTP/1.1",
    ]
)
shared = st.builds(bytes.__add__, lines, blocks)


@settings(deadline=None, max_examples=100)
@given(sequence=st.lists(st.one_of(shared, shared, given_heads.anything), min_size=2, max_size=12))
def test_reading_does_not_depend_on_what_was_read_before(sequence):
    heads = fresh()
    for head in sequence * 3:
        assert outcome(heads, head) == outcome(fresh(), head)
    for data, said in heads.whole.items():
        assert data.endswith(EMPTY_LINE)
        assert said == outcome(fresh(), data[:-4])


@settings(deadline=None, max_examples=200)
@given(head=st.one_of(shared, given_heads.good))
def test_a_head_that_is_read_again_gives_an_equal_environ_of_its_own(head):
    heads = fresh()
    first = outcome(heads, head)
    for _ in range(4):
        again = outcome(heads, head)
        assert again == first
        if isinstance(again[0], dict):
            environ, framing = heads.read(head)
            assert (framing is PLAIN) is (first[1] is PLAIN)
            for one in (environ, heads.read(head)[0]):
                one.clear()
                one["HTTP_X"] = "of an application"
    for data, said in heads.whole.items():
        assert said == outcome(fresh(), data[:-4])
    assert outcome(heads, head) == first


def test_a_head_that_came_three_times_is_found_whole():
    heads = fresh()
    head = b"GET / HTTP/1.1\r\nHost: a"
    for _ in range(2):
        heads.read(head)
        assert not heads.whole
    heads.read(head)
    assert heads.whole.keys() == {head + EMPTY_LINE}
    for _ in range(3):
        heads.read(b"GET /b HTTP/1.1\r\nHost: a")
    assert len(heads.whole) == 2


def test_a_head_that_comes_once_leaves_no_environ_behind():
    heads = fresh()
    heads.read(b"GET / HTTP/1.1\r\nHost: a")
    assert not heads._lines and not heads._blocks


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
@pytest.mark.parametrize("connection", [b"close", b"keep-alive"])
def test_the_same_fields_mean_what_they_mean_in_that_version(version, connection):
    heads = fresh()
    for other in (b"1.0", b"1.1"):
        for _ in range(3):
            heads.read(b"GET / HTTP/%b\r\nHost: a\r\nConnection: close" % other)
            heads.read(b"GET / HTTP/%b\r\nHost: a\r\nConnection: keep-alive" % other)
    head = b"GET / HTTP/%b\r\nHost: a\r\nConnection: %b" % (version, connection)
    _, framing = heads.whole[head + EMPTY_LINE]
    assert framing == Framing(http11=version == b"1.1", keep_alive=connection != b"close")
    assert framing == outcome(fresh(), head)[1]


@pytest.mark.parametrize(
    "head",
    [
        b"HEAD / HTTP/1.1\r\nHost: a",
        b"GET http://b/ HTTP/1.1\r\nHost: a",
        b"OPTIONS * HTTP/1.1\r\nHost: a",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: b",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked",
        b"GET /" + b"a" * MAX_LINE + b" HTTP/1.1\r\nHost: a",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * (MAX_BLOCK // 6) + b"A: b",
    ],
    ids=["head", "absolute", "asterisk", "upgrade", "length", "chunked", "long line", "long block"],
)
def test_what_has_a_body_an_upgrade_or_is_long_is_never_found_whole(head):
    heads = Heads(Limits(max_headers=1_000), {})
    for _ in range(4):
        heads.read(b"GET / HTTP/1.1\r\nHost: a")
        heads.read(head)
    assert heads.whole.keys() == {b"GET / HTTP/1.1\r\nHost: a" + EMPTY_LINE}


@pytest.mark.parametrize("repeat", [1, 2, 3])
def test_what_is_remembered_is_bounded(repeat):
    """Ten times as many heads as are remembered take no more memory than two times as many."""
    heads = Heads(Limits(), {})

    def read(begin, end):
        most = 0
        for number in range(begin, end):
            head = b"GET /%0*d HTTP/1.1\r\nHost: a\r\nX: %0*d" % (200, number, 1_500, number)
            for _ in range(repeat):
                heads.read(head)
            assert len(heads.whole) <= MAX_REMEMBERED
            most = max(most, tracemalloc.get_traced_memory()[0])
        return most

    tracemalloc.start()
    try:
        first = read(0, 2 * MAX_REMEMBERED)
        assert read(2 * MAX_REMEMBERED, 10 * MAX_REMEMBERED) < 1.1 * first
    finally:
        tracemalloc.stop()


def test_the_names_of_headers_that_are_remembered_are_bounded(monkeypatch):
    monkeypatch.setattr(request, "KEYS", dict(request.KEYS))
    heads = fresh()
    for number in range(2 * request.MAX_KEYS):
        name = f"X-{number}"
        environ, _ = heads.read(f"GET / HTTP/1.1\r\nHost: a\r\n{name}: b".encode())
        assert environ[f"HTTP_X_{number}"] == "b"
    assert len(request.KEYS) == request.MAX_KEYS


def test_a_name_that_is_known_still_needs_its_colon():
    heads = fresh()
    heads.read(b"GET / HTTP/1.1\r\nHost: a\r\nX-Known: b")
    for line in (b"X-Known", b"Host", b"Content-Length", b"X-Known b"):
        assert outcome(heads, b"GET / HTTP/1.1\r\nHost: a\r\n" + line)[0] == 400


def test_a_limit_is_not_forgotten_for_a_head_whose_parts_are_known():
    """Each part alone is small enough, and remembered; the two are not."""
    line, block = b"GET /" + b"a" * 200 + b" HTTP/1.1", b"\r\nHost: a\r\nX: " + b"b" * 900
    limits = Limits(max_header_size=1_024, max_head_size=1_024)
    heads = Heads(limits, {})
    for _ in range(2):
        heads.read(line + b"\r\nHost: a")
        heads.read(b"GET / HTTP/1.1" + block)
    assert line in heads._lines
    assert any(known.endswith(block) for known in heads._blocks)
    for _ in range(2):
        assert outcome(heads, line + block)[0] == 431
    assert not heads.whole


def test_a_head_as_large_as_its_limit_is_found_whole_too():
    head = padded(1_024, b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
    heads = Heads(Limits(max_head_size=1_024), {})
    for _ in range(3):
        heads.read(head)
    assert heads.whole.keys() == {head + EMPTY_LINE}


def test_fields_that_came_in_one_version_are_read_anew_in_the_other():
    """What they say of the connection is another thing there."""
    heads = fresh()
    for _ in range(4):
        for version in (b"1.0", b"1.1"):
            head = b"GET / HTTP/%b\r\nHost: a\r\nConnection: x" % version
            assert outcome(heads, head) == outcome(fresh(), head)


@pytest.mark.parametrize("more", [0, 1])
def test_a_line_and_a_block_are_remembered_up_to_a_size(more):
    line = padded(MAX_LINE + more, b"GET /", b" HTTP/1.1")
    block = padded(MAX_BLOCK + more, b"1\r\nHost: a\r\nX: ")  # the version is part of it
    heads = Heads(Limits(), {})
    for _ in range(2):
        heads.read(line + b"\r\nHost: a")
        heads.read(b"GET / HTTP/1.1" + block[1:])
    assert (line in heads._lines, block in heads._blocks) == (not more, not more)


def test_what_came_before_a_memory_was_full_comes_back(monkeypatch):
    """It is emptied then, and fills anew."""
    for name, bound in (("MAX_REMEMBERED", 4), ("MAX_SEEN", 16)):
        monkeypatch.setattr(request, name, bound)
    heads = fresh()
    sizes = set()
    for number in range(20):
        head = b"GET /%d HTTP/1.1\r\nHost: a\r\nX: %d" % (number, number)
        for _ in range(3):
            assert outcome(heads, head) == outcome(fresh(), head)
        assert head + EMPTY_LINE in heads.whole
        sizes.add((len(heads.whole), len(heads._lines), len(heads._blocks)))
        assert len(heads._seen) <= 16
    assert sizes == {(size,) * 3 for size in (1, 2, 3, 4)}


def test_a_host_is_checked_once_as_long_as_there_are_few(monkeypatch):
    monkeypatch.setattr(request, "MAX_HOSTS", 2)
    checked = []
    monkeypatch.setattr(request, "check_host", lambda host, http11: checked.append(host))
    heads = fresh()
    for _ in range(2):
        for host in ("a", "b", "c"):
            heads.read(f"GET /{len(checked)} HTTP/1.1\r\nHost: {host}".encode())
    assert checked == ["a", "b", "c", "c"]


@pytest.mark.parametrize("control", sorted({*range(0x20), 0x7F} - {0x09}))
def test_no_control_but_the_tab_may_stand_in_a_head(control):
    byte = bytes([control])
    for head in (
        b"GET /%b HTTP/1.1\r\nHost: a",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: b%bc",
        b"GET / HTTP/1.1\r\nHost: a\r\nX%b: b",
    ):
        assert outcome(fresh(), head % byte)[0] == 400
    assert outcome(fresh(), b"GET / HTTP/1.1\r\nHost: a\r\nX: b\tc")[1] is PLAIN


@pytest.mark.skipif(COMPILED, reason="the compiled form of a module calls that of another directly")
@pytest.mark.parametrize("smallest", ["max_request_line", "max_header_size", "max_head_size"])
@pytest.mark.parametrize("more", [0, 1, 2])
def test_only_a_head_below_all_limits_is_scanned(monkeypatch, smallest, more):
    """The scan itself has none: what it says is taken as it is."""
    scanned = []

    def scan_request_line(line, methods, environ):
        scanned.append(line)
        return request.read_request_line(line.decode(), environ)

    def scan_fields(head, end, keys, most):
        scanned.append(head[end:])
        return request.read_fields(head[end:].decode().split("\r\n"))

    sizes = dict.fromkeys(("max_request_line", "max_header_size", "max_head_size"), 2_000)
    heads = Heads(Limits(**{**sizes, smallest: 1_024}), {})
    head = padded(1_023 + more, b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
    expected = outcome(heads, head)
    assert (
        expected[0] == 431 if (more == 2 and smallest == "max_head_size") else expected[1] is PLAIN
    )
    monkeypatch.setattr(request, "scan_request_line", scan_request_line)
    monkeypatch.setattr(request, "scan_fields", scan_fields)
    assert outcome(heads, head) == expected
    assert scanned == ([] if more == 2 else [head[:14], head[14:]])


@pytest.mark.parametrize("names", [("X-Y", "X_Y"), ("Content-Length", "Content_Length")])
def test_a_name_with_an_underscore_does_not_pass_for_one_with_a_hyphen(names):
    heads = fresh()
    for first, second in (names, names[::-1]):
        for fields in ([first, second], [second]):
            head = "\r\n".join(["GET / HTTP/1.1", "Host: a", *(f"{name}: 1" for name in fields)])
            with_hyphen = [name for name in fields if "_" not in name]
            bare = "\r\n".join(
                ["GET / HTTP/1.1", "Host: a", *(f"{name}: 1" for name in with_hyphen)]
            )
            assert outcome(heads, head.encode()) == outcome(heads, bare.encode())


@pytest.mark.parametrize("name", ["Host", "Content-Length", "Transfer-Encoding"])
def test_what_says_where_a_message_ends_or_whom_it_is_for_is_never_said_twice(name):
    heads = fresh()
    value = {"Host": "a", "Content-Length": "5", "Transfer-Encoding": "chunked"}[name]
    host = "" if name == "Host" else "Host: a\r\n"
    once = f"GET / HTTP/1.1\r\n{host}{name}: {value}"
    for _ in range(2):
        assert isinstance(outcome(heads, once.encode())[0], dict)
        for other in (name, name.upper(), name.lower()):
            assert outcome(heads, f"{once}\r\n{other}: {value}".encode())[0] == 400


# ---------------------------------------------------------------------- the parts of a head


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("GET /a?b?c HTTP/1.1", ("GET", "/a?b?c", "/a", "b?c", "HTTP/1.1")),
        ("GET /%41%ff%3F?%41 HTTP/1.0", ("GET", "/%41%ff%3F?%41", "/A\xff?", "%41", "HTTP/1.0")),
        ("BREW //a HTTP/1.9", ("BREW", "//a", "//a", "", "HTTP/1.1")),
        ("OPTIONS * HTTP/1.1", ("OPTIONS", "*", "", "", "HTTP/1.1")),
        ("GET http://b:1/a?c HTTP/1.1", ("GET", "http://b:1/a?c", "/a", "c", "HTTP/1.1")),
        ("GET HTTPS://[::1]?c HTTP/1.1", ("GET", "HTTPS://[::1]?c", "/", "c", "HTTP/1.1")),
        ("GET http://b HTTP/1.1", ("GET", "http://b", "/", "", "HTTP/1.1")),
    ],
)
def test_a_request_line_is_read_into_the_environ(line, expected):
    environ, framing = fresh().read(f"{line}\r\nHost: a".encode())
    keys = ("REQUEST_METHOD", "RAW_URI", "PATH_INFO", "QUERY_STRING", "SERVER_PROTOCOL")
    assert tuple(environ[key] for key in keys) == expected
    assert environ["REQUEST_URI"] == environ["RAW_URI"]
    assert framing.http11 is (expected[-1] == "HTTP/1.1")


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET /", 400),
        ("GET  / HTTP/1.1", 400),
        ("GET / HTTP/1.1 ", 400),
        (" / HTTP/1.1", 400),
        ("G(T / HTTP/1.1", 400),
        ("GET / HTTP/1.", 400),
        ("GET / http/1.1", 400),
        ("GET / HTTP/1.1x", 400),
        ("GET / HTTP/0.9", 505),
        ("GET / HTTP/2.0", 505),
        ("GET /# HTTP/1.1", 400),
        ("GET /\t HTTP/1.1", 400),
        ("GET /\xe9 HTTP/1.1", 400),
        ("GET a HTTP/1.1", 400),
        ("GET * HTTP/1.1", 400),
        ("OPTIONS a HTTP/1.1", 400),
        ("OPTIONS ! HTTP/1.1", 400),
        ("POST * HTTP/1.1", 400),
        ("GET ftp://a/ HTTP/1.1", 400),
        ("GET http:///a HTTP/1.1", 400),
        ("GET http://a@b/ HTTP/1.1", 400),
        ("CONNECT / HTTP/1.1", 501),
        ("CONNECT a:1 HTTP/1.1", 501),
    ],
)
def test_a_request_line_that_is_malformed_or_not_served_is_refused(line, status):
    assert outcome(fresh(), f"{line}\r\nHost: a".encode("latin-1"))[0] == status


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["X: a"], {"HTTP_X": "a"}),
        (["x-y.Z:\t a b \t"], {"HTTP_X_Y.Z": "a b"}),
        (["X:"], {"HTTP_X": ""}),
        (["X: a:b"], {"HTTP_X": "a:b"}),
        (["content-type: a"], {"CONTENT_TYPE": "a"}),
        (["CONTENT-LENGTH: 0"], {"CONTENT_LENGTH": "0"}),
        (["Content-Types: a"], {"HTTP_CONTENT_TYPES": "a"}),
        (["X_Y: a", "X_Y: b"], {}),
        (["X: a ", "Y: b", "x:\tc", "X: d"], {"HTTP_X": "a,c,d", "HTTP_Y": "b"}),
        (["Cookie: a=b", "cookie: c=d"], {"HTTP_COOKIE": "a=b; c=d"}),
        (["Accept: a", "accept: b"], {"HTTP_ACCEPT": "a,b"}),
        (["X: a,b", "X:"], {"HTTP_X": "a,b,"}),
    ],
)
def test_header_fields_are_read_into_the_environ(lines, expected):
    environ, _ = fresh().read("\r\n".join(["GET / HTTP/1.1", "Host: h", *lines]).encode())
    fields = {key: value for key, value in environ.items() if key not in OF_LINE}
    assert fields == expected | {"HTTP_HOST": "h", "wsgi.of": "template"}


@pytest.mark.parametrize(
    "line", ["X", "X a", ": a", "X : a", " X: a", "\tX: a", "X(: a", "X\xe9: a", "", '"X": a']
)
def test_a_header_field_that_is_malformed_is_refused(line):
    for lines in (["Host: h", line], [line, "Host: h"]):
        head = "\r\n".join(["GET / HTTP/1.1", *lines]).encode("latin-1")
        assert outcome(fresh(), head) == (400, "malformed header field")


@pytest.mark.parametrize(
    "host", ["a", "a:1", "", ":", "a:", "1.2.3.4:80", "[::1]", "[::1]:8", "%41"]
)
def test_a_host_is_a_name_or_an_address_and_a_port(host):
    assert fresh().read(f"GET / HTTP/1.1\r\nHost: {host}".encode())[0]["HTTP_HOST"] == host


@pytest.mark.parametrize(
    "host", ["a b", "a/", "a@b", "a:b", "[::1", "::1", "a,b:1:2", "\xe9", "a?"]
)
def test_any_other_host_is_refused(host):
    for version in ("1.0", "1.1"):
        head = f"GET / HTTP/{version}\r\nHost: {host}".encode("latin-1")
        assert outcome(fresh(), head) == (400, "malformed Host header field")


def test_only_http_1_0_may_leave_its_host_out():
    assert outcome(fresh(), b"GET / HTTP/1.1\r\nX: b") == (400, "no Host header field")
    assert "HTTP_HOST" not in outcome(fresh(), b"GET / HTTP/1.0\r\nX: b")[0]


def test_a_host_in_the_target_replaces_that_of_the_field_which_must_be_there_all_the_same():
    head = b"GET http://b/ HTTP/1.1"
    assert outcome(fresh(), head + b"\r\nHost: a")[0]["HTTP_HOST"] == "b"
    assert outcome(fresh(), head)[0] == 400
    assert outcome(fresh(), b"OPTIONS * HTTP/1.1\r\nHost: a")[0]["HTTP_HOST"] == "a"


# ---------------------------------------------------------------------- limits


def padded(size, begin, end=b""):
    return begin + b"a" * (size - len(begin) - len(end)) + end


@pytest.mark.parametrize("above", [False, True], ids=["at", "above"])
@pytest.mark.parametrize(
    ("status", "build"),
    [
        (414, lambda more: padded(1_024 + more, b"GET /", b" HTTP/1.1") + b"\r\nHost: a"),
        (431, lambda more: b"GET / HTTP/1.1\r\nHost: a\r\n" + padded(1_024 + more, b"X:")),
        (431, lambda more: b"GET / HTTP/1.1\r\n" + padded(1_024 + more, b"X:") + b"\r\nHost: a"),
        (
            431,
            lambda more: (
                padded(1_024, b"GET / HTTP/1.1\r\nHost: a\r\nX:")
                + b"\r\nY:"
                + b"b" * (2_048 - 1_024 - 4 + more)
            ),
        ),
        (431, lambda more: b"GET / HTTP/1.1\r\nHost: a" + b"\r\nX:" * (99 + more)),
    ],
    ids=["request line", "last field", "first field", "head", "fields"],
)
def test_a_limit_is_what_is_still_served(above, status, build):
    heads = fresh()
    for _ in range(3):
        result = outcome(heads, build(int(above)))
        assert result[0] == status if above else result[1] is PLAIN


def test_a_request_line_may_be_longer_than_a_field():
    heads = Heads(Limits(max_request_line=4_096, max_header_size=1_024), {})
    assert outcome(heads, padded(4_096, b"GET /", b" HTTP/1.1") + b"\r\nHost: a")[1] is PLAIN


def test_the_template_is_a_part_of_each_environ_and_stays_as_it_is():
    template = {"SCRIPT_NAME": "", "HTTP_X": "of the template"}
    heads = Heads(LIMITS, template)
    for _ in range(4):
        environ, _ = heads.read(b"GET / HTTP/1.1\r\nHost: a")
        assert environ["HTTP_X"] == "of the template"
        environ["SCRIPT_NAME"] = "/mounted"
        assert heads.read(b"GET / HTTP/1.1\r\nHost: a\r\nX: b")[0]["HTTP_X"] == "b"
    assert template == {"SCRIPT_NAME": "", "HTTP_X": "of the template"}
