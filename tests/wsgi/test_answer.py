"""Responses on a scripted connection: what PEP 3333 lets an application say, and how it is sent."""

import io

import pytest

from gpool.wsgi.answer import LARGE
from gpool.wsgi.body import ChunkedBody, LengthBody
from gpool.wsgi.files import FileWrapper
from gpool.wsgi.framing import Limits
from gpool.wsgi.settings import Settings
from gpool.wsgi.wire import CLOSE, KEEP, Verdict
from tests.wsgi.parts import (
    CLOSING,
    GET,
    HEAD,
    OLD,
    OLD_KEPT,
    TEXT,
    Blocks,
    parsed,
    saying,
    served,
    site,
)

LINGER, RESET = Verdict.LINGER, Verdict.RESET


def length(number):
    return ("Content-Length", str(number))


class Old:
    """An iterable by the old protocol, without a length."""

    def __getitem__(self, index):
        return [b"a", b"", b"bc"][index]


# ---------------------------------------------------------------------- what is sent, and when


@pytest.mark.parametrize("headers", [[TEXT], [length(3)], [TEXT, length(3)]])
@pytest.mark.parametrize("blocks", [(b"abc",), (b"a", b"bc"), (b"", b"abc", b"")])
@pytest.mark.parametrize("make", [list, tuple])
def test_blocks_that_are_all_there_leave_with_their_head_in_one_send(headers, make, blocks):
    shared = site()
    for _ in range(2):
        conn = served(saying("200 OK", headers, make(blocks)), site=shared)
        shared.dates.tick()  # the second time, the beginning is not known
        assert conn.calls == ["finish"] and conn.verdicts == [KEEP]
        got = conn.got()
        assert (got.status, got.body, got.whole, got.rest) == ("200 OK", b"abc", True, b"")
        assert got.values("Content-Length") == ["3"] and not got.values("Transfer-Encoding")


def test_the_short_way_of_most_responses_sends_what_the_long_way_does(monkeypatch):
    monkeypatch.setattr("gpool.wsgi.response.time", lambda: 1.0)
    application = saying("200 OK", [TEXT, length(3)], [b"abc"])
    shared = site()
    short = served(application, site=shared)
    shared.dates.tick()
    assert served(application, site=shared).received == short.received


def test_a_large_body_is_not_copied_behind_its_head():
    for size in (LARGE, LARGE + 1):
        conn = served(saying("200 OK", [TEXT], [b"a" * size]))
        assert conn.got().body == b"a" * size and conn.verdicts == [KEEP]
        assert ("write" in conn.calls) is (size > LARGE)


ITERABLES = {
    "generator": lambda: (block for block in (b"a", b"", b"bc")),
    "iterator": lambda: iter([b"a", b"", b"bc"]),
    "set of one": lambda: {b"abc"},
    "old protocol": Old,
    "with close": lambda: Blocks(b"a", b"bc"),
    "file": lambda: FileWrapper(io.BytesIO(b"abc"), 2),
    "map": lambda: map(bytes, ([97], [], [98, 99])),
}


@pytest.mark.parametrize("kind", ITERABLES)
@pytest.mark.parametrize("head", [GET, OLD, OLD_KEPT, CLOSING])
def test_any_iterable_is_sent_whole(kind, head):
    conn = served(saying("200 OK", [TEXT], ITERABLES[kind]), head)
    got = conn.got()
    assert (got.body, got.rest, conn.calls[-1]) == (b"abc", b"", "finish")
    known = kind == "tuple"  # all blocks are there, as in a list
    assert got.values("Content-Length") == (["3"] if known else [])
    if head in (GET, CLOSING):
        assert got.whole and got.values("Transfer-Encoding") == ([] if known else ["chunked"])
        assert conn.verdicts == [KEEP if head == GET else CLOSE]
    else:
        assert not got.values("Transfer-Encoding")
        kept = known and head == OLD_KEPT  # else the close ends the body
        assert (conn.verdicts == [KEEP]) is kept
        assert got.values("Connection") == ["keep-alive" if kept else "close"]


def test_a_tuple_is_sent_at_once_as_a_list_is():
    got = served(saying("200 OK", [TEXT], lambda: (b"a", b"", b"bc"))).got()
    assert (got.body, got.values("Content-Length")) == (b"abc", ["3"])


def test_a_block_leaves_before_the_next_is_asked_for():
    seen = []

    def blocks():
        yield b""
        seen.append(conns[0].received)
        yield b"a"
        seen.append(conns[0].received)
        yield b"b"
        seen.append(conns[0].received)

    conns = []

    def application(environ, start_response):
        conns.append(environ["gpool.hijack"].conn)
        start_response("200 OK", [TEXT])
        return blocks()

    conn = served(application)
    assert seen[0] == b""  # the head waits for a block with something in it
    assert seen[1].endswith(b"\r\n\r\n1\r\na\r\n") and seen[2] == seen[1] + b"1\r\nb\r\n"
    assert conn.received == seen[2] + b"0\r\n\r\n"


def test_start_response_may_be_called_with_the_first_block():
    def application(environ, start_response):
        start_response("201 Created", [TEXT])
        yield b"a"

    assert served(application).got()[::2] == ("201 Created", b"a", b"")


@pytest.mark.parametrize("make", [list, tuple, iter])
@pytest.mark.parametrize("blocks", [(), (b"",), (b"", b"")])
@pytest.mark.parametrize("head", [GET, OLD_KEPT])
def test_an_empty_body_has_a_length(make, blocks, head):
    conn = served(saying("200 OK", [TEXT], make(blocks)), head)
    got = conn.got()
    assert (got.body, got.whole, got.values("Content-Length")) == (b"", True, ["0"])
    assert conn.verdicts == [KEEP]


@pytest.mark.parametrize("head", [GET, OLD, HEAD])
def test_what_is_written_comes_first(head):
    def application(environ, start_response):
        write = start_response("200 OK", [TEXT])
        write(b"a")
        write(b"")
        write(b"b")
        return [b"c"]

    conn = served(application, head)
    got = conn.got("HEAD" if head == HEAD else "GET")
    assert got.body == (b"" if head == HEAD else b"abc") and not got.rest
    assert conn.calls.index("write") == 0


# ---------------------------------------------------------------------- without a body


@pytest.mark.parametrize("make", [list, tuple, iter])
@pytest.mark.parametrize("blocks", [(b"abc",), (b"a", b"bc"), (b"", b"abc"), (), (b"",)])
@pytest.mark.parametrize("said", [None, 3])
@pytest.mark.parametrize(
    ("head", "status"), [(HEAD, "200 OK"), (HEAD, "204"), (GET, "204 None"), (GET, "304 Same")]
)
def test_what_has_no_body_sends_none_whatever_is_returned(head, status, said, blocks, make):
    headers = [TEXT] if said is None else [TEXT, length(said)]
    conn = served(saying(status, headers, make(blocks)), head)
    assert conn.received.endswith(b"\r\n\r\n") and conn.received.count(b"\r\n\r\n") == 1
    assert conn.verdicts == [KEEP]
    got = conn.got("HEAD")
    assert not got.values("Transfer-Encoding")
    if status[:3] == "204":
        assert not got.values("Content-Length")
    elif said is not None:
        assert got.values("Content-Length") == ["3"]
    elif head == HEAD and not b"".join(blocks):
        assert not got.values("Content-Length")  # what a GET would have, is not known


@pytest.mark.parametrize("result", [[], [b""], (), (b"",)])
def test_a_304_does_not_say_the_length_of_its_own_body(result):
    """RFC 9110 section 8.6: it must be that of the 200, or none."""
    conn = served(saying("304 Not Modified", [("ETag", '"a"')], result))
    assert not conn.got("HEAD").values("Content-Length")


def test_blocks_that_nobody_will_read_are_not_asked_for():
    blocks = Blocks(b"a", *[b"b"] * 100)
    served(saying("200 OK", [TEXT], blocks), HEAD)
    assert blocks.yielded == 1 and blocks.closed == 1


@pytest.mark.parametrize(("head", "status"), [(HEAD, "200 OK"), (GET, "304 Not Modified")])
def test_a_file_without_a_body_is_not_sent(tmp_path, head, status):
    (tmp_path / "file").write_bytes(b"abc")
    with (tmp_path / "file").open("rb") as file:
        conn = served(saying(status, [TEXT], FileWrapper(file)), head)
    assert "send_file" not in conn.calls and conn.got("HEAD").values("Content-Length") == ["3"]


# ---------------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("said", "body", "verdict"),
    [(None, b"abcdef", KEEP), (6, b"abcdef", KEEP), (2, b"ab", KEEP), (9, b"abcdef", LINGER)],
)
@pytest.mark.parametrize("sendfile", [True, False])
def test_a_file_is_sent_up_to_the_length_that_was_said(tmp_path, said, body, verdict, sendfile):
    (tmp_path / "file").write_bytes(b"abcdef")
    file = (tmp_path / "file").open("rb")
    headers = [TEXT] if said is None else [TEXT, length(said)]
    application = saying("200 OK", headers, FileWrapper(file))
    shared = site()
    shared.sendfile = sendfile
    conn = served(application, site=shared)
    assert ("send_file" in conn.calls) is sendfile and file.closed
    got = conn.got()
    assert (got.body, got.whole, got.rest) == (body, verdict is KEEP, b"")
    assert got.values("Content-Length") == [str(said or 6)]
    assert conn.verdicts == [verdict if sendfile or said != 2 else LINGER]


# ---------------------------------------------------------------------- a length that is not true

MANY = [
    lambda *blocks: list(blocks),
    lambda *blocks: tuple(blocks),
    lambda *blocks: iter(blocks),
    Blocks,
]


@pytest.mark.parametrize("make", MANY)
@pytest.mark.parametrize("head", [GET, OLD_KEPT])
@pytest.mark.parametrize("blocks", [(b"abcdef",), (b"abc", b"def"), (b"ab", b"cd", b"ef")])
def test_what_is_longer_than_its_length_is_cut_and_ends_the_connection(make, head, blocks, logged):
    """Or the rest would be read as the next response."""
    conn = served(saying("200 OK", [length(3)], make(*blocks)), head)
    got = conn.got()
    assert (got.body, got.whole, got.rest) == (b"abc", True, b"")
    assert conn.verdicts == [LINGER]
    assert any("longer than its Content-Length, which was 3" in line for line in logged())


@pytest.mark.parametrize("make", MANY)
@pytest.mark.parametrize("head", [GET, OLD_KEPT, CLOSING])
@pytest.mark.parametrize("blocks", [(), (b"",), (b"ab",), (b"a", b"", b"b")])
def test_what_is_shorter_than_its_length_ends_the_connection(make, head, blocks, logged):
    """Or the next response would be read as the rest."""
    conn = served(saying("200 OK", [length(3)], make(*blocks)), head)
    got = conn.got()
    assert (got.body, got.whole, got.rest) == (b"".join(blocks), False, b"")
    assert conn.verdicts == [LINGER]
    assert any("shorter than its Content-Length, which was 3" in line for line in logged())


# ---------------------------------------------------------------------- what follows


@pytest.mark.parametrize("make", [lambda: [b"abc"], lambda: iter([b"abc"])])
@pytest.mark.parametrize(
    ("head", "buffer", "verdict", "said"),
    [
        (GET, b"", KEEP, []),
        (GET, b"next", KEEP, []),
        (CLOSING, b"", CLOSE, ["close"]),
        (CLOSING, b"next", LINGER, ["close"]),  # a close would be a reset
        (OLD, b"", CLOSE, ["close"]),
        (OLD, b"next", LINGER, ["close"]),
    ],
)
def test_the_connection_stays_or_says_that_it_does_not(make, head, buffer, verdict, said):
    for headers in ([TEXT], [length(3)]):
        conn = served(saying("200 OK", headers, make), head, buffer=buffer)
        assert conn.verdicts == [verdict] and conn.got().values("Connection") == said


@pytest.mark.parametrize("headers", [[TEXT], [length(3)]])
def test_during_a_drain_the_connection_does_not_stay(headers):
    shared = site()
    shared.keep_alive = False
    conn = served(saying("200 OK", headers, [b"abc"]), site=shared)
    assert conn.verdicts == [LINGER] and conn.got().values("Connection") == ["close"]


POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999"
EXPECTS = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue"
BUFFER = Settings().body_buffer


@pytest.mark.parametrize(
    ("head", "body", "verdict"),
    [
        (POST, LengthBody(0), KEEP),
        (POST, LengthBody(BUFFER), KEEP),  # the rest is read and thrown away
        (POST, LengthBody(BUFFER + 1), LINGER),
        (POST, ChunkedBody(Limits()), KEEP),  # it does not say how much there is
        (EXPECTS, LengthBody(5), LINGER),  # whether it comes, only the client knows
        (EXPECTS, LengthBody(0), KEEP),
        (CLOSING, LengthBody(5), LINGER),
        (CLOSING, LengthBody(0), CLOSE),
    ],
)
def test_a_body_that_was_not_read_may_end_the_connection(head, body, verdict):
    conn = served(saying("200 OK", [TEXT], [b"abc"]), head, body=body, expects=head == EXPECTS)
    assert conn.verdicts == [verdict]
    assert bool(parsed(conn.received).values("Connection")) is (verdict is not KEEP)
    assert not conn.expects or body.done  # it is too late to ask for it
