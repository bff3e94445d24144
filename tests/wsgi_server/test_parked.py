"""Idle connections that are parked: whoever looks from outside notices nothing."""

import errno
import os
import random
import sys
import weakref
from collections import Counter
from itertools import pairwise
from math import inf

import gevent
import gevent.os
import pytest
from gevent import socket

from gpool import Connection, WSGIServer
from gpool.wsgi import ownepoll
from gpool.wsgi import parked as parked_module
from gpool.wsgi import server as server_module
from gpool.wsgi.ownepoll import EPOLL
from gpool.wsgi.parked import MOST, PARK_AFTER, TURN
from gpool.wsgi.parking import TICK
from gpool.wsgi.sockets import accepted
from tests.support import descriptors, in_hub, settle
from tests.wsgi_server.clients import lapse, request, until

pytestmark = [
    pytest.mark.limit(10),
    pytest.mark.skipif(EPOLL is None, reason="nobody is parked without epoll"),
]

KEEPALIVE = 75


def parked(server):
    return len(server._parked)


@pytest.fixture
def park(serve, visit):
    """A server, and clients of it that are parked; `to`: what they connect to."""

    def start(count=1, to=None, **settings):
        server = serve(**settings)
        clients = [visit(to or server) for _ in range(count)]
        for client in clients:
            assert client.ask("/before").body == b"/before"
        assert parked(server) == 0
        lapse(server, PARK_AFTER)
        assert parked(server) == count
        return server, clients

    return start


# ---------------------------------------------------------------------- parking and waking


def test_who_is_parked_has_no_object_and_is_counted(park):
    server, clients = park(3)
    assert not server._connections and not len(server.site.deadlines)
    assert server.stats().open == 3
    assert server.connections_by_state() == {"IDLE": 3}
    assert repr(server._parked) == "<ParkingLot 3 parked>"
    for client in clients:
        client.close()
    until(lambda: not server.stats().open)
    assert server.connections_by_state() == {}


def test_a_parked_connection_is_forgotten(serve, visit):
    server = serve()
    client = visit(server)
    client.ask()
    [conn] = server._connections
    gone = weakref.ref(conn)
    del conn
    lapse(server, PARK_AFTER)
    assert parked(server) == 1 and gone() is None
    assert client.ask("/again").body == b"/again"


def test_who_is_parked_keeps_the_loop_going_as_a_connection_does(park):
    server, [client] = park()
    assert server._parked._watcher.ref
    client.ask()
    assert not server._parked._watcher.ref


def test_who_comes_back_goes_on(park, site):
    server, [client] = park()
    for _ in range(3):
        assert client.ask("/after").body == b"/after"
        assert parked(server) == 0 and server.stats().open == 1
        assert client.ask("/echo", body=b"body", method="POST").body == b"body"
        lapse(server, PARK_AFTER)
        assert parked(server) == 1
    assert server.stats().accepted == 1


def test_a_batch_wakes_it_too(park):
    _, [client] = park()
    client.send(request("/one") + request("/two"))
    assert [client.answer().body, client.answer().body] == [b"/one", b"/two"]


def test_half_a_head_wakes_it_and_has_its_own_timeout(park):
    server, [client] = park(header_timeout=3)
    client.send(b"GET /half")
    until(lambda: server.connections_by_state() == {"READING": 1})
    lapse(server, 3)
    assert client.answer().status == 408


def test_a_body_that_the_application_reads_itself_can_be_sent_after_parking(park):
    _, [client] = park(body_buffer=10)
    body = bytes(100_000)
    assert client.ask("/echo", body=body, method="POST").body == body


def test_nobody_is_parked_before_it_has_been_idle_for_long(serve, visit):
    server = serve()
    visit(server).ask()
    begun = server.clock.now
    while not parked(server):
        server.clock.advance(TICK)
        in_hub(server.site.tick)
    assert PARK_AFTER <= server.clock.now - begun <= PARK_AFTER + 3 * TICK


def test_a_connection_in_use_is_not_parked(serve, visit):
    server = serve()
    client = visit(server)
    client.ask()
    [conn] = server._connections
    for _ in range(10):
        lapse(server, PARK_AFTER - 4 * TICK)
        assert client.ask().status == 200
        assert server._connections == {conn}


def test_a_long_request_is_not_parked(serve, site, visit):
    server = serve()
    client = visit(server)
    client.ask()
    client.send(request("/hold"))
    until(lambda: server.pool.stats().busy)
    lapse(server, 3 * PARK_AFTER)
    assert parked(server) == 0
    site.gate.set()
    assert client.answer().body == b"/hold"
    lapse(server, PARK_AFTER)
    assert parked(server) == 1


def test_silent_new_connections_and_unread_answers_are_not_parked(serve, visit):
    server = serve(header_timeout=60, write_timeout=60, write_buffer=1 << 24)
    silent, half = visit(server), visit(server)
    half.send(b"GET")
    reader = visit(server).send(request("/large"))
    until(lambda: server.connections_by_state() == {"NEW": 1, "READING": 1, "WRITING": 1})
    lapse(server, 2 * PARK_AFTER)
    assert parked(server) == 0
    assert len(reader.answer().body) == 8 << 20
    assert silent.ask().status == 200


@pytest.mark.parametrize("family", ["IPv4", "IPv6", "mapped", "unix"])
def test_the_environ_after_waking_is_the_one_before(serve, visit, tmp_path, site, family):
    seen = []

    def tell(environ, start_response):
        seen.append(
            {key: environ[key] for key in environ if key.startswith(("REMOTE", "SERVER", "HTTP"))}
        )
        return site.do_hello(environ, start_response)

    site.more["tell"] = tell
    listener = {
        "IPv4": ("127.0.0.1", 0),
        "IPv6": ("::1", 0),
        "mapped": ("::", 0),
        "unix": f"unix:{tmp_path}/socket",
    }[family]
    server = serve(listener=listener)
    to = {
        "IPv6": ("::1", server.address[1]),
        "mapped": ("127.0.0.1", server.address[1]),
        "unix": f"{tmp_path}/socket",
    }
    client = visit(to.get(family, server))
    client.ask("/tell")
    lapse(server, PARK_AFTER)
    assert parked(server) == 1
    client.ask("/tell")
    assert seen[0] == seen[1]
    if family != "unix":
        assert seen[1]["REMOTE_PORT"] == str(client.port)
    assert seen[1]["REMOTE_ADDR"] == {"IPv6": "::1", "unix": ""}.get(family, "127.0.0.1")


def test_more_than_a_turn_has_may_come_at_once(park):
    count = TURN + 20
    server, clients = park(count)
    for client in clients:
        client.send(request("/together"))
    assert all(client.answer().body == b"/together" for client in clients)
    assert parked(server) == 0 and server.stats().open == count


# ---------------------------------------------------------------------- many


def test_no_more_than_some_are_parked_in_a_tick(serve, visit, monkeypatch):
    monkeypatch.setattr(parked_module, "MOST", 3)
    server = serve()
    for _ in range(20):
        visit(server).ask()
    server._parked._left = 3
    lapse(server, PARK_AFTER - 4 * TICK)
    counts = [0]
    while counts[-1] < 20:
        server.clock.advance(TICK)
        in_hub(server.site.tick)
        counts.append(parked(server))
    steps = [after - before for before, after in pairwise(counts)]
    assert max(steps) == 3 and sum(steps) == 20
    assert MOST > 3


def test_who_comes_to_a_crowd_takes_the_place_of_one_that_is_idle(serve, visit, monkeypatch):
    crowd = 5
    monkeypatch.setattr(server_module, "CROWD", crowd)
    server = serve()
    clients = []
    for _ in range(crowd + 20):
        clients.append(visit(server))
        clients[-1].ask()
    assert len(server._connections) <= crowd + 1
    assert parked(server) + len(server._connections) == server.stats().open == crowd + 20
    assert all(client.ask("/again").body == b"/again" for client in clients)
    assert parked(server) == 0  # requests send nobody away


def test_in_a_crowd_nobody_is_parked_who_is_not_idle(serve, site, visit, monkeypatch):
    monkeypatch.setattr(server_module, "CROWD", 0)
    server = serve(header_timeout=1)  # so that these are the next to be looked at
    busy = [visit(server).send(request("/hold")) for _ in range(5)]
    until(lambda: server.pool.stats().busy == len(busy))
    for _ in range(5):
        visit(server)
    until(lambda: server.stats().open == len(busy) + 5)
    assert parked(server) == 0
    site.gate.set()
    assert all(client.answer().status == 200 for client in busy)


def test_the_room_that_many_took_among_the_others_is_given_back(park):
    server, _ = park()
    connections = server._connections
    for number in range(50_000):
        connections.add(number)
    for number in range(50_000):
        connections.discard(number)
    assert sys.getsizeof(connections) > 1_000_000
    lapse(server, TICK)
    assert sys.getsizeof(connections) < 10_000
    assert server._connections is connections


# ---------------------------------------------------------------------- deadlines


def test_the_deadline_is_met_not_before_and_soon_after(serve, visit):
    server = serve()
    client = visit(server)
    client.ask()
    begun = server.clock.now
    while server.stats().open:
        server.clock.advance(TICK)
        in_hub(server.site.tick)
    assert KEEPALIVE <= server.clock.now - begun <= KEEPALIVE + 3 * TICK
    assert client.rest() == b""


@pytest.mark.parametrize("timeout", [2 * PARK_AFTER + 1, 300, 1_000])
def test_each_has_its_own_deadline(serve, visit, timeout):
    """Whose seconds share a place in the arrays, too."""
    server = serve(keepalive_timeout=timeout)
    due = {}
    for number in range(12):
        client = visit(server)
        client.ask()
        due[client] = server.clock.now + timeout
        lapse(server, number)
    while due:
        server.clock.advance(TICK)
        in_hub(server.site.tick)
        settle()
        for client in list(due):
            client.sock.setblocking(False)
            try:
                assert client.sock.recv(1) == b""
            except BlockingIOError:
                assert server.clock.now <= due[client] + 4 * TICK
            else:
                assert server.clock.now >= due.pop(client)
    assert server.stats().open == 0


def test_waking_sets_the_deadline_anew(park):
    server, [client] = park()
    lapse(server, KEEPALIVE - PARK_AFTER - 2)
    assert client.ask().status == 200
    lapse(server, KEEPALIVE - 2)
    assert client.ask().status == 200


def test_without_a_keepalive_timeout_they_stay_parked(park):
    server, [client] = park(keepalive_timeout=None)
    assert server.site.settings.keepalive_timeout == inf
    lapse(server, 1_000)
    assert parked(server) == 1
    assert client.ask("/still").body == b"/still"


# ---------------------------------------------------------------------- clients that go


@pytest.mark.parametrize("how", ["close", "reset", "end"])
def test_a_client_that_goes_gives_its_slot_back(park, visit, how, no_hub_errors):
    server, [client] = park(max_connections=1, overflow_pause=0)
    assert visit(server).ask().status == 503
    getattr(client, how)()
    until(lambda: not server.stats().open)
    assert parked(server) == 0
    assert visit(server).ask().status == 200


def test_who_sends_a_request_and_resets_has_no_address_any_more(park, site, no_hub_errors):
    server, [client] = park()
    client.sock._sock.send(request("/last"))
    client.reset()
    until(lambda: not server.stats().open)
    assert site.calls == ["/before"]


def test_a_descriptor_that_was_closed_behind_our_back_gives_its_slot_back(park, no_hub_errors):
    server, _ = park()
    [descriptor] = server._parked._all()
    os.close(descriptor)
    lapse(server, KEEPALIVE)
    assert (server.stats().open, parked(server)) == (0, 0)


def test_a_descriptor_that_is_used_again_gets_no_event_of_the_one_before(park, site, no_hub_errors):
    """Both have sent something; what the first one asks for ends the other and takes its place."""
    server, clients = park(2)
    ours, theirs = socket.socketpair()
    theirs.send(b"not for the server")

    def swap(environ, start_response):
        if parked(server):
            [descriptor] = server._parked._all()
            server.site.closed(server._parked._unpark(descriptor))
            os.dup2(ours.fileno(), descriptor)
            taken.append(descriptor)
        return site.do_hello(environ, start_response)

    taken = []
    site.more["swap"] = swap
    for client in clients:
        client.sock._sock.send(request("/swap"))  # without a turn of the loop
    until(lambda: taken)
    settle()
    assert os.read(taken[0], 100) == b"not for the server"
    os.close(taken[0])
    assert server.stats().open == 1
    ours.close()
    theirs.close()


# ---------------------------------------------------------------------- a drain


def test_a_drain_closes_them(park):
    server, clients = park(3)
    server.stop(60)
    assert [client.rest() for client in clients] == [b""] * 3
    assert (server.stats().open, parked(server)) == (0, 0)


def test_a_request_that_has_come_when_a_drain_begins_is_answered(park):
    server, clients = park(2)
    clients[0].sock._sock.send(request("/last"))  # without a turn of the loop
    stopping = gevent.spawn(server.stop, 60)
    answer = clients[0].answer()
    assert (answer.body, answer.headers["connection"]) == (b"/last", "close")
    for client in clients:
        assert client.rest() == b""
        client.close()
    stopping.get()


def test_who_was_there_lately_may_still_send_a_request(park):
    server, clients = park(2, keepalive_min_timeout=PARK_AFTER + 10)
    stopping = gevent.spawn(server.stop, 60)
    settle()
    lapse(server, 5)
    assert server.stats().open == 2 and parked(server) == 0
    assert clients[0].ask("/last").body == b"/last"
    clients[0].close()
    lapse(server, 10)
    assert clients[1].rest() == b""
    stopping.get()


def test_nobody_is_parked_who_stays_for_a_while_during_a_drain(serve, visit):
    server = serve(keepalive_min_timeout=PARK_AFTER + 10)
    client = visit(server)
    client.ask()
    stopping = gevent.spawn(server.stop, 60)
    settle()
    lapse(server, PARK_AFTER + 1)
    assert parked(server) == 0 and server.stats().open == 1
    client.close()
    stopping.get()


def test_more_than_a_turn_has_are_drained(park):
    server, clients = park(TURN + 20)
    server.stop(60)
    assert all(client.rest() == b"" for client in clients)


@pytest.mark.parametrize("lately", [0, PARK_AFTER + 10])
def test_a_drain_without_time_closes_them_too(park, site, lately, logged, monkeypatch):
    monkeypatch.setattr(parked_module, "TURN", 1)
    server, _ = park(200, keepalive_min_timeout=lately)
    server.stop(0)
    assert not logged()  # that some go on although they were killed
    assert (server.stats().open, parked(server)) == (0, 0)
    assert len(site.calls) == 200


def test_nobody_is_parked_during_a_drain_and_all_are_again_after_a_restart(park, visit, site):
    server, _ = park()
    client = visit(server).send(request("/hold"))
    until(lambda: server.pool.stats().busy)
    stopping = gevent.spawn(server.stop, 60)
    settle()
    assert parked(server) == 0
    site.gate.set()
    client.rest()
    client.close()
    stopping.get()
    server.start()
    again = visit(server)
    again.ask()
    lapse(server, PARK_AFTER)
    assert parked(server) == 1
    assert again.ask("/again").body == b"/again"


def test_nothing_is_left_open(park):
    before = descriptors()
    server, clients = park(5)
    for client in clients:
        client.close()
    until(lambda: not server.stats().open)
    server.stop(0)
    assert descriptors() == before


# ---------------------------------------------------------------------- who is not parked


class Told(WSGIServer):
    """A server that keeps its connections in mind."""

    def connected(self, socket, address):
        return super().connected(socket, address)


class Hooked(WSGIServer):
    """A server that is told of states."""

    def start(self):
        self._on_state = lambda conn, state: None
        super().start()


def never_parked(server, client):
    assert client.ask().status == 200
    lapse(server, 3 * PARK_AFTER)
    assert parked(server) == 0 and server.connections_by_state() == {"IDLE": 1}
    assert client.ask("/still").body == b"/still"


@pytest.mark.parametrize(
    "settings",
    [
        {"max_conns_per_ip": 5},
        {"proxy_protocol": True, "proxy_allow_ips": "192.0.2.1"},
        {"keepalive_timeout": 2 * PARK_AFTER},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_these_servers_park_nobody(serve, visit, settings):
    server = serve(**settings)
    if server.site.settings.keepalive_timeout == 2 * PARK_AFTER:
        visit(server).ask()
        lapse(server, PARK_AFTER + 1)
        assert parked(server) == 0
    else:
        never_parked(server, visit(server))


def test_a_server_with_tls_parks_nobody(serve, visit, tls):
    server = serve(ssl_context=tls[0])
    never_parked(server, visit(server, tls=tls[1]))


@pytest.mark.parametrize("kind", [Told, Hooked])
def test_a_server_of_a_subclass_that_knows_connections_parks_nobody(
    serve, visit, monkeypatch, kind
):
    monkeypatch.setitem(serve.__globals__, "WSGIServer", kind)
    server = serve()
    assert type(server) is kind
    never_parked(server, visit(server))


def test_a_connection_that_was_accepted_elsewhere_is_not_parked(serve, visit, site):
    """Its socket may be of another kind."""
    server = serve()
    ours, theirs = socket.socketpair()
    in_hub(server.handle, accepted(ours.detach(), (ours.family, ours.type, 0)), "")
    theirs.sendall(request("/handed"))
    assert theirs.recv(1_000).endswith(b"/handed")
    lapse(server, 2 * PARK_AFTER)
    assert parked(server) == 0 and server.stats().open == 1
    theirs.close()


def test_connections_of_a_tcp_server_are_not_touched():
    assert not hasattr(Connection, "at_rest")


# ---------------------------------------------------------------------- what may fail


def test_without_a_descriptor_for_the_epoll_nobody_is_parked_until_there_is_one(
    serve, visit, monkeypatch
):
    def fail():
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(ownepoll, "EPOLL", fail)
    server = serve()
    client = visit(server)
    never_parked(server, client)
    monkeypatch.setattr(ownepoll, "EPOLL", EPOLL)
    lapse(server, 2 * PARK_AFTER)
    assert parked(server) == 1
    assert client.ask("/again").body == b"/again"


class Full:
    """An epoll that takes nobody: ENOSPC, see max_user_watches in epoll(7)."""

    def __init__(self):
        self._epoll = EPOLL()

    def register(self, descriptor, events):
        raise OSError(errno.ENOSPC, "No space left on device")

    def __getattr__(self, name):
        return getattr(self._epoll, name)


def test_who_cannot_be_watched_is_not_parked(serve, visit, monkeypatch):
    monkeypatch.setattr(ownepoll, "EPOLL", Full)
    server = serve()
    never_parked(server, visit(server))


def test_a_child_leaves_those_of_its_parent_alone(park):
    server, [client] = park()
    child = gevent.os.fork()  # the loop's, too
    if not child:
        status = 1
        try:
            server._parked.sweep(server.clock.now)
            status = len(server._parked) + server._limits.open
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert parked(server) == 1
    assert client.ask("/parent").body == b"/parent"


def test_a_child_parks_on_its_own(serve, visit):
    """What was started before a fork, as with a listener that several processes share."""
    server = serve()
    client = visit(server)
    client.ask()
    parents = server._parked._epoll
    child = gevent.os.fork()  # the loop's, too
    if not child:
        status = 1
        try:
            server._parked.sweep(server.clock.now)
            [conn] = server._connections
            server._parked._left = 1
            server.site.deadlines._clock = lambda: server.clock.now + 2 * PARK_AFTER
            server.site.deadlines._read_clock()
            server._parked.look(conn)
            status = 0 if len(server._parked) == 1 and server._parked._epoll is not parents else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert client.ask("/parent").body == b"/parent"


# ---------------------------------------------------------------------- all together


@pytest.mark.parametrize("seed", range(3))
def test_clients_that_come_and_go_at_random_get_their_answers(serve, visit, seed, no_hub_errors):
    draw = random.Random(seed)
    server = serve(keepalive_timeout=40)
    clients, done = [], Counter()
    asked = {}  # when
    for step in range(400):
        what = draw.choices(["come", "ask", "wait", "close", "reset"], (4, 12, 6, 1, 1))[0]
        done[what] += 1
        if what == "come":
            clients.append(visit(server))
            clients[-1].ask()
            asked[clients[-1]] = server.clock.now
        elif what == "wait":
            lapse(server, draw.choice([0.1, 1, PARK_AFTER, PARK_AFTER]))
            done["parked"] += parked(server)
        elif clients:
            client = draw.choice(clients)
            if server.clock.now - asked[client] > 35:
                client.close()
                clients.remove(client)
            elif what == "ask":
                assert client.ask(f"/{step}").body == f"/{step}".encode()
                asked[client] = server.clock.now
            else:
                getattr(client, what)()
                clients.remove(client)
        states = server.connections_by_state()
        assert sum(states.values()) == server.stats().open
        assert parked(server) + len(server._connections) == server.stats().open
    assert all(done.values()) and done["parked"] > 50
    for client in clients:
        client.close()
    until(lambda: not server.stats().open)
    assert parked(server) == 0
