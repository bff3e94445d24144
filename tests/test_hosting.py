"""All that one process serves: several listeners, one pool, one count of connections."""

import gevent
import pytest
from gevent import socket
from gevent.event import Event
from gevent.select import select

from gpool import Refusal
from gpool.accepting import Accepting
from gpool.hosting import Hosting, HostingState
from tests.support import settle
from tests.wsgi_server.clients import Client, request, until
from tests.wsgi_server.keys import Keys

HERE = ("127.0.0.1", 0)


class Site:
    """An application that holds a request at /hold until its gate is open."""

    def __init__(self):
        self.gate = Event()
        self.began = 0
        self.raised = []

    def __call__(self, environ, start_response):
        path = environ["PATH_INFO"]
        self.began += 1
        try:
            if path == "/hold":
                self.gate.wait()
            if path == "/fail":
                raise RuntimeError("application")
        except BaseException as error:
            self.raised.append(error)
            raise
        start_response("200 OK", [("Content-Length", str(len(path)))])
        return [path.encode()]


@pytest.fixture
def site():
    return Site()


@pytest.fixture
def host(site):
    """Start the servers of a process; drain them at the end."""
    started = []

    def start(*listeners, **settings):
        settings.setdefault("keepalive_min_timeout", 0)
        hosting = Hosting(listeners or (HERE, HERE), site, **settings)
        started.append(hosting)
        hosting.start()
        return hosting

    yield start
    site.gate.set()
    for hosting in started:
        settle()
        hosting.stop(0)
        stats = hosting.stats()
        assert stats.state is HostingState.STOPPED
        assert (stats.server.open, stats.pool.busy, stats.pool.running) == (0, 0, 0)


@pytest.fixture
def visit():
    """Clients of a server; closed at the end."""
    clients = []

    def connect(server):
        clients.append(Client(server.address[:2]))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


@pytest.fixture
def hold(site, visit):
    """A client of a server that holds a worker until the gate is open."""

    def begin(server):
        began = site.began
        client = visit(server).send(request("/hold"))
        until(lambda: site.began > began)
        return client

    return begin


def total(hosting, reason):
    return hosting.stats().server.refused[reason]


# ---------------------------------------------------------------------- shared


def test_each_listener_is_served(host, visit):
    hosting = host(HERE, ("::1", 0), HERE)
    assert [visit(one).ask("/a").body for one in hosting.servers] == [b"/a"] * 3
    assert len({one.address[1] for one in hosting.servers}) == 3


def test_workers_are_those_of_the_process(host, visit, hold):
    one, other = host(max_workers=1).servers
    hold(one)
    assert visit(other).ask("/a").status == 503


def test_a_request_waits_for_a_worker_of_the_other(host, site, visit, hold):
    hosting = host(max_workers=1, overflow="wait")
    one, other = hosting.servers
    held = hold(one)
    waiting = visit(other).send(request("/a"))
    until(lambda: len(other._queue))
    site.gate.set()
    assert (held.answer().body, waiting.answer().body) == (b"/hold", b"/a")


def test_connections_are_counted_together(host, visit):
    hosting = host(max_connections=2)
    one, other = hosting.servers
    kept = [visit(one), visit(other)]
    assert [client.ask("/a").status for client in kept] == [200, 200]
    for server in (one, other):
        answer = visit(server).answer()
        assert (answer.status, answer.headers["connection"]) == (503, "close")
    assert total(hosting, Refusal.MAX_CONNECTIONS) == 2
    assert hosting.stats().server.open == 2


def test_those_of_one_address_are_counted_together(host, visit):
    hosting = host(max_conns_per_ip=1)
    one, other = hosting.servers
    assert visit(one).ask("/a").status == 200
    assert visit(other).answer().status == 429
    assert total(hosting, Refusal.MAX_CONNS_PER_IP) == 1


def test_a_server_that_is_held_goes_on_when_a_connection_of_the_other_closes(host, visit):
    hosting = host(max_connections=1, overflow="wait")
    one, other = hosting.servers
    first = visit(one)
    assert first.ask("/a").status == 200
    until(lambda: one._accepting is Accepting.HELD or one.full())
    second = visit(other).send(request("/b"))  # in the backlog: there is no room
    until(lambda: other._accepting is not Accepting.RUNNING)
    assert other.accepted == 0
    first.close()
    assert second.answer().body == b"/b"
    assert hosting.stats().server.open == 1
    assert total(hosting, Refusal.MAX_CONNECTIONS) == 0


def test_held_servers_take_turns_without_more_than_there_may_be(host, visit):
    hosting = host(max_connections=1, overflow="wait")
    clients = [visit(server).send(request("/a")) for server in hosting.servers * 5]
    while clients:
        readable, _, _ = select([one.sock for one in clients], [], [], 20)
        client = next(one for one in clients if one.sock in readable)
        assert client.answer().body == b"/a"
        assert hosting.stats().server.open == 1
        clients.remove(client)
        client.close()


# ---------------------------------------------------------------------- the end


def test_a_drain_is_of_all_at_once(host, site, hold):
    hosting = host()
    one, other = hosting.servers
    held = [hold(one), hold(other)]
    stopping = gevent.spawn(hosting.stop, 20)
    until(lambda: one.closed and other.closed)
    assert hosting.state is HostingState.DRAINING
    assert hosting.stats().state is HostingState.DRAINING
    assert not stopping.ready()
    site.gate.set()
    answers = [client.answer() for client in held]
    assert [(one.status, one.headers["connection"]) for one in answers] == [(200, "close")] * 2
    stopping.get()
    assert hosting.state is HostingState.STOPPED


def test_a_drain_that_is_over_kills_what_is_left(host, site, hold):
    hosting = host()
    for server in hosting.servers:
        hold(server)
    hosting.stop(0)
    assert len(site.raised) == 2
    assert hosting.stats().server.open == 0


def test_a_second_stop_cuts_the_first(host, site, hold):
    hosting = host()
    hold(hosting.servers[1])
    first = gevent.spawn(hosting.stop, 20)
    until(lambda: hosting.servers[1].closed)
    hosting.stop(0)
    first.get()
    assert len(site.raised) == 1


def test_it_can_start_again(host, visit):
    hosting = host()
    hosting.stop(0)
    hosting.start()
    assert [visit(one).ask("/a").status for one in hosting.servers] == [200, 200]


def test_a_stop_before_the_start_does_nothing(site):
    hosting = Hosting([HERE, HERE], site)
    hosting.stop(0)
    assert hosting.state is HostingState.STOPPED


def test_an_address_that_cannot_be_bound_leaves_none_open(site):
    with socket.socket() as taken:
        taken.bind(HERE)
        taken.listen()
        hosting = Hosting([HERE, taken.getsockname(), HERE], site)
        with pytest.raises(OSError, match="in use"):
            hosting.start()
    first, _, last = hosting.servers
    assert first.closed and last.closed
    assert hosting.state is HostingState.STOPPED
    assert not hosting.pool.stats().running
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(first.address)


def test_without_a_listener_there_is_nothing_to_serve(site):
    with pytest.raises(ValueError, match="there must be a listener"):
        Hosting([], site)


def test_a_socket_that_listens_keeps_its_backlog(site):
    with socket.socket() as given:
        given.bind(HERE)
        given.listen(3)
        hosting = Hosting([given], site, backlog=9)
        hosting.start()
        with Client(given.getsockname()) as client:
            assert client.ask("/a").status == 200
        hosting.stop(0)


# ---------------------------------------------------------------------- figures


def test_figures_are_sums(host, visit):
    hosting = host()
    for server in hosting.servers:
        for path, status in (("/a", 200), ("/fail", 500), ("/a", 200)):
            assert visit(server).ask(path).status == status
    stats = hosting.stats()
    assert (stats.server.accepted, stats.server.errors) == (6, 2)
    assert stats.server.open == sum(stats.connections.values())
    assert stats.server.accepted == sum(one.stats().accepted for one in hosting.servers)
    assert stats.pool.served == 6


def test_there_is_no_room_since_somebody_has_asked(host, site, hold):
    hosting = host(max_workers=2)
    one, other = hosting.servers
    assert hosting.full_since() is None
    hold(one)
    assert hosting.full_since() is None
    held = hold(other)
    since = hosting.full_since()
    assert since is not None
    assert hosting.full_since() == hosting.stats().full_since == since
    site.gate.set()
    held.answer()
    until(lambda: hosting.full_since() is None)


def test_it_shows_its_addresses(host):
    hosting = host()
    text = repr(hosting)
    assert text.startswith("<Hosting SERVING on ")
    assert all(str(one.address) in text for one in hosting.servers)


def test_another_certificate_is_for_all_listeners(host, tmp_path):
    keys = Keys(tmp_path)
    hosting = host(ssl_context=keys.server())
    context = keys.server()
    hosting.renew_tls(context)
    assert [server._ssl_context for server in hosting.servers] == [context, context]
