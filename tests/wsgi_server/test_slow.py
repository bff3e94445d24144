"""Slow clients, who wait apart from the others: see `gpool.wsgi.slowlane`.

How many turns of the loop it takes is counted, never how long.
"""

import errno
import os
from math import inf

import gevent
import gevent.os
import pytest

from gpool import ConnState
from gpool.wsgi import ownepoll, slowlane
from gpool.wsgi.ownepoll import EPOLL
from gpool.wsgi.parking import TICK
from gpool.wsgi.slowlane import CROWD, PATIENCE, TURN, Place
from tests.support import Clock, descriptors, in_hub, settle
from tests.wsgi_server.clients import lapse, request, until

pytestmark = [
    pytest.mark.limit(20),
    pytest.mark.skipif(EPOLL is None, reason="nobody waits apart without epoll"),
]

COUNT = 5 * TURN
HEAD = b"GET /slow HTTP/1.1\r\nHost: test\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n"
LARGE = 1_000_000  # bytes of a body, which the application reads itself


def only(server):
    """The one connection there is."""
    (conn,) = server._connections
    return conn


def is_apart(conn):
    return isinstance(conn._io, Place)


def number_apart(server):
    return len(server.site.slow)


def slow_ones(server, visit, first, count=COUNT):
    """Clients that have sent that much, and wait apart."""
    clients = [visit(server).send(first) for _ in range(count)]
    until(lambda: len(server._connections) == count)
    until(lambda: number_apart(server) == count)
    until(lambda: "NEW" not in server.connections_by_state())  # in a crowd they begin there
    return clients


class Counting:
    """An epoll that is asked again and again."""

    def __init__(self, epoll, each):
        self.turns = []
        self._epoll = epoll
        self._each = each

    def __getattr__(self, name):
        return getattr(self._epoll, name)

    def poll(self, timeout, most):
        self.turns.append(most)
        self._each()
        return self._epoll.poll(timeout, most)


def counted_turns(server, each):
    """How many may have their turn, for each turn from now on; `each` is called in them."""
    epoll = server.site.slow._epoll = Counting(server.site.slow._epoll, each)
    return epoll.turns


class Order:
    """In which order connections are told that there is something for them."""

    def __init__(self, monkeypatch, first=lambda: None):
        self.told = []
        tell = slowlane.SlowLane._tell

        def noted(lane, place):
            if not self.told:
                first()
            self.told.append("slow")
            tell(lane, place)

        monkeypatch.setattr(slowlane.SlowLane, "_tell", noted)


# ---------------------------------------------------------------------- who is slow


def test_a_head_that_comes_in_pieces_waits_apart_until_it_is_whole(serve, visit):
    server = serve()
    client = visit(server).send(HEAD)
    until(lambda: number_apart(server) == 1)
    conn = only(server)
    client.send(b"X-A: b\r\n")
    settle()
    assert is_apart(conn) and conn.state is ConnState.READING
    assert client.send(b"\r\n").answer().body == b"/slow"
    assert not is_apart(conn) and number_apart(server) == 0
    assert client.ask("/next").body == b"/next"


def test_whole_requests_never_wait_apart(serve, visit, monkeypatch):
    made = []
    monkeypatch.setattr(slowlane.SlowLane, "place", lambda *args: made.append(args))
    server = serve()
    client = visit(server)
    for _ in range(3):
        assert client.ask("/a").body == b"/a"
        assert client.ask("/echo", body=b"small", method="POST").body == b"small"
        client.send(request("/a") + request("/b"))
        assert (client.answer().body, client.answer().body) == (b"/a", b"/b")
    assert not made


def test_a_body_behind_its_head_is_not_slow(serve, visit, monkeypatch):
    """Many a client sends it in a packet of its own."""
    made = []
    monkeypatch.setattr(slowlane.SlowLane, "place", lambda *args: made.append(args))
    server = serve()
    client = visit(server).send(POST % 5)
    until(lambda: server._connections and only(server).state is ConnState.READING)
    assert client.send(b"after").answer().body == b"after"
    assert not made


def test_a_small_body_that_comes_in_pieces_waits_apart_until_it_is_whole(serve, visit):
    server = serve()
    client = visit(server).send(POST % 3 + b"a")
    until(lambda: number_apart(server) == 1)
    conn = only(server)
    client.send(b"b")
    settle()
    assert is_apart(conn)
    assert client.send(b"c").answer().body == b"abc"
    assert not is_apart(conn)


def test_a_worker_that_waits_for_a_slow_body_waits_apart(serve, visit):
    server = serve()
    client = visit(server).send(POST % LARGE + b"ab")
    until(lambda: server._connections and only(server).state is ConnState.ACTIVE)
    client.send(b"c")
    until(lambda: number_apart(server) == 1)
    conn = only(server)
    assert conn.state is ConnState.ACTIVE
    client.send(b"d")
    settle()
    assert is_apart(conn)
    client.send(bytes(LARGE - 4))
    assert client.answer().body == b"abcd" + bytes(LARGE - 4)
    assert client.ask("/next").body == b"/next"
    assert client.ask("/next").body == b"/next"
    assert not is_apart(conn)


def test_where_many_workers_wait_the_next_one_waits_apart(serve, visit):
    """Their clients may send something in the same instant, and nobody knows yet how much."""
    server = serve(max_workers=CROWD + 1)
    clients = [visit(server).send(POST % LARGE) for _ in range(CROWD)]
    until(lambda: server.site.slow.workers == CROWD)
    assert number_apart(server) == 0
    last = visit(server).send(POST % LARGE)
    until(lambda: number_apart(server) == 1)
    assert last.send(bytes(LARGE)).answer().body == bytes(LARGE)
    assert server.site.slow.workers == CROWD
    for client in clients:
        client.close()
    until(lambda: not server.site.slow.workers)
    assert number_apart(server) == 0


def test_a_body_in_large_pieces_is_not_slow(serve, visit):
    server = serve()
    client = visit(server).send(POST % LARGE)
    for _ in range(LARGE // 10_000):
        client.send(bytes(10_000))
        settle()
        assert number_apart(server) == 0
    assert len(client.answer().body) == LARGE


def test_who_comes_to_a_crowd_waits_apart_and_is_served(serve, visit):
    server = serve()
    slow_ones(server, visit, HEAD, CROWD + 1)
    client = visit(server)
    until(lambda: number_apart(server) == CROWD + 2)
    assert client.ask("/new").body == b"/new"
    until(lambda: number_apart(server) == CROWD + 1)
    assert client.ask("/next").body == b"/next"


# ---------------------------------------------------------------------- who comes first


@pytest.mark.parametrize("first", [HEAD, POST % 9 + b"a", POST % LARGE + b"a"])
def test_a_normal_request_is_answered_before_all_slow_ones_are_read(
    serve, visit, monkeypatch, site, first
):
    """All have sent a few bytes in one turn of the loop; it comes when the first one is read."""
    monkeypatch.setattr(slowlane, "SECONDS", inf)
    server = serve(max_workers=COUNT + 1)
    normal = visit(server)
    assert normal.ask("/before").body == b"/before"
    until(lambda: server._connections and only(server).state is ConnState.IDLE)
    clients = [visit(server).send(first) for _ in range(COUNT)]
    until(lambda: len(server._connections) == COUNT + 1)
    settle()
    for client in clients:
        client.send(b"a")
    until(lambda: number_apart(server) == COUNT)
    settle()
    told = Order(monkeypatch, lambda: normal.sock._sock.send(request("/normal"))).told
    seen = []

    def do_normal(environ, start_response):
        seen.append(len(told))
        return site.do_hello(environ, start_response)

    site.more["normal"] = do_normal
    for client in clients:
        client.sock._sock.send(b"b")  # without a turn of the loop
    assert normal.answer().body == b"/normal"
    assert seen[0] <= 2 * TURN  # libuv has no priorities
    until(lambda: len(told) == COUNT)  # and nobody is forgotten
    normal.sock._sock.send(request("/normal"))
    assert normal.answer().body == b"/normal"


def test_none_of_them_is_served_twice_before_all_were(serve, visit, monkeypatch):
    server = serve()
    clients = slow_ones(server, visit, HEAD)
    read = []
    tell = slowlane.SlowLane._tell
    monkeypatch.setattr(
        slowlane.SlowLane,
        "_tell",
        lambda lane, place: (read.append(place.descriptor), tell(lane, place)),
    )
    for client in clients:
        client.sock._sock.send(b"X")
    until(lambda: len(read) == COUNT)
    assert len(set(read)) == COUNT


def test_when_there_are_always_some_more_they_get_more_of_each_turn(serve, visit, monkeypatch):
    monkeypatch.setattr(slowlane, "SECONDS", inf)
    server = serve()
    clock = server.site.slow._clock = Clock()
    clients = slow_ones(server, visit, HEAD)
    turns = counted_turns(server, lambda: clock.advance(PATIENCE))
    for client in clients:
        client.sock._sock.send(b"X")
    until(lambda: len(turns) == 3)
    assert turns == [TURN, 2 * TURN, 3 * TURN]
    clients[0].sock._sock.send(b"X")
    until(lambda: len(turns) == 4)
    assert turns[3] == TURN  # no more than that, once all have had theirs


def test_when_they_cost_much_fewer_have_their_turn(serve, visit, monkeypatch):
    """The clock says that each of them has taken all of the time that there is."""
    server = serve()
    clock = server.site.slow._clock = Clock()
    clients = slow_ones(server, visit, HEAD, TURN)
    told = Order(monkeypatch).told
    tell = slowlane.SlowLane._tell
    monkeypatch.setattr(
        slowlane.SlowLane,
        "_tell",
        lambda lane, place: (clock.advance(2 * slowlane.SECONDS), tell(lane, place)),
    )
    turns = counted_turns(server, lambda: None)
    for client in clients:
        client.sock._sock.send(b"X")
    until(lambda: len(told) == TURN)
    assert len(turns) == TURN


# ---------------------------------------------------------------------- how it ends


def test_slow_ones_expire_as_others_do_a_few_in_a_turn(serve, visit):
    server = serve()
    clients = slow_ones(server, visit, HEAD)
    lapse(server, 9)
    assert number_apart(server) == COUNT
    while number_apart(server) == COUNT:
        server.clock.advance(TICK)
        in_hub(server.site.tick)
    assert number_apart(server) > 0
    for client in clients:
        assert client.answer().status == 408
    assert number_apart(server) == 0


def test_a_client_that_goes_leaves_nothing(serve, visit):
    server = serve()
    clients = slow_ones(server, visit, HEAD)
    for client in clients[: COUNT // 2]:
        client.close()
    for client in clients[COUNT // 2 :]:
        client.reset()
    until(lambda: not server._connections)
    assert number_apart(server) == 0


def test_nobody_is_sent_there_when_the_server_has_stopped(serve):
    """As a handler would be that ignores its kill."""
    server = serve()
    lane = server.site.slow
    assert lane.place(0, None) is not None
    server.stop()
    assert lane.place(0, None) is None
    server.start()
    assert lane.place(0, None) is not None


def test_a_stopped_server_keeps_nothing_open(serve, visit):
    before = descriptors()
    server = serve()
    client = visit(server).send(HEAD)
    until(lambda: number_apart(server) == 1)
    server.stop(timeout=0)
    assert client.rest() in (b"", client._buffer)
    client.close()
    settle()
    assert descriptors() == before


def test_a_drain_waits_for_a_slow_request_and_answers_it(serve, visit):
    server = serve()
    client = visit(server).send(HEAD)
    until(lambda: number_apart(server) == 1)
    stopping = gevent.spawn(server.stop, timeout=10)
    settle()
    assert client.send(b"\r\n").answer().status == 200
    assert client.rest() == b""
    stopping.get()


def test_an_error_of_one_of_them_is_its_own(serve, visit, monkeypatch):
    server = serve()
    one, other = slow_ones(server, visit, HEAD, 2)
    errors = []
    monkeypatch.setattr(gevent.get_hub(), "handle_error", lambda *args: errors.append(args[1]))
    broken = next(iter(server.site.slow._places.values())).conn

    class Broken:
        def ready(self):
            raise ZeroDivisionError

    server.site.slow._places[broken.socket.fileno()].conn = Broken()
    for client in (one, other):
        client.send(b"\r\n")
    until(lambda: errors)
    until(lambda: number_apart(server) == 0)
    assert errors == [ZeroDivisionError]
    assert not broken._io.active


# ---------------------------------------------------------------------- where there can be none


class Full:
    """An epoll for which the kernel has no room."""

    def __init__(self, epoll):
        self._epoll = epoll

    def __getattr__(self, name):
        return getattr(self._epoll, name)

    def register(self, descriptor, events):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def no_epoll():
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


@pytest.mark.parametrize("made", [None, no_epoll])
def test_without_an_epoll_the_loop_watches_them(serve, visit, monkeypatch, made):
    monkeypatch.setattr(ownepoll, "EPOLL", made)
    server = serve()
    client = visit(server).send(HEAD)
    until(lambda: server._connections and only(server).state is ConnState.READING)
    assert client.send(b"X-A: b\r\n").send(b"\r\n").answer().body == b"/slow"
    assert number_apart(server) == 0


def test_who_finds_no_room_apart_stays_with_the_loop(serve, visit):
    server = serve()
    server.site.slow._epoll = Full(server.site.slow._epoll)
    client = visit(server).send(HEAD)
    until(lambda: server._connections and only(server).state is ConnState.READING)
    assert client.send(b"X-A: b\r\n").send(b"\r\n").answer().body == b"/slow"
    assert number_apart(server) == 0


def test_a_child_is_not_told_of_its_parents(serve):
    server = serve()
    child = gevent.os.fork()
    if not child:
        status = 1
        try:
            server.site.slow._ready()  # of somebody that has come to the parent since
            status = number_apart(server)
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_child_takes_nobody_away_from_its_parent(serve, visit):
    """After a fork both have the descriptors, but only one epoll between them."""
    server = serve()
    clients = slow_ones(server, visit, HEAD, 3)
    child = gevent.os.fork()  # the loop's, too
    if not child:
        for place in tuple(server.site.slow._places.values()):
            place.close()
        os._exit(number_apart(server))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    for client in clients:
        assert client.send(b"\r\n").answer().body == b"/slow"
