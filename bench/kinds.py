"""What a server is to the bench: its kind, what it can be set up for, and how it is started.

Here are the types alone; `bench.servers` has the servers, `bench.processes` starts them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

__all__ = ["KEEPALIVE", "ROOT", "Kind", "Purpose", "Server", "Setting", "Setup"]

ROOT = Path(__file__).parent.parent
#: Seconds that an idle connection is kept, which no run reaches; gpool's and nginx's default.
KEEPALIVE = 75


class Kind(StrEnum):
    """How a server runs the application, which says whom it is to be compared with."""

    OURS = "gpool"
    GEVENT = "cooperative"
    THREADS = "threads"
    ONE = "one request at a time"
    ASGI = "asyncio"
    GO = "Go"
    FLOOR = "floor"


class Purpose(StrEnum):
    """What a server is set up for; each may have a best setting of its own for it."""

    HELLO = "hello"
    WAIT = "wait"
    DATABASE = "database"
    TLS = "tls"
    IDLE = "idle"
    OVERLOAD = "overload"


@dataclass(frozen=True, slots=True)
class Setting:
    """How a server is set up.

    Attributes:
        words: what the report says of it, with the reason if it is not the default.
        threads: that run the application; servers without threads ignore it.
    """

    words: str
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Setup:
    """One start of a server.

    Attributes:
        port: of 127.0.0.1, where it is to listen.
        purpose: what for.
        setting: the server's for that purpose.
        limit: the most requests that it may run at once; None for its own setting.
        certificate: the file of the certificate, for HTTPS alone; else None.
        key: the file of its key.
    """

    port: int
    purpose: Purpose
    setting: Setting
    limit: int | None = None
    certificate: Path | None = None
    key: Path | None = None

    @property
    def threads(self) -> int:
        """The threads that run the application."""
        return self.limit or self.setting.threads

    @property
    def address(self) -> str:
        """Where it is to listen, as most commands want it."""
        return f"127.0.0.1:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One that can be measured.

    Attributes:
        title: what tables call it.
        kind: how it runs the application.
        command: how to start it.
        said: its version; raises `importlib.metadata.PackageNotFoundError` or OSError where it is
            not installed.
        settings: by purpose; that for HELLO is for all that are not named.
        needs: the Python packages without which it does not start.
        lacks: the workloads that it cannot do, each with the reason.
        compiled: whether gpool is used as a wheel has it, or as it lies here.
    """

    title: str
    kind: Kind
    command: Callable[[Setup], list[str]]
    said: Callable[[], str]
    settings: Mapping[Purpose, Setting]
    needs: tuple[str, ...] = ()
    lacks: Mapping[str, str] = field(default_factory=dict)
    compiled: bool = False

    @property
    def cooperative(self) -> bool:
        """Whether the application waits by gevent."""
        return self.kind in (Kind.OURS, Kind.GEVENT)

    def version(self) -> str:
        """The version of the program that serves, and of what does most of its work."""
        return self.said()

    def chosen(self, purpose: Purpose) -> Setting:
        """Its setting for a purpose."""
        return self.settings.get(purpose) or self.settings[Purpose.HELLO]

    def setting(self, purpose: Purpose) -> str:
        """The same in words."""
        return self.chosen(purpose).words
