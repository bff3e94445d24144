"""StreamServer: admission, overflow, states, hijacking, errors, drain."""

import errno
import socket as blocking_socket
import ssl
from contextlib import suppress

import gevent
import pytest
import trustme
from gevent import event, socket
from gevent.ssl import SSLContext
from greenlet import GreenletExit, getcurrent

from gpool import HIJACKED, ConnState, Hijacked, Refusal, StreamServer, WorkerPool
from gpool import admission as admission_module
from gpool.accepting import Accepting
from tests.support import Log, States, ask, connect, in_hub, read_all, settle

BUSY_ANSWER = b"busy\n" * 1_000


class Echo(StreamServer):
    """Sends back what comes, and has something to say to those it refuses."""

    def handle(self, sock, address):
        while data := sock.recv(65_536):
            sock.sendall(data)

    def refusal(self, reason):
        return BUSY_ANSWER


def keep(kept):
    """A handler that hijacks each connection, its socket then in the list."""

    def hijack(sock, address):
        kept.append(sock)
        return HIJACKED

    return hijack


@pytest.fixture
def serve():
    """Start servers on a free port each; stop them at the end, whatever happened."""
    servers = []

    def start(handle=None, cls=StreamServer, listener=("127.0.0.1", 0), on_state=None, **settings):
        states = States(on_state)
        server = cls(listener, handle, on_state=states, **settings)
        server.states = states
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.stop(timeout=0)
        stats = server.stats()
        assert (stats.open, stats.hijacked, stats.lingering) == (0, 0, 0)
        assert not server.pool.stats().busy


def listen_to(address):
    """Connect, say nothing, and return all that comes."""
    with connect(address) as client:
        return read_all(client)


# ---------------------------------------------------------------------- serving


def test_a_connection_is_served_and_closed_when_the_handler_returns(serve):
    server = serve(lambda sock, address: sock.sendall(b"hello " + address[0].encode()))
    assert listen_to(server.address) == b"hello 127.0.0.1"


def test_one_worker_serves_connections_one_after_the_other(serve):
    server = serve(cls=Echo)
    assert [ask(server.address, b"%d" % number) for number in range(20)] == [
        b"%d" % number for number in range(20)
    ]
    assert server.pool.stats().created == 1


def test_the_arguments_of_gevents_server_are_taken(serve):
    server = serve(lambda sock, address: None, backlog=7, spawn=3)
    assert (server.backlog, server.pool.max_workers) == (7, 3)


def test_a_pool_can_be_shared_by_two_servers(serve):
    pool = WorkerPool(max_workers=1)
    one, other = (serve(cls=Echo, spawn=pool) for _ in range(2))
    with connect(one.address) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        assert ask(other.address) == BUSY_ANSWER
    one.states.reach("CLOSED")
    one.stop()
    assert ask(other.address) == b"x"  # the pool is not its server's to stop
    pool.stop()


def test_a_server_can_start_again_on_its_address(serve):
    server = serve(lambda sock, address: sock.sendall(b"hi"))
    address = server.address
    for _ in range(3):
        assert listen_to(address) == b"hi"
        server.stop()
        with pytest.raises(ConnectionRefusedError):
            connect(address)
        server.start()
    assert server.address == address


def test_nagle_is_off_for_accepted_connections(serve):
    seen = []
    server = serve(
        lambda sock, address: seen.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
    )
    listen_to(server.address)
    assert seen == [1]


def test_where_it_is_not_inherited_nodelay_is_set_and_a_failure_costs_one_connection(
    serve, monkeypatch
):
    monkeypatch.setattr(admission_module, "NODELAY_IS_INHERITED", False)
    server = serve(cls=Echo)
    assert ask(server.address) == b"x"
    with monkeypatch.context() as patch:
        patch.setattr("gpool.connection.IPPROTO_TCP", 250)
        with connect(server.address) as client:
            assert client.recv(1) == b""
    assert ask(server.address) == b"x"
    assert (server.stats().accepted, server.pool.stats().served) == (3, 2)


@pytest.mark.parametrize("inherited", [True, False])
def test_a_unix_socket_is_served_and_refused(serve, tmp_path, monkeypatch, inherited):
    monkeypatch.setattr(admission_module, "NODELAY_IS_INHERITED", inherited)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "socket"))
    listener.listen()
    server = serve(
        cls=Echo, listener=listener, max_conns_per_ip=1, max_workers=1, overflow_pause=0.001
    )
    clients = [socket.socket(socket.AF_UNIX) for _ in range(10)]
    for client in clients:
        client.connect(str(tmp_path / "socket"))
        client.sendall(b"x")
    assert clients[0].recv(1) == b"x"
    assert server.stats().open == 1
    assert [read_all(client) for client in clients[1:]] == [BUSY_ANSWER] * 9
    for client in clients:
        client.close()
    server.states.reach("CLOSED", 10)
    with socket.socket(socket.AF_UNIX) as client:  # the next one does not wait
        client.connect(str(tmp_path / "socket"))
        client.sendall(b"x")
        assert client.recv(1) == b"x"


# ---------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"max_workers": 0}, "max_workers must be at least 1, not 0"),
        ({"spawn": 0}, "max_workers must be at least 1, not 0"),
        ({"overflow": "queue"}, "overflow must be one of 'reject', 'wait', not 'queue'"),
        ({"overflow_pause": -1}, "overflow_pause must be 0 or more seconds, not -1"),
        ({"max_connections": 0}, "max_connections must be at least 1, not 0"),
        ({"max_conns_per_ip": -1}, "max_conns_per_ip must be at least 1, not -1"),
        ({"max_idle_worker_duration": 0}, "max_idle_worker_duration must be more than 0"),
        ({"handshake_timeout": 0}, "handshake_timeout must be more than 0 seconds"),
    ],
)
def test_a_setting_out_of_range_is_named_with_the_range(settings, text):
    with pytest.raises(ValueError, match=text):
        StreamServer(("127.0.0.1", 0), print, **settings)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"handle": None}, "a handle is needed"),
        ({"handle": print, "spawn": gevent.spawn}, "spawn must be a WorkerPool or a number"),
        ({"handle": print, "spawn": WorkerPool(print)}, "WorkerPool without a worker_func"),
    ],
)
def test_a_setting_of_the_wrong_kind_is_named(settings, text):
    with pytest.raises(TypeError, match=text):
        StreamServer(("127.0.0.1", 0), **settings)


def test_a_negative_drain_is_refused(serve):
    with pytest.raises(ValueError, match="timeout must be 0 or more seconds, not -1"):
        serve(cls=Echo).stop(timeout=-1)


# ---------------------------------------------------------------------- overflow


def full_server(serve, **settings):
    """An echo server, all of its two workers busy, and their clients."""
    server = serve(cls=Echo, max_workers=2, **settings)
    clients = [connect(server.address) for _ in range(2)]
    for client in clients:
        client.sendall(b"in")
        assert client.recv(2) == b"in"
    return server, clients


def test_refused_clients_read_the_whole_answer_although_they_wrote_first(serve):
    """200 early writers: of fasthttp's, 140 got a reset instead (anchors of the design)."""
    server, clients = full_server(serve, overflow_pause=0)
    refused = [connect(server.address) for _ in range(200)]
    for client in refused:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n" * 100)
    for client in refused:
        assert read_all(client) == BUSY_ANSWER
        client.close()
    for client in clients:  # not disturbed
        client.sendall(b"still here")
        assert client.recv(10) == b"still here"
        client.close()
    stats = server.stats()
    assert (stats.accepted, stats.refused[Refusal.FULL]) == (202, 200)
    server.stop()


def test_a_refused_client_that_neither_reads_nor_closes_is_closed_at_last(serve, monkeypatch):
    server, clients = full_server(serve, overflow_pause=0)
    server._lingering._timeout = 0.001
    with connect(server.address):
        server.states.reach("CLOSED")
    assert server.stats().lingering == 0
    for client in clients:
        client.close()


def test_a_drain_does_not_wait_for_refused_clients_beyond_its_time(serve):
    server, clients = full_server(serve, overflow_pause=0)
    with connect(server.address) as refused:
        server.states.reach("NEW", 3)
        assert server.stats().lingering == 1
        server.stop(timeout=0)
        assert server.stats().lingering == 0
        assert read_all(refused) == BUSY_ANSWER
    for client in clients:
        client.close()


def test_a_drain_ends_when_the_last_refused_client_closes(serve):
    server, clients = full_server(serve, overflow_pause=0)
    server._lingering._timeout = 60
    with connect(server.address) as refused:
        assert read_all(refused) == BUSY_ANSWER
        for client in clients:
            client.close()
        server.states.reach("CLOSED", 2)
        drain = gevent.spawn(server.stop, 60)
        settle()
        assert not drain.ready()
    drain.get()


def test_overflow_is_logged_once_with_the_bound(serve):
    with Log("gpool.server") as log:
        server, clients = full_server(serve, overflow_pause=0)
        for _ in range(5):
            ask(server.address)
    assert log.lines.qsize() == 1
    assert "refused a connection from ('127.0.0.1', " in (line := log.lines.get())
    assert line.endswith("all workers are busy (2)")
    for client in clients:
        client.close()


def test_while_one_server_is_full_another_on_the_same_listener_is_served(serve):
    one, clients = full_server(serve, overflow_pause=60)
    assert ask(one.address) == BUSY_ANSWER
    other = serve(
        cls=Echo, listener=socket.fromfd(one.socket.fileno(), socket.AF_INET, socket.SOCK_STREAM)
    )
    assert [ask(other.address) for _ in range(20)] == [b"x"] * 20
    assert (one.stats().accepted, other.stats().accepted) == (3, 20)
    for client in clients:
        client.close()


def wait_in_backlog(server, count):
    """Clients that have connected and sent; nobody has accepted them."""
    waiting = [connect(server.address) for _ in range(count)]
    for client in waiting:
        client.sendall(b"x")
        client.shutdown(socket.SHUT_WR)
    settle()
    return waiting


def test_during_the_pause_a_free_worker_is_given_those_who_wait(serve):
    """A pause without exception served 3 % of what the workers could (docs/decisions.md)."""
    server, clients = full_server(serve, overflow_pause=60)
    assert ask(server.address) == BUSY_ANSWER
    waiting = wait_in_backlog(server, 20)
    assert server.stats().accepted == 3
    clients[0].close()
    for client in waiting:
        assert read_all(client) == b"x"
        client.close()
    assert server.stats().refused[Refusal.FULL] == 1
    clients[1].close()


@pytest.mark.parametrize("limit", ["max_workers", "max_connections"])
def test_who_waited_for_all_of_the_pause_is_refused(serve, limit):
    server = serve(cls=Echo, overflow_pause=0.001, **{limit: 2})
    clients = [connect(server.address) for _ in range(2)]
    for client in clients:
        client.sendall(b"in")
        client.recv(2)
    assert ask(server.address) == BUSY_ANSWER
    for client in wait_in_backlog(server, 20):
        assert read_all(client) == BUSY_ANSWER
        client.close()
    assert server.stats().accepted == 23
    for client in clients:
        client.close()
    assert ask(server.address) == b"x"


@pytest.mark.parametrize("limit", ["max_workers", "max_connections"])
def test_after_a_pause_in_which_nobody_came_the_next_is_refused_at_once(serve, limit):
    server = serve(cls=Echo, overflow_pause=60, **{limit: 1})
    with connect(server.address) as client:
        client.sendall(b"in")
        client.recv(2)
        for _ in range(2):
            assert ask(server.address) == BUSY_ANSWER
            settle()  # by now nobody is accepted
            in_hub(server.overflow._pause_is_over)


def test_during_the_pause_a_free_connection_is_given_to_who_waits(serve):
    server = serve(cls=Echo, overflow_pause=60, max_connections=1)
    with connect(server.address) as client:
        client.sendall(b"x")
        client.recv(1)
        assert ask(server.address) == BUSY_ANSWER
        waiting = wait_in_backlog(server, 20)
        assert server._accepting is Accepting.HELD and server._watcher is None
    for client in waiting:
        assert read_all(client) == b"x"
        client.close()
    assert server.stats().refused[Refusal.MAX_CONNECTIONS] == 1


def test_the_pause_is_a_timer_and_serves_those_that_are_in(serve):
    server, clients = full_server(serve, overflow_pause=60)
    assert ask(server.address) == BUSY_ANSWER
    clients[0].sendall(b"on")
    assert clients[0].recv(2) == b"on"
    timer = server.overflow._timer
    assert timer.active
    server.stop(timeout=0)
    assert not timer.active
    for client in clients:
        client.close()


def test_with_wait_nobody_is_refused_and_nobody_is_lost(serve):
    server, clients = full_server(serve, overflow="wait")
    waiting = wait_in_backlog(server, 50)
    assert server.stats().accepted == 2
    for client in clients:
        client.close()
    for client in waiting:
        assert read_all(client) == b"x"
        client.close()
    assert sum(server.stats().refused.values()) == 0


def test_a_stopped_pool_refuses(serve):
    pool = WorkerPool()
    server = serve(cls=Echo, spawn=pool, overflow_pause=0)
    pool.stop()
    assert ask(server.address) == BUSY_ANSWER


def test_a_refusal_that_raises_costs_only_the_answer(serve, caplog):
    class Broken(Echo):
        def refusal(self, reason):
            raise RuntimeError("no answer")

    server = serve(cls=Broken, max_workers=1, overflow_pause=0)
    with connect(server.address) as client:
        client.sendall(b"x")
        client.recv(1)
        assert ask(server.address) == b""
    assert "no answer" in caplog.text


# ---------------------------------------------------------------------- limits


def test_one_address_gets_only_its_share(serve):
    server = serve(cls=Echo, max_conns_per_ip=1)
    with connect(server.address, "127.0.0.2") as client:
        client.sendall(b"x")
        client.recv(1)
        assert ask(server.address, source="127.0.0.2") == BUSY_ANSWER
        assert ask(server.address, source="127.0.0.3") == b"x"  # and accepting did not pause
    server.states.reach("CLOSED", 3)
    assert ask(server.address, source="127.0.0.2") == b"x"
    assert server.stats().refused[Refusal.MAX_CONNS_PER_IP] == 1


def test_above_max_connections_reject_refuses(serve):
    server = serve(cls=Echo, max_connections=1, overflow_pause=0)
    with connect(server.address) as client:
        client.sendall(b"x")
        client.recv(1)
        assert ask(server.address) == BUSY_ANSWER
    assert server.stats().refused[Refusal.MAX_CONNECTIONS] == 1


def test_above_max_connections_wait_accepts_when_one_has_closed(serve):
    server = serve(cls=Echo, max_connections=2, overflow="wait")
    clients = [connect(server.address) for _ in range(2)]
    for client in clients:
        client.sendall(b"x")
        client.recv(1)
    waiting = wait_in_backlog(server, 20)
    assert server.stats().accepted == 2
    for client in clients:
        client.close()
    for client in waiting:
        assert read_all(client) == b"x"
        client.close()


# ---------------------------------------------------------------------- states


def test_the_states_of_a_connection_are_told(serve):
    server = serve(cls=Echo)
    ask(server.address)
    server.states.reach("CLOSED")
    assert server.states == ["NEW", "ACTIVE", "CLOSED"]


def test_the_states_of_a_refused_connection_are_told(serve):
    server, clients = full_server(serve, overflow_pause=0)
    ask(server.address)
    server.states.reach("CLOSED")
    assert server.states == ["NEW", "ACTIVE"] * 2 + ["NEW", "CLOSED"]
    for client in clients:
        client.close()


def test_an_on_state_that_raises_costs_nothing(serve, caplog):
    def fail(conn, state):
        raise RuntimeError(state.name)

    server = serve(cls=Echo, on_state=fail)
    assert ask(server.address) == b"x"
    assert caplog.text.count("RuntimeError: ") == 3


def test_a_client_that_comes_back_at_once_finds_its_worker_ready(serve):
    """fasthttp closes, tells and then releases: there it can be a spurious 503."""
    server = serve(cls=Echo, max_workers=1, on_state=lambda conn, state: None)
    for _ in range(300):
        assert ask(server.address) == b"x"


# ---------------------------------------------------------------------- hijacking


@pytest.mark.parametrize("how", ["return", "raise"])
def test_a_hijacked_socket_stays_open_and_its_worker_is_free(serve, how):
    kept = []

    def hijack(sock, address):
        kept.append(sock)
        if how == "raise":
            raise Hijacked
        return HIJACKED

    server = serve(hijack, max_workers=1)
    clients = [connect(server.address) for _ in range(3)]
    server.states.reach("HIJACKED", 3)
    pool = server.pool.stats()
    assert (pool.ready, pool.created, pool.tainted) == (1, 1, 0)
    assert (server.stats().open, server.stats().hijacked) == (3, 3)
    for sock in kept:
        sock.sendall(b"mine")
        sock.close()
    for client in clients:
        assert read_all(client) == b"mine"
        client.close()
    assert (server.stats().open, server.stats().hijacked) == (0, 0)  # closed, but referred to


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_hijacked_socket_that_is_forgotten_is_closed_and_counted(serve):
    server = serve(lambda sock, address: HIJACKED)
    with connect(server.address) as client:
        assert client.recv(1) == b""
    server.states.reach("CLOSED")
    assert server.states == ["NEW", "ACTIVE", "HIJACKED", "CLOSED"]
    assert len(server._hijacks) == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_hijacked_socket_forgotten_and_looked_for_at_once_is_closed_once(serve, no_hub_errors):
    kept = []
    server = serve(keep(kept))
    with connect(server.address):
        server.states.reach("HIJACKED")
        kept.clear()  # noticed on the next turn of the loop
        assert server.stats().hijacked == 0  # and by this, before
        settle()


def test_a_connection_that_is_closed_and_then_hijacked_gives_its_slot_back(serve, logged):
    class Closing(StreamServer):
        def serve_connection(self, conn):
            conn.close()
            return HIJACKED

    server = serve(cls=Closing, handle=keep([]))
    assert listen_to(server.address) == b""
    assert (server.stats().open, server.stats().hijacked) == (0, 0)
    assert server.states == ["NEW", "ACTIVE", "HIJACKED", "CLOSED"]
    assert not [line for line in logged() if "raised" in line or "error" in line]


def test_a_hijacked_connection_keeps_its_slot_until_it_is_closed(serve, clock, monkeypatch):
    monkeypatch.setattr("gpool.hijacks.monotonic", clock)
    kept = []
    server = serve(keep(kept), max_connections=1, overflow_pause=0)
    with connect(server.address):
        assert ask(server.address) == b""
        assert server.stats().refused[Refusal.MAX_CONNECTIONS] == 1
        kept[0].close()
        clock.advance(0.9)  # within the second in which nobody looks
        assert ask(server.address) == b""
        assert server.accepted == 3 and len(kept) == 1  # stats() would look
        clock.advance(0.1)
        with connect(server.address):
            server.states.reach("HIJACKED", 2)
            assert len(kept) == 2
            kept[1].close()


# ---------------------------------------------------------------------- errors


def serving(action):
    """A handler that reads once, then does `action`."""

    def handle(sock, address):
        sock.recv(100)
        action(sock)

    return handle


def fail(sock):
    raise RuntimeError("handler")


def test_a_handler_that_raises_is_logged_with_both_addresses(serve, caplog):
    server = serve(serving(fail))
    assert ask(server.address) == b""
    assert "RuntimeError: handler" in caplog.text
    assert f"error when serving connection {server.address}<->" in caplog.text
    assert (server.stats().errors, server.pool.stats().errors) == (1, 0)
    assert server.pool.stats().ready == 1


def provoke_a_reset(server):
    with connect(server.address) as client:
        client.sendall(b"x")
        server.states.reach("ACTIVE")
        on, no_seconds = (1).to_bytes(4, "little"), bytes(4)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, on + no_seconds)


def write_until_it_breaks(sock):
    while True:
        sock.sendall(bytes(65_536))


def read_again(sock):
    while sock.recv(100):
        pass


def read_with_a_timeout(sock):
    sock.settimeout(0.001)
    sock.recv(100)


NO_NEWS = [
    pytest.param(write_until_it_breaks, True, id="broken pipe"),
    pytest.param(read_again, True, id="reset by peer"),
    pytest.param(read_with_a_timeout, False, id="timed out"),
]


@pytest.mark.parametrize("log_all", [False, True])
@pytest.mark.parametrize(("action", "reset"), NO_NEWS)
def test_clients_that_go_away_are_no_news_unless_asked_for(serve, caplog, action, reset, log_all):
    server = serve(serving(action), log_all_errors=log_all)
    if reset:
        provoke_a_reset(server)
    else:
        ask_without_closing(server)
    server.states.reach("CLOSED")
    assert server.stats().errors == 1
    assert bool(caplog.records) is log_all


def ask_without_closing(server):
    with connect(server.address) as client:
        client.sendall(b"x")
        read_all(client)


@pytest.mark.parametrize(
    "error", [ConnectionResetError, BrokenPipeError, TimeoutError, ssl.SSLError]
)
def test_the_same_errors_from_elsewhere_are_news(serve, caplog, error):
    """A database connection that is reset must not look like a client that went away."""

    def backend(sock):
        raise error("database")

    server = serve(serving(backend))
    ask_without_closing(server)
    assert "database" in caplog.text


def test_a_killed_handler_leaves_no_connection_behind(serve):
    started = []

    def handle(sock, address):
        started.append(getcurrent())
        sock.recv(1)

    server = serve(handle)
    with connect(server.address) as client:
        server.states.reach("ACTIVE")
        in_hub(started.pop().throw, GreenletExit)
        assert client.recv(1) == b""
    assert (server.stats().open, server.pool.stats().running) == (0, 0)


# ---------------------------------------------------------------------- drain


def test_a_drain_lets_handlers_finish(serve):
    gate = event.Event()

    def handle(sock, address):
        gate.wait()
        sock.sendall(b"finished")

    server = serve(handle)
    with connect(server.address) as client:
        server.states.reach("ACTIVE")
        drain = gevent.spawn(server.stop, 5)
        settle()
        assert not drain.ready()
        with pytest.raises(ConnectionRefusedError):
            connect(server.address)
        gate.set()
        drain.get()
        assert read_all(client) == b"finished"


def test_a_drain_ends_the_ready_workers_of_the_servers_own_pool(serve):
    server = serve(cls=Echo)
    ask(server.address)
    assert server.pool.stats().ready == 1
    server.stop()
    assert server.pool.stats().running == 0 and not server.pool._retiring


@pytest.mark.parametrize("timeout", [0, 0.001])
def test_a_drain_kills_what_is_left_when_its_time_is_over(serve, caplog, timeout):
    """And says so, unless it has no time at all: that is asked for."""
    seen = []

    def handle(sock, address):
        try:
            gevent.sleep(60)
        except GreenletExit:
            seen.append("killed")
            raise

    server = serve(handle)
    with connect(server.address) as client:
        server.states.reach("ACTIVE")
        server.stop(timeout=timeout)
        assert seen == ["killed"] and client.recv(1) == b""
    assert server.pool.stats().running == 0
    told = ["the drain is cut off after 0.001 s, and ends what is left: 1 active"]
    assert [record.getMessage() for record in caplog.records] == (told if timeout else [])


def test_a_drain_closes_idle_connections_at_once(serve):
    class Lines(StreamServer):
        """A protocol that says when a connection is idle."""

        def serve_connection(self, conn):
            with conn.socket.makefile("rb") as lines:
                while True:
                    self.enter(conn, ConnState.IDLE)
                    line = lines.readline()
                    if not line:
                        return
                    self.enter(conn, ConnState.ACTIVE)
                    conn.socket.sendall(line)

    server = serve(print, cls=Lines)
    with connect(server.address) as client:
        client.sendall(b"line\n")
        assert client.recv(5) == b"line\n"
        server.stop(timeout=60)  # a hanging drain would be ended by the test's own limit
        assert client.recv(1) == b""
    assert server.states == ["NEW", "ACTIVE", "IDLE", "ACTIVE", "IDLE", "CLOSED"]


def test_a_drain_waits_for_hijacked_connections_then_closes_them(serve):
    kept = []
    server = serve(keep(kept))
    with connect(server.address) as client:
        server.states.reach("HIJACKED")
        server.stop(timeout=0.001)
        assert client.recv(1) == b""
    assert server.stats().hijacked == 0 and kept[0].fileno() == -1


def test_a_drain_does_not_wait_for_hijacked_connections_that_are_closed(serve):
    kept = []
    server = serve(keep(kept))
    with connect(server.address):
        server.states.reach("HIJACKED")
        kept[0].close()
        server.stop(timeout=60)


def test_a_drain_ends_a_hijacked_connection_also_where_its_socket_was_duplicated(serve):
    kept = []

    def hijack(sock, address):
        kept.extend([sock, sock.dup()])
        return HIJACKED

    server = serve(hijack)
    with connect(server.address) as client:
        server.states.reach("HIJACKED")
        server.stop(timeout=0.001)
        assert client.recv(1) == b""
    kept[1].close()


def test_a_drain_ends_although_a_handler_ignores_its_kill(serve, monkeypatch, caplog):
    monkeypatch.setattr(admission_module, "KILL_TIMEOUT", 0.01)
    gate = event.Event()

    def stubborn(sock, address):
        while not gate.is_set():
            with suppress(GreenletExit):
                gate.wait()

    server = serve(stubborn)
    with connect(server.address) as client:
        server.states.reach("ACTIVE")
        server.stop(timeout=0)
        assert client.recv(1) == b""
    assert "1 handlers go on although they were killed" in caplog.text
    gate.set()


def test_two_drains_at_once_both_return(serve):
    server = serve(lambda sock, address: gevent.sleep(60))
    with connect(server.address):
        server.states.reach("ACTIVE")
        drains = [gevent.spawn(server.stop, 0.001) for _ in range(2)]
        gevent.joinall(drains, raise_error=True)


def test_serve_forever_returns_when_the_server_is_stopped(serve):
    server = serve(cls=Echo)
    forever = gevent.spawn(server.serve_forever)
    settle()
    server.stop()
    forever.get()


def test_a_handler_may_close_its_server_in_the_middle_of_a_turn(serve, no_hub_errors):
    servers = []
    servers.append(serve(lambda sock, address: servers[0].close()))
    # Blocking sockets: all three are in the backlog before the loop turns.
    clients = [blocking_socket.create_connection(servers[0].address) for _ in range(3)]
    servers[0].states.reach("CLOSED")
    for client in clients:
        with suppress(ConnectionResetError):  # the kernel's word for those left in the backlog
            assert client.recv(1) == b""
        client.close()


# ---------------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def tls():
    """The two contexts of a server and its client."""
    authority = trustme.CA()
    server, client = SSLContext(ssl.PROTOCOL_TLS_SERVER), SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    return server, client


def test_tls_is_served(serve, tls):
    server = serve(cls=Echo, ssl_context=tls[0])
    with tls[1].wrap_socket(connect(server.address), server_hostname="localhost") as client:
        client.sendall(b"secret")
        assert client.recv(6) == b"secret"


def test_a_silent_tls_client_is_closed_after_the_handshake_timeout(serve, tls, caplog):
    server = serve(cls=Echo, ssl_context=tls[0], handshake_timeout=0.001)
    with connect(server.address) as client:
        assert client.recv(1) == b""
    assert server.stats().errors == 1 and not caplog.records


def test_a_plain_client_of_a_tls_server_is_closed_without_a_log_line(serve, tls, caplog):
    server = serve(cls=Echo, ssl_context=tls[0])
    with connect(server.address) as client, suppress(ConnectionResetError):
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        read_all(client)
    assert server.stats().errors == 1 and not caplog.records


def test_a_full_tls_server_refuses_without_a_handshake(serve, tls):
    """In fasthttp one silent TLS client at the limit stalls all accepting."""
    server = serve(cls=Echo, ssl_context=tls[0], max_workers=1, overflow_pause=0)
    with connect(server.address):
        server.states.reach("ACTIVE")
        assert [ask(server.address) for _ in range(3)] == [b""] * 3
    assert server.stats().refused[Refusal.FULL] == 3


def test_a_hijacked_tls_socket_stays_open(serve, tls):
    kept = []
    server = serve(keep(kept), ssl_context=tls[0])
    with tls[1].wrap_socket(connect(server.address), server_hostname="localhost") as client:
        server.states.reach("HIJACKED")
        kept[0].sendall(b"mine")
        assert client.recv(4) == b"mine"
        assert server.stats().hijacked == 1
        kept.pop().close()
    server.states.reach("CLOSED")
    assert server.stats().open == 0


def test_a_tls_client_that_is_gone_before_its_handshake_costs_nothing(serve, monkeypatch):
    server = serve(cls=Echo)
    with monkeypatch.context() as patch:
        patch.setattr(server, "connected", gone)
        with suppress(OSError):  # a reset, of what was not read: sooner or later than its end
            assert ask(server.address) == b""
    assert server.stats().open == 0
    assert ask(server.address, b"next") == b"next"


def gone(sock, address):
    sock.close()
    raise OSError(errno.ENOTCONN, "not connected")
