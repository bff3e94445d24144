"""A chat server that takes its connections over: a worker only says hello.

The handler reads a name, adds the socket to the room and returns `HIJACKED`: the worker is free
for the next connection at once, and the socket is the room's from then on. So ten thousand people
can be in the room of a server with ten workers.

python examples/hijack.py [HOST] [PORT], then, twice: nc 127.0.0.1 9001
"""

import signal
import sys
from contextlib import suppress
from typing import Any

import gevent

from gpool import HIJACKED, StreamServer

members: dict[str, Any] = {}


def enter(socket: Any, _address: Any) -> object:
    """Worker side. Read a name, and hand the socket over to the room."""
    lines = socket.makefile("rb")
    name = lines.readline().decode().strip()
    if not name or name in members:
        socket.sendall(b"that name is taken\n")
        return None
    members[name] = socket
    gevent.spawn(relay, name, socket, lines)
    return HIJACKED


def relay(name: str, socket: Any, lines: Any) -> None:
    """In a greenlet of its own. Send what `name` writes to all others, until it leaves."""
    try:
        with socket, lines:
            say(f"* {name} is here, with {len(members) - 1} others")
            for line in lines:
                say(f"{name}: {line.decode(errors='replace').rstrip()}")
    except OSError:
        pass  # left without a goodbye
    finally:
        del members[name]
        say(f"* {name} has left")


def say(text: str) -> None:
    """Send `text` to everybody."""
    for socket in tuple(members.values()):
        with suppress(OSError):  # its own relay will notice
            socket.sendall(f"{text}\n".encode())


def main(host: str = "127.0.0.1", port: str = "9001") -> None:
    """Serve until interrupted."""
    server = StreamServer((host, int(port)), enter, max_workers=10)
    gevent.signal_handler(signal.SIGINT, server.stop, 0)
    server.start()
    print(f"chatting on {host}:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
