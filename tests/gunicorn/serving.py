"""gunicorn with our worker class, in processes of its own, as the tests see it."""

import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

from gunicorn.config import make_settings

ROOT = Path(__file__).parents[2]
APPS = "tests.gunicorn.apps"
BOOTED = r"Booting worker with pid: (\d+)"
LIMIT = 25  # seconds without a line; the limit of a test cannot end a wait for a thread
READY = r"ready: (\d+)"  # from the configuration's post_worker_init

WITHOUT_OURS = {name: one for name, one in os.environ.items() if not name.startswith("GPOOL_")}
SETTINGS = make_settings()  # those of this gunicorn
#: Later ones have it, and it would be one socket for all that run.
NO_CONTROL = ["--no-control-socket"] if "control_socket_disable" in SETTINGS else []


def get(connection, path="/", **headers):
    """The status, body and headers of a request."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("GET", path, headers=fields)
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), answer.headers


class Asking:
    """A client that asks again and again, on a connection that it keeps if it may."""

    def __init__(self, port):
        self.answers = []
        self.failed = []
        self._port = port
        self._enough = threading.Event()
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def _ask(self):
        with closing(HTTPConnection("127.0.0.1", self._port, timeout=20)) as connection:
            while not self._enough.is_set():
                try:
                    status, body, _ = get(connection)
                except OSError as error:
                    status, body = repr(error), ""
                with self._news:
                    (self.answers if status == 200 else self.failed).append(body or status)
                    self._news.notify_all()
                if self.failed:
                    return

    def wait(self, count):
        """Wait for so many more answers."""
        with self._news:
            wanted = len(self.answers) + count
            assert self._news.wait_for(lambda: self.failed or len(self.answers) >= wanted, LIMIT)

    def __enter__(self):
        self.wait(10)
        return self

    def __exit__(self, *exc_info):
        self._enough.set()
        self._thread.join(LIMIT)


class Gunicorn:
    """An arbiter and its workers.

    Args:
        folder: for the configuration.
        args: of the command line.
        app: the application, in `tests.gunicorn.apps` if it is a bare name.
        worker: the worker class.
        config: the text of the configuration file.
        environ: more variables.
        workers: how many there are to be.
        bind: addresses.

    Attributes:
        process: the arbiter.
        port: of the first listener, if it is one of 127.0.0.1.
        lines: what they have written.
    """

    def __init__(
        self,
        folder,
        *args,
        app="hello",
        worker="gpool.gunicorn.Worker",
        config="",
        environ=None,
        workers=1,
        bind=("127.0.0.1:0",),
    ):
        path = folder / "gunicorn.conf.py"
        path.write_text(f"from tests.gunicorn.hooks import *\n{config}\n")
        self.lines = []
        self._news = threading.Condition()
        command = [sys.executable, "-m", "gunicorn", "-k", worker, "-c", str(path)]
        command += [*NO_CONTROL, "-w", str(workers), *args]
        for address in bind:
            command += ["-b", address]
        self.process = subprocess.Popen(
            [*command, app if ":" in app else f"{APPS}:{app}"],
            cwd=ROOT,
            env=WITHOUT_OURS | {"PYTHONUNBUFFERED": "1"} | (environ or {}),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.port = None
        try:
            if "127.0.0.1:0" in bind:
                self.port = int(self.wait(r"Listening at: .*http.*://127.0.0.1:(\d+)")[1])
            self.wait(READY, workers)
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.stop()

    def _read(self):
        for line in self.process.stderr:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self.lines.append("THE END")
            self._news.notify_all()

    @property
    def log(self):
        """What it has written so far."""
        with self._news:
            return "\n".join(self.lines)

    def found(self, pattern, since=0):
        """The lines in which `pattern` is, as matches."""
        with self._news:
            return [one for line in self.lines[since:] if (one := re.search(pattern, line))]

    def wait(self, pattern, count=1, since=0):
        """Wait for the `count`-th line, after `since` lines, in which `pattern` is; its match."""
        with self._news:
            while True:
                found = [one for line in self.lines[since:] if (one := re.search(pattern, line))]
                if len(found) >= count:
                    return found[count - 1]
                assert self.lines[-1:] != ["THE END"], "\n".join(self.lines)
                assert self._news.wait(LIMIT), "\n".join(self.lines)

    def mark(self):
        """How many lines there are."""
        with self._news:
            return len(self.lines)

    @property
    def workers(self):
        """The processes of those that are ready and have not ended."""
        gone = {one[1] for one in self.found(r"Worker exiting \(pid: (\d+)\)")}
        return [int(one[1]) for one in self.found(READY) if one[1] not in gone]

    def kill(self, number, pid=None):
        """Send a signal, to the arbiter by default."""
        os.kill(pid or self.process.pid, number)

    def ask(self, path="/", **headers):
        """The status, body and headers of a request on a connection of its own."""
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            return get(connection, path, **headers)

    def stop(self, number=signal.SIGTERM):
        """End it, and return its status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(20)
        finally:
            self.process.kill()
            self._reader.join()
            self.process.stderr.close()
