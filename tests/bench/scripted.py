"""Servers that do what a test says, in threads, so that load generators meet them from outside."""

import socket
import threading
from contextlib import contextmanager, suppress

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbusy"
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Scripted:
    """A server each of whose connections is a call of `script(self, connection)`, in its thread.

    With `one_at_a_time` it accepts the next one when that is over.

    Attributes:
        port: on loopback.
        requests: the heads that `next_request` has read.
        released: an event for scripts that hold their answers back; set in the end.
    """

    def __init__(self, script, *, one_at_a_time=False):
        self._script = script
        self._one_at_a_time = one_at_a_time
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1_024)
        self._threads = []
        self._connections = []
        self._lock = threading.Lock()
        self.port = self._listener.getsockname()[1]
        self.requests = []
        self.released = threading.Event()

    def next_request(self, conn):
        """The next head, None if there is none."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            some = conn.recv(1)
            if not some:
                return None
            head += some
        with self._lock:
            self.requests.append(head)
        return head

    def number(self):
        """How many requests there were."""
        with self._lock:
            return len(self.requests)

    def connections(self):
        """How many connections there were."""
        with self._lock:
            return len(self._connections)

    def position(self, conn):
        """How many came before that one."""
        with self._lock:
            return self._connections.index(conn)

    def ended(self):
        """How many of them have ended here."""
        with self._lock:
            return sum(conn.fileno() < 0 for conn in self._connections)

    def accept(self):
        with suppress(OSError):
            while True:
                conn, _ = self._listener.accept()
                conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._lock:
                    self._connections.append(conn)
                if self._one_at_a_time:
                    self.serve(conn)
                else:
                    self.start(self.serve, conn)

    def serve(self, conn):
        with conn, suppress(OSError):
            self._script(self, conn)

    def start(self, func, *args):
        thread = threading.Thread(target=func, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def stop(self):
        self.released.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()
        for conn in self._connections:
            with suppress(OSError):
                conn.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()


@contextmanager
def scripted(script, **settings):
    """One, while this runs."""
    server = Scripted(script, **settings)
    server.start(server.accept)
    try:
        yield server
    finally:
        server.stop()


def always(answer, *, closes=False):
    """The script that gives the same answer to each request."""

    def script(server, conn):
        while server.next_request(conn):
            conn.sendall(answer)
            if closes:
                return

    return script


def good(server, conn):
    """The script of a server with which all is well."""
    always(OK)(server, conn)
