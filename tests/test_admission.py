"""What both servers have from admission, beyond what their own tests show."""

import pytest

from gpool import StreamServer, WSGIServer
from tests.support import ask


def hello(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]


@pytest.mark.parametrize(
    ("make", "answer"),
    [
        (
            lambda: StreamServer(
                ("127.0.0.1", 0), lambda sock, _: sock.sendall(sock.recv(99) and b"hello")
            ),
            b"hello",
        ),
        (lambda: WSGIServer(("127.0.0.1", 0), hello), b"hello"),
    ],
    ids=["StreamServer", "WSGIServer"],
)
def test_a_server_is_a_context_manager(make, answer):
    with make() as server:
        assert server.started
        assert ask(server.address, b"GET / HTTP/1.0\r\n\r\n").endswith(answer)
    assert not server.started and server.stats().open == 0
    with server:
        assert server.started
