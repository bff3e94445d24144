"""The servers that calls fail in: one process, told by its driver over a socket what to do.

python -m tests.faults.serving DESCRIPTOR FOLDER: a socketpair's end that was inherited, and where
the certificate, a file and a unix socket are. Each line that comes is a command and each line that
goes its answer, in JSON. The socket was not accepted, so its own calls are not counted.

The servers' deadlines are on a clock that stands still, and that a command lets go on.
"""

import gc
import json
import logging
import os
import signal
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import gevent
from gevent import socket
from gevent.event import Event
from gevent.ssl import PROTOCOL_TLS_SERVER, SSLContext

from gpool import WSGIServer
from gpool.wsgi.parking import TICK
from tests.support import Clock, in_hub, settle

END = b"<end>"
BLOCK = b"0123456789abcdef" * 4_096  # 64 KiB
SMALL_BUFFER = 16_384  # bytes that the kernel keeps for a client, about
TIMES: dict[str, Any] = {
    "header_timeout": 2,
    "keepalive_timeout": 3,
    "body_timeout": 2,
    "write_timeout": 2,
    "queue_timeout": 2,
}
TOO_LONG = 4.0  # seconds, more than any of these
MOVES = 50  # turns of the loop without a change, after which nothing more comes of itself


class Lines(logging.Handler):
    """What is logged, until it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the message, and what was raised."""
        error = f" | {record.exc_info[1]!r}" if record.exc_info else ""
        self.lines.append(f"{record.levelname} {record.getMessage()}{error}")

    def taken(self) -> list[str]:
        """The lines since the last call."""
        lines, self.lines = self.lines, []
        return lines


class Site:
    """The application. Each body has the token of its path, and ends with `END`."""

    def __init__(self, folder: Path) -> None:
        self.gate = Event()
        self._file = folder / "file"

    def __call__(self, environ: Any, start_response: Any) -> Any:
        """PEP 3333's."""
        name, token = environ["PATH_INFO"].strip("/").split("/")
        return getattr(self, f"do_{name}")(environ, start_response, token)

    def do_echo(self, environ: Any, start_response: Any, token: str) -> Any:
        body = environ["wsgi.input"].read()
        start_response("200 OK", [])
        return [token.encode(), body, END]

    def do_plain(self, environ: Any, start_response: Any, token: str) -> Any:
        start_response("200 OK", [])
        return [token.encode(), END]

    def do_large(self, environ: Any, start_response: Any, token: str) -> Any:
        start_response("200 OK", [])
        return [BLOCK, token.encode(), BLOCK, BLOCK, END]

    def do_stream(self, environ: Any, start_response: Any, token: str) -> Any:
        start_response("200 OK", [])
        yield BLOCK
        yield token.encode()
        yield BLOCK
        yield END

    def do_breaks(self, environ: Any, start_response: Any, token: str) -> Any:
        start_response("200 OK", [])
        yield token.encode()
        raise RuntimeError("it breaks")

    def do_file(self, environ: Any, start_response: Any, token: str) -> Any:
        start_response("200 OK", [])
        self._file.write_bytes(BLOCK * 3 + token.encode() + END)
        return environ["wsgi.file_wrapper"](self._file.open("rb"))

    def do_hold(self, environ: Any, start_response: Any, token: str) -> Any:
        self.gate.wait()
        return self.do_plain(environ, start_response, token)

    def do_hijack(self, environ: Any, start_response: Any, token: str) -> Any:
        sock, rest = environ["gpool.hijack"]()
        self._converse(sock, rest, token)
        return []

    def do_upgrade(self, environ: Any, start_response: Any, token: str) -> Any:
        self._converse(environ["werkzeug.socket"], b"", token)
        return []

    def _converse(self, sock: Any, line: bytes, token: str) -> None:
        # A greeting, a line from the client, and the line back; as any such code it expects errors.
        try:
            sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + token.encode())
            while not line.endswith(b"\n"):
                data = sock.recv(100)
                if not data:
                    return
                line += data
            sock.sendall(line + END)
        except OSError:
            pass
        finally:
            with suppress(OSError):
                sock.close()


def descriptors() -> list[str]:
    """All that are open, but that of the listing itself."""
    names = [one.name for one in Path("/proc/self/fd").iterdir()]
    return sorted(names, key=int)[:-1]


def listener(address: Any) -> Any:
    """A socket that listens, and whose connections take little at a time."""
    sock = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER)
    sock.bind(address)
    sock.listen(64)
    return sock


class Servers:
    """All of them, and the commands."""

    def __init__(self, control: Any, folder: Path) -> None:
        self._control = control
        self._lines = Lines()
        logging.getLogger("gpool").addHandler(self._lines)
        logging.getLogger("gpool").propagate = False
        self._hub_errors: list[str] = []
        self._site = site = Site(folder)
        self._draining: Any = None
        tls = SSLContext(PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(folder / "server.pem")
        ip = ("127.0.0.1", 0)
        self.servers: dict[str, Any] = {
            "main": WSGIServer(
                listener(ip), site, **TIMES, body_buffer=20_000, write_buffer=70_000
            ),
            "tls": WSGIServer(listener(ip), site, **TIMES, body_buffer=20_000, ssl_context=tls),
            "full": WSGIServer(listener(ip), site, **TIMES, max_workers=1, overflow_pause=0.01),
            "queue": WSGIServer(listener(ip), site, **TIMES, max_workers=1, overflow="wait"),
            "proxied": WSGIServer(listener(ip), site, **TIMES, proxy_protocol=True),
            "unix": WSGIServer(listener(str(folder / "socket")), site, **TIMES),
            "drain": WSGIServer(ip, site, **TIMES, keepalive_min_timeout=0),
        }
        for server in self.servers.values():
            server._lingering._timeout = 0.05
            server.clock = Clock()
            server.site.deadlines._clock = server.clock
            server.site.deadlines.__init__(TIMES["keepalive_timeout"], clock=server.clock)
            server.start()
        hub: Any = gevent.get_hub()
        hub.handle_error = self._hub_error

    def _hub_error(self, context: Any, *exc_info: Any) -> None:
        self._hub_errors.append(f"HUB {exc_info[1]!r}")
        if exc_info[0] is SystemError:  # gevent's own way: the main greenlet is to see it
            type(gevent.get_hub()).handle_error(gevent.get_hub(), context, *exc_info)

    # ------------------------------------------------------------------ commands

    def do_begin(self, early: int) -> Any:
        """Make the next scenario run as the last one did."""
        for server in self.servers.values():
            server._early = early
            server.accepted = 0
        return {name: one.server_port for name, one in self.servers.items() if name != "unix"}

    def do_idle(self) -> None:
        """Let all happen that happens without the client."""
        settle()
        while any(server._pause_timer for server in self.servers.values()):
            gevent.sleep(0.001)  # a back-off is over when its timer says so
            settle()

    def do_settle(self) -> None:
        """Let all happen that happens at once: who is not accepted by then is not waited for."""
        settle()

    def do_lapse(self) -> None:
        """Let all deadlines be over, a tick at a time, and all happen that happens in between."""
        for _ in range(int(TOO_LONG / TICK) + 3):
            for server in self.servers.values():
                server.clock.advance(TICK)
                in_hub(server.site.tick)
            settle()

    def do_gate(self, state: bool) -> None:
        """Let those that are held go on, or hold them from now on."""
        if state:
            self._site.gate.set()
        else:
            self._site.gate.clear()

    def do_pause(self) -> None:
        """Stop accepting for a moment, as for want of descriptors."""
        self.servers["main"].pause_accepting(0.001)

    def do_drain(self) -> None:
        """Begin a drain."""
        self._draining = gevent.spawn(self.servers["drain"].stop, 0.3)
        settle()

    def do_drained(self) -> None:
        """Wait for its end, and start again."""
        if self._draining is not None:
            self._draining.get()
            self._draining = None
            server = self.servers["drain"]
            server.start()
            server.site.deadlines.__init__(TIMES["keepalive_timeout"], clock=server.clock)

    def do_quiet(self, still: int) -> Any:
        """Wait until nobody but `still` connections is here; what there is then, and had to be."""
        lapsed = False
        turns = 0
        while turns < MOVES * 40 and not self._is_quiet(still):
            turns += 1
            if any(server.overflow._timer for server in self.servers.values()):
                gevent.sleep(0.001)  # so is the pause after a refusal
            elif turns % MOVES == 0:
                lapsed = True
                self.do_lapse()
                gevent.sleep(0.005)  # the time of what lingers is the real one
            self.do_idle()
        settle()
        return {
            "lapsed": lapsed,
            "log": self._lines.taken(),
            "hub": self._taken_errors(),
            "descriptors": descriptors(),
            "servers": {name: state(server) for name, server in self.servers.items()},
        }

    def _is_quiet(self, still: int) -> bool:
        return still == sum(
            server._limits.open + len(server._lingering) + len(server._lobby)
            for server in self.servers.values()
        ) and not any(
            server.pool.stats().busy or server._pause_timer or server.overflow._timer
            for server in self.servers.values()
        )

    def _taken_errors(self) -> list[str]:
        errors, self._hub_errors = self._hub_errors, []
        return errors

    def do_census(self) -> Any:
        """How many objects there are of each class of gpool's, and bytes of memory."""
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        names = Counter(
            type(one).__qualname__
            for one in gc.get_objects()
            if str(type(one).__module__).startswith("gpool")
        )
        return {"objects": names, "memory": pages * os.sysconf("SC_PAGE_SIZE")}

    # ------------------------------------------------------------------ the driver's socket

    def serve(self) -> None:
        """Until the driver closes."""
        with self._control.makefile("rw") as lines:
            for line in lines:
                name, *args = json.loads(line)
                answer = getattr(self, f"do_{name}")(*args)
                lines.write(json.dumps(answer) + "\n")
                lines.flush()


def state(server: Any) -> dict[str, Any]:
    """What is to be as it was, when all is quiet."""
    pool, stats = server.pool.stats(), server.stats()
    return {
        "open": stats.open,
        "hijacked": stats.hijacked,
        "lingering": stats.lingering,
        "deadlines": len(server.site.deadlines),
        "lobby": len(server._lobby),
        "expected": server._limits.expected,
        "queue": len(server._queue),
        "connections": len(server._connections),
        "busy": pool.busy,
        "lost": pool.running - pool.ready,
        "started": server.started,
        "paused": server._pause_timer is not None,
    }


def main(descriptor: str, folder: str) -> None:
    """Serve until the driver closes its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is the driver's
    control = socket.socket(fileno=int(descriptor))
    Servers(control, Path(folder)).serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
