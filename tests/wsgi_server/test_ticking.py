"""The clock of a server, which deadlines and the Date go by, is not that of its accept loop."""

import gevent
import pytest
from gevent.event import Event

from gpool import WSGIServer
from tests.support import connect, in_hub


class Ticks:
    """An observer that knows when the server has ticked."""

    def __init__(self):
        self._ticked = Event()

    def add(self, environ, status, sent, started):
        pass

    def flush(self):
        self._ticked.set()

    def wait(self):
        """Wait for the next one."""
        self._ticked.clear()
        assert self._ticked.wait(10)


def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


@pytest.fixture
def server():
    server = WSGIServer(("127.0.0.1", 0), application)
    server.ticks = Ticks()
    server.observe(server.ticks)
    server.start()
    yield server
    server.stop(0)


@pytest.mark.parametrize("how", ["hold_accepting", "stop_accepting", "close"])
def test_a_server_ticks_on_while_it_does_not_accept(server, how):
    server.ticks.wait()
    in_hub(getattr(server, how))
    server.ticks.wait()


def test_a_drain_ends_when_the_last_client_is_quiet(server):
    with connect(("127.0.0.1", server.server_port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(1_000).endswith(b"ok")
        draining = gevent.spawn(server.stop, 60)
        assert client.recv(1) == b""  # long before the drain's time is over
        draining.get()
