"""What a response looks like: RFC 9110 sections 6.6, 9.3.2, 10.2 and 15, RFC 9112 section 6."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest

from tests.blackbox.client import planned, request

OK = "200 OK"
TEXT = ("Content-Type", "text/plain")
IMF_FIXDATE = (
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} "
    r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [0-9]{4} "
    r"[0-9]{2}:[0-9]{2}:[0-9]{2} GMT"
)
STREAM = [("yield", b"first "), ("yield", b"second")]


def started(status=OK, *headers):
    return [("start", status, [TEXT, *headers])]


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("target", ["/hello", "/plan"])
def test_date_and_server_are_there_once(server, version, target):
    # RFC 9110 sections 6.6.1 and 10.2.4.
    response = server.ask(request(target, "X-Plan: {}", version=version))
    assert re.fullmatch(IMF_FIXDATE, response.one("Date"))
    date = parsedate_to_datetime(response.one("Date"))
    assert abs((datetime.now(UTC) - date).total_seconds()) < 60
    assert response.one("Server")


def test_errors_have_them_too(server):
    response = server.plan(call=[("raise", "Exception")])
    assert response.status == 500
    for name in ("Date", "Server"):
        assert len(response.all(name)) <= 1


@pytest.mark.parametrize("name", ["Date", "date", "DATE"])
def test_an_applications_own_date_is_the_only_one(server, name):
    own = "Sun, 06 Nov 1994 08:49:37 GMT"
    assert server.plan(call=started(OK, (name, own)), returns=[b"x"]).one("Date") == own


@pytest.mark.parametrize("name", ["Server", "server"])
def test_an_applications_own_server_is_the_only_one(server, name):
    assert server.plan(call=started(OK, (name, "own/1")), returns=[b"x"]).one("Server") == "own/1"


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_a_response_says_1_1_whatever_was_asked(server, version):
    # RFC 9110 section 2.5: the server's own version; 1.0 is what older ones say to 1.0.
    response = server.get("/hello", version=version)
    assert response.version in {"HTTP/1.1", f"HTTP/{version}"}


def test_the_status_line_is_the_applications(server):
    response = server.plan(call=started("299 Own Reason (really)"), returns=[])
    assert (response.status, response.reason) == (299, "Own Reason (really)")


@pytest.mark.parametrize("status", [200, 201, 206, 301, 404, 418, 499, 500, 503, 599])
def test_any_final_status_is_the_applications_affair(server, status):
    response = server.plan(call=started(f"{status} Some Reason"), returns=[b"body"])
    assert (response.status, response.body) == (status, b"body")


def test_headers_keep_their_order_and_case(server):
    headers = [("X-b", "1"), ("x-A", "2"), ("Set-Cookie", "a=b"), ("Set-Cookie", "c=d, e")]
    response = server.plan(call=started(OK, *headers), returns=[b"x"])
    own = [(k, v) for k, v in response.headers if k.lower() in ("x-a", "x-b", "set-cookie")]
    assert own == headers


@pytest.mark.parametrize("value", ["", "caf\xe9", "\xff\x80", "a\tb", " padded ", "x" * 60_000])
def test_header_values_are_sent_as_latin_1(server, value):
    response = server.plan(call=started(OK, ("X-Own", value[:5_000])), returns=[b"x"])
    assert response.one("X-Own") == value[:5_000].strip()


def test_many_headers_are_sent(server):
    headers = [(f"X-{number}", str(number)) for number in range(150)]
    response = server.plan(call=started(OK, *headers), returns=[b"x"])
    assert [pair for pair in response.headers if re.fullmatch("X-[0-9]+", pair[0])] == headers


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_a_length_a_response_of_1_1_is_chunked(server, method):
    # RFC 9112 section 6.3: or it ends with the connection.
    with server.connect() as client:
        client.send(planned(iterate=STREAM, method=method))
        response = client.response()
        assert (response.framing, response.body) == ("chunked", b"first second")
        assert client.send(request("/hello")).response().body == b"hello"


@pytest.mark.parametrize("lines", [(), ("Connection: keep-alive",)])
def test_without_a_length_a_response_to_1_0_ends_with_the_connection(server, lines):
    # RFC 9112 section 6.1: no Transfer-Encoding to a client of 1.0.
    with server.connect() as client:
        response = client.send(planned(iterate=STREAM, version="1.0", lines=lines)).response()
        assert (response.framing, response.body) == ("close", b"first second")
        assert "keep-alive" not in response.tokens("Connection")


def test_with_a_length_a_response_is_not_chunked(server):
    with server.connect() as client:
        client.send(planned(call=started(OK, ("Content-Length", "12")), iterate=STREAM))
        response = client.response()
        assert (response.framing, response.body) == ("length", b"first second")
        assert client.send(request("/hello")).response().body == b"hello"


@pytest.mark.parametrize("form", ["list", "tuple"])
@pytest.mark.parametrize("size", [0, 1, 1_000, 200_000])
def test_the_length_of_a_single_block_is_known(server, form, size):
    # PEP 3333, "Handling the Content-Length Header".
    response = server.plan(iterate=[("sized", size)], form=form)
    assert (response.framing, response.body) == ("length", b"x" * size)


@pytest.mark.parametrize("returns", [[], [b""], [b"", b""], (), ""])
def test_an_empty_body_is_framed(server, returns):
    with server.connect() as client:
        response = client.send(planned(returns=returns)).response()
        assert (response.status, response.body) == (200, b"")
        assert response.framing in ("length", "chunked")
        assert client.send(request("/hello")).response().body == b"hello"


@pytest.mark.parametrize("blocks", [[b"", b"a", b"", b"b", b""], [b"a", b"b"], [b"", b"", b"ab"]])
@pytest.mark.parametrize("form", ["list", "tuple", "generator", "iterator", "getitem", "lazy"])
def test_an_empty_block_ends_nothing(server, blocks, form):
    # An empty chunk would be the last one.
    with server.connect() as client:
        client.send(planned(iterate=[("yield", block) for block in blocks], form=form))
        assert client.response().body == b"ab"
        assert client.send(request("/hello")).response().body == b"hello"


def test_many_blocks_come_whole(server):
    plan = [("repeat", b"0123456789" * 100, 5_000), ("yield", b"end")]
    response = server.plan(iterate=plan)
    assert response.body == b"0123456789" * 500_000 + b"end"


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize(
    "plan",
    [
        {"returns": [b"a body"]},
        {"iterate": STREAM},
        {"iterate": STREAM, "form": "list"},
        {"iterate": STREAM, "form": "lazy"},
        {"call": started(OK, ("Content-Length", "12")), "iterate": STREAM},
        {"call": started(OK, ("Content-Length", "12")), "returns": []},
        {"call": [*started(), ("write", b"a body")], "returns": []},
        {"call": started("404 Not Found"), "returns": [b"a body"]},
    ],
    ids=["block", "stream", "list", "lazy", "length", "length alone", "write", "404"],
)
def test_head_has_the_headers_of_get_and_no_body(server, plan, version):
    # RFC 9110 section 9.3.2: Content-Length and Transfer-Encoding may be left out.
    get = server.plan(version=version, **plan) if plan.get("returns") != [] else None
    lines = ("Connection: keep-alive",)
    with server.connect() as client:
        client.send(planned(method="HEAD", version=version, lines=lines, **plan))
        head = client.response("HEAD")
        assert head.body == b""
        if head.persistent:
            assert client.send(request("/hello")).response().body == b"hello"
        else:
            client.ended()
    if get is not None:
        assert head.status == get.status
        for name in ("Content-Length", "Transfer-Encoding"):
            assert head.all(name) in ([], get.all(name))
        left_out = ("date", "connection", "content-length", "transfer-encoding")
        one, other = (
            [pair for pair in response.headers if pair[0].lower() not in left_out]
            for response in (head, get)
        )
        assert one == other
    if ("Content-Length", "12") in plan.get("call", [(0, 0, ())])[0][2]:
        assert head.one("Content-Length") == "12"


def test_the_error_for_head_has_no_body(server):
    with server.connect() as client:
        client.send(planned(method="HEAD", call=[("raise", "Exception")]))
        response = client.response("HEAD")
        assert response.status == 500
        if response.persistent:
            client.send(request("/hello", "Connection: close"))
            assert client.response().body == b"hello"
        client.ended()


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
@pytest.mark.parametrize(
    "plan",
    [{"returns": []}, {"returns": [b"body"]}, {"iterate": STREAM}, {"returns": [b""]}],
    ids=["nothing", "block", "stream", "empty block"],
)
def test_204_and_304_have_no_body(server, status, method, version, plan):
    # RFC 9110 sections 15.3.5 and 15.4.5, RFC 9112 section 6.3; the parser sees to the headers.
    lines = ("Connection: keep-alive",)
    with server.connect() as client:
        call = [("start", status, [])]
        client.send(planned(call=call, version=version, method=method, lines=lines, **plan))
        response = client.response(method)
        assert f"{response.status} {response.reason}" == status
        assert not response.all("Transfer-Encoding")
        if response.persistent:
            assert client.send(request("/hello")).response().body == b"hello"
        else:
            client.ended()


def test_304_may_say_the_length_of_the_200(server):
    # RFC 9110 section 8.6.
    with server.connect() as client:
        call = [("start", "304 Not Modified", [("Content-Length", "1000"), ("ETag", '"a"')])]
        response = client.send(planned(call=call, returns=[])).response()
        assert response.all("Content-Length") in ([], ["1000"])
        assert response.one("ETag") == '"a"'
        assert client.send(request("/hello")).response().body == b"hello"


@pytest.mark.parametrize("length", ["0", "4"])
def test_204_never_says_a_length(server, length):
    # RFC 9110 section 8.6: "MUST NOT send"; an application that does may get a 500.
    with server.connect() as client:
        call = [("start", "204 No Content", [("Content-Length", length)])]
        response = client.send(planned(call=call, returns=[])).response()
        assert response.status in (204, 500)
        if response.persistent:
            assert client.send(request("/hello")).response().body == b"hello"


def test_205_has_no_content(server):
    # RFC 9110 section 15.3.6; how it is framed is open.
    with server.connect() as client:
        client.send(planned(call=[("start", "205 Reset Content", [])], returns=[]))
        response = client.response()
        assert (response.status, response.body) == (205, b"")
        if response.persistent:
            assert client.send(request("/hello")).response().body == b"hello"


@pytest.mark.parametrize("status", ["100 Continue", "101 Switching Protocols", "103 Early Hints"])
def test_an_interim_status_is_no_response(server, status):
    # WSGI has one final response; a server must not leave the client waiting for another.
    with server.connect() as client:
        client.send(planned(call=[("start", status, [])], returns=[b"body"], lines=()))
        rest = client.send(request("/hello", "Connection: close")).half_close().rest()
        first = rest.split(b"\r\n")[0]
        assert first[:12] in (b"HTTP/1.1 500", b"HTTP/1.1 " + status[:3].encode(), b"")
        assert b"HTTP/1.1 200" in rest or b"HTTP/1.1 500" in rest or not rest or status[:3] == "101"


def test_a_redirect_is_passed_as_it_is(server):
    headers = [("Location", "//other.example/\u00e9?a=b#c")]
    response = server.plan(call=started("302 Found", *headers), returns=[])
    assert response.one("Location") == headers[0][1]


@pytest.mark.parametrize("size", [0, 1, 16_384, 65_536, 1_000_000])
def test_a_refusal_arrives_while_the_client_still_sends(server, size):
    # RFC 9112 section 9.6: lingering close; a RST would take the answer away.
    data = request("/", f"Content-Length: {size}", "Transfer-Encoding: chunked", method="POST")
    with server.connect() as client:
        client.send_aside(data + b"x" * size)
        response = client.response()
        assert response.status == 400
        assert response.body


@pytest.mark.parametrize("size", [100_000, 1_000_000, 5_000_000])
@pytest.mark.parametrize(
    ("lines", "target", "status"),
    [
        ((), "/hello", 200),
        (("X-A : b",), "/hello", 400),
        (("Transfer-Encoding: x",), "/hello", 501),
        (("Expect: y",), "/hello", 417),
    ],
    ids=["unread", "refused", "unknown coding", "unknown expectation"],
)
def test_an_answer_arrives_at_a_client_that_sends_all_before_it_reads(
    server, lines, target, status, size
):
    # RFC 9112 section 9.6: as most clients do. Nobody must wait for the other, and there must not
    # be a RST that takes the answer away.
    data = request(target, *lines, method="POST", body=b"x" * size)
    with server.connect() as client:
        response = client.send(data).response()
        assert response.status in (status, 400 if status != 200 else 200)


def test_a_refusal_of_a_large_body_arrives_while_the_client_still_sends(server):
    size = (1 << 30) + 1
    with server.connect() as client:
        client.send(request("/", f"Content-Length: {size}", method="POST"))
        client.send_aside(b"x" * 5_000_000)
        assert client.response().status == 413
