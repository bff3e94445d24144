"""Helpers of the tests; none of them waits for time to pass."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TypeVar

import gevent
from gevent import socket
from gevent.event import Event
from gevent.hub import Waiter, get_hub
from gevent.queue import Queue

from gpool import Connection, ConnState

Result = TypeVar("Result")


class Clock:
    """Monotonic seconds that stand still until they are told to go on."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def in_hub(func: Callable[..., Result], *args: Any) -> Result:
    """Call `func` in the Hub, as a watcher's callback, and return what it returns."""
    waiter: Waiter[tuple[Result | None, BaseException | None]] = Waiter()

    def call() -> None:
        result: tuple[Result | None, BaseException | None]
        try:
            result = func(*args), None
        except BaseException as error:
            result = None, error
        waiter.switch(result)

    get_hub().loop.run_callback(call)
    value, error = waiter.get()
    if error is not None:
        raise error
    return value  # type: ignore[return-value]


def settle() -> None:
    """Let the loop run until it has nothing to do but to wait."""
    for _ in range(3):
        turn()


def turn() -> None:
    """Let the loop do what is ready, those who come after all others (slow clients) included."""
    loop: Any = get_hub().loop  # the stubs know no priorities
    gevent.idle(loop.MINPRI)


class Log(logging.Handler):
    """Records as they come, for a test to wait on."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.lines: Queue[str] = Queue()
        self._logger = logging.getLogger(name)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.put(record.getMessage())

    def __enter__(self) -> Self:
        self._logger.addHandler(self)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._logger.removeHandler(self)


def connect(address: Any, source: str = "") -> socket.socket:
    """A client connected to `address`, from `source` if given."""
    return socket.create_connection(address, source_address=(source, 0) if source else None)


def ask(address: Any, data: bytes = b"x", source: str = "") -> bytes:
    """Send `data` on a connection of its own, and return all that comes back."""
    with connect(address, source) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        return read_all(client)


def read_all(client: Any) -> bytes:
    """What comes until the peer closes; raises if that is a reset."""
    received = bytearray()  # += copies bytes each time, which takes seconds for some MiB
    while data := client.recv(65_536):
        received += data
    return bytes(received)


def descriptors() -> int:
    """How many this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


class States(list[str]):
    """An on_state that records, for a test to wait on.

    Whoever waits goes on in a later turn of the loop than the one in which the state was told,
    so the server has done by then what goes with it.
    """

    def __init__(self, also: Callable[[Connection, ConnState], object] | None = None) -> None:
        super().__init__()
        self._also = also
        self._told = Event()

    def __call__(self, conn: Connection, state: ConnState) -> None:
        self.append(state.name)
        self._told.set()
        if self._also is not None:
            self._also(conn, state)

    def reach(self, name: str, count: int = 1) -> None:
        """Wait until `count` connections have been in the state `name`."""
        while self.count(name) < count:
            self._told.clear()
            self._told.wait()
