"""Errors of an application, of every kind and at every point of a response.

PEP 3333, "Error Handling": before anything was sent there is a 500, afterwards the response must
not look complete; and in every case the server serves on, which the fixture `server` asks.
"""

import pytest

from tests.blackbox.client import Ended, Truncated, planned, request

START = ("start", "200 OK", [("Content-Type", "text/plain")])
SIZED = ("start", "200 OK", [("Content-Type", "text/plain"), ("Content-Length", "1000")])
ERRORS = [
    "Exception",
    "OwnError",
    "BaseException",
    "SystemExit",
    "GreenletExit",
    "GeneratorExit",
    "Timeout",
    "MemoryError",
    "RecursionError",
    "ConnectionResetError",
    "BrokenPipeError",
    "TimeoutError",
    "UnicodeError",
]

#: Nothing has been sent at these points.
BEFORE = {
    "before start_response": lambda name: {"call": [("raise", name)]},
    "after start_response": lambda name: {"call": [START, ("raise", name)]},
    "after start_response with a length": lambda name: {"call": [SIZED, ("raise", name)]},
    "in the first iteration": lambda name: {"iterate": [("raise", name)]},
    "after an empty block": lambda name: {"iterate": [("yield", b""), ("raise", name)]},
    "in a lazy generator": lambda name: {"form": "lazy", "call": [("raise", name)]},
    "before start_response in an iterator": lambda name: {
        "call": [],
        "iterate": [("raise", name)],
    },
}

#: Something has been sent, or may have been.
AFTER = {
    "after an empty write": lambda name: {"call": [START, ("write", b""), ("raise", name)]},
    "after a write": lambda name: {"call": [START, ("write", b"first"), ("raise", name)]},
    "in the second iteration": lambda name: {"iterate": [("yield", b"first"), ("raise", name)]},
    "in the third iteration": lambda name: {
        "iterate": [("yield", b"first"), ("yield", b"second"), ("raise", name)]
    },
    "before the length is reached": lambda name: {
        "call": [SIZED],
        "iterate": [("yield", b"first"), ("yield", b"second"), ("raise", name)],
    },
    "in a generator": lambda name: {
        "form": "lazy",
        "iterate": [("yield", b"first"), ("yield", b"second"), ("raise", name)],
    },
    "after much": lambda name: {
        "iterate": [("yield", b"x"), ("repeat", b"x" * 1_000, 1_000), ("raise", name)]
    },
}


@pytest.mark.parametrize(
    ("name", "point"),
    [(name, point) for name in ERRORS for point in BEFORE]
    # which in an iteration is how it ends
    + [("StopIteration", point) for point in ("before start_response", "after start_response")],
)
def test_an_error_before_anything_was_sent_is_a_500(server, name, point):
    with server.connect() as client:
        response = client.send(planned(**BEFORE[point](name))).response()
        assert response.status == 500, response
        assert b"first" not in response.body
        assert b"Traceback" not in response.body
        assert b"on purpose" not in response.body
        if response.persistent:
            client.send(request("/hello", "Connection: close"))
            assert client.response().body == b"hello"
        client.ended()


@pytest.mark.parametrize("point", AFTER)
@pytest.mark.parametrize("name", ERRORS)
def test_an_error_after_something_was_sent_ends_the_connection(server, name, point):
    # A server that has not sent the first block yet may still make it a 500.
    with server.connect() as client:
        client.send(planned(**AFTER[point](name)) + request("/hello"))
        try:
            response = client.response()
        except (Truncated, Ended):
            pass
        else:
            assert response.status == 500, response
            assert not response.persistent
        client.ended()


@pytest.mark.parametrize("point", AFTER)
@pytest.mark.parametrize("name", ["Exception", "SystemExit"])
def test_an_error_in_a_response_to_http_1_0_closes(server, name, point):
    with server.connect() as client:
        plan = AFTER[point](name)
        client.send(planned(version="1.0", lines=("Connection: keep-alive",), **plan))
        client.send(request("/hello"))
        rest = client.rest()
    assert b"hello" not in rest
    assert rest.count(b"HTTP/1.") <= 1


@pytest.mark.parametrize("point", AFTER)
def test_an_error_in_a_response_to_head(server, point):
    # Its head is all there is of it, so it may pass for complete, or the connection is closed.
    with server.connect() as client:
        client.send(planned(method="HEAD", **AFTER[point]("Exception")) + request("/hello"))
        try:
            assert client.response("HEAD").status in (200, 500)
            assert client.response().body == b"hello"
        except (Ended, Truncated):
            client.ended()


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("returned", ["blocks", "nothing"])
def test_an_error_in_close_comes_too_late_to_be_a_500(server, name, returned):
    # What the client got before is complete; the connection may go on or not.
    iterate = [("yield", b"first"), ("yield", b"second")] if returned == "blocks" else []
    with server.connect() as client:
        client.send(planned(iterate=iterate, close=[("raise", name)]) + request("/hello"))
        try:
            response = client.response()
            if response.status == 500:
                assert returned == "nothing"
            else:
                assert response.body == b"".join(data for _, data in iterate)
            assert client.response().body == b"hello"
        except (Ended, Truncated):
            client.ended()


@pytest.mark.parametrize("name", ["Exception", "SystemExit", "GreenletExit"])
def test_an_error_in_close_after_another_error(server, name):
    plan = {"iterate": [("raise", "Exception")], "close": [("raise", name)]}
    assert server.plan(**plan).status == 500


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("read", [0, 5, 50_000])
def test_an_error_while_a_body_is_unread(server, name, read):
    # The rest of it must not be taken for a request.
    body = request("/smuggled") * 3_000
    with server.connect() as client:
        client.send_aside(
            planned(call=[("read", read), ("raise", name)], method="POST", body=body)
            + request("/hello")
        )
        response = client.response()
        assert response.status == 500
        try:
            assert client.response().body == b"hello"
        except (Ended, Truncated):
            client.ended()


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_after_the_client_has_gone(server, name):
    token = server.token()
    with server.connect() as client:
        client.send(planned(call=[("wait", "gone"), ("raise", name)], token=token))
        server.events(token, "called")
        client.reset()
    server.tell(token, "gone")


def test_what_a_request_leaves_behind_is_not_seen_by_others(server):
    # More requests than one, so that some of them have the same worker.
    for _ in range(5):
        assert server.plan(call=[("leak",), START], returns=[b"x"]).body == b"x"
        token = server.token()
        assert server.plan(call=[START, ("look",)], returns=[b"x"], token=token).body == b"x"
        assert server.events(token) == ["called", "leaked nothing", "then nothing"]


def test_an_application_that_is_killed_while_it_waits_is_a_500(server):
    assert server.plan(call=[("kill",)]).status == 500


def test_an_application_that_is_killed_in_its_response_ends_it(server):
    with server.connect() as client:
        iterate = [("yield", b"first"), ("yield", b"second"), ("kill",), ("yield", b"third")]
        client.send(planned(iterate=iterate) + request("/hello"))
        with pytest.raises((Ended, Truncated)):
            client.response()
        client.ended()


def test_errors_use_nothing_up(server):
    # More of them than there could be workers for.
    for _ in range(300):
        assert server.plan(call=[("raise", "BaseException")]).status == 500
