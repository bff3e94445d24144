"""100 000 connections through 50 workers, whose handlers fail in every way: nothing is lost."""

import gc
import sys

import gevent
import pytest
from gevent import event, subprocess
from greenlet import GreenletExit, getcurrent, greenlet

from gpool import HIJACKED, StreamServer
from tests.support import descriptors, settle

CONNECTIONS = 100_000


class Handlers:
    """A handler that does what the first byte says; see `tests.functional.clients`."""

    def __init__(self):
        self.leaked = []  # never cancelled; but libuv needs their memory until they are closed

    def __call__(self, sock, address):
        line = b""
        while not line.endswith(b"\n"):
            data = sock.recv(4_096)
            if not data:
                return None
            line += data
        return getattr(self, f"do_{chr(line[0])}")(sock, line)

    def do_e(self, sock, line):
        sock.sendall(line)

    def do_h(self, sock, line):
        def later():
            with sock:
                gevent.sleep(0)
                sock.sendall(line)

        gevent.spawn(later)
        return HIJACKED

    def do_s(self, sock, line):
        gevent.sleep(0.001)
        sock.sendall(line)

    def do_R(self, sock, line):
        raise RuntimeError("at random")

    def do_T(self, sock, line):
        with gevent.Timeout(0.001):
            event.Event().wait()

    def do_L(self, sock, line):
        self.leaked.append(gevent.Timeout.start_new(0.002, AssertionError("of another connection")))
        sock.sendall(line)

    def do_K(self, sock, line):
        gevent.spawn(gevent.kill, getcurrent(), GreenletExit)
        event.Event().wait()


def greenlets():
    """The greenlets that have started and not ended."""
    gc.collect()
    return [thing for thing in gc.get_objects() if isinstance(thing, greenlet) and bool(thing)]


@pytest.mark.limit(150)
def test_no_slot_no_greenlet_and_no_descriptor_is_lost(caplog, no_hub_errors):
    caplog.set_level("CRITICAL", "gpool")
    settle()  # the Hub is a greenlet too
    greenlets_before = greenlets()  # collects what other tests have left
    descriptors_before = descriptors()
    handlers = Handlers()
    with StreamServer(("127.0.0.1", 0), handlers, max_workers=50) as server:
        server.start()
        clients = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.functional.clients",
                str(server.server_port),
                str(CONNECTIONS),
                "20261124",
            ],
            stdout=subprocess.PIPE,
        )
        with gevent.Timeout(120):
            said = clients.communicate()[0]
        assert (said, clients.returncode) == (b"%d\n" % CONNECTIONS, 0)
        settle()
        pool, stats = server.pool.stats(), server.stats()
        assert stats.accepted == CONNECTIONS
        assert (stats.open, stats.hijacked, stats.lingering) == (0, 0, 0)
        assert sum(stats.refused.values()) == 0
        assert pool.served == CONNECTIONS and pool.busy == 0 and pool.running == pool.ready <= 50
        assert pool.tainted > 0 and pool.errors == 0
        assert stats.errors > CONNECTIONS * 0.1
    settle()
    for timeout in handlers.leaked:
        timeout.close()
    assert descriptors() == descriptors_before
    assert all(there in greenlets_before for there in greenlets())
    assert server.pool.stats().running == 0
