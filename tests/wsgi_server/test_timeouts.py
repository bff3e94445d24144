"""Each deadline, on a clock that the test turns."""

import pytest
from gevent import socket

from gpool.errors import BodyTimeout, RequestTimeout, WriteTimeout
from tests.support import settle
from tests.wsgi_server.clients import lapse, request, until

pytestmark = pytest.mark.limit(3)


def in_state(server, name):
    return any(conn.state.name == name for conn in server._connections)


def connected(server):
    until(lambda: server.stats().open)


# ---------------------------------------------------------------------- header_timeout


def test_a_client_that_says_nothing_is_closed_without_a_word(serve, visit):
    server = serve(header_timeout=5)
    client = visit(server)
    connected(server)
    lapse(server, 5)
    assert client.rest() == b""


def test_nobody_is_closed_before_the_time(serve, visit):
    server = serve(header_timeout=5)
    client = visit(server)
    connected(server)
    for _ in range(5):
        server.clock.advance(1)
        server.site.tick()
    assert client.ask("/in-time").body == b"/in-time"


def test_half_a_head_is_answered_with_408(serve, visit):
    server = serve(header_timeout=5)
    client = visit(server).send(b"GET / HTTP/1.1\r\nHost")
    until(lambda: in_state(server, "READING"))
    lapse(server, 5)
    answer = client.answer()
    assert (answer.status, answer.headers["connection"]) == (408, "close")
    assert client.rest() == b""


@pytest.mark.parametrize("first", [b"", request("/before")])
def test_more_bytes_do_not_restart_the_time_for_a_head(serve, visit, first):
    server = serve(header_timeout=10)
    client = visit(server)
    if first:
        assert client.send(first).answer().status == 200
    client.send(b"GET / HTTP/1.1\r\nX: ")
    until(lambda: in_state(server, "READING"))
    for _ in range(13):
        client.send(b"x")
        settle()
        server.clock.advance(1)
        server.site.tick()
    assert client.answer().status == 408


def test_the_time_for_a_head_is_not_restarted_by_its_place_behind_other_requests(
    serve, site, visit
):
    server = serve(header_timeout=10)
    client = visit(server).send(request("/hold") + b"GET / HTTP/1.1\r\nX: ")
    until(lambda: site.calls)
    site.gate.set()
    assert client.answer().status == 200
    until(lambda: in_state(server, "READING"))
    lapse(server, 10)
    assert client.answer().status == 408


# ---------------------------------------------------------------------- keepalive_timeout


def test_an_idle_connection_is_closed_without_a_word(serve, visit):
    server = serve(keepalive_timeout=20, header_timeout=5)
    client = visit(server)
    assert client.ask().status == 200
    lapse(server, 10)
    assert client.ask("/again").body == b"/again"
    lapse(server, 20)
    assert client.rest() == b""


def test_without_a_keepalive_timeout_idle_connections_stay(serve, visit):
    server = serve(keepalive_timeout=None)
    client = visit(server)
    assert client.ask().status == 200
    lapse(server, 200)
    assert client.ask().status == 200


def test_a_request_that_takes_longer_than_keepalive_timeout_is_answered(serve, site, visit):
    server = serve(keepalive_timeout=5, header_timeout=5, body_timeout=5, write_timeout=5)
    client = visit(server)
    for path in ("/hello", "/hold"):
        client.send(request(path))
    until(lambda: "/hold" in site.calls)
    lapse(server, 30)
    site.gate.set()
    assert [client.answer().body for _ in range(2)] == [b"/hello", b"/hold"]
    lapse(server, 5)
    assert client.rest() == b""


# ---------------------------------------------------------------------- body_timeout


def test_a_body_that_the_hub_gathers_and_that_stops_is_answered_with_408(serve, site, visit):
    server = serve(body_timeout=5)
    client = visit(server).send(request("/echo", body=b"half", method="POST")[:-2])
    until(lambda: in_state(server, "READING"))
    lapse(server, 5)
    assert client.answer().status == 408
    assert client.rest() == b"" and not site.calls


def test_the_408_of_a_head_has_no_body(serve, visit):
    """RFC 9110 section 9.3.2, also where it is the body of the request that does not come."""
    server = serve(body_timeout=5)
    client = visit(server).send(request("/", "Content-Length: 5", method="HEAD"))
    until(lambda: in_state(server, "READING"))
    lapse(server, 5)
    answer = client.answer(head_only=True)
    assert answer.status == 408 and int(answer.headers["content-length"]) > 0
    assert client.rest() == b""


def test_each_byte_of_a_body_gives_it_more_time(serve, visit):
    server = serve(body_timeout=5)
    whole = request("/echo", body=b"0123456789", method="POST")
    client = visit(server).send(whole[:-10])
    for byte in whole[-10:]:
        until(lambda: in_state(server, "READING"))
        for _ in range(4):
            server.clock.advance(1)
            server.site.tick()
        client.send(bytes([byte]))
        settle()
    assert client.answer().body == b"0123456789"


def test_a_body_that_the_application_reads_and_that_stops_is_answered_with_408(serve, site, visit):
    server = serve(body_timeout=5, body_buffer=0)
    client = visit(server).send(request("/echo", body=b"half", method="POST")[:-2])
    until(lambda: any(conn._waiter for conn in server._connections))
    lapse(server, 5)
    assert client.answer().status == 408
    assert client.rest() == b""
    assert [type(error) for error in site.raised] == [BodyTimeout]


def test_an_application_may_answer_a_body_timeout_itself(serve, site, visit):
    def patient(environ, start_response):
        try:
            return site.do_echo(environ, start_response)
        except BodyTimeout:
            start_response("202 Accepted", [])
            return [b"what there is"]

    site.more["patient"] = patient
    server = serve(body_timeout=5, body_buffer=0)
    client = visit(server).send(request("/patient", body=b"half", method="POST")[:-2])
    until(lambda: any(conn._waiter for conn in server._connections))
    lapse(server, 5)
    assert client.answer().body == b"what there is"


def test_the_rest_of_a_body_that_nobody_wants_has_its_time_too(serve, site, visit):
    def some(environ, start_response):
        environ["wsgi.input"].read(100)
        return site.do_hello(environ, start_response)

    site.more["some"] = some
    server = serve(body_timeout=5, body_buffer=100)
    client = visit(server).send(request("/some", body=bytes(150), method="POST")[:-30])
    assert client.answer().body == b"/some"
    until(lambda: in_state(server, "READING"))
    lapse(server, 5)
    assert client.rest() == b""


# ---------------------------------------------------------------------- write_timeout


def test_an_application_whose_client_does_not_read_gets_a_write_timeout_and_is_closed(
    serve, site, visit
):
    server = serve(write_timeout=5)
    client = visit(server).send(request("/flood"))
    until(lambda: any(conn._waiter for conn in server._connections))
    lapse(server, 5)
    until(lambda: not server.pool.stats().busy)
    assert site.ended == ["/flood", "close()"]
    lapse(server, 5)  # the Hub has tried for as long
    assert server.stats().open == 0
    with pytest.raises(ConnectionResetError):
        client.rest()


def test_write_gets_the_timeout_as_an_error(serve, site, visit):
    def writes(environ, start_response):
        write = start_response("200 OK", [])
        while True:
            write(bytes(262_144))

    site.more["writes"] = writes
    server = serve(write_timeout=5)
    visit(server).send(request("/writes"))
    until(lambda: any(conn._waiter for conn in server._connections))
    lapse(server, 5)
    until(lambda: not server.pool.stats().busy)
    assert [type(error) for error in site.raised] == [WriteTimeout]


def test_a_slow_reader_of_a_finished_response_is_closed_and_holds_no_worker(serve, visit):
    server = serve(write_timeout=5, write_buffer=1 << 24)
    client = visit(server).send(request("/large"))
    until(lambda: in_state(server, "WRITING"))
    assert not server.pool.stats().busy
    lapse(server, 5)
    assert server.stats().open == 0
    with pytest.raises(ConnectionResetError):
        client.rest()


def test_each_byte_that_is_taken_gives_more_time(serve, visit):
    server = serve(write_timeout=5, write_buffer=1 << 24)
    client = visit(server)
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    client.send(request("/large"))
    until(lambda: in_state(server, "WRITING"))
    [conn] = server._connections
    for _ in range(2):
        for _ in range(4):
            server.clock.advance(1)
            server.site.tick()
        before = conn._out_size
        while conn._out_size == before:
            client.exactly(65_536)
            settle()
    assert in_state(server, "WRITING")
    lapse(server, 5)
    assert server.stats().open == 0


# ---------------------------------------------------------------------- request_timeout


def test_an_application_that_takes_too_long_is_interrupted_and_its_client_told(
    serve, site, visit, caplog
):
    server = serve(request_timeout=5)
    client = visit(server).send(request("/hold"))
    until(lambda: site.calls)
    lapse(server, 5)
    assert client.answer().status == 504
    assert client.rest() == b""
    assert [type(error) for error in site.raised] == [RequestTimeout]
    assert "GET /hold took longer than request_timeout" in caplog.text


def test_each_request_of_a_connection_has_the_whole_time(serve, site, visit):
    server = serve(request_timeout=5)
    client = visit(server)
    for _ in range(3):
        assert client.ask("/quick").status == 200
        for _ in range(4):
            server.clock.advance(1)
            server.site.tick()
    client.send(request("/hold"))
    until(lambda: "/hold" in site.calls)
    for _ in range(4):
        server.clock.advance(1)
        server.site.tick()
    settle()
    assert not site.raised
    lapse(server, 1)
    assert client.answer().status == 504


def test_after_the_head_was_sent_the_answer_is_cut_off(serve, site, visit):
    server = serve(request_timeout=5)
    client = visit(server).send(request("/stream"))
    assert client.answer_begins() == 200
    lapse(server, 5)
    assert client.rest() == b"3\r\none\r\n"  # and no last chunk
    assert site.ended == ["/stream", "close()"]


def test_an_answer_that_ends_with_the_connection_is_reset_when_it_is_cut_off(serve, visit):
    server = serve(request_timeout=5)
    client = visit(server).send(request("/stream", version="1.0"))
    assert client.answer_begins() == 200
    lapse(server, 5)
    with pytest.raises(ConnectionResetError):
        client.rest()


def test_an_application_that_swallows_the_interruption_answers_as_it_likes(serve, site, visit):
    def stubborn(environ, start_response):
        try:
            site.gate.wait()
        except RequestTimeout:
            start_response("200 OK", [])
        return [b"after all"]

    site.more["stubborn"] = stubborn
    server = serve(request_timeout=5)
    client = visit(server).send(request("/stubborn"))
    until(lambda: site.calls)
    lapse(server, 5)
    assert client.answer().body == b"after all"
    assert client.ask("/next").body == b"/next"


def test_a_close_that_takes_too_long_is_interrupted_after_a_whole_answer(serve, site, visit):
    class Closes(list):
        def close(self):
            try:
                site.gate.wait()
            except BaseException as error:
                site.raised.append(error)
                raise

    def slow(environ, start_response):
        start_response("200 OK", [("Content-Length", "2")])
        return Closes([b"ok"])

    site.more["slow"] = slow
    server = serve(request_timeout=5)
    client = visit(server).send(request("/slow"))
    assert client.answer().body == b"ok"
    lapse(server, 5)
    assert [type(error) for error in site.raised] == [RequestTimeout]
    until(lambda: not server.pool.stats().busy)
    assert client.ask("/next").body == b"/next"


@pytest.mark.parametrize("path", ["/echo", "/flood"])
def test_the_server_s_own_waits_are_interrupted_too(serve, site, visit, path):
    server = serve(request_timeout=5, body_buffer=0)
    client = visit(server).send(request(path, body=b"half", method="POST")[:-2])
    until(lambda: any(conn._waiter for conn in server._connections))
    lapse(server, 5)
    until(lambda: not server.pool.stats().busy)
    if path == "/echo":
        assert client.answer().status == 504


@pytest.mark.limit(1)
def test_request_timeout_is_kept_after_a_body_timeout_that_was_swallowed(serve, site, visit):
    def goes_on(environ, start_response):
        try:
            environ["wsgi.input"].read()
        except BodyTimeout:
            site.gate.wait()
        return site.do_hello(environ, start_response)

    site.more["goes-on"] = goes_on
    server = serve(request_timeout=60, body_timeout=5, body_buffer=0)
    client = visit(server).send(request("/goes-on", body=b"half", method="POST")[:-2])
    until(lambda: any(conn._waiter for conn in server._connections))
    lapse(server, 5)
    until(lambda: not any(conn._waiter for conn in server._connections))
    lapse(server, 60)
    assert client.answer().status == 504


# ---------------------------------------------------------------------- TLS


@pytest.mark.parametrize("hello", [b"", b"\x16\x03\x01\x02\x00\x01"])
def test_a_handshake_that_does_not_go_on_is_closed(serve, visit, tls, hello):
    server = serve(header_timeout=5, ssl_context=tls[0])
    client = visit(server).send(hello)
    connected(server)
    settle()
    lapse(server, 5)
    assert client.rest() == b""
