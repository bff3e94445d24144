"""Addresses for the processes, with a cable to each that can be pulled.

`Namespaces` gives each process a network namespace of its own, with a pair of virtual interfaces to
a bridge in the namespace of the balancer. To pull the cable is to disable the port of the bridge:
packets of either side vanish there, and no interface of theirs is down. (Were one down, the kernel
would know that nothing leaves, and give up later than it does in earnest.) That needs root and
iproute2. Clients stay outside: a socket that listens is made in the machine's own namespace and
inherited by the balancer.

`Loopback` has 127.0.X.11 and so on instead, where X differs between those that run at the same
time, most likely, and no cable.

All of it is gone at the end; nothing outside of the namespaces is changed.
"""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gevent import socket

__all__ = ["Loopback", "Namespaces", "Place", "place", "why_not"]

CLONE_NEWNET = 0x40000000  # sched.h
FRONT = 0  # the balancer's; the processes' are 1, 2, ...
BRIDGE = "bridge"
DISABLED, FORWARDING = 0, 3  # states of its ports, linux/if_bridge.h
RUN = Path("/run/netns")  # where ip(8) keeps them


class Loopback:
    """An address of loopback for each.

    Args:
        count: of the processes.

    Attributes:
        numbers: of the processes.
    """

    kind = "loopback addresses"
    can_cut = False
    arguments: tuple[str, ...] = ()  # that gpool needs here

    def __init__(self, count: int) -> None:
        self.numbers = range(1, count + 1)
        self._third = os.getpid() % 254 + 1

    def address(self, number: int) -> str:
        """Of a process."""
        return f"127.0.{self._third}.{10 + number}"

    def within(self, number: int) -> list[str]:
        """What a command has to begin with, to run there."""
        del number
        return []

    def socket(self) -> socket.socket:
        """A socket from which the processes can be reached."""
        return socket.socket()

    def cut(self, number: int) -> None:
        """Pull the cable.

        Raises:
            NotImplementedError: there is none.
        """
        raise NotImplementedError(f"{self.kind} have no cable for {number}")

    def heal(self, number: int) -> None:
        """Plug it in again."""
        self.cut(number)


class Namespaces(Loopback):
    """A network namespace for each.

    Args:
        count: of the processes.
        prefix: of the names.
    """

    kind = "network namespaces"
    can_cut = True
    arguments = ("--admin-public",)

    def __init__(self, count: int, prefix: str) -> None:
        super().__init__(count)
        self._prefix = prefix
        self._stack = ExitStack()
        with ExitStack() as stack:
            for number in (FRONT, *self.numbers):
                ip("netns", "add", self.name(number))
                stack.callback(ip, "netns", "del", self.name(number))
            self._front("link", "add", BRIDGE, "type", "bridge")
            self._front("address", "add", "10.77.0.1/24", "dev", BRIDGE)
            self._front("link", "set", BRIDGE, "up")
            for number in self.numbers:
                self._join(number)
            self._stack = stack.pop_all()

    def _front(self, *words: str) -> None:
        """Call ip(8) for the namespace of the balancer."""
        ip("-n", self.name(FRONT), *words)

    def _join(self, number: int) -> None:
        """Lay the cable of a process."""
        there = self.name(number)
        port = ["link", "add", f"port{number}", "type", "veth"]
        self._front(*port, "peer", "name", "eth0", "netns", there)
        self._front("link", "set", f"port{number}", "master", BRIDGE, "up")
        ip("-n", there, "address", "add", f"{self.address(number)}/24", "dev", "eth0")
        ip("-n", there, "link", "set", "eth0", "up")

    def _port(self, number: int, state: int) -> None:
        """Set the state of a port of the bridge."""
        namespace = ["-n", self.name(FRONT)]
        call("bridge", *namespace, "link", "set", "dev", f"port{number}", "state", str(state))

    def name(self, number: int) -> str:
        """Of a namespace."""
        return f"{self._prefix}-{number}"

    def close(self) -> None:
        """Remove all of them."""
        self._stack.close()

    def address(self, number: int) -> str:
        """Of a process."""
        return f"10.77.0.{10 + number}"

    def within(self, number: int) -> list[str]:
        """What a command has to begin with, to run there."""
        return ["ip", "netns", "exec", self.name(number)]

    def socket(self) -> socket.socket:
        """A socket of the balancer's namespace; it stays in that."""
        with inside(RUN / self.name(FRONT)):
            return socket.socket()

    def cut(self, number: int) -> None:
        """Pull the cable."""
        self._port(number, DISABLED)

    def heal(self, number: int) -> None:
        """Plug it in again."""
        self._port(number, FORWARDING)


Place = Loopback | Namespaces


def call(*words: str) -> None:
    """Call one of iproute2's programs.

    Raises:
        OSError: it fails, or is not there; the text is what it says.
    """
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    done = subprocess.run(
        words, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise OSError(f"{' '.join(words)}: {done.stderr.strip()}")


def ip(*words: str) -> None:
    """Call the program of that name."""
    call("ip", *words)


def setns(number: int) -> None:
    """Move this thread to a network namespace; os.setns is there since Python 3.12."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(number, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


@contextmanager
def inside(path: Path) -> Iterator[None]:
    """In another network namespace. No switch of greenlets may happen in there."""
    with open("/proc/thread-self/ns/net", "rb") as here, path.open("rb") as there:  # noqa: PTH123  # no switch
        setns(there.fileno())
        try:
            yield
        finally:
            setns(here.fileno())


def why_not() -> str:
    """Why there can be no namespaces here; nothing if there can."""
    try:
        Namespaces(1, f"try-{os.getpid()}").close()
    except OSError as why:
        return str(why)
    return ""


@contextmanager
def place(count: int) -> Iterator[Place]:
    """The best that can be had here."""
    if why_not():
        yield Loopback(count)
        return
    made = Namespaces(count, f"gpool-{os.getpid()}")
    try:
        yield made
    finally:
        made.close()
