"""start_response and write(): PEP 3333, "The start_response() Callable" and what follows it."""

import pytest

from tests.blackbox.client import Ended, Truncated, case, planned, request

OK = "200 OK"
TEXT = ("Content-Type", "text/plain")
HEADERS = [TEXT]
INJECTED = "injected"


def fails(server, **plan):
    """What the application did is a 500, of which nothing is on the wire, and it was closed."""
    with server.connect() as client:
        response = client.send(planned(**plan)).response(plan.get("method", "GET"))
        assert response.status == 500, response
        assert INJECTED not in repr(response).lower()
        if response.persistent:
            client.send(request("/hello", "Connection: close"))
            assert client.response().body == b"hello"
        client.ended()


@pytest.mark.parametrize(
    "status",
    [
        case("3333", "no reason and no space", "200"),
        case("3333", "no code", "OK"),
        case("3333", "letters", "abc"),
        case("3333", "letters for a code", "abc OK"),
        case("3333", "empty", ""),
        case("3333", "two digits", "20 OK"),
        case("3333", "four digits", "2000 OK"),
        case("3333", "no space", "200OK"),
        case("3333", "space first", " 200 OK"),
        case("3333", "tab", "200\tOK"),
        case("3333", "sign", "+20 OK"),
        case("3333", "superscript digits", "2\xb2\xb2 OK"),
        case("3333", "below 100", "099 No"),
        case("3333", "version first", "HTTP/1.1 200 OK"),
        case("3333", "not latin-1", "200 \u20ac"),
        case("3333", "CR LF", "200 OK\r\nX-Injected: injected"),
        case("3333", "bare LF", "200 OK\nX-Injected: injected"),
        case("3333", "bare CR", "200 OK\rX-Injected: injected"),
        case("3333", "CR LF at the end", "200 OK\r\n"),
        case("3333", "LF at the end", "200 OK\n"),
        case("3333", "whole response", "200 OK\r\nContent-Length: 8\r\n\r\ninjected"),
        case("3333", "NUL", "200 O\0K"),
        case("3333", "control character", "200 O\x01K"),
        case("3333", "DEL", "200 O\x7fK"),
        case("3333", "bytes", b"200 OK"),
        case("3333", "int", 200),
        case("3333", "None", None),
        case("3333", "tuple", (200, "OK")),
    ],
)
def test_an_invalid_status_is_an_error(server, status):
    # PEP 3333: "a status string of the form "999 Message here" ... must not contain control
    # characters".
    if status == "200":  # some servers add what is missing, as RFC 9112 section 4 would allow
        assert server.plan(call=[("start", status, HEADERS)], returns=[b"x"]).status in (200, 500)
    else:
        fails(server, call=[("start", status, HEADERS)], returns=[b"body"])


def test_a_status_without_a_reason_but_its_space_is_served_or_an_error(server):
    # RFC 9112 section 4 allows an empty reason, PEP 3333 does not speak of it.
    assert server.plan(call=[("start", "200 ", HEADERS)], returns=[b"x"]).status in (200, 500)


@pytest.mark.parametrize("again", ["caught", "start"])
@pytest.mark.parametrize(
    "header",
    [
        case("3333", "CR LF in a value", ("X-A", "b\r\nX-Injected: injected")),
        case("3333", "bare LF in a value", ("X-A", "b\nX-Injected: injected")),
        case("3333", "bare CR in a value", ("X-A", "b\rX-Injected: injected")),
        case("3333", "folded value", ("X-A", "b\r\n injected")),
        case("3333", "CR LF at the end", ("X-A", "injected\r\n")),
        case("3333", "LF at the end", ("X-A", "injected\n")),
        case("3333", "CR at the end", ("X-A", "injected\r")),
        case("3333", "end of the head", ("X-A", "b\r\n\r\ninjected")),
        case("3333", "NUL in a value", ("X-A", "injected\0")),
        case("3333", "control character in a value", ("X-A", "injected\x01")),
        case("3333", "vertical tab in a value", ("X-A", "injected\x0b")),
        case("3333", "DEL in a value", ("X-A", "injected\x7f")),
        case("3333", "not latin-1", ("X-A", "injected\u20ac")),
        case("3333", "surrogate", ("X-A", "injected\udc80")),
        case("3333", "CR LF in a name", ("X-A\r\nX-Injected", "injected")),
        case("3333", "LF in a name", ("X-A\nX-Injected", "injected")),
        case("3333", "LF at the end of a name", ("X-Injected\n", "injected")),
        case("3333", "colon in a name", ("X-Injected:", "injected")),
        case("3333", "colon and value in a name", ("X-Injected: injected", "b")),
        case("3333", "space in a name", ("X Injected", "injected")),
        case("3333", "space at the end of a name", ("X-Injected ", "injected")),
        case("3333", "space first in a name", (" X-Injected", "injected")),
        case("3333", "empty name", ("", "injected")),
        case("3333", "NUL in a name", ("X-Injected\0", "injected")),
        case("3333", "latin-1 in a name", ("X-Injected\xe9", "injected")),
        case("3333", "not latin-1 in a name", ("X-Injected\u20ac", "injected")),
        case("3333", "delimiter in a name", ("X-Injected(", "injected")),
        case("3333", "slash in a name", ("X/Injected", "injected")),
        case("3333", "bytes for a name", (b"X-Injected", "injected")),
        case("3333", "bytes for a value", ("X-A", b"injected")),
        case("3333", "int for a value", ("X-Injected", 5)),
        case("3333", "None for a value", ("X-Injected", None)),
        case("3333", "list for a value", ("X-Injected", ["injected"])),
        case("3333", "int for a name", (5, "injected")),
        case("3333", "one element", ("X-Injected",)),
        case("3333", "three elements", ("X-Injected", "injected", "x")),
        case("3333", "string of two", "XI"),
        case("3333", "string", "X-Injected: injected"),
        case("3333", "None for a pair", None),
    ],
)
def test_an_invalid_header_is_an_error(server, header, again):
    # PEP 3333: "if any of these are not true, the server should raise an error"; an application
    # may handle it.
    if again == "start":
        fails(server, call=[("start", OK, [TEXT, header])], returns=[b"body"])
        return
    plan = [("caught", "start", OK, [TEXT, header]), ("start", OK, HEADERS)]
    token = server.token()
    response = server.plan(call=plan, token=token, returns=[b"body"])
    assert response.status in (200, 500), response
    assert INJECTED not in repr(response).lower()


@pytest.mark.parametrize(
    "header",
    [
        ("X-A", "b\r\nX-Injected: injected"),
        ("Transfer-Encoding", "chunked"),
        ("Content-Length", "5000"),
        ("X-Injected", 5),
        "text",
    ],
    ids=str,
)
def test_headers_that_come_after_start_response_are_checked_or_left_out(server, header):
    with server.connect() as client:
        client.send(planned(call=[("start_and_change", header)], returns=[b"body"]))
        try:
            response = client.response()
        except (Truncated, Ended):
            client.ended()
            return
        assert (response.status, response.body) == (200, b"body") or response.status == 500
        assert INJECTED not in repr(response).lower()


def test_a_reason_may_be_latin_1(server):
    response = server.plan(call=[("start", "200 Caf\xe9", HEADERS)], returns=[b"x"])
    assert response.status == 500 or response.reason == "Caf\xe9"


@pytest.mark.parametrize(
    "headers",
    [
        case("3333", "tuple", (TEXT,)),
        case("3333", "dict", {"Content-Type": "text/plain"}),
        case("3333", "None", None),
        case("3333", "string", "X-Injected: injected"),
        case("3333", "int", 5),
        case("3333", "list for a pair", [["X-Injected", "injected"]]),
    ],
)
def test_headers_that_are_no_list_of_tuples_are_an_error(server, headers):
    # PEP 3333: "response_headers is a list of (header_name, header_value) tuples. It must be a
    # Python list". A server that takes them need not be wrong about what it sends.
    response = server.plan(call=[("start", OK, headers)], returns=[b"body"])
    assert response.status == 500


@pytest.mark.parametrize(
    "header",
    [
        ("Connection", "close"),
        ("Connection", "keep-alive"),
        ("connection", "Upgrade"),
        ("Keep-Alive", "timeout=5"),
        ("Transfer-Encoding", "chunked"),
        ("transfer-encoding", "identity"),
        ("TE", "trailers"),
        ("Trailer", "X-A"),
        ("Trailers", "X-A"),
        ("Upgrade", "websocket"),
        ("Proxy-Authenticate", "Basic"),
        ("Proxy-Authorization", "Basic x"),
    ],
    ids=": ".join,
)
def test_hop_by_hop_headers_are_an_error(server, header):
    # PEP 3333, "Other HTTP Features": "it is considered a fatal error".
    response = server.plan(call=[("start", OK, [TEXT, header])], returns=[b"body"])
    assert response.status == 500
    assert header[1] not in response.all(header[0]) or header == ("Connection", "close")


@pytest.mark.parametrize(
    "headers",
    [
        case("9110-8.6", "plus sign", [("Content-Length", "+4")]),
        case("9110-8.6", "negative", [("Content-Length", "-1")]),
        case("9110-8.6", "letters", [("Content-Length", "four")]),
        case("9110-8.6", "empty", [("Content-Length", "")]),
        case("9110-8.6", "hexadecimal", [("Content-Length", "0x4")]),
        case("9110-8.6", "fraction", [("Content-Length", "4.0")]),
        case("9110-8.6", "underscore", [("Content-Length", "1_0")]),
        case("9110-8.6", "superscript digit", [("Content-Length", "\xb2")]),
        case("9110-8.6", "list", [("Content-Length", "4, 4")]),
        case("9110-8.6", "two equal", [("Content-Length", "4"), ("Content-Length", "4")]),
        case("9110-8.6", "two different", [("Content-Length", "4"), ("content-length", "5")]),
    ],
)
def test_an_invalid_length_is_an_error(server, headers):
    fails(server, call=[("start", OK, [TEXT, *headers])], returns=[b"body"])


@pytest.mark.parametrize("value", [" 4", "4 ", "04"])
def test_a_doubtful_length_is_right_on_the_wire_or_an_error(server, value):
    call = [("start", OK, [TEXT, ("Content-Length", value)])]
    with server.connect() as client:
        response = client.send(planned(call=call, returns=[b"body"])).response()
        assert response.status == 500 or response.body == b"body"
        if response.persistent:
            assert client.send(request("/hello")).response().body == b"hello"


@pytest.mark.parametrize("args", [(), (OK,)])
def test_start_response_with_too_few_arguments_is_an_error(server, args):
    fails(server, call=[("start", *args)], returns=[b"body"])


def test_start_response_twice_is_an_error(server):
    # PEP 3333: "it is a fatal error to call start_response without the exc_info argument if
    # start_response has already been called".
    fails(server, call=[("start", OK, HEADERS), ("start", OK, HEADERS)], returns=[b"body"])


def test_start_response_twice_raises_in_the_application(server):
    token = server.token()
    call = [("start", "201 Created", HEADERS), ("caught", "start", OK, HEADERS)]
    response = server.plan(call=call, token=token, returns=[b"body"])
    assert response.status in (201, 500)
    assert "raised nothing" not in server.events(token)


def test_an_invalid_status_does_not_count_as_a_start(server):
    call = [("caught", "start", "abc", HEADERS), ("start", OK, HEADERS)]
    assert server.plan(call=call, returns=[b"body"]).status in (200, 500)


def test_exc_info_as_none_is_none(server):
    assert server.plan(call=[("start", OK, HEADERS, None)], returns=[b"body"]).body == b"body"


def test_exc_info_in_the_first_call_is_no_error(server):
    assert server.plan(call=[("restart", "503 No", HEADERS)], returns=[b"body"]).status == 503


@pytest.mark.parametrize("phase", ["call", "iterate"])
def test_exc_info_before_the_headers_are_sent_replaces_them(server, phase):
    # PEP 3333: "the headers will be replaced".
    own = [("X-Old", "old"), ("Content-Length", "3"), TEXT]
    again = ("restart", "500 Own", [("X-New", "new"), TEXT])
    plan = {"call": [("start", OK, own)], "iterate": [("yield", b"own body")]}
    plan[phase].insert(len(plan["call"]) if phase == "call" else 0, again)
    response = server.plan(**plan)
    assert (response.status, response.reason, response.body) == (500, "Own", b"own body")
    assert response.one("X-New") == "new"
    assert response.all("X-Old") == []


def test_exc_info_is_not_too_late_after_empty_blocks(server):
    # PEP 3333: headers must not be sent before there is a block that is not empty.
    plan = [("yield", b""), ("yield", b""), ("restart", "500 Own", HEADERS), ("yield", b"own")]
    response = server.plan(iterate=plan)
    assert (response.status, response.reason, response.body) == (500, "Own", b"own")


@pytest.mark.parametrize("phase", ["call", "iterate"])
def test_exc_info_after_the_headers_were_sent_raises(server, phase):
    # PEP 3333: "it must raise the exception passed"; the response is not completed.
    token = server.token()
    again = ("restart", "500 Own", [("X-Injected", INJECTED)])
    if phase == "call":
        plan = {"call": [("start", OK, HEADERS), ("write", b"first"), again], "returns": []}
    else:
        plan = {"iterate": [("yield", b"first"), ("yield", b"second"), again, ("yield", b"last")]}
    with server.connect() as client:
        client.send(planned(token=token, **plan) + request("/hello"))
        with pytest.raises((Truncated, Ended)):
            client.response()
        client.ended()
    assert "raised LookupError" in server.events(token, "raised LookupError")


def test_start_response_twice_after_the_headers_were_sent_is_an_error(server):
    plan = [("yield", b"first"), ("yield", b"second"), ("start", OK, HEADERS), ("yield", b"x")]
    with server.connect() as client:
        client.send(planned(iterate=plan) + request("/hello"))
        with pytest.raises((Truncated, Ended)):
            client.response()
        client.ended()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("returns", [[], [b"body"], [b""], [b"a", b"b"]])
def test_no_start_response_is_an_error(server, returns, method):
    fails(server, call=[], returns=returns, method=method)


@pytest.mark.parametrize("iterate", [[], [("yield", b"body")], [("yield", b"")]])
@pytest.mark.parametrize("form", ["iterator", "generator", "lazy"])
def test_no_start_response_from_an_iterator_is_an_error(server, iterate, form):
    fails(server, call=[], iterate=iterate, form=form)


@pytest.mark.parametrize("form", ["lazy", "iterator"])
def test_start_response_may_be_called_in_the_first_iteration(server, form):
    # PEP 3333: "the application ... may call it before the iterable yields its first body string".
    start = ("start", "201 Created", HEADERS)
    iterate = [start, ("yield", b"body")]
    response = server.plan(call=[], iterate=iterate, form=form)
    assert (response.status, response.body) == (201, b"body")


def test_start_response_after_an_empty_block_is_late_or_not(server):
    # "before the iterable yields its first body bytestring"; an empty one is one.
    iterate = [("yield", b""), ("start", OK, HEADERS), ("yield", b"body")]
    response = server.plan(call=[], iterate=iterate)
    assert response.status == 500 or (response.status, response.body) == (200, b"body")


def test_start_response_after_a_block_is_too_late(server):
    iterate = [("yield", b"body"), ("start", OK, HEADERS), ("yield", b"body")]
    fails(server, call=[], iterate=iterate)


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found"])
def test_an_empty_list_of_headers_is_enough(server, status):
    response = server.plan(call=[("start", status, [])], returns=[b"body"])
    assert (f"{response.status} {response.reason}", response.body) == (status, b"body")


@pytest.mark.parametrize(
    ("writes", "returns", "body"),
    [
        case("3333", "once", [b"written"], [], b"written"),
        case("3333", "twice", [b"one ", b"two"], [], b"one two"),
        case("3333", "and a block", [b"written "], [b"returned"], b"written returned"),
        case("3333", "and blocks", [b"a", b"b"], [b"c", b"d"], b"abcd"),
        case("3333", "nothing", [b""], [b"returned"], b"returned"),
        case("3333", "nothing in between", [b"a", b"", b"b"], [b"", b"c"], b"abc"),
        case("3333", "nothing at all", [b""], [], b""),
    ],
)
@pytest.mark.parametrize("length", [False, True])
def test_write_comes_before_what_is_returned(server, writes, returns, body, length):
    # PEP 3333, "The write() Callable".
    headers = [TEXT, *([("Content-Length", str(len(body)))] if length else [])]
    call = [("start", OK, headers), *(("write", data) for data in writes)]
    with server.connect() as client:
        assert client.send(planned(call=call, returns=returns)).response().body == body
        assert client.send(request("/hello")).response().body == b"hello"


def test_what_is_written_is_sent_at_once(server):
    # "write() ... must not return until the data is sent or buffered by the operating system".
    token = server.token()
    call = [("start", OK, HEADERS), ("write", b"written"), ("wait", "go")]
    with server.connect() as client:
        client.send(planned(call=call, returns=[b"returned"], token=token, version="1.0"))
        received = b""
        while not received.endswith(b"written"):
            received += client.socket.recv(1_000)
        server.tell(token, "go")
        assert client.rest() == b"returned"


def test_writing_while_iterating_does_not_break_the_framing(server):
    # PEP 3333: applications must not; what comes then is open.
    iterate = [("yield", b"a"), ("write", b"b"), ("yield", b"c")]
    with server.connect() as client:
        client.send(planned(iterate=iterate) + request("/hello"))
        try:
            assert client.response().body in (b"abc", b"acb", b"Internal Server Error\n")
            assert client.response().body == b"hello"
        except (Truncated, Ended):
            client.ended()


@pytest.mark.parametrize("data", ["text", None, 5, [b"list"]])
def test_writing_what_are_no_bytes_is_an_error(server, data):
    fails(server, call=[("start", OK, HEADERS), ("write", data)], returns=[])
