"""What clients do while a call fails.

Each scenario is a function that gets a `World`, does the whole of one conversation, and leaves the
client with what it got. What is right is learned by playing it without a fault.
"""

from collections.abc import Callable
from typing import Any

from tests.faults.client import Client
from tests.faults.process import Process
from tests.wsgi_server.clients import request

__all__ = ["ENDS_WITH_THE_CONNECTION", "OTHERWISE", "SCENARIOS", "VARIES", "World"]

BIG = bytes(60_000)  # more than body_buffer
CHUNK = b"3e8\r\n" + bytes(1_000) + b"\r\n"
LAST = "Connection: close"


class World:
    """What a scenario has to do with.

    Args:
        process: the server.
        ports: of its servers.
        context: of TLS.
        token: in the paths, and so in all that is right to come back.

    Attributes:
        clients: that have come.
        lapsed: whether deadlines were let go by: for others, too.
    """

    def __init__(self, process: Process, ports: dict[str, int], context: Any, token: str) -> None:
        self._process = process
        self._ports = ports
        self._context = context
        self._token = token
        self.clients: list[Client] = []
        self.lapsed = False

    def visit(self, server: str = "main", *, tls: bool = False) -> Client:
        """A client of one of the servers."""
        address: Any = ("127.0.0.1", self._ports.get(server))
        if server == "unix":
            address = str(self._process.folder / "socket")
        client = Client(self._process, address, self._context if tls else None)
        self.clients.append(client)
        return client.begin()

    def close(self) -> None:
        """Close all clients."""
        for client in self.clients:
            client.close()

    def tell(self, command: str, *args: Any) -> None:
        """Tell the server process something."""
        self.lapsed |= command == "lapse"
        self._process.ask(command, *args)

    def ask(self, name: str, *fields: str, **more: Any) -> bytes:
        """A request."""
        return request(f"/{name}/{self._token}", *fields, **more)


def keep_alive(world: World) -> None:
    world.visit().send(world.ask("plain")).bodies(1).send(world.ask("echo")).bodies(2)


def at_once(world: World) -> None:
    keep_alive(world)


def close(world: World) -> None:
    world.visit().send(world.ask("plain", LAST)).rest()


def old(world: World) -> None:
    world.visit().send(world.ask("stream", version="1.0")).rest()


def cut_off(world: World) -> None:
    world.visit().send(world.ask("breaks", version="1.0")).rest()


def not_read(world: World) -> None:
    client = world.visit().send(world.ask("large"))
    world.tell("idle")
    world.tell("lapse")
    client.rest()


def half_closed(world: World) -> None:
    world.visit().send(world.ask("plain")).half_close().rest()


def buffered(world: World) -> None:
    whole = world.ask("echo", LAST, body=bytes(5_000), method="POST")
    client = world.visit().send(whole[:-2_000])
    world.tell("idle")
    client.send(whole[-2_000:]).rest()


def streamed(world: World) -> None:
    whole = world.ask("echo", body=BIG, method="POST")
    client = world.visit().send(whole[:-30_000])
    world.tell("idle")
    client.send(whole[-30_000:]).bodies(1).send(world.ask("plain", LAST)).rest()


def chunked(world: World) -> None:
    head = world.ask("echo", "Transfer-Encoding: chunked", method="POST")
    client = world.visit().send(head + CHUNK * 3)
    world.tell("idle")
    client.send(CHUNK + b"0\r\n\r\n").bodies(1).send(world.ask("plain", LAST)).rest()


def chunked_streamed(world: World) -> None:
    head = world.ask("echo", "Transfer-Encoding: chunked", method="POST")
    client = world.visit().send(head + CHUNK * 30)
    world.tell("idle")
    client.send(CHUNK * 10 + b"0\r\n\r\n").bodies(1).send(world.ask("plain", LAST)).rest()


def expect(world: World) -> None:
    head = world.ask("echo", LAST, "Expect: 100-continue", "Content-Length: 3", method="POST")
    world.visit().send(head).until(b"\r\n\r\n").send(b"abc").rest()


def unread(world: World) -> None:
    world.visit().send(world.ask("plain", LAST, body=BIG, method="POST")).rest()


def large(world: World) -> None:
    client = world.visit().send(world.ask("large"))
    world.tell("idle")
    client.bodies(1).send(world.ask("plain", LAST)).rest()


def stream(world: World) -> None:
    client = world.visit().send(world.ask("stream"))
    world.tell("idle")
    client.bodies(1).send(world.ask("plain", LAST)).rest()


def file(world: World) -> None:
    client = world.visit().send(world.ask("file"))
    world.tell("idle")
    client.bodies(1).send(world.ask("plain", LAST)).rest()


def pipelined(world: World) -> None:
    batch = world.ask("plain") * 3 + world.ask("echo", body=b"abc", method="POST")
    world.visit().send(batch + world.ask("plain", LAST)).rest()


def gone(world: World) -> None:
    client = world.visit().send(world.ask("large"))
    world.tell("idle")
    client.reset()


def hijack(world: World) -> None:
    world.visit().send(world.ask("hijack")).until(b"\r\n\r\n").send(b"hello\n").rest()


def upgrade(world: World) -> None:
    fields = ("Upgrade: websocket", "Connection: Upgrade")
    world.visit().send(world.ask("upgrade", *fields)).until(b"\r\n\r\n").send(b"hello\n").rest()


def malformed(world: World) -> None:
    world.visit().send(b"GET  / HTTP/1.1\r\n\r\n" + bytes(5_000)).rest()


def head_too_late(world: World) -> None:
    client = world.visit().send(world.ask("plain")[:-2])
    world.tell("idle")
    world.tell("lapse")
    client.rest()


def body_too_late(world: World) -> None:
    client = world.visit().send(world.ask("echo", body=bytes(1_000), method="POST")[:-500])
    world.tell("idle")
    world.tell("lapse")
    client.rest()


def idle_for_long(world: World) -> None:
    client = world.visit().send(world.ask("plain")).bodies(1)
    world.tell("lapse")
    client.rest()


def no_worker(world: World) -> None:
    first = world.visit("full").send(world.ask("hold", LAST))
    world.tell("idle")
    world.visit("full").send(world.ask("plain") + world.ask("plain", LAST)).rest()
    world.visit("full").send(world.ask("plain", LAST)).rest()
    world.tell("gate", True)
    first.rest()


def a_worker(world: World) -> None:
    world.visit("full").send(world.ask("plain", LAST)).rest()
    world.visit("full").send(world.ask("plain") + world.ask("plain", LAST)).rest()
    world.visit("full").send(world.ask("plain", LAST)).rest()


def in_queue(world: World) -> None:
    first = world.visit("queue").send(world.ask("hold", LAST))
    world.tell("idle")
    second = world.visit("queue").send(world.ask("plain", LAST))
    leaver = world.visit("queue").send(world.ask("plain"))
    world.tell("idle")
    leaver.reset()
    world.tell("idle")
    world.tell("gate", True)
    first.rest()
    second.rest()


def proxied(world: World) -> None:
    client = world.visit("proxied").send(b"PROXY TCP4 192.0.2.1 192.0.2.2 ")
    world.tell("idle")
    client.send(b"1 2\r\n" + world.ask("plain", LAST)).rest()


def unix(world: World) -> None:
    world.visit("unix").send(world.ask("plain")).bodies(1).send(world.ask("plain", LAST)).rest()


def paused(world: World) -> None:
    world.tell("pause")
    world.visit().send(world.ask("plain", LAST)).rest()


def drain(world: World) -> None:
    idle = world.visit("drain").send(world.ask("plain")).bodies(1)
    held = world.visit("drain").send(world.ask("hold"))
    world.tell("settle")
    world.tell("drain")
    world.tell("gate", True)
    held.rest()
    idle.rest()


def tls(world: World) -> None:
    client = world.visit("tls", tls=True).send(world.ask("plain")).bodies(1)
    client.send(world.ask("echo", LAST, body=b"abc", method="POST")).rest()


def tls_streams(world: World) -> None:
    client = world.visit("tls", tls=True).send(world.ask("echo", body=BIG, method="POST")).bodies(1)
    client.send(world.ask("large", LAST)).rest()


def tls_hijacked(world: World) -> None:
    client = world.visit("tls", tls=True).send(world.ask("hijack")).until(b"\r\n\r\n")
    client.send(b"hello\n").rest()


def tls_cut_off(world: World) -> None:
    client = world.visit("tls").send(bytes.fromhex("16030100c8010000c40303"))
    world.tell("idle")
    client.half_close().rest()


def not_tls(world: World) -> None:
    world.visit("tls").send(world.ask("plain")).rest()


#: Whose body has no other end.
ENDS_WITH_THE_CONNECTION = ("old", "cut_off")

#: What may come of a scenario too, if the client that was to be in the way is not.
OTHERWISE = {"no_worker": "a_worker", "not_read": "large"}
#: Whose client gets less or more, as it happens.
VARIES = ("not_read",)

SCENARIOS: dict[str, Callable[[World], None]] = {
    one.__name__: one
    for one in (
        *(
            keep_alive,
            at_once,
            close,
            old,
            cut_off,
            not_read,
            half_closed,
            buffered,
            streamed,
            chunked,
        ),
        *(chunked_streamed, expect, unread, large, stream, file, pipelined, gone, hijack, upgrade),
        *(
            malformed,
            head_too_late,
            body_too_late,
            idle_for_long,
            no_worker,
            a_worker,
            in_queue,
            proxied,
        ),
        *(unix, paused, drain, tls, tls_streams, tls_hijacked, tls_cut_off, not_tls),
    )
}
