"""The bodies of requests: decoders without a connection, and what an application reads."""

import io
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpool.errors import BadRequest, ClientDisconnected
from gpool.wsgi.body import (
    MAX_CHUNK_LINE,
    MAX_EXTENSIONS,
    NO_BODY,
    BodyReader,
    ChunkedBody,
    LengthBody,
)
from gpool.wsgi.framing import Limits

LIMITS = Limits(max_headers=5, max_header_size=1_024, max_head_size=2_048, max_body_size=5_000)
END = b"0\r\n\r\n"

extensions = st.sampled_from(
    [b"", b";a", b" ;\ta", b";a=b", b"; a = b", b';a="b;\\"c\xff"', b';a="";b', b';a="\t\\ "']
)
trailers = st.lists(
    st.sampled_from([b"A: b", b"A:", b"A_B: \xff\t", b"Content-Length: 5", b"Host: a"]), max_size=5
)
sizes = st.sampled_from([b"%x", b"%X", b"0%x", b"0000000000000%x"])
chunks = st.lists(st.tuples(sizes, st.binary(min_size=1, max_size=50), extensions), max_size=8)
rests = st.sampled_from([b"", b"\r\n", b"GET / HTTP/1.1\r\n", b"\0", b"5\r\nhello\r\n0\r\n\r\n"])
cuts = st.lists(st.integers(0, 600), max_size=20)
NASTY = [
    b"\r\n",
    b"\r",
    b"\n",
    b"0",
    b"5",
    b"a" * 5,
    b"ffffffffffffffff",
    b";a",
    b"=",
    b'"',
    b"A: b",
]
anything = st.one_of(
    st.binary(max_size=30), st.lists(st.sampled_from(NASTY), max_size=10).map(b"".join)
)


def coded(parts, last=b"0", fields=()):
    """A body in chunks."""
    body = b"".join(
        size % len(data) + extension + b"\r\n" + data + b"\r\n" for size, data, extension in parts
    )
    return body + last + b"\r\n" + b"".join(field + b"\r\n" for field in fields) + b"\r\n"


def split(data, places):
    marks = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[begin:end] for begin, end in pairwise(marks)]


def bytewise(data):
    return [data[place : place + 1] for place in range(len(data))]


def fed(body, pieces):
    """What `body` makes of `pieces`, and what is left of them; checks it at every step."""
    result = b""
    left = list(pieces)
    while left and not body.done:
        before = body.remaining()
        data = body.feed(left.pop(0))
        result += data
        if before is not None:
            assert body.remaining() == before - len(data)
        assert body.done is (body.remaining() == 0)
        assert body.done or not body.rest
    return result, body.rest + b"".join(left)


def refused(pieces, limits=LIMITS):
    body = ChunkedBody(limits)
    with pytest.raises(BadRequest) as caught:
        fed(body, pieces)
    assert not body.done
    return caught.value.status


# ---------------------------------------------------------------------- a length


@settings(deadline=None)
@given(data=st.binary(max_size=200), rest=rests, places=cuts)
def test_a_length_is_counted_and_what_follows_is_kept(data, rest, places):
    for pieces in (split(data + rest, places), bytewise(data + rest)):
        body = LengthBody(len(data))
        assert body.remaining() == len(data) and body.done is not bool(data)
        assert fed(body, pieces) == (data, rest)
        assert body.done


def test_a_length_of_zero_is_over_before_it_begins():
    body = LengthBody(0)
    assert body.done and body.remaining() == 0 and body.rest == b""


def test_what_went_to_the_application_directly_is_counted_too():
    body = LengthBody(10)
    body.took(4)
    assert (body.remaining(), body.done) == (6, False)
    assert body.feed(b"abc") == b"abc"
    body.took(3)
    assert (body.remaining(), body.done, body.rest) == (0, True, b"")


# ---------------------------------------------------------------------- chunks


@settings(deadline=None, max_examples=200)
@given(
    parts=chunks,
    last=st.builds(bytes.__add__, st.sampled_from([b"0", b"00", b"0" * 16]), extensions),
    fields=trailers,
    rest=rests,
    places=cuts,
)
def test_any_chunking_gives_the_body_back(parts, last, fields, rest, places):
    data = coded(parts, last, fields) + rest
    expected = b"".join(data for _, data, _ in parts), rest
    for pieces in (split(data, places), bytewise(data), [data]):
        body = ChunkedBody(LIMITS)
        assert body.remaining() is None and not body.done
        assert fed(body, pieces) == expected
        assert body.done and body.remaining() == 0


@settings(deadline=None)
@given(parts=chunks, fields=trailers, places=cuts)
def test_a_body_that_ends_too_early_is_never_done(parts, fields, places):
    data = coded(parts, b"0", fields)
    for pieces in (split(data[:-1], places), bytewise(data[:-1])):
        body = ChunkedBody(LIMITS)
        fed(body, pieces)
        assert not body.done and body.remaining() is None


@settings(deadline=None, max_examples=200)
@given(
    parts=chunks,
    new=anything,
    place=st.integers(0, 300),
    gone=st.integers(0, 3),
    places=cuts,
)
def test_any_bytes_end_in_data_waiting_or_a_refusal_however_they_come(
    parts, new, place, gone, places
):
    data = coded(parts)
    place %= len(data) + 1
    data = data[:place] + new + data[place + gone :]
    ends = []
    for pieces in ([data], split(data, places), bytewise(data)):
        body = ChunkedBody(LIMITS)
        try:
            ends.append((fed(body, pieces), body.done))
        except BadRequest as error:
            ends.append((error.status, body.done))
    assert ends[0] == ends[1] == ends[2]
    assert isinstance(ends[0][0], tuple) or ends[0] in {(400, False), (413, False), (431, False)}


def test_what_has_come_of_a_chunk_is_given_at_once():
    body = ChunkedBody(LIMITS)
    assert body.feed(b"5\r\nhe") == b"he"
    assert body.feed(b"l") == b"l"
    assert body.feed(b"lo\r\n3\r\nabc\r\n2") == b"loabc"
    assert body.feed(b"\r\n") == b""
    assert body.feed(b"xy") == b"xy" and not body.done
    assert body.feed(b"\r\n" + END + b"next") == b""
    assert body.done and body.rest == b"next"


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"-1", b"+1", b" 1", b"1 ", b"0x1", b"1_0", b"g", b"1,1", b"\xb2"),
        *(b"1" * 17, b"0" * 17, b"1;", b"1;=a", b"1; ;a", b"1;a=", b"1;a b", b"1;\xff"),
        *(b'1;a="b', b'1;a="b"c', b'1;a="\\'),
    ],
)
def test_a_size_that_is_malformed_is_refused(line):
    assert refused([line + b"\r\n"]) == refused(bytewise(line + b"\r\n")) == 400


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (b"", b"\n"),
        (b"5\r", b"5"),
        (b"5\r", b"\r"),
        (b"5;a=\x80", b"\0"),
        (b"5\r\nhello", b"x"),
        (b"5\r\nhello\r", b"\r"),
        (b"5\r\nhello", b"\n"),
        (b"5;a", b"\x1f"),
        (b"0\r\nA: b", b"\x0b"),
        (b"0\r\nA: b", b"\x7f"),
        (b"0\r\nA: b", b"\r\r\n"),
        (b"0\r\nA: b\r", b"c"),
        (b"0\r\nA b\r", b"\n"),
        (b"0\r\n: b\r", b"\n"),
        (b"0\r\n A: b\r", b"\n"),
        (b"0\r\nA : b\r", b"\n"),
    ],
)
def test_what_is_malformed_is_refused_with_its_first_bad_byte(good, bad):
    for pieces in ([good], bytewise(good)):
        body = ChunkedBody(LIMITS)
        fed(body, pieces)
        assert not body.done
        with pytest.raises(BadRequest) as caught:
            body.feed(bad)
        assert caught.value.status == 400


# ---------------------------------------------------------------------- limits


@pytest.mark.parametrize("parts", [(5_000,), (4_000, 1_000), (1,) * 5_000])
def test_a_body_may_be_as_large_as_the_limit_and_no_larger(parts):
    data = b"".join(b"%x\r\n%b\r\n" % (size, b"a" * size) for size in parts)
    assert fed(ChunkedBody(LIMITS), [data + END]) == (b"a" * 5_000, b"")
    assert refused([data, b"1\r\n"]) == 413  # before a byte of that chunk


@pytest.mark.parametrize("size", [b"1389", b"ffffffff", b"ffffffffffffffff"])
def test_a_chunk_above_the_limit_is_refused_before_it_comes(size):
    assert refused([size + b"\r\n"]) == 413


def chunk_line(size):
    return b"1;" + b"a" * (size - 2) + b"\r\n"


def test_the_line_of_a_chunk_has_a_limit():
    assert fed(ChunkedBody(LIMITS), [chunk_line(MAX_CHUNK_LINE) + b"x\r\n" + END]) == (b"x", b"")
    assert refused([chunk_line(MAX_CHUNK_LINE + 1)]) == 400
    assert refused(bytewise(chunk_line(MAX_CHUNK_LINE + 1)[:-2])) == 400  # without its end


def test_the_extensions_of_a_body_have_a_limit_together():
    """It is about their bytes: many small ones are as bad as few large ones."""
    part = b"1;" + b"a" * 1_023 + b"\r\nx\r\n"
    most = part * 16
    assert MAX_EXTENSIONS == 16 * 1_024  # as in Go's net/http
    assert fed(ChunkedBody(LIMITS), [most + END])[0] == b"x" * 16
    assert refused([most, b"1;a\r\n"]) == 400
    assert refused([most, b"0;a\r\n"]) == 400
    assert refused([part * 15, b"1;" + b"a" * 1_024 + b"\r\n"]) == 400


@pytest.mark.parametrize(
    ("most", "above"),
    [
        (b"A:\r\n" * 5, b"A:\r\n"),
        (b"A:" + b"b" * 1_022 + b"\r\nA:" + b"b" * 1_022 + b"\r\n", b"A:\r\n"),
        (b"A:" + b"b" * 1_022 + b"\r\n", b"A:" + b"b" * 1_023 + b"\r\n"),
    ],
    ids=["count", "together", "line"],
)
def test_trailers_have_the_limits_of_a_head(most, above):
    assert fed(ChunkedBody(LIMITS), [b"0\r\n" + most + b"\r\n"]) == (b"", b"")
    assert refused([b"0\r\n" + most + above]) == refused([b"0\r\n", most, above]) == 431


def test_a_line_that_is_too_long_is_just_that_whatever_else_is_wrong_with_it():
    assert refused([b"0\r\nA:" + b"b" * 1_022 + b"\r\r\n"]) == 431


@pytest.mark.parametrize(
    "data",
    [chunk_line(MAX_CHUNK_LINE) + b"x\r\n" + END, b"0\r\nA:" + b"b" * 1_022 + b"\r\n\r\n"],
    ids=["chunk", "trailer"],
)
def test_a_line_as_long_as_its_limit_may_come_in_any_two_pieces(data):
    for place in range(len(data)):
        fed(ChunkedBody(LIMITS), [data[:place], data[place:]])


# ---------------------------------------------------------------------- wsgi.input


class Source:
    """A connection that has the pieces of a body, and then nothing more."""

    def __init__(self, pieces):
        self.pieces = list(pieces)
        self.asked = 0

    def read_body(self, body, into):
        self.asked += 1
        if body.done:
            return 0
        if not self.pieces:
            raise ClientDisconnected
        piece = self.pieces.pop(0)
        if len(piece) > len(into):
            piece, rest = piece[: len(into)], piece[len(into) :]
            self.pieces.insert(0, rest)
        data = body.feed(piece)
        into[: len(data)] = data
        return len(data) or self.read_body(body, into)


counts = st.integers(-1, 40)
operations = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["read", "readline", "readlines"]), counts),
        st.tuples(st.sampled_from(["read", "readline", "readlines"])),
        st.tuples(st.just("__next__")),
    ),
    max_size=8,
)


def called(stream, name, *args):
    try:
        return getattr(stream, name)(*args)
    except StopIteration:
        return "the end"


@settings(deadline=None, max_examples=200)
@given(
    data=st.lists(st.sampled_from([b"a", b"bcd", b"\n", b"\r\n", b"e" * 30])).map(b"".join),
    places=cuts,
    buffer=st.sampled_from([1, 16, 65_536]),
    todo=operations,
)
def test_an_application_reads_a_large_body_as_it_reads_a_file(data, places, buffer, todo):
    source = Source([piece for piece in split(data + b"NEXT", places) if piece])
    body = LengthBody(len(data))
    stream = io.BufferedReader(BodyReader(source, body), buffer)
    file: Any = io.BytesIO(data)
    model = io.BufferedReader(file)
    for operation in todo:
        assert called(stream, *operation) == called(model, *operation)
    assert stream.read() == model.read()
    assert stream.read() == stream.read(10) == stream.readline() == b""
    assert (body.rest + b"".join(source.pieces)).endswith(b"NEXT")


def test_a_read_waits_for_no_more_than_it_was_asked_for():
    source = Source([b"abc", b"def"])
    stream = io.BufferedReader(BodyReader(source, LengthBody(9)), 16)
    assert stream.read1(16) == b"abc" and source.asked == 1
    assert stream.read(2) == b"de" and source.asked == 2
    assert stream.read(1) == b"f" and source.asked == 2


def test_a_body_that_ends_too_early_is_an_error_and_no_short_body():
    for call in (io.BufferedReader.read, io.BufferedReader.readlines, list):
        stream = io.BufferedReader(BodyReader(Source([b"abc\n", b"d"]), LengthBody(9)), 16)
        with pytest.raises(ClientDisconnected):
            call(stream)


def test_a_body_that_is_malformed_is_an_error_of_the_read():
    stream = io.BufferedReader(BodyReader(Source([b"3\r\nabcX"]), ChunkedBody(LIMITS)), 16)
    with pytest.raises(BadRequest):
        stream.read()


@pytest.mark.parametrize("operation", [(), (0,), (5,), (-1,), (None,)])
@pytest.mark.parametrize("name", ["read", "readline", "readlines"])
def test_no_body_reads_as_an_empty_file(name, operation):
    assert called(NO_BODY, name, *operation) == called(io.BytesIO(), name, *operation)


def test_no_body_has_no_lines_and_is_never_closed():
    """One is enough for all requests, so none may change it."""
    NO_BODY.close()
    assert list(NO_BODY) == [] == list(NO_BODY)
    with pytest.raises(AttributeError):
        NO_BODY.of_a_request = 1
