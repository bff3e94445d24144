"""Clients that keep their connections, and a gate at which an application waits."""

import json
from http.client import HTTPException, HTTPResponse

import gevent
from gevent import socket
from gevent.event import Event

__all__ = ["Asking", "Client", "Gate", "ask", "assert_nothing_fails_while_it_drains"]


class Client:
    """A connection on which one request follows another.

    Args:
        port: of 127.0.0.1.
        source: the address to come from.
        context: of TLS.
    """

    def __init__(self, port, source="127.0.0.1", context=None):
        self.sock = socket.create_connection(("127.0.0.1", port), source_address=(source, 0))
        if context is not None:
            self.sock = context.wrap_socket(self.sock, server_hostname="localhost")

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.sock.close()

    def send(self, path="/", *, method="GET", body=b"", **headers):
        """Send a request."""
        if body or method == "POST":
            headers["Content_Length"] = len(body)
        headers = {"Host": "site.example"} | headers
        head = [f"{method} {path} HTTP/1.1"]
        head += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.sock.sendall("\r\n".join([*head, "\r\n"]).encode() + body)

    def answer(self, method="GET"):
        """An answer, its head read."""
        answer = HTTPResponse(self.sock, method=method)
        answer.begin()
        return answer

    def ask(self, path="/", *, method="GET", **more):
        """The status and the body of a request; the body is a value if it is JSON."""
        self.send(path, method=method, **more)
        answer = self.answer(method)
        body = answer.read()
        if answer.getheader("Content-Type") == "application/json":
            return answer.status, json.loads(body)
        return answer.status, body


def ask(port, path="/", *, source="127.0.0.1", context=None, **more):
    """A request on a connection of its own."""
    with Client(port, source, context) as client:
        return client.ask(path, **more)


class Gate:
    """Where a request waits that has the path `Gate.path`, until it is opened.

    Attributes:
        path: of such requests.
    """

    def __init__(self):
        self._sock = socket.socket()
        self._sock.bind(("127.0.0.1", 0))
        self._sock.listen()
        self._waiting = []
        self.path = f"/gate/{self._sock.getsockname()[1]}"

    def reached(self):
        """Wait until one more request waits here."""
        self._waiting.append(self._sock.accept()[0])

    def open(self):
        """Let all of them go on."""
        while self._waiting:
            self._waiting.pop().close()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.open()
        self._sock.close()


class Asking:
    """Clients that ask again and again, by GET and by POST, each on its connection.

    Where the answer's connection is closed they come back on another, as browsers do; a request
    that gets no answer, or one that is not 200, has failed, and ends its client.

    Attributes:
        names: who has answered, in order.
        failed: what went wrong.
    """

    def __init__(self, port, count=6):
        self.names = []
        self.failed = []
        self._told = Event()
        self._ended = False
        self._greenlets = [gevent.spawn(self._run, port) for _ in range(count)]

    def _run(self, port):
        try:
            while not self._ended:
                self._connection(port)
        except (OSError, HTTPException) as error:
            self.failed.append(repr(error))
        self._told.set()

    def _connection(self, port):
        with Client(port) as client:
            for method in ("GET", "POST") * 100:
                client.send("/name", method=method, body=b"x" * (method == "POST"))
                answer = client.answer(method)
                body = answer.read().decode()
                if answer.status != 200:
                    raise HTTPException(f"{answer.status} to {method}: {body}")
                self.names.append(body)
                self._told.set()
                if answer.will_close or self._ended:
                    return

    def wait(self, count):
        """Wait for so many more answers; fail if something has failed."""
        wanted = len(self.names) + count
        while len(self.names) < wanted:
            assert not self.failed, self.failed
            self._told.clear()
            self._told.wait()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self._ended = True
        gevent.joinall(self._greenlets)


def assert_nothing_fails_while_it_drains(one, port):
    """End `one` of the two behind `port` while clients ask there: the other serves them all."""
    with Asking(port) as asking:
        asking.wait(200)
        assert set(asking.names) == {"one", "two"}
        one.drain()
        mark = len(asking.names)
        asking.wait(200)
        assert set(asking.names[mark + 50 :]) == {"two"}
    assert not asking.failed
