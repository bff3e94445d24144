"""What an application returns: PEP 3333, on iterables, close() and Content-Length."""

import pytest

from tests.blackbox.client import Ended, Truncated, case, planned, request

OK = "200 OK"
TEXT = ("Content-Type", "text/plain")
FORMS = ["list", "tuple", "generator", "iterator", "getitem", "lazy"]


def sized(length):
    return [("start", OK, [TEXT, ("Content-Length", str(length))])]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_any_iterable_will_do(server, form, version):
    iterate = [("yield", b"one "), ("yield", b"two "), ("yield", b"three")]
    response = server.plan(iterate=iterate, form=form, version=version)
    assert response.body == b"one two three"


@pytest.mark.parametrize(
    "returns",
    [
        case("3333", "None", None),
        case("3333", "int", 5),
        case("3333", "str", "body"),
        case("3333", "bytes", b"body"),
        case("3333", "list of str", ["body"]),
        case("3333", "list of int", [5]),
        case("3333", "list of None", [None]),
        case("3333", "list of lists", [[b"body"]]),
        case("3333", "str behind an empty block", [b"", "body"]),
        case("3333", "dict of str", {"body": b"body"}),
        case("3333", "True", True),
    ],
)
def test_what_is_no_iterable_of_bytes_is_an_error(server, returns):
    with server.connect() as client:
        response = client.send(planned(returns=returns)).response()
        assert response.status == 500, response
        if not response.persistent:
            client.ended()


@pytest.mark.parametrize("block", ["text", None, 5, [b"x"], {}, 1.5])
@pytest.mark.parametrize("form", ["iterator", "generator", "lazy", "list"])
def test_a_later_block_that_is_no_bytes_ends_the_response(server, block, form):
    # From a list it may be known before anything is sent.
    iterate = [("yield", b"first"), ("yield", b"second"), ("yield", block), ("yield", b"last")]
    with server.connect() as client:
        client.send(planned(iterate=iterate, form=form) + request("/hello"))
        try:
            response = client.response()
        except (Truncated, Ended):
            client.ended()
        else:
            assert response.status == 500, response


@pytest.mark.parametrize("form", ["iterator", "list"])
@pytest.mark.parametrize("size", [0, 1, 16_384, 65_536, 1_000_000, 20_000_000])
def test_a_block_of_any_size(server, form, size):
    with server.connect() as client:
        client.send(planned(iterate=[("sized", size)], form=form))
        assert client.response().body == b"x" * size
        assert client.send(request("/hello")).response().body == b"hello"


@pytest.mark.parametrize("name", ["bytearray", "memoryview"])
def test_a_block_that_is_only_like_bytes_is_sent_or_an_error(server, name):
    # PEP 3333 asks for bytes.
    response = server.plan(iterate=[("typed", name)])
    assert response.status == 500 or response.body == b"block"


def test_the_first_block_is_sent_before_the_second_is_asked_for(server):
    # PEP 3333, "Buffering and Streaming": a server must not delay any block.
    token = server.token()
    iterate = [("yield", b"first"), ("wait", "go"), ("yield", b"second"), ("yield", b"third")]
    with server.connect() as client:
        client.send(planned(iterate=iterate, token=token, version="1.0"))
        received = b""
        while not received.endswith(b"first"):
            received += client.socket.recv(1_000)
        server.tell(token, "go")
        assert client.rest() == b"secondthird"


def test_no_more_blocks_are_asked_for_than_are_sent(server):
    token = server.token()
    iterate = [("note", "asked"), ("yield", b"first"), ("note", "asked"), ("yield", b"second")]
    assert server.plan(iterate=iterate, token=token).body == b"firstsecond"
    assert server.events(token, "closed") == ["called", "asked", "asked", "closed"]


def test_a_wrong_number_of_blocks_is_not_believed(server):
    # PEP 3333 lets a server use len(), and says it must be right; if it is not, what comes behind
    # may be cut, like what is behind a length.
    iterate = [("yield", b"one "), ("yield", b"two")]
    with server.connect() as client:
        client.send(planned(iterate=iterate, form="liar") + request("/hello"))
        try:
            response = client.response()
            assert response.status == 500 or response.body in (b"one two", b"one ")
            assert client.response().body == b"hello"
        except (Ended, Truncated):
            client.ended()


ENDINGS = [
    case("3333", "blocks", {"iterate": [("yield", b"a"), ("yield", b"b")]}),
    case("3333", "no block", {"iterate": []}),
    case("3333", "empty blocks", {"iterate": [("yield", b"")] * 3}),
    case("3333", "length", {"call": sized(2), "iterate": [("yield", b"ab")]}),
    case("3333", "too much", {"call": sized(2), "iterate": [("yield", b"a")] * 5}),
    case("3333", "too little", {"call": sized(9), "iterate": [("yield", b"ab")]}),
    case("3333", "HEAD", {"method": "HEAD", "iterate": [("yield", b"a"), ("yield", b"b")]}),
    case("3333", "HTTP/1.0", {"version": "1.0", "iterate": [("yield", b"a"), ("yield", b"b")]}),
    case("3333", "204", {"call": [("start", "204 No", [])], "iterate": [("yield", b"a")]}),
    case("3333", "304", {"call": [("start", "304 No", [])], "iterate": []}),
    case("3333", "no start_response", {"call": [], "iterate": [("yield", b"a")]}),
    case("3333", "no start_response and no block", {"call": [], "iterate": []}),
    case("3333", "no bytes", {"iterate": [("yield", "text")]}),
    case("3333", "no bytes later", {"iterate": [("yield", b"a"), ("yield", b"b"), ("yield", 5)]}),
    case("3333", "error before a block", {"iterate": [("raise", "Exception")]}),
    case(
        "3333",
        "error after a block",
        {"iterate": [("yield", b"a"), ("yield", b"b"), ("raise", "Exception")]},
    ),
    case("3333", "SystemExit", {"iterate": [("yield", b"a"), ("raise", "SystemExit")]}),
    case("3333", "GreenletExit", {"iterate": [("yield", b"a"), ("raise", "GreenletExit")]}),
    case(
        "3333", "error in close()", {"iterate": [("yield", b"a")], "close": [("raise", "OwnError")]}
    ),
    case(
        "3333",
        "errors in both",
        {"iterate": [("raise", "Exception")], "close": [("raise", "Exception")]},
    ),
    case("3333", "written", {"call": [*sized(2), ("write", b"ab")], "iterate": []}),
    case("3333", "restarted", {"iterate": [("yield", b"a"), ("restart", "500 No", [])]}),
    case("3333", "lazy", {"form": "lazy", "iterate": [("yield", b"a"), ("yield", b"b")]}),
    case(
        "3333", "lazy error", {"form": "lazy", "iterate": [("yield", b"a"), ("raise", "OwnError")]}
    ),
    case("3333", "lazy HEAD", {"form": "lazy", "method": "HEAD", "iterate": [("yield", b"a")]}),
]


@pytest.mark.parametrize("plan", ENDINGS)
def test_close_is_called_once_however_it_ends(server, plan):
    # PEP 3333: "must call that method upon completion of the current request, whether the
    # request was completed normally, or terminated early".
    token = server.token()
    with server.connect() as client:
        client.send(planned(token=token, **plan))
        server.events(token, "closed")
        client.half_close().rest()
    assert server.events(token).count("closed") == 1


@pytest.mark.parametrize("how", ["reset", "close"])
def test_close_is_called_when_the_client_is_gone(server, how):
    token = server.token()
    # Far more than fits into buffers, so that writing must fail.
    iterate = [("wait", "gone"), ("repeat", b"x" * 1_000, 100_000), ("note", "all of it")]
    with server.connect() as client:
        client.send(planned(iterate=iterate, token=token))
        server.events(token, "called")
        if how == "reset":
            client.reset()
    server.tell(token, "gone")
    events = server.events(token, "closed")
    assert events.count("closed") == 1
    assert "all of it" not in events


def test_close_is_called_when_the_client_goes_in_the_middle(server):
    token = server.token()
    iterate = [("yield", b"first"), ("wait", "gone"), ("repeat", b"x" * 1_000, 100_000)]
    with server.connect() as client:
        client.send(planned(iterate=iterate, token=token))
        assert client.socket.recv(1)
        client.reset()
    server.tell(token, "gone")
    assert server.events(token, "closed").count("closed") == 1


def test_an_error_in_close_does_not_reach_the_next_request(server):
    with server.connect() as client:
        plan = {"iterate": [("yield", b"body")], "close": [("raise", "Exception")]}
        client.send(planned(**plan))
        try:
            assert client.response().body == b"body"
        except (Truncated, Ended):
            client.ended()  # before the end was sent


@pytest.mark.parametrize(
    "plan",
    [
        case("3333", "one block", {"returns": [b"0123456789"]}),
        case("3333", "second block", {"returns": [b"0123", b"456789"]}),
        case("3333", "block behind", {"returns": [b"01234", b"56789"]}),
        case(
            "3333", "stream", {"iterate": [("yield", b"01"), ("yield", b"2345"), ("yield", b"6")]}
        ),
        case("3333", "large", {"iterate": [("yield", b"01234"), ("repeat", b"x" * 1_000, 1_000)]}),
    ],
)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_more_than_the_length_is_never_sent(server, plan, version):
    # PEP 3333: "should stop iterating ... or raise an error". Either the excess is cut, or the
    # response is not completed; the next one is never hidden behind it.
    with server.connect() as client:
        lines = ("Connection: keep-alive",)
        client.send(planned(call=sized(5), version=version, lines=lines, **plan))
        client.send(request("/hello"))
        try:
            response = client.response()
        except (Truncated, Ended):
            client.ended()
            return
        if response.status == 200:
            assert response.body == b"01234"
        else:
            assert response.status == 500
        try:
            assert client.response().body == b"hello"
        except Ended:
            client.ended()


@pytest.mark.parametrize("length", [0, 1])
def test_a_length_of_nearly_nothing_is_kept(server, length):
    with server.connect() as client:
        client.send(planned(call=sized(length), returns=[b"body"]) + request("/hello"))
        try:
            assert client.response().body in (b"body"[:length], b"Internal Server Error\n")
            assert client.response().body == b"hello"
        except (Truncated, Ended):
            client.ended()


@pytest.mark.parametrize("phase", ["write", "write and return"])
def test_more_than_the_length_is_never_written(server, phase):
    call = [*sized(5), ("write", b"0123"), ("write", b"4567")]
    if phase == "write and return":
        call = [*sized(5), ("write", b"01234")]
    with server.connect() as client:
        client.send(planned(call=call, returns=[b"89"]) + request("/hello"))
        try:
            assert client.response().body in (b"01234", b"Internal Server Error\n")
            assert client.response().body == b"hello"
        except (Truncated, Ended):
            client.ended()


@pytest.mark.parametrize(
    "plan",
    [
        case("3333", "one block", {"returns": [b"0123456789"]}),
        case("3333", "nothing", {"returns": []}),
        case("3333", "empty blocks", {"returns": [b"", b""]}),
        case("3333", "stream", {"iterate": [("yield", b"01"), ("yield", b"23")]}),
    ],
)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_less_than_the_length_ends_the_connection(server, plan, version):
    # RFC 9112 section 8: the client sees that it is not complete; or a 500 is all it gets.
    with server.connect() as client:
        lines = ("Connection: keep-alive",)
        client.send(planned(call=sized(20), version=version, lines=lines, **plan))
        client.send(request("/hello"))
        try:
            response = client.response()
        except (Truncated, Ended):
            pass
        else:
            assert response.status == 500, response
        client.ended()


def test_less_than_the_length_is_no_matter_for_head(server):
    with server.connect() as client:
        client.send(planned(call=sized(20), returns=[], method="HEAD") + request("/hello"))
        assert client.response("HEAD").one("Content-Length") == "20"
        assert client.response().body == b"hello"
