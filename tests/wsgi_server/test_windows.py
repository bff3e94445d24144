"""A large answer to a client with a tiny window: it is the server that has it, not the kernel."""

import pytest
from gevent import socket

from tests.wsgi_server.clients import request, until

pytestmark = pytest.mark.limit(5)

MIB = 1 << 20


@pytest.mark.parametrize("buffer", [1, None], ids=["tiny", "usual"])
def test_the_kernel_gets_little_of_it(serve, buffer):
    server = serve(write_timeout=60)
    with socket.socket() as client:
        if buffer is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        client.connect(server.address)
        client.sendall(request("/large"))
        until(lambda: any(conn._out for conn in server._connections))
        (conn,) = server._connections
        assert (conn._out_size > 7.5 * MIB) is (buffer is not None)
