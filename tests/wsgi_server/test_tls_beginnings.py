"""HTTPS: what comes that is none, and clients that stall, go or end half."""

import ssl

import pytest
from gevent import socket

from gpool.errors import ClientDisconnected
from tests.support import read_all
from tests.wsgi_server.clients import RESET, lapse, request, until
from tests.wsgi_server.keys import Steps

pytestmark = pytest.mark.limit(10)

# ---------------------------------------------------------------------- plain HTTP, and no HTTP


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "DELETE", "PRI", "PROPFIND"])
def test_plain_http_gets_a_400_in_plain_text(serve, visit, tls, method, no_hub_errors):
    server = serve(ssl_context=tls[0])
    answer = visit(server).send(request("/", body=b"x" * 100_000, method=method)).answer()
    assert answer.status == 400
    assert b"HTTPS" in answer.body
    assert answer.headers["connection"] == "close"
    assert visit(server, tls=tls[1]).ask("/next").body == b"/next"


def test_the_answer_to_head_has_no_body(serve, visit, tls):
    client = visit(serve(ssl_context=tls[0])).send(request("/", method="HEAD"))
    answer = client.answer(head_only=True)
    assert answer.status == 400
    assert client.rest() == b""


@pytest.mark.parametrize("first", [b"G", b"GET", b"UPDATEREDIRECTREF "])
def test_a_few_bytes_tell(serve, visit, tls, first):
    client = visit(serve(ssl_context=tls[0])).send(first)
    assert client.answer().status == 400


def test_plain_http_is_in_the_access_log_and_calls_nobody(serve, visit, tls, site):
    lines = []

    class Sink:
        write = lines.append

    server = serve(ssl_context=tls[0], log=Sink())
    client = visit(server)
    answer = client.send(request("/secret")).answer()
    client.close()
    until(lambda: server.stats().open == 0)
    server.site.access.flush()
    (line,) = lines
    assert line.startswith("127.0.0.1 - - [") and f'" 400 {len(answer.body)} ' in line
    assert not site.calls


@pytest.mark.parametrize(
    "sent", [b"SSH-2.0-OpenSSH_9\r\n", b"get / HTTP/1.1\r\n\r\n", b"\x00" * 40, b"\x80\x2e\x01"]
)
def test_what_is_neither_is_closed_without_an_answer(serve, visit, tls, sent, no_hub_errors):
    server = serve(ssl_context=tls[0])
    client = visit(server).send(sent).end()
    assert b"HTTP/" not in client.rest()
    client.close()
    until(lambda: server.stats().open == 0)


# ---------------------------------------------------------------------- who stalls or ends


@pytest.fixture
def steps(serve, keys):
    """A server, and such a client of it."""
    clients = []

    def start(**settings):
        server = serve(ssl_context=keys.server(), **settings)
        clients.append(Steps(server, keys.client()))
        return server, clients[-1]

    yield start
    for client in clients:
        client.sock.close()


@pytest.mark.parametrize("how_far", ["nothing", "a byte", "half", "all of it"])
def test_a_handshake_that_stalls_is_ended_by_header_timeout(steps, site, how_far):
    server, client = steps(header_timeout=7)
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.do_handshake()
    hello = client.goes.read()
    sizes = {"nothing": 0, "a byte": 1, "half": len(hello) // 2, "all of it": len(hello)}
    client.sock.sendall(hello[: sizes[how_far]])
    until(lambda: server.stats().open == 1)
    if how_far == "all of it":
        assert client.sock.recv(65_536)  # the server's part; ours never comes
    lapse(server, 6)
    assert server.stats().open == 1
    lapse(server, 1)
    assert server.stats().open == 0
    assert read_all(client.sock) == b""
    assert not site.calls


def test_a_handshake_byte_by_byte_does_not_put_off_its_end(steps):
    server, client = steps(header_timeout=7)
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.do_handshake()
    hello = client.goes.read()
    for turn in range(3):
        client.sock.sendall(hello[turn : turn + 1])
        until(lambda: server.stats().open == 1)
        lapse(server, 2)
    lapse(server, 1)
    assert server.stats().open == 0


def test_a_handshake_byte_by_byte_is_one(steps):
    _, client = steps()
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.do_handshake()
    for byte in client.goes.read():
        client.sock.sendall(bytes([byte]))
    client.do(client.tls.do_handshake)
    client.do(client.tls.write, request("/slow", "Connection: close"))
    assert client.rest().endswith(b"/slow")


def test_who_says_the_end_of_tls_and_reads_on_gets_the_answer(steps, site):
    server, client = steps()
    client.do(client.tls.do_handshake)
    client.do(client.tls.write, request("/hold"))
    until(lambda: site.calls)
    client.say_the_end()
    until(lambda: any(conn.peer.name == "ENDED" for conn in server._connections))
    site.gate.set()
    assert client.rest().endswith(b"/hold")
    until(lambda: server.stats().open == 0)


@pytest.mark.parametrize("how", ["close_notify", "end of TCP", "reset"])
def test_an_application_is_interrupted_when_its_client_goes(steps, site, how):
    _, client = steps(cancel_on_disconnect=True)
    client.do(client.tls.do_handshake)
    client.do(client.tls.write, request("/hold"))
    until(lambda: site.calls)
    if how == "close_notify":
        client.say_the_end()
    elif how == "end of TCP":
        client.sock.shutdown(socket.SHUT_WR)
    else:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.sock.close()
    until(lambda: site.ended)
    assert [type(error) for error in site.raised] == [ClientDisconnected]


@pytest.mark.parametrize("how_far", ["nothing", "half", "done"])
def test_a_drain_ends_what_has_only_shaken_hands(steps, how_far):
    server, client = steps()
    if how_far == "done":
        client.do(client.tls.do_handshake)
    else:
        with pytest.raises(ssl.SSLWantReadError):
            client.tls.do_handshake()
        client.sock.sendall(client.goes.read() if how_far == "half" else b"")
    until(lambda: server.stats().open == 1)
    server.stop(timeout=0.01)
    assert server.stats().open == 0
