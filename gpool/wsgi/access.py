"""The access log: a line for each answer, written in batches.

Apache's combined format, which every log reader knows, with the seconds that it took at the end;
or JSON, an object a line. While a request is served only a tuple is kept; lines are formatted and
written together, once a second or when there are many, so that a request pays 2 us for its
line (JSON: 4) and the disk is asked seldom.

Guarantees: a line for each answer, those without a request (408, 503, ...) among them; nothing
that a client sends can make a line of its own; a sink that fails costs its lines, and a word in
the error log; `flush` has written all when it returns.
"""

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache, partial
from time import time
from typing import Any, Literal, Protocol, TypeAlias

from gpool.config import choice
from gpool.log import QuietLog
from gpool.wsgi.framing import Environ

__all__ = ["FORMATS", "AccessLog", "LogFormat", "Observer", "Observers"]

LogFormat: TypeAlias = Literal["combined", "json"]
logger = logging.getLogger("gpool.wsgi")

FORMATS = ("combined", "json")
MANY = 1_000  # lines that are written without waiting for the tick; arbitrary

#: When the answer was done, the environ's part, status, bytes of the body, seconds.
Entry: TypeAlias = tuple[float, tuple[str, ...], str, int, float]
FIELDS = (
    "REMOTE_ADDR",
    "REQUEST_METHOD",
    "RAW_URI",
    "SERVER_PROTOCOL",
    "HTTP_REFERER",
    "HTTP_USER_AGENT",
    "HTTP_HOST",
)


class Observer(Protocol):
    """What is told of each answer: the access log, counts, gunicorn's hooks."""

    __slots__ = ()

    def add(self, environ: Environ, status: str, sent: int, started: float) -> None:
        """Any side. An answer is done; see `AccessLog.add`. Must not block, nor raise."""

    def flush(self) -> None:
        """Any side. Called now and then, and at the end; for who keeps something back."""
        return None  # noqa: RET501  # or mypy takes it for an abstract one


class Observers:
    """Several observers as one.

    Args:
        observers: in the order in which they are told.
    """

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def add(self, environ: Environ, status: str, sent: int, started: float) -> None:
        """Any side. Tell all."""
        for observer in self._observers:
            observer.add(environ, status, sent, started)

    def flush(self) -> None:
        """Any side. Tell all."""
        for observer in self._observers:
            observer.flush()


class AccessLog:
    """The access log of one server.

    Args:
        sink: a `logging.Logger` (INFO), or what has ``write(text)``: a file, ``sys.stdout``.
        log_format: ``"combined"`` or ``"json"``.

    Raises:
        TypeError: `sink` is neither.
        ValueError: `log_format` is neither.
    """

    def __init__(self, sink: Any, log_format: LogFormat = "combined") -> None:
        self._format = {"combined": combined, "json": as_json}[
            choice("log_format", log_format, FORMATS)
        ]
        self._write = writer(sink)
        self._entries: list[Entry] = []
        self._complain = QuietLog(logger, logging.ERROR)

    def add(self, environ: Environ, status: str, sent: int, started: float) -> None:
        """Any side. An answer is done.

        Args:
            environ: of the request; what is not known of it may be missing.
            status: the code, and what follows it.
            sent: bytes of the body.
            started: seconds of the epoch at which the request was there.
        """
        now = time()
        get = environ.get
        fields = tuple([str(get(name, "-")) for name in FIELDS])  # an application may change them
        self._entries.append((now, fields, status[:3], sent, now - started))
        if len(self._entries) >= MANY:
            self.flush()

    def flush(self) -> None:
        """Any side. Write what there is."""
        entries, self._entries = self._entries, []
        if entries:
            try:
                self._write([self._format(entry) for entry in entries])
            except Exception:
                self._complain("%d lines of the access log are lost", len(entries))


def each(logger: logging.Logger, lines: list[str]) -> None:
    """Log a record a line."""
    for line in lines:
        logger.info("%s", line)


def writer(sink: Any) -> Callable[[list[str]], object]:
    """What writes lines to `sink`."""
    if isinstance(sink, logging.Logger):
        return partial(each, sink)
    if not callable(getattr(sink, "write", None)):
        raise TypeError(f"log must be a logging.Logger, or have write(), or be None, not {sink!r}")

    def write(lines: list[str]) -> None:
        sink.write("\n".join(lines) + "\n")
        if hasattr(sink, "flush"):
            sink.flush()

    return write


@lru_cache(512)
def quoted(text: str) -> str:
    """A client's text, as it can stand between quotes in a line."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return json.dumps(text)[1:-1]


@lru_cache(16)
def second(epoch: int) -> str:
    """A second, as Apache writes it; lines that are written together share a few."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%d/%b/%Y:%H:%M:%S %z")


def combined(entry: Entry) -> str:
    """Apache's combined log format."""
    done, fields, status, sent, seconds = entry
    host, method, target, protocol, referer, agent, _ = map(quoted, fields)
    when = second(int(done))
    return (
        f'{host or "-"} - - [{when}] "{method} {target} {protocol}" {status or "-"} {sent or "-"} '
        f'"{referer}" "{agent}" {seconds:.6f}'
    )


def as_json(entry: Entry) -> str:
    """An object a line."""
    done, fields, status, sent, seconds = entry
    remote, method, target, protocol, referer, agent, host = map(json_text, fields)
    return (
        f'{{"time": "{iso_second(int(done))}.{int(done % 1 * 1_000):03d}+00:00", '
        f'"remote": {remote}, "method": {method}, "target": {target}, "protocol": {protocol}, '
        f'"referer": {referer}, "user_agent": {agent}, "host": {host}, '
        f'"status": {int(status) if status else "null"}, "bytes": {sent}, '
        f'"seconds": {round(seconds, 6)}}}'
    )


@lru_cache(512)
def json_text(text: str) -> str:
    """A client's text as JSON."""
    return json.dumps(text)


@lru_cache(16)
def iso_second(epoch: int) -> str:
    """A second, as ISO 8601 has it."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%S")
