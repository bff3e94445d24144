"""The accept loop: the listener's options, pausing, and every way that accept(2) can fail."""

import errno
import os
import resource
import socket as blocking_socket
from contextlib import suppress

import pytest
from gevent import server as gevent_server
from gevent import socket
from gevent.hub import get_hub

from gpool import StreamServer, accepting, tcpinfo
from gpool.accepting import Accepting, AcceptLoop
from tests.support import Clock, Log, ask, connect, settle, turn


def echo(sock, address):
    while data := sock.recv(65_536):
        sock.sendall(data)


@pytest.fixture
def server():
    with StreamServer(("127.0.0.1", 0), echo) as server:
        server.start()
        yield server


@pytest.fixture
def failing(monkeypatch):
    """Have the next accepts fail with these errors, then succeed."""
    errors = []
    accept = gevent_server.StreamServer.do_read

    def do_read(self):
        if errors:
            code = errors.pop(0)
            raise OSError(code, os.strerror(code))
        return accept(self)

    monkeypatch.setattr(gevent_server.StreamServer, "do_read", do_read)
    return errors


def test_out_of_descriptors_the_server_recovers_by_itself(server):
    """The real thing: no descriptor is left when the connection is to be accepted."""
    client = socket.socket()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = []
    with Log("gpool.server") as log, client:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
            with pytest.raises(OSError, match="Too many open files"):
                taken.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(256))
            client.connect(server.address)
            client.sendall(b"hello")
            line = log.lines.get(timeout=10)
            assert line == "cannot accept: Too many open files; trying again in 0.01 s"
            assert server._accepting is Accepting.PAUSED and server.stats().accepted == 0
            assert server._watcher is None  # nobody asks the loop for what cannot be taken
        finally:
            for descriptor in taken:
                os.close(descriptor)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert client.recv(5) == b"hello"
    assert server.stats().accepted == 1


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_the_back_off_doubles_is_logged_once_and_forgotten_after_an_accept(server, failing, code):
    failing += [code] * 3
    with Log("gpool.server") as log:
        assert ask(server.address) == b"x"
    assert log.lines.qsize() == 1
    assert os.strerror(code) in log.lines.get()
    assert server._back_off == 0.01


def test_the_back_off_has_an_upper_bound(server):
    for _ in range(20):
        server._back_off_after(OSError(errno.EMFILE, "no"))
    assert server._back_off == 1.0


@pytest.mark.parametrize("code", [errno.ECONNABORTED, errno.EPROTO, errno.EPERM])
def test_an_error_of_one_client_is_passed_over(server, failing, code):
    failing += [code] * 3
    with Log("gpool.server") as log:
        assert ask(server.address) == b"x"
    assert log.lines.qsize() == 0


def test_an_error_nobody_knows_backs_off_too(server, failing):
    failing.append(errno.EIO)
    with Log("gpool.server") as log:
        assert ask(server.address) == b"x"
    assert "Input/output error" in log.lines.get()


def test_a_lost_listener_closes_the_server(server, failing, caplog):
    failing.append(errno.EBADF)
    with suppress(ConnectionResetError), connect(server.address):  # whichever is first
        server.serve_forever()  # until then
    assert server.closed and not server.started
    assert "cannot accept any more: [Errno 9]" in caplog.text


def test_two_servers_can_share_a_port_with_reuse_port():
    with StreamServer(("127.0.0.1", 0), echo, reuse_port=True) as one:
        one.start()
        with StreamServer(one.address, echo, reuse_port=True) as other:
            other.start()
            # Each source port falls to one of them; of 64, hardly all to the same.
            assert [ask(one.address) for _ in range(64)] == [b"x"] * 64
            assert min(one.stats().accepted, other.stats().accepted) > 0


def test_with_defer_accept_a_connection_is_taken_with_its_first_bytes():
    with StreamServer(("127.0.0.1", 0), echo, defer_accept=True) as server:
        server.start()
        with connect(server.address) as client:
            settle()
            assert server.stats().accepted == 0
            client.sendall(b"first")
            assert client.recv(5) == b"first"


def test_defer_accept_is_refused_where_there_is_none(monkeypatch):
    monkeypatch.setattr("gpool.accepting.TCP_DEFER_ACCEPT", None)
    with pytest.raises(ValueError, match="defer_accept must be False here"):
        StreamServer(("127.0.0.1", 0), echo, defer_accept=True)


@pytest.mark.parametrize("reuse_port", [False, True])
def test_an_address_that_is_taken_is_named(reuse_port):
    with blocking_socket.create_server(("127.0.0.1", 0)) as taken:
        address = taken.getsockname()
        server = StreamServer(address, echo, reuse_port=reuse_port)
        with pytest.raises(OSError, match=f"Address already in use: .*{address[1]}"):
            server.start()
        server.stop()


def test_a_blocking_listener_that_is_passed_in_does_not_block_the_hub():
    listener = blocking_socket.create_server(("127.0.0.1", 0))
    with listener, StreamServer(listener, echo) as server:
        server.start()
        assert ask(listener.getsockname()) == b"x"
        settle()  # and the next accept found nobody


def test_the_backlog_is_the_systems_largest():
    assert AcceptLoop.backlog == blocking_socket.SOMAXCONN


def test_the_length_of_the_backlog_is_the_kernels(tmp_path):
    with blocking_socket.create_server(("127.0.0.1", 0)) as listener:
        server = StreamServer(listener, echo)
        assert server.backlog_length() == 0
        clients = [blocking_socket.create_connection(listener.getsockname()) for _ in range(7)]
        assert server.backlog_length() == 7
        with server:
            while server.accepted < 7:  # perhaps in several turns
                turn()
            assert server.backlog_length() == 0
            for client in clients:
                client.close()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        assert StreamServer(listener, echo).backlog_length() is None


def test_where_no_kernel_tells_the_length_of_the_backlog_is_not_known(server, monkeypatch):
    monkeypatch.setattr(tcpinfo, "TCP_INFO", None)
    assert server.backlog_length() is None
    assert ask(server.address) == b"x"


def test_the_end_of_an_overflow_pause_does_not_end_a_back_off(server):
    server.pause_accepting(60)
    server.resume_accepting()
    assert server._accepting is Accepting.PAUSED


def test_stopping_while_paused_starts_nothing(server):
    server.pause_accepting(0.0)
    server.stop()
    settle()
    assert server._accepting is Accepting.STOPPED and server._watcher is None


def test_a_connection_that_cannot_be_served_does_not_keep_others_waiting(server, monkeypatch):
    serve, failed = server.do_handle, []

    def fail_first(sock, address):
        if not failed:
            failed.append(address)
            sock.close()
            raise MemoryError("for this one")
        serve(sock, address)

    errors = []
    monkeypatch.setattr(server, "do_handle", fail_first)
    monkeypatch.setattr(get_hub(), "handle_error", lambda *told: errors.append(told))
    with connect(server.address) as first:
        assert ask(server.address) == b"x"
        assert first.recv(1) == b""
    ((context, kind, error, _),) = errors
    assert (context, kind, str(error)) == ((failed[0], server), MemoryError, "for this one")
    assert server.accepted == 2 and server.started


def test_a_turn_of_accepting_ends_when_its_time_is_over(server, monkeypatch):
    """Others have their turn, and then it goes on; the clock says that each takes too long."""
    clock = Clock()
    monkeypatch.setattr(accepting, "monotonic", clock)
    accepted = []
    handle = server.do_handle
    server.do_handle = lambda *args: (
        accepted.append(len(turns)),
        clock.advance(2 * accepting.TURN),
        handle(*args),
    )
    turns = []
    read = server._do_read
    server.stop_accepting()
    server._do_read = lambda: (turns.append(None), read())
    clients = [connect(server.address) for _ in range(3)]
    server.start_accepting()
    for client in clients:
        client.sendall(b"a")
        assert client.recv(1) == b"a"
        client.close()
    assert accepted == [1, 2, 3]
