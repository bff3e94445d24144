"""Programs beside gpool, and gpool itself, in processes of their own.

nginx and HAProxy get their listeners from the test, so that a port is nobody else's, and whoever
connects early waits in the kernel's queue. What a program writes is read as it comes.
"""

import os
import re
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import gevent
from gevent.event import Event
from gevent.fileobject import FileObjectPosix
from gevent.socket import socket

from tests.gunicorn.serving import NO_CONTROL
from tests.parts import needed

__all__ = ["NO_CONTROL", "Gpool", "Program", "haproxy", "listening", "nginx"]

ROOT = Path(__file__).parents[2]
WAIT = 25  # seconds for a line, or an end, that is sure to come


class Program:
    """A process, and the lines of its standard error.

    Args:
        command: its words.
        env: more variables.
        stop: the signal that ends it.
        more: of `subprocess.Popen`.

    Attributes:
        process: itself.
        lines: what it has written.
    """

    def __init__(self, *command, env=None, stop=signal.SIGTERM, **more):
        self.lines = []
        self._stop = stop
        self._told = Event()
        self.process = subprocess.Popen(
            [str(word) for word in command],
            env=os.environ | (env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            **({"cwd": ROOT} | more),
        )
        self._reader = gevent.spawn(self._read)

    def _read(self):
        with FileObjectPosix(self.process.stderr, "rb") as stderr:
            for line in stderr:
                self.lines.append(line.decode().rstrip("\n"))
                self._told.set()
        self.process.wait()
        self._told.set()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.stop()

    @property
    def log(self):
        """What it has written so far."""
        return "\n".join(self.lines)

    def wait(self, pattern, count=1, since=0):
        """Wait until `pattern` has been found `count` times after `since` lines; the matches."""
        with gevent.Timeout(WAIT, AssertionError(f"no {pattern!r}, {count} times")):
            while True:
                text = "\n".join(self.lines[since:])
                found = list(re.finditer(pattern, text, re.MULTILINE))
                if len(found) >= count:
                    return found
                assert self.process.returncode is None, self.log
                self._told.clear()
                self._told.wait()

    def tell(self, number):
        """Send it a signal."""
        self.process.send_signal(number)

    def ended(self):
        """Wait until it has ended of itself; its status."""
        with gevent.Timeout(WAIT, AssertionError("it does not end")):
            self._reader.join()
        return self.process.returncode

    def stop(self):
        """End it, and wait for that; its status. What it has written is shown with a failure."""
        if self.process.poll() is None:
            self.tell(self._stop)
        try:
            return self.ended()
        finally:
            print(self.log)
            if self.process.poll() is None:
                self.process.kill()


class Gpool(Program):
    """The command, serving.

    Args:
        app: the application.
        args: of the command line.
        bind: addresses.
        env: more variables.

    Attributes:
        port: of the first listener, if it has one.
    """

    def __init__(self, app, *args, bind=("127.0.0.1:0",), env=None):
        command = [Path(sys.executable).with_name("gpool"), *args]
        for address in bind:
            command += ["--bind", address]
        super().__init__(*command, app, env=env)
        with ExitStack() as stack:
            stack.callback(self.stop)
            self.wait(r"\d workers, connections: ")
            stack.pop_all()
        found = re.search(r" on https?://127\.0\.0\.1:(\d+)", self.log)
        self.port = int(found[1]) if found else None

    @property
    def address(self):
        """What a proxy's configuration calls it."""
        return f"127.0.0.1:{self.port}"

    def drain(self):
        """Let it end as a deployment does, which must be in order."""
        self.tell(signal.SIGTERM)
        assert self.ended() == 0, self.log


def listening():
    """A socket that listens on a free port, for a program to inherit."""
    sock = socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen(256)
    return sock


NGINX = """\
user nobody nogroup;
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr info;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_max_body_size 0;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{http}
}}
"""


def nginx(folder, http):
    """nginx, and the port of its listener.

    Args:
        folder: where its files are; its workers, which are nobody's, must be able to go there.
        http: the inside of the http block, with `LISTEN` for the listener.
    """
    program = needed("nginx")
    path = folder / "nginx.conf"
    with listening() as sock:
        port = sock.getsockname()[1]
        http = http.replace("LISTEN", f"127.0.0.1:{port}")
        path.write_text(NGINX.format(folder=folder, http=http))
        number = sock.fileno()
        command = [program, "-e", "stderr", "-p", folder, "-c", path]
        running = Program(*command, env={"NGINX": f"{number};"}, pass_fds=[number])
    return running, port


HAPROXY = """\
global
    log stderr format raw local0 notice
    hard-stop-after 1s
    nbthread 2
defaults
    log global
    mode http
    timeout connect 5s
    timeout client 20s
    timeout server 20s
{rest}
"""


def haproxy(folder, rest):
    """HAProxy, and the port of its listener.

    Args:
        folder: where its files are.
        rest: the configuration behind the defaults, with `LISTEN` for the listener.
    """
    program = needed("haproxy")
    path = folder / "haproxy.cfg"
    with listening() as sock:
        number, port = sock.fileno(), sock.getsockname()[1]
        path.write_text(HAPROXY.format(rest=rest.replace("LISTEN", f"fd@{number}")))
        running = Program(program, "-db", "-f", path, pass_fds=[number])
    return running, port
