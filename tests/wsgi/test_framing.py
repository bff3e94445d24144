"""How a request goes on after its head: RFC 9112 sections 6.3 and 9.3, on fields alone."""

from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpool.errors import BadRequest
from gpool.wsgi.framing import CHUNKED, PLAIN, Framing, Limits, framing_of

LIMITS = Limits(max_body_size=1_000)
KEYS = (
    "CONTENT_LENGTH",
    "HTTP_TRANSFER_ENCODING",
    "HTTP_CONNECTION",
    "HTTP_EXPECT",
    "HTTP_UPGRADE",
)


def framed(http11=True, **fields):
    names = dict(zip(("length", "coding", "connection", "expect", "upgrade"), KEYS, strict=True))
    return framing_of({names[key]: value for key, value in fields.items()}, http11, LIMITS)


def refused(http11=True, **fields):
    with pytest.raises(BadRequest) as caught:
        framed(http11, **fields)
    return caught.value.status


def test_the_limits_are_those_of_other_servers():
    """gunicorn's and Apache's; waitress's for a body."""
    limits = Limits()
    assert (limits.max_request_line, limits.max_headers, limits.max_header_size) == (
        8_190,
        100,
        8_190,
    )
    assert (limits.max_head_size, limits.max_body_size) == (65_536, 1_073_741_824)


def test_what_requests_have_in_common_cannot_be_changed_by_one_of_them():
    for shared, name in ((Limits(), "max_body_size"), (PLAIN, "keep_alive")):
        with pytest.raises(FrozenInstanceError):
            setattr(shared, name, 1)


def test_no_length_is_taken_for_that_of_a_chunked_body():
    assert CHUNKED < 0
    assert framed(length="1").length != framed(coding="chunked").length == CHUNKED


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"length": "0"},
        {"length": "000"},
        {"connection": "keep-alive"},
        {"connection": "upgrade"},
        {"connection": ""},
        {"expect": "100-continue"},  # there is nothing to wait for
        {"expect": "100-Continue", "length": "0"},
    ],
)
def test_what_says_nothing_new_is_plain_itself(fields):
    """The hot path asks for identity."""
    assert framed(**fields) is PLAIN


@pytest.mark.parametrize("connection", ["upgrade", "keep-alive, Upgrade", "x,\tUPGRADE ,y"])
def test_an_upgrade_is_offered_by_two_fields(connection):
    """RFC 9110 section 7.8: the option says that the field is meant for us."""
    offer = {"upgrade": "websocket", "connection": connection}
    assert framed(**offer) == Framing(upgrade=True)
    assert framed(**offer, length="0").upgrade
    assert not framed(**offer, length="5").upgrade and not framed(**offer, coding="chunked").upgrade
    assert not framed(http11=False, **offer).upgrade


@pytest.mark.parametrize("connection", ["", "keep-alive", "upgrade-insecure", "up grade"])
def test_a_field_without_its_option_offers_nothing(connection):
    assert framed(upgrade="websocket", connection=connection) is PLAIN


@pytest.mark.parametrize("fields", [{}, {"connection": "keep-alive"}, {"length": "5"}])
def test_http_1_0_is_never_plain(fields):
    assert framed(http11=False, **fields) is not PLAIN


@pytest.mark.parametrize(
    ("text", "length"), [("1", 1), ("0007", 7), ("1000", 1_000), ("00000000000000001000", 1_000)]
)
@pytest.mark.parametrize("http11", [True, False])
def test_a_length_is_a_number_up_to_the_limit(text, length, http11):
    assert framed(http11, length=text).length == length


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("1001", 413),
        ("99999999999999999999", 413),
        ("9" * 21, 400),
        ("0" * 21, 400),
        *((text, 400) for text in ("", "-1", "+1", "1 ", " 1", "1,1", "1, 1", "0x1", "1_0", "1.0")),
        *((text, 400) for text in ("١", "²", "\xb2", "1\n", "one")),  # noqa: RUF001
    ],
)
@pytest.mark.parametrize("http11", [True, False])
def test_a_length_that_is_no_number_or_above_the_limit_is_refused(text, status, http11):
    assert refused(http11, length=text) == status


@pytest.mark.parametrize("coding", ["chunked", "Chunked", "CHUNKED"])
def test_chunked_is_read_whatever_its_case(coding):
    assert framed(coding=coding) == Framing(length=CHUNKED)


@pytest.mark.parametrize(
    ("coding", "status"),
    [
        ("gzip", 501),
        ("identity", 501),
        ("gzip, chunked", 501),
        ("chunked, gzip", 501),
        ("chunked, chunked", 400),
        ("chunked,Chunked", 400),
        ("chunked, gzip, chunked", 400),
        ("", 400),
        (",chunked", 400),
        ("chunked,", 400),
        ("chunked;a=b", 400),
        ("\x0bchunked", 400),
        ("chunked\xa0", 400),
        ("chun ked", 400),
        ('"chunked"', 400),
    ],
)
def test_any_other_coding_is_refused(coding, status):
    assert refused(coding=coding) == status


@pytest.mark.parametrize("coding", ["chunked", "gzip", "", "identity"])
@pytest.mark.parametrize("length", ["5", "0", "x", ""])
@pytest.mark.parametrize("http11", [True, False])
def test_a_length_and_a_coding_are_an_attack(coding, length, http11):
    """Step 3, before either is looked at."""
    assert refused(http11, coding=coding, length=length) == 400


@pytest.mark.parametrize("coding", ["chunked", "gzip"])
def test_http_1_0_has_no_codings(coding):
    assert refused(http11=False, coding=coding) == 400


@pytest.mark.parametrize(
    ("connection", "kept_11", "kept_10"),
    [
        (None, True, False),
        ("keep-alive", True, True),
        ("Keep-Alive", True, True),
        ("close", False, False),
        ("CLOSE", False, False),
        ("keep-alive, close", False, False),
        ("close, keep-alive", False, False),
        ("upgrade,\tkeep-alive ,x", True, True),
        ("x , close", False, False),
        ("closed", True, False),
        ("not-close", True, False),
        ("close;q=1", True, False),
        ("", True, False),
        (",,close,", False, False),
    ],
)
def test_whether_the_connection_stays(connection, kept_11, kept_10):
    fields = {} if connection is None else {"connection": connection}
    assert framed(**fields).keep_alive is kept_11
    assert framed(http11=False, **fields).keep_alive is kept_10


def test_only_a_client_of_1_1_with_a_body_can_expect_100():
    for length in ("1", "5"):
        assert framed(expect="100-continue", length=length).expects_continue
    assert framed(expect="100-CONTINUE", coding="chunked").expects_continue
    assert not framed(http11=False, expect="100-continue", length="5").expects_continue
    upgrade = {"upgrade": "websocket", "connection": "upgrade"}
    assert framed(**upgrade).upgrade
    assert not framed(expect="100-continue", length="0", **upgrade).expects_continue


@pytest.mark.parametrize("expect", ["", "100", "200-ok", "100-continue, 100-continue", " "])
@pytest.mark.parametrize("length", ["0", "5"])
def test_another_expectation_is_refused_by_1_1_only(expect, length):
    assert refused(expect=expect, length=length) == 417
    assert not framed(http11=False, expect=expect, length=length).expects_continue


def test_what_is_wrong_with_the_body_comes_before_the_expectation():
    assert refused(expect="200-ok", length="x") == 400


def answer(fields, http11):
    """The framing, or the status of the refusal."""
    try:
        return framing_of(fields, http11, LIMITS)
    except BadRequest as error:
        return error.status


@settings(deadline=None)
@given(
    fields=st.dictionaries(
        st.sampled_from(KEYS),
        st.one_of(
            st.text(max_size=8),
            st.sampled_from(["5", "1000", "1001", "chunked", "close", "100-continue", "upgrade"]),
        ),
    ),
    http11=st.booleans(),
)
def test_whatever_the_fields_say_there_is_one_answer(fields, http11):
    before = dict(fields)
    framing = answer(fields, http11)
    assert fields == before
    if isinstance(framing, int):
        assert framing in {400, 413, 417, 501}
        return
    assert framing.http11 is http11 and not framing.head_only
    if framing.length == CHUNKED:
        assert http11 and "CONTENT_LENGTH" not in fields
    else:
        assert framing.length == int(fields.get("CONTENT_LENGTH", 0)) <= LIMITS.max_body_size
        assert "HTTP_TRANSFER_ENCODING" not in fields
    if framing.expects_continue:
        assert http11 and framing.length
    assert (framing == PLAIN) is (framing is PLAIN)
