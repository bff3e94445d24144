"""The pool as spawn= of gevent's own servers, unchanged: start, serve, stop."""

import gevent
import pytest
from gevent import event, pywsgi, server, socket
from gevent.pool import Pool

from gpool import WorkerPool
from tests.support import ask, connect, read_all, settle


@pytest.fixture
def pool():
    pool = WorkerPool(max_workers=2)
    yield pool
    assert pool.stats().busy == 0
    pool.stop()
    assert pool.join(timeout=5)


def echo(sock, address):
    while data := sock.recv(65_536):
        sock.sendall(data)


def test_stream_server(pool):
    with server.StreamServer(("127.0.0.1", 0), echo, spawn=pool) as running:
        running.start()
        assert running.pool is pool
        assert [ask(running.address) for _ in range(10)] == [b"x"] * 10
        assert pool.stats().created == 1
    assert pool.stats().running == 0  # stop() joined and killed: an empty pool is true


def test_stream_server_stops_accepting_while_the_pool_is_full(pool):
    with server.StreamServer(("127.0.0.1", 0), echo, spawn=pool) as running:
        running.start()
        clients = [connect(running.address) for _ in range(2)]
        for client in clients:
            client.sendall(b"x")
            assert client.recv(1) == b"x"
        waiting = [connect(running.address) for _ in range(10)]  # all are in the backlog now
        for client in waiting:
            client.sendall(b"x")
            client.shutdown(socket.SHUT_WR)
        settle()
        assert pool.full() and pool.stats().served == 2
        for client in clients:
            client.close()
        for client in waiting:
            assert read_all(client) == b"x"
            client.close()


def test_stream_servers_stop_kills_handlers_that_hang(pool):
    running = server.StreamServer(("127.0.0.1", 0), echo, spawn=pool)
    running.start()
    with connect(running.address) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        running.stop(timeout=0.001)
        assert client.recv(1) == b""
    assert pool.stats().running == 0


def test_two_servers_can_share_a_pool_also_one_after_the_other(pool):
    for _ in range(2):
        servers = [server.StreamServer(("127.0.0.1", 0), echo, spawn=pool) for _ in range(2)]
        for running in servers:
            running.start()
        assert [ask(running.address) for running in servers] == [b"x"] * 2
        for running in servers:
            running.stop()


def test_datagram_server(pool):
    class Upper(server.DatagramServer):
        def handle(self, data, address):
            self.socket.sendto(data.upper(), address)

    with Upper(("127.0.0.1", 0), spawn=pool) as running:
        running.start()
        with socket.socket(type=socket.SOCK_DGRAM) as client:
            client.connect(running.address)
            for _ in range(10):
                client.send(b"quiet")
                assert client.recv(100) == b"QUIET"
    assert pool.stats().served == 10


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello ", environ["PATH_INFO"].encode()]


def test_wsgi_server(pool):
    running = pywsgi.WSGIServer(("127.0.0.1", 0), application, spawn=pool, log=None)
    running.start()
    for _ in range(3):
        answer = ask(running.address, b"GET /there HTTP/1.0\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and answer.endswith(b"hello /there")
    assert pool.stats().created == 1
    running.stop()
    assert pool.stats().running == 0


def test_a_stopping_wsgi_server_waits_for_the_request_in_flight(pool):
    entered, gate = event.Event(), event.Event()

    def slow(environ, start_response):
        entered.set()
        gate.wait()
        return application(environ, start_response)

    running = pywsgi.WSGIServer(("127.0.0.1", 0), slow, spawn=pool, log=None)
    running.start()
    with connect(running.address) as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        entered.wait()
        stopping = gevent.spawn(running.stop, 10)
        settle()
        assert not stopping.ready()
        gate.set()
        assert b"hello /" in client.recv(1_000)
        stopping.get()


@pytest.mark.parametrize("name", ["full", "free_count", "size", "join", "kill", "spawn"])
def test_what_gunicorns_gevent_worker_asks_of_a_pool_is_there(pool, name):
    """And what it is, a method or a number, is what gevent's own pool has."""
    assert callable(getattr(pool, name)) is callable(getattr(Pool(1), name))
