"""Requests that are there when their connection is accepted: with or without a first read."""

from contextlib import ExitStack, suppress

import pytest
from gevent import socket

from gpool.wsgi.server import EARLY, LOOK_AGAIN
from tests.support import read_all
from tests.wsgi_server.clients import lapse, request, until

pytestmark = pytest.mark.limit(5)

MANY = 3 * LOOK_AGAIN
LAST = request("/last", "Connection: close")


@pytest.fixture
def backlog():
    """A listener, and a function that has a client connect to it and send something."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(MANY)

        def come(data=b""):
            client = stack.enter_context(socket.create_connection(listener.getsockname()))
            client.settimeout(5)
            client.sendall(data)
            return client

        yield listener, come


@pytest.fixture(params=[0, EARLY], ids=["after waiting", "at once"])
def begun(request, serve, backlog):
    """Serve who is in the backlog, in one of the two ways."""

    def begin(**settings):
        def application(environ, start_response):
            start_response("200 OK", [("Content-Length", "2")])
            return [b"ok"]

        server = serve(application, backlog[0], **settings)
        server._early = request.param
        return server

    return begin


def test_whoever_has_sent_a_request_is_answered(backlog, begun):
    clients = [backlog[1](LAST) for _ in range(MANY)]
    server = begun()
    assert all(read_all(client).endswith(b"\r\n\r\nok") for client in clients)
    until(lambda: not server.stats().open)
    assert server.pool.stats().running <= 2


def test_a_connection_that_stays_has_its_next_request_answered(backlog, begun):
    client = backlog[1](request("/"))
    begun()
    for _ in range(3):
        assert client.recv(1_000).endswith(b"ok")
        client.sendall(request("/"))
    assert client.recv(1_000).endswith(b"ok")


def test_several_requests_are_answered_in_order(backlog, begun):
    client = backlog[1](request("/") * 5 + LAST)
    begun()
    assert read_all(client).count(b"\r\n\r\nok") == 6


@pytest.mark.parametrize(
    "beginning", [b"", b"GET", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9"]
)
def test_what_is_not_whole_is_waited_for_until_the_deadline(backlog, begun, beginning):
    client = backlog[1](beginning)
    server = begun(header_timeout=5, body_timeout=5)
    until(lambda: server.stats().open)
    lapse(server, 5)
    assert client.recv(1_000).startswith(b"HTTP/1.1 408" if beginning else b"")
    client.close()  # or the server lingers
    until(lambda: not server.stats().open)


def test_a_client_that_has_left_is_closed(backlog, begun):
    for data in (b"", b"GET"):
        backlog[1](data).close()
    server = begun()
    until(lambda: server.accepted == 2 and not server.stats().open)


def test_nonsense_is_answered(backlog, begun):
    client = backlog[1](b"\0\r\n\r\n")
    begun()
    assert client.recv(1_000).startswith(b"HTTP/1.1 400")


def test_a_client_that_leaves_while_the_application_runs_is_noticed(serve, site, backlog):
    server = serve(site, backlog[0], cancel_on_disconnect=True)
    server._early = EARLY
    client = backlog[1](request("/hold"))
    until(lambda: site.calls)
    client.close()
    until(lambda: site.raised)


def test_first_reads_go_on_while_they_find_something_and_end_when_they_do_not(serve, backlog):
    clients = [backlog[1](request("/")) for _ in range(MANY)]
    server = serve(None, backlog[0])
    assert server._early == 0
    for client in clients:
        assert client.recv(1_000)
    # One connection of LOOK_AGAIN is read at once whatever the others were like.
    assert 0 < server._early <= EARLY
    server._early = EARLY
    silent = [backlog[1]() for _ in range(EARLY)]
    until(lambda: server.stats().open == len(clients) + len(silent))
    assert server._early == 0
    for client in silent:
        client.sendall(LAST)
        assert read_all(client)


def test_with_defer_accept_every_connection_is_read_at_once(serve):
    server = serve(defer_accept=True)
    for _ in range(2 * EARLY):
        with suppress(OSError), socket.create_connection(server.address) as client:
            client.sendall(b"x")
    until(lambda: not server.stats().open)
    assert server._early == EARLY
