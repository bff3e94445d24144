"""A server in the test's own Hub, on a clock of its own, and clients that are closed at the end."""

import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trustme
from gevent.event import Event
from gevent.ssl import SSLContext

from gpool import WSGIServer
from tests.support import Clock, settle
from tests.wsgi_server.clients import Client
from tests.wsgi_server.keys import Keys

__all__ = ["Site"]


class Site:
    """An application whose paths do what a test needs, and that tells what it has seen."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.ended: list[str] = []
        self.raised: list[BaseException] = []
        self.gate = Event()
        self.more: dict[str, Callable[[Any, Any], Any]] = {}

    def __call__(self, environ: Any, start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        self.calls.append(path)
        try:
            name = path.strip("/").partition("/")[0]
            serve: Any = self.more.get(name) or getattr(self, f"do_{name}", self.do_hello)
            return serve(environ, start_response)
        except BaseException as error:
            self.raised.append(error)
            raise
        finally:
            self.ended.append(path)

    def do_hello(self, environ: Any, start_response: Any) -> list[bytes]:
        body = environ["PATH_INFO"].encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    def do_hold(self, environ: Any, start_response: Any) -> list[bytes]:
        self.gate.wait()
        return self.do_hello(environ, start_response)

    def do_fail(self, environ: Any, start_response: Any) -> list[bytes]:
        raise RuntimeError("application")

    def do_echo(self, environ: Any, start_response: Any) -> list[bytes]:
        body = environ["wsgi.input"].read()
        start_response("200 OK", [])
        return [body]

    def do_stream(self, environ: Any, start_response: Any) -> "Stream":
        """A block, then another when the gate is open."""
        start_response("200 OK", [])
        return Stream(self, self._two_blocks())

    def _two_blocks(self) -> Iterator[bytes]:
        yield b"one"
        self.gate.wait()
        yield b"two"

    def do_flood(self, environ: Any, start_response: Any) -> "Stream":
        """More than any client takes that does not read."""
        start_response("200 OK", [])
        return Stream(self, iter(lambda: bytes(262_144), b""))

    def do_large(self, environ: Any, start_response: Any) -> list[bytes]:
        """What the Hub can send on its own, and no socket's buffer takes at once."""
        start_response("200 OK", [("Content-Length", str(LARGE))])
        return [bytes(LARGE)]


LARGE = 8 << 20


class Stream:
    """An iterable that tells that it was closed."""

    def __init__(self, site: Site, blocks: Iterator[bytes]) -> None:
        self._site = site
        self._blocks = blocks

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._blocks
        except BaseException as error:
            self._site.raised.append(error)
            raise

    def close(self) -> None:
        self._site.ended.append("close()")


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def serve(site: Site) -> Iterator[Callable[..., Any]]:
    """Start servers on a free port each; stop them at the end, whatever happened."""
    servers: list[Any] = []

    def start(application: Any = None, listener: Any = ("127.0.0.1", 0), **settings: Any) -> Any:
        settings.setdefault("keepalive_min_timeout", 0)
        server: Any = WSGIServer(listener, application or site, **settings)
        server.clock = Clock()
        server.site.deadlines._clock = server.clock
        server.site.deadlines.__init__(server.site.settings.keepalive_timeout, clock=server.clock)
        servers.append(server)
        server.start()
        return server

    yield start
    site.gate.set()
    for server in servers:
        settle()
        server.stop(timeout=0)
        stats = server.stats()
        assert (stats.open, stats.hijacked, stats.lingering) == (0, 0, 0)
        assert not server.pool.stats().busy
        assert not len(server.site.deadlines)


@pytest.fixture
def visit(serve: Any) -> Iterator[Callable[..., Client]]:
    """Clients of a server; closed at the end."""
    clients: list[Client] = []

    def connect(server: Any, **named: Any) -> Client:
        client = Client(server if isinstance(server, str | tuple) else server.address, **named)
        clients.append(client)
        return client

    yield connect
    for client in clients:
        client.close()


@pytest.fixture(scope="session")
def tls() -> tuple[Any, Any]:
    """The two contexts of a server and its client."""
    authority = trustme.CA()
    server, client = SSLContext(ssl.PROTOCOL_TLS_SERVER), SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    return server, client


@pytest.fixture(scope="session")
def keys(tmp_path_factory: Any) -> Keys:
    """An authority, the files of a server, and those of a client."""
    return Keys(tmp_path_factory.mktemp("keys"))
