"""Far more clients than there is room for: each of them gets an answer, whatever the policy."""

import random

import gevent
import pytest

from gpool import StreamServer
from gpool.overflow import CALM, WAITING
from tests.support import ask, turn

CLIENTS, VISITS = 60, 30


class Hurried(StreamServer):
    def handle(self, sock, address):
        data = sock.recv(100)
        gevent.sleep(random.choice([0, 0.0005, 0.002]))
        sock.sendall(data)

    def refusal(self, reason):
        return b"busy"


@pytest.mark.parametrize("limit", [{"max_workers": 5}, {"max_connections": 5}])
@pytest.mark.parametrize(
    "policy",
    [
        {"overflow": "wait"},
        {"overflow_pause": 0},
        {"overflow_pause": 0.0001},
        {"overflow_pause": 0.003},
        {"overflow_pause": 0.02},
    ],
    ids=str,
)
def test_everybody_gets_an_answer(limit, policy):
    def visit(number):
        gevent.sleep(random.random() * 0.01)
        for _ in range(VISITS):
            assert ask(server.address, b"%d" % number) in (b"%d" % number, b"busy")

    with Hurried(("127.0.0.1", 0), **limit, **policy) as server:
        server.start()
        gevent.joinall([gevent.spawn(visit, n) for n in range(CLIENTS)], raise_error=True)
        stats = server.stats()
        assert stats.accepted == CLIENTS * VISITS
        if policy == {"overflow": "wait"}:
            assert sum(stats.refused.values()) == 0
        while server.overflow._timer:  # the last pause, if there was one, is as long as it is
            turn()
        assert server.overflow.state is (WAITING if "overflow" in policy else CALM)
        assert ask(server.address) == b"x"
    assert server.pool.stats().running == 0
