"""HTTPS: what is different from HTTP, and that nothing else is."""

import errno
import gc
import ssl
from contextlib import suppress

import gevent
import pytest
from gevent import socket
from gevent.ssl import SSLContext

from tests.support import read_all, turn
from tests.wsgi_server.clients import RESET, request, until

pytestmark = pytest.mark.limit(5)


@pytest.fixture
def secure(serve, visit, tls):
    """A server of HTTPS, and a way to visit it."""

    def start(**settings):
        server = serve(ssl_context=tls[0], **settings)
        return server, lambda: visit(server, tls=tls[1])

    return start


def test_keep_alive_and_pipelining(secure):
    _, connect = secure()
    client = connect()
    for number in range(3):
        assert client.ask(f"/{number}").body == b"/%d" % number
    paths = [f"/{number}" for number in range(50)]
    client.send(b"".join(map(request, paths)))
    assert [client.answer().body.decode() for _ in paths] == paths


def test_the_environ_says_https(secure, site):
    seen = []

    def look(environ, start_response):
        seen.append((environ["wsgi.url_scheme"], environ["HTTPS"]))
        return site.do_hello(environ, start_response)

    site.more["look"] = look
    secure()[1]().ask("/look")
    assert seen == [("https", "on")]


@pytest.mark.parametrize("body_buffer", [0, 65_536, 1 << 24])
@pytest.mark.parametrize("size", [1, 16_384, 16_385, 60_000, 200_000, 3_000_000])
def test_bodies_of_any_size_go_both_ways(secure, body_buffer, size):
    _, connect = secure(body_buffer=body_buffer)
    client = connect()
    body = bytes(range(251)) * (size // 251 + 1)
    for _ in range(2):
        answer = client.ask("/echo", body=body[:size], method="POST")
        assert answer.body == body[:size]


def test_a_request_in_the_same_record_as_the_end_of_a_body_is_served(secure):
    """The bytes are in the TLS layer by then, and the kernel knows of none."""
    _, connect = secure(body_buffer=0)
    client = connect()
    first = request("/echo", body=b"x" * 100, method="POST")
    client.send(first[:-50])
    client.send(first[-50:] + request("/next"))
    assert client.answer().body == b"x" * 100
    assert client.answer().body == b"/next"


@pytest.mark.limit(1)
def test_the_same_when_the_application_takes_its_time(secure, site):
    def reads_and_waits(environ, start_response):
        environ["wsgi.input"].read()
        return site.do_hold(environ, start_response)

    site.more["slow"] = reads_and_waits
    client = secure(body_buffer=0)[1]()
    first = request("/slow", body=b"x" * 100, method="POST")
    client.send(first[:-50])
    until(lambda: site.calls)
    client.send(first[-50:] + request("/next"))
    turn()
    site.gate.set()
    assert client.answer().body == b"/slow"
    assert client.answer().body == b"/next"


def test_a_request_behind_a_body_that_was_read_in_part_is_served(secure, site):
    def some(environ, start_response):
        environ["wsgi.input"].read(10)
        return site.do_hello(environ, start_response)

    site.more["some"] = some
    client = secure(body_buffer=60)[1]()
    client.send(request("/some", body=b"x" * 100, method="POST") + request("/next"))
    assert client.answer().body == b"/some"
    assert client.answer().body == b"/next"


def test_a_request_in_many_small_records(secure):
    client = secure()[1]()
    for byte in request("/echo", body=b"small records", method="POST"):
        client.send(bytes([byte]))
    assert client.answer().body == b"small records"


def test_many_requests_in_one_record_behind_one_that_takes_long(secure, site):
    client = secure()[1]()
    paths = [f"/{number}" for number in range(20)]
    client.send(request("/hold"))
    until(lambda: site.calls)
    client.send(b"".join(map(request, paths)))
    site.gate.set()
    assert client.answer().body == b"/hold"
    assert [client.answer().body.decode() for _ in paths] == paths


def test_a_large_answer_to_a_slow_reader_is_whole(secure):
    server, connect = secure(write_buffer=1 << 24)
    client = connect().send(request("/large"))
    until(lambda: any(conn.state.name == "WRITING" for conn in server._connections))
    assert not server.pool.stats().busy
    assert client.answer().body == bytes(8 << 20)
    assert client.ask("/next").body == b"/next"


def test_a_streamed_answer_arrives_block_by_block(secure, site):
    client = secure()[1]().send(request("/stream"))
    assert client.answer_begins() == 200
    assert client.exactly(8) == b"3\r\none\r\n"
    site.gate.set()
    assert client.exactly(13) == b"3\r\ntwo\r\n0\r\n\r\n"


def test_a_file_is_sent(secure, site, tmp_path):
    (tmp_path / "file").write_bytes(b"content" * 10_000)

    def file(environ, start_response):
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"]((tmp_path / "file").open("rb"))

    site.more["file"] = file
    assert secure()[1]().ask("/file").body == b"content" * 10_000


# ---------------------------------------------------------------------- the end of TLS


@pytest.mark.parametrize(
    "sent",
    [
        request("/", "Connection: close"),
        request("/", version="1.0"),
        b"GET / HTTP/1.1\r\n\r\n",
        request("/fail"),
    ],
)
def test_the_end_is_said_in_tls(secure, tls, sent):
    """Without close_notify a client cannot tell the end from an attack."""
    server, _ = secure()
    with socket.create_connection(server.address) as plain:
        client = tls[1].wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False)
        with client:
            client.sendall(sent)
            read_all(client)  # raises where the end of TCP comes first


def test_an_idle_client_that_is_closed_is_told_in_tls(secure, tls):
    server, _ = secure()
    with socket.create_connection(server.address) as plain:
        client = tls[1].wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False)
        client.sendall(request("/"))
        assert client.recv(65_536)
        server.stop(60)
        assert client.recv(1) == b""
        client.close()


def test_a_cut_off_answer_is_no_clean_end_in_tls(secure, tls, site):
    """HTTP/1.0: only the end of the connection tells the end of the body."""

    def breaks(environ, start_response):
        start_response("200 OK", [])
        yield b"one"
        raise RuntimeError("application")

    site.more["breaks"] = breaks
    server, _ = secure()
    with socket.create_connection(server.address) as plain:
        client = tls[1].wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False)
        client.sendall(request("/breaks", version="1.0"))
        with client, pytest.raises(OSError):  # noqa: PT011  # a reset, or TCP ends before TLS
            read_all(client)
    until(lambda: server.stats().open == 0)


def test_who_sends_close_notify_still_gets_the_answer(secure):
    client = secure()[1]().send(request("/", "Connection: close"))
    assert client.answer().status == 200
    assert client.rest() == b""
    client.sock.unwrap()


# ---------------------------------------------------------------------- what is no TLS


@pytest.mark.parametrize("garbage", [request("/"), b"\x00" * 100, b"\x16\x03\x01\x00\x05hello" * 9])
def test_what_is_no_tls_is_closed_or_told_and_costs_nothing(
    secure, visit, caplog, garbage, no_hub_errors
):
    server, connect = secure()
    client = visit(server).send(garbage)
    with suppress(ConnectionResetError):
        client.rest()
    client.close()
    until(lambda: server.stats().open == 0)
    assert connect().ask("/next").body == b"/next"
    assert not caplog.records


@pytest.mark.parametrize("go", ["reset", "close", "end"])
@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01\x02"])
def test_who_goes_during_the_handshake_is_forgotten(secure, visit, go, said, no_hub_errors):
    server, connect = secure()
    client = visit(server).send(said)
    until(lambda: server.stats().open == 1)
    getattr(client, go)()
    until(lambda: server.stats().open == 0)
    assert connect().ask("/next").body == b"/next"


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_who_goes_before_the_server_has_accepted_is_no_error(secure, no_hub_errors):
    server, connect = secure()
    for _ in range(3):  # all of it in one turn of the loop
        sock = socket._socket.socket()
        sock.connect(server.address)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        sock.close()
    assert connect().ask("/next").body == b"/next"
    seen, no_hub_errors[:] = no_hub_errors[:], []
    gc.collect()
    assert not seen


def test_a_client_that_does_not_trust_the_certificate_is_forgotten(secure, no_hub_errors):
    server, connect = secure()
    stranger = SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with socket.create_connection(server.address) as plain:
        client = stranger.wrap_socket(
            plain, server_hostname="localhost", do_handshake_on_connect=False
        )
        with client, pytest.raises(ssl.SSLError):
            client.do_handshake()
    until(lambda: server.stats().open == 0)
    assert connect().ask("/next").body == b"/next"


# ---------------------------------------------------------------------- many


def test_many_connections_at_once(secure):
    server, connect = secure()

    def visit_often(number):
        client = connect()
        for time in range(3):
            body = b"%d " % number * (time * 10_000 + 1)
            assert client.ask("/echo", body=body, method="POST").body == body

    gevent.joinall([gevent.spawn(visit_often, n) for n in range(50)], raise_error=True)
    assert server.stats().accepted == 50


def test_a_full_server_refuses_without_a_handshake(secure, visit):
    server, connect = secure(max_connections=1, overflow_pause=0)
    client = connect()
    assert client.ask().status == 200
    assert visit(server).rest() == b""
    assert client.ask().status == 200


def test_a_client_that_is_gone_when_its_handshake_is_to_begin_is_let_go(
    secure, monkeypatch, no_hub_errors
):
    """The socket is not connected any more, which `wrap_socket` looks at."""
    server, connect = secure()
    plain = []

    def gone(context, sock, **named):
        plain.append(sock)
        raise OSError(errno.ENOTCONN, "not connected")

    with monkeypatch.context() as patch:
        patch.setattr(SSLContext, "wrap_socket", gone)
        with socket.create_connection(server.address) as client:
            client.sendall(b"\x16\x03\x01")
            with suppress(ConnectionResetError):  # what it has sent was not read
                assert read_all(client) == b""
    assert plain[0].fileno() == -1
    until(lambda: not server.stats().open)
    assert connect().ask("/next").body == b"/next"
