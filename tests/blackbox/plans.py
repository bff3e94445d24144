"""Applications that do as they are told, step by step, by the request itself.

A plan is the literal of a dict in the header X-Plan:

call: steps that run when the application is called; {"call": [("start", "200 OK", [])]} is the
    least. By default it starts a 200 with text/plain.
iterate: steps that run when what it returned is iterated; each of BLOCKS is one.
close: steps that run in close().
form: how the blocks of `iterate` are returned: "iterator" (has close(), no length), "list",
    "tuple", "generator", "getitem" (the protocol of sequences), "liar" (a list that says it has
    one block) or "lazy" (a generator that also runs `call`, so start_response is called in the
    first iteration).
returns: a literal to return in place of all that.

The steps are the methods of `Plan` that begin with do_.
"""

import ast
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import gevent
from greenlet import GreenletExit, getcurrent

from tests.blackbox.events import record, wait

leaked: ContextVar[str] = ContextVar("leaked", default="nothing")
forgotten: list[gevent.Timeout] = []  # nobody cancels them, but libuv needs their memory

BLOCKS = ("yield", "sized", "typed")
START = ("start", "200 OK", [("Content-Type", "text/plain")])


class OwnError(Exception):
    """Whose text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no text either")


class OwnBaseError(BaseException):
    """Nothing that `except Exception` would catch."""


def deep() -> None:
    """Recurse until that is an error."""
    deep()


def raiser(error: Callable[[], BaseException]) -> Callable[[], None]:
    """Something that raises this."""

    def throw() -> None:
        raise error()

    return throw


ERRORS: dict[str, Callable[[], None]] = {
    "Exception": raiser(lambda: Exception("on purpose")),
    "OwnError": raiser(OwnError),
    "BaseException": raiser(OwnBaseError),
    "SystemExit": lambda: sys.exit(3),
    "GreenletExit": raiser(GreenletExit),
    "GeneratorExit": raiser(GeneratorExit),
    "StopIteration": raiser(StopIteration),
    "Timeout": raiser(gevent.Timeout),
    "MemoryError": raiser(MemoryError),
    "RecursionError": deep,
    "ConnectionResetError": raiser(lambda: ConnectionResetError(104, "of another connection")),
    "BrokenPipeError": raiser(lambda: BrokenPipeError(32, "of another connection")),
    "TimeoutError": raiser(TimeoutError),
    "UnicodeError": raiser(lambda: UnicodeDecodeError("ascii", b"\xff", 0, 1, "on purpose")),
}

TYPES: dict[str, Any] = {
    "bytearray": bytearray(b"block"),
    "memoryview": memoryview(b"block"),
    "none": None,
    "int": 5,
    "str": "block",
    "bytes status": b"200 OK",
    "list": [b"block"],
    "object": object(),
}


class Plan:
    """A plan for one request."""

    def __init__(self, environ: Any, start_response: Any) -> None:
        self._environ = environ
        self._start = start_response
        self._write: Any = None
        self._token = environ.get("HTTP_X_TOKEN", "")
        self.plan: dict[str, Any] = ast.literal_eval(environ["HTTP_X_PLAN"])
        self._left = list(self.plan.get("iterate", ()))

    def run(self, phase: str) -> None:
        """All the steps of a phase."""
        for step in self.plan.get(phase, ()):
            self.step(step)

    def step(self, step: tuple[Any, ...]) -> Any:
        return getattr(self, f"do_{step[0]}")(*step[1:])

    def returned(self) -> Any:
        """What the application returns."""
        form = self.plan.get("form", "iterator")
        if form == "lazy":
            return self._lazy()
        self.plan.setdefault("call", [START])
        self.run("call")
        if "returns" in self.plan:
            return self.plan["returns"]
        blocks = [self.step(step) for step in self._left] if form != "iterator" else []
        forms: dict[str, Callable[[], Any]] = {
            "iterator": lambda: Iterable(self),
            "list": lambda: blocks,
            "tuple": lambda: tuple(blocks),
            "generator": lambda: (block for block in blocks),
            "liar": lambda: Liar(blocks),
            "getitem": lambda: Sequence(blocks),
        }
        return forms[form]()

    def _lazy(self) -> Iterator[Any]:
        try:
            self.plan.setdefault("call", [START])
            self.run("call")
            for step in self._left:
                if step[0] in BLOCKS:
                    yield self.step(step)
                else:
                    self.step(step)
        finally:
            record(self._token, "closed")

    def block(self) -> Any:
        """The next block."""
        while self._left:
            step = self._left.pop(0)
            block = self.step(step)
            if step[0] in BLOCKS:
                return block
        raise StopIteration

    def close(self) -> None:
        record(self._token, "closed")
        self.run("close")

    def do_start(self, *args: Any) -> None:
        """Call start_response."""
        self._write = self._start(*args)

    def do_restart(self, status: Any, headers: Any, again: bool = True) -> None:
        """Call it with exc_info, as in an error handler; note it if that raises."""
        try:
            raise LookupError("on purpose")
        except LookupError:
            try:
                self._write = self._start(status, headers, sys.exc_info())
            except BaseException as error:
                record(self._token, f"raised {type(error).__name__}")
                if again:
                    raise

    def do_start_typed(self, name: str) -> None:
        """With a status that no literal is."""
        self._start(TYPES[name], [("Content-Type", "text/plain")])

    def do_write(self, data: Any) -> None:
        self._write(data)

    def do_yield(self, data: Any) -> Any:
        return data

    def do_repeat(self, data: bytes, count: int) -> None:
        """Put `count` blocks in front of what is left."""
        self._left[:0] = [("yield", data)] * count

    def do_sized(self, size: int) -> bytes:
        """A block of this size."""
        return b"x" * size

    def do_start_and_change(self, header: Any) -> None:
        """Append to the list of headers when it has been passed on."""
        headers = [("Content-Type", "text/plain")]
        self._start("200 OK", headers)
        headers.append(header)

    def do_typed(self, name: str) -> Any:
        """A block of some other type."""
        return TYPES[name]

    def do_raise(self, name: str) -> None:
        ERRORS[name]()

    def do_caught(self, *step: Any) -> None:
        """Do it, and note what it raises."""
        try:
            self.step(step)
        except BaseException as error:
            record(self._token, f"raised {type(error).__name__}")
        else:
            record(self._token, "raised nothing")

    def do_read(self, *args: int) -> None:
        """Read from the body, and note how many bytes that were."""
        try:
            data = self._environ["wsgi.input"].read(*args)
        except BaseException:
            record(self._token, "read failed")
            raise
        record(self._token, f"read {len(data)}")

    def do_note(self, event: str) -> None:
        record(self._token, event)

    def do_wait(self, event: str) -> None:
        """Until a test says so."""
        wait(self._token, event)

    def do_leak(self) -> None:
        """Leave behind what is a request's own: a timeout that runs, a context variable."""
        forgotten.append(gevent.Timeout.start_new(0.05))
        leaked.set("of another request")

    def do_look(self) -> None:
        """Note what is left of that, for as long as the timeout would run."""
        record(self._token, f"leaked {leaked.get()}")
        gevent.sleep(0.1)
        record(self._token, f"then {leaked.get()}")

    def do_kill(self) -> None:
        """Be killed, as by another greenlet, while waiting."""
        gevent.spawn(gevent.kill, getcurrent())
        gevent.sleep(10)

    def do_hints(self, headers: Any) -> None:
        """Send a 103, if this server can."""
        if "wsgi.early_hints" in self._environ:
            self._environ["wsgi.early_hints"](headers)


class Liar(list[Any]):
    """Whose length is not to be trusted."""

    def __len__(self) -> int:
        return 1


class Iterable:
    """What most plans return: without a length, with a close()."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return self._plan.block()

    def close(self) -> None:
        self._plan.close()


class Sequence:
    """Iterable by the old protocol, and without a length."""

    def __init__(self, blocks: list[Any]) -> None:
        self._blocks = blocks

    def __getitem__(self, index: int) -> Any:
        return self._blocks[index]


def plan(environ: Any, start_response: Any) -> Any:
    """Do as planned."""
    record(environ.get("HTTP_X_TOKEN", ""), "called")
    return Plan(environ, start_response).returned()
