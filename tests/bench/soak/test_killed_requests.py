"""What the soak has found in gpool."""

import gevent
from greenlet import getcurrent

from gpool import WSGIServer
from gpool.wsgi.access import Observer
from tests.support import ask


class Seen(Observer):
    def __init__(self):
        self.statuses = []

    def add(self, environ, status, sent, started):
        self.statuses.append(status)


def test_an_answer_to_a_request_whose_worker_is_killed_is_told():
    """A line for each answer (`gpool.wsgi.access`): it gets a 500, and there is none."""

    def killed(environ, start_response):
        gevent.kill(getcurrent())
        gevent.sleep(10)

    seen = Seen()
    with WSGIServer(("127.0.0.1", 0), killed) as server:
        server.observe(seen)
        answer = ask(server.address, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert seen.statuses == ["500"]
