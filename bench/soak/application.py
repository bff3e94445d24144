"""The application of the soak: it answers, fails and misbehaves as its requests ask, and records.

Each request is entered into the ledger when it comes, and when it ends, with how. An exception
that nobody was to throw into it, a context that is not fresh and a body that is not the one that
was sent are recorded as such: whoever is hit by another's kill, Timeout or switch tells.

What is wrong on purpose: handlers that raise, before an answer and within one; that are killed,
within their time and after it, by a timer and by a seeded random one; that leave a Timeout
running; that give their greenlet's switch away, which is called later; that take longer than
`request_timeout`.
"""

# ruff: noqa: ARG002  # all handlers are called alike

import random
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import gevent
from gevent.hub import get_hub
from greenlet import GreenletExit, getcurrent, greenlet

from bench.soak.ledger import Ending, Ledger
from bench.soak.protocol import PLACES, count_text, pieces, stored, text, where
from gpool.errors import BodyTimeout, ClientDisconnected, RequestTimeout, WriteTimeout

__all__ = ["Boom", "SoakApplication"]

SHORT = 0.004  # seconds until what is done later is done
LONG = 0.025  # seconds that a client has to leave in
ENDLESS = 60.0  # seconds that nobody lets pass
TYPE = ("Content-Type", "text/plain")
SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: soak\r\n"
    b"X-Request: %08x\r\n\r\n"
)
BYE = b"bye %08x"
CHUNK = 65_536

CONTEXT: ContextVar[int | None] = ContextVar("soak", default=None)


class Boom(Exception):
    """What a handler raises that is to raise."""


class WrongBody(Exception):
    """A request's body is not the one that was sent."""


class LeakedTimeout(Exception):
    """What a Timeout throws that nobody has cancelled; nobody may ever see it."""


GONE = (ClientDisconnected, BodyTimeout, WriteTimeout, ConnectionError)
ENDINGS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], Ending], ...] = (
    (Boom, Ending.RAISED),
    (RequestTimeout, Ending.OVERRAN),
    (GONE, Ending.DISCONNECTED),
    (WrongBody, Ending.WRONG),
)


class Blocks:
    """The blocks of an answer one by one, and the record of how they ended."""

    def __init__(
        self, blocks: Iterator[bytes], done: Callable[[BaseException | None], None]
    ) -> None:
        self.blocks = blocks
        self.done: Callable[[BaseException | None], None] | None = done

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self.blocks)
        except StopIteration:
            self.end(None)
            raise
        except BaseException as error:
            self.end(error)
            raise

    def end(self, error: BaseException | None) -> None:
        """It is over."""
        done, self.done = self.done, None
        if done is not None:
            done(error)

    def close(self) -> None:
        """PEP 3333; what ended the request is on its way while the server calls this."""
        self.end(sys.exc_info()[1] or GeneratorExit())


class SoakApplication:
    """PEP 3333's callable.

    Args:
        ledger: where requests are entered.
        file: what answers from a file are sent from; written here.
        seed: of the random kills.
    """

    def __init__(self, ledger: Ledger, file: Path, seed: int) -> None:
        self.ledger = ledger
        self.file = file
        self.file.write_bytes(stored())
        self.counts = [0] * PLACES
        self.random = random.Random(seed)  # noqa: S311  # a game of chance
        self.waiting: dict[int, greenlet] = {}  # who may be killed
        self.doomed: set[int] = set()  # whom somebody kills
        self.kills = 0
        self.handlers: dict[str, Callable[[int, int, Any, Any], Any]] = {
            "f": self.plain,
            "i": self.marked,
            "g": self.in_blocks,
            "w": self.waits,
            "d": self.waits_long,
            "p": self.takes,
            "s": self.sends_file,
            "e": self.raises,
            "m": self.raises_within,
            "k": self.is_killed,
            "q": self.is_killed_within,
            "l": self.is_killed_late,
            "t": self.leaks_timeout,
            "v": self.gives_switch_away,
            "o": self.overruns,
            "h": self.hijacks,
            "j": self.hijacks_for_later,
            "u": self.upgrades,
        }

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """A request."""
        _, letter, place, size = environ["PATH_INFO"].split("/")
        if letter == "r":
            return self.counts_up(int(place, 16), start_response)
        number = int(place, 16)
        self.ledger.begin(number)
        try:
            self.check_context(number)
            result = self.handlers[letter](number, int(size), environ, start_response)
        except BaseException as error:
            self.over(number, error)
            raise
        if type(result) is list:
            self.over(number, None)
        return result

    def check_context(self, number: int) -> None:
        """Each request has a context of its own."""
        if CONTEXT.get() is not None:
            raise RuntimeError(f"in the context of {CONTEXT.get()}")
        CONTEXT.set(number)

    def over(self, number: int, error: BaseException | None) -> None:
        """A request has ended, with this."""
        self.ledger.end(number, self.ending(number, error))
        self.doomed.discard(number)

    def ending(self, number: int, error: BaseException | None) -> Ending:
        """What to call it."""
        if error is None:
            return Ending.RETURNED
        if isinstance(error, GeneratorExit):
            return Ending.CLOSED
        if isinstance(error, GreenletExit):
            return Ending.KILLED if number in self.doomed else Ending.FOREIGN
        return next((how for kinds, how in ENDINGS if isinstance(error, kinds)), Ending.FOREIGN)

    # ------------------------------------------------------------------ good ones

    def counts_up(self, place: int, start_response: Any) -> list[bytes]:
        """How often this place was asked."""
        self.counts[place] += 1
        start_response("200 OK", [TYPE, ("Content-Length", "14")])
        return [count_text(place, self.counts[place])]

    def plain(self, number: int, size: int, environ: Any, start_response: Any) -> list[bytes]:
        """With headers that repeat."""
        start_response("200 OK", [TYPE, ("Content-Length", str(size))])
        return [text(number, size)]

    def marked(self, number: int, size: int, environ: Any, start_response: Any) -> list[bytes]:
        """With its number among the headers."""
        headers = [TYPE, ("X-Request", f"{number:08x}"), ("Content-Length", str(size))]
        start_response("200 OK", headers)
        return [text(number, size)]

    def in_blocks(self, number: int, size: int, environ: Any, start_response: Any) -> Blocks:
        """With others in between."""
        return self.blocks(number, size, start_response, lambda: self.wait(number, 0))

    def blocks(
        self, number: int, size: int, start_response: Any, between: Callable[[], object]
    ) -> Blocks:
        """An answer of three blocks, and what happens after the first."""
        start_response("200 OK", [TYPE, ("X-Request", f"{number:08x}")])

        def made() -> Iterator[bytes]:
            first, *others = pieces(number, size)
            yield first
            between()
            yield from others

        return Blocks(made(), lambda error: self.over(number, error))

    def waits(self, number: int, size: int, environ: Any, start_response: Any) -> list[bytes]:
        """Some milliseconds, differently long."""
        self.wait(number, number % 8 / 1_000)
        return self.marked(number, size, environ, start_response)

    def waits_long(self, number: int, size: int, environ: Any, start_response: Any) -> list[bytes]:
        """Long enough for its client to leave."""
        self.wait(number, LONG)
        return self.marked(number, size, environ, start_response)

    def wait(self, number: int, seconds: float) -> None:
        """Wait, and be there for who kills."""
        self.waiting[number] = getcurrent()
        try:
            gevent.sleep(seconds)
        finally:
            del self.waiting[number]

    def takes(self, number: int, size: int, environ: Any, start_response: Any) -> list[bytes]:
        """The request's body, which is as large as the answer's."""
        if environ["wsgi.input"].read() != text(number, size):
            raise WrongBody(f"of {number}")
        return self.marked(number, size, environ, start_response)

    def sends_file(self, number: int, size: int, environ: Any, start_response: Any) -> Any:
        """Part of a file."""
        headers = [TYPE, ("X-Request", f"{number:08x}"), ("Content-Length", str(size))]
        file = self.file.open("rb")
        file.seek(where(number, size))
        start_response("200 OK", headers)
        wrapper = environ["wsgi.file_wrapper"](file)

        def close() -> None:
            file.close()
            self.over(number, sys.exc_info()[1])

        wrapper.close = close
        return wrapper

    # ------------------------------------------------------------------ bad ones

    def raises(self, number: int, size: int, environ: Any, start_response: Any) -> Any:
        """Before it answers."""
        raise Boom(f"in {number}, as it is to")

    def raises_within(self, number: int, size: int, environ: Any, start_response: Any) -> Blocks:
        """After the first block."""

        def boom() -> None:
            raise Boom(f"in {number}, as it is to")

        return self.blocks(number, size, start_response, boom)

    def is_killed(self, number: int, size: int, environ: Any, start_response: Any) -> Any:
        """While it waits."""
        self.doomed.add(number)
        gevent.spawn_later(number % 4 / 1_000, gevent.kill, getcurrent())
        gevent.sleep(ENDLESS)
        raise AssertionError("it was to be killed")

    def is_killed_within(self, number: int, size: int, environ: Any, start_response: Any) -> Blocks:
        """After the first block."""
        return self.blocks(
            number,
            size,
            start_response,
            lambda: self.is_killed(number, size, environ, start_response),
        )

    def is_killed_late(
        self, number: int, size: int, environ: Any, start_response: Any
    ) -> list[bytes]:
        """When it has long been answered."""
        gevent.spawn_later(SHORT, gevent.kill, getcurrent())
        return self.marked(number, size, environ, start_response)

    def leaks_timeout(
        self, number: int, size: int, environ: Any, start_response: Any
    ) -> list[bytes]:
        """Which nobody cancels."""
        gevent.Timeout.start_new(SHORT, LeakedTimeout)
        return self.marked(number, size, environ, start_response)

    def gives_switch_away(
        self, number: int, size: int, environ: Any, start_response: Any
    ) -> list[bytes]:
        """To a timer of the Hub, which calls it."""
        switch = getcurrent().switch
        timer = get_hub().loop.timer(SHORT)

        def late() -> None:
            timer.close()
            switch()

        timer.start(late)
        return self.marked(number, size, environ, start_response)

    def overruns(self, number: int, size: int, environ: Any, start_response: Any) -> Any:
        """Until request_timeout."""
        gevent.sleep(ENDLESS)
        raise AssertionError("it was to be interrupted")

    # ------------------------------------------------------------------ those that take over

    def hijacks(self, number: int, size: int, environ: Any, start_response: Any) -> list[bytes]:
        """And serves the connection on its worker."""
        sock, first = environ["gpool.hijack"]()
        with sock:
            echo(sock, first, number, size)
        return []

    def hijacks_for_later(
        self, number: int, size: int, environ: Any, start_response: Any
    ) -> Blocks:
        """And leaves it to a greenlet; the worker is free."""
        sock, first = environ["gpool.hijack"]()

        def serve() -> None:
            try:
                with sock:
                    echo(sock, first, number, size)
            except GONE as error:
                self.over(number, error)
            else:
                self.over(number, None)

        gevent.spawn(serve)
        return Blocks(iter(()), lambda _: None)

    def upgrades(self, number: int, size: int, environ: Any, start_response: Any) -> list[bytes]:
        """As flask-sock and simple-websocket do."""
        echo(environ["werkzeug.socket"], b"", number, size)
        return []

    # ------------------------------------------------------------------ random kills

    def kill_at_random(self, every: float) -> None:
        """Kill one of those that wait, now and then, for ever."""
        while True:
            gevent.sleep(self.random.uniform(0, 2 * every))
            if self.waiting:
                number = self.random.choice(list(self.waiting))
                self.doomed.add(number)
                self.kills += 1
                gevent.kill(self.waiting[number])


def echo(sock: Any, first: bytes, number: int, size: int) -> None:
    """Send back what comes, `size` bytes of it, and say good-bye."""
    sock.sendall(SWITCHING % number)
    came = 0
    while came < size:
        data = first or sock.recv(CHUNK)
        first = b""
        if not data:
            raise ConnectionError("the client has left")
        if data != text(number, size)[came : came + len(data)]:
            raise WrongBody(f"of {number}")
        came += len(data)
        sock.sendall(data)
    sock.sendall(BYE % number)
