"""A client that lets this Hub go on, and what a server in another process has seen."""

import json
import socket as kernel

from gevent import socket

from tests.blackbox.client import Client as Blocking
from tests.blackbox.client import request
from tests.support import settle, turn

__all__ = ["Client", "ask", "forget", "seen_by"]


class Client(Blocking):
    """The blackbox tests' client, on a socket of gevent.

    Args:
        address: where the server is.
    """

    def __init__(self, address):
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(kernel.IPPROTO_TCP, kernel.TCP_NODELAY, 1)
        self._buffer = b""

    def send_pieces(self, pieces):
        """Send one after the other to a server in this Hub, each when the one before is read."""
        settle()
        for piece in pieces:
            self.send(piece)
            turn()


def ask(address, target):
    """The answer to a request on a connection of its own."""
    with Client(address) as client:
        return client.send(request(target, "Connection: close")).response()


def forget(address):
    """Let the application forget what it saw."""
    assert ask(address, "/forget").status == 200


def seen_by(address):
    """What the application saw, and from which ports it came."""
    told = json.loads(ask(address, "/seen").body)
    return told["seen"], told["peers"]
