"""The command in a process of its own, as the tests see it."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

__all__ = ["APP", "ROOT", "Gpool", "Waiting", "exchange", "once"]

ROOT = Path(__file__).parents[2]
APP = "tests.command.apps:app"
BANNER = r"on (?:http|https)://127\.0\.0\.1:(\d+)"
READY = r"\d+ workers, connections: "
LIMIT = 20  # seconds without a line; the limit of a test cannot end a wait for a thread


def environment(**more):
    """The variables of a process: ours, so that it finds the tests, and no dust on the disk."""
    path = os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), str(ROOT)])
    return os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"} | more


def once(*words, folder, **named):
    """Run the command until it ends by itself; its status, and what it has written."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "gpool", *words],
        cwd=folder,
        env=environment(**named.pop("environ", {})),
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
        **named,
    )
    return done.returncode, done.stdout, done.stderr


def exchange(address, path="/", context=None, name=None):
    """The status and the body of one request; of TLS with a context."""
    sock = socket.socket(socket.AF_UNIX) if isinstance(address, str) else socket.socket()
    sock.settimeout(LIMIT)
    sock.connect(address)
    if context is not None:
        sock = context.wrap_socket(sock, server_hostname=name or "localhost")
    with closing(HTTPConnection("localhost")) as client:
        client.sock = sock
        client.request("GET", path)
        answer = client.getresponse()
        return answer.status, answer.read().decode()


class Waiting:
    """A client whose request is in the application, which waits for its body."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=LIMIT)
        self.sock.sendall(
            b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n"
            b"Connection: close\r\nExpect: 100-continue\r\n\r\n"
        )
        assert self.sock.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"

    def finish(self):
        """Send the body; the answer."""
        self.sock.sendall(b"body")
        return self.rest()

    def rest(self):
        """What comes until the end."""
        data = b""
        with closing(self.sock):
            while more := self.sock.recv(65_536):
                data += more
        return data


class Gpool:
    """The command and what it writes to its standard error.

    Args:
        words: of the command line, the application behind them unless there is one.
        folder: where it runs.
        app: the application.
        bind: its addresses.
        environ: more variables.
        ready: what it writes when it serves; None not to wait.
        wrap: the words before it.
        named: more for Popen.

    Attributes:
        process: what was started.
        port: of the first listener.
    """

    def __init__(
        self,
        *words,
        folder,
        app=APP,
        bind=("127.0.0.1:0",),
        environ=None,
        ready=READY,
        wrap=(),
        **named,
    ):
        binds = [word for address in bind for word in ("--bind", address)]
        named.setdefault("stdout", subprocess.DEVNULL)
        self.lines = []
        self._news = threading.Condition()
        self.process = subprocess.Popen(
            [*wrap, sys.executable, "-P", "-m", "gpool", *words, *binds, *([app] if app else [])],
            cwd=folder,
            env=environment(**environ or {}),
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            **named,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            if ready is not None:
                self.wait(ready)
        except BaseException:
            self.close()
            raise

    def _read(self):
        for line in self.process.stderr:
            self._add(line.rstrip("\n"))
        self._add("THE END")

    def _add(self, line):
        with self._news:
            self.lines.append(line)
            self._news.notify_all()

    def found(self, pattern, since=0):
        """The lines in which `pattern` is, as matches."""
        with self._news:
            return [one for line in self.lines[since:] if (one := re.search(pattern, line))]

    def wait(self, pattern, count=1, since=0):
        """Wait for the `count`-th line, after `since` lines, in which `pattern` is; its match."""
        with self._news:
            while len(found := self.found(pattern, since)) < count:
                assert self.lines[-1:] != ["THE END"], "\n".join(self.lines)
                assert self._news.wait(LIMIT), "\n".join(self.lines)
            return found[count - 1]

    def wait_for_file(self, path):
        """Wait until there is a file; for a process that writes to no pipe."""
        while not path.exists():
            assert self.process.poll() is None, self.log
            os.sched_yield()

    def wait_for_socket(self, path):
        """Wait until somebody listens at a path; for a process that writes to no pipe."""
        with socket.socket(socket.AF_UNIX) as client:
            while client.connect_ex(str(path)):
                assert self.process.poll() is None, self.log
                os.sched_yield()

    @property
    def log(self):
        """What it has written so far."""
        with self._news:
            return "\n".join(self.lines)

    @property
    def ports(self):
        """Of the listeners on 127.0.0.1."""
        return [int(one[1]) for one in self.found(BANNER)]

    @property
    def port(self):
        return self.ports[0]

    def ask(self, path="/", **named):
        """The status and body of a request on a connection of its own."""
        return exchange(("127.0.0.1", self.port), path, **named)

    def body(self, path, **named):
        """The body of an answer that is good."""
        status, body = self.ask(path, **named)
        assert status == 200, self.log
        return body

    def send(self, number):
        self.process.send_signal(number)

    def end(self, number=signal.SIGTERM):
        """Send a signal, and wait for the end; the status."""
        self.send(number)
        return self.ended()

    def ended(self):
        """Wait for the end; the status."""
        status = self.process.wait(LIMIT)
        self._reader.join(LIMIT)
        return status

    def close(self):
        """End it, whatever it does."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reader.join(5)
        self.process.stderr.close()
