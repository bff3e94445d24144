"""A folder that every user may enter, certificates, and programs that end with the tests."""

import shutil
import ssl
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from gevent.ssl import SSLContext

from tests.neighbours import programs
from tests.neighbours.clients import Gate
from tests.wsgi_server.keys import Keys

APP = "tests.neighbours.apps:app"


@pytest.fixture(scope="module")
def shared():
    """A folder for a module's files; pytest's own would be closed to nginx's workers."""
    with tempfile.TemporaryDirectory(prefix="gpool-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture
def folder(shared):
    """The same, for one test."""
    path = Path(tempfile.mkdtemp(dir=shared))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def keys(shared):
    return Keys(shared)


@pytest.fixture(scope="module")
def trusting(keys):
    """What a client needs that believes in `keys`."""
    context = SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    keys.authority.configure_trust(context)
    return context


@pytest.fixture(scope="module")
def large(shared):
    """A file that is more than any buffer holds."""
    path = shared / "large"
    path.write_bytes(b"0123456789abcdef" * (1 << 20))
    return path


def starting(stack, large):
    """What starts gpool with the application that shows what it is told."""

    def start(*args, name="one", app=APP, **more):
        env = {"NAME": name, "FILE": str(large)}
        return stack.enter_context(programs.Gpool(app, *args, env=env, **more))

    return start


@pytest.fixture
def gpool(large):
    """Start gpool; it ends with the test."""
    with ExitStack() as stack:
        yield starting(stack, large)


@pytest.fixture(scope="module")
def gpools(large):
    """Start gpool; it ends with the module."""
    with ExitStack() as stack:
        yield starting(stack, large)


def proxy(stack, folder, run):
    """What starts a proxy with a configuration's inside, and says its port."""

    def start(inside):
        start.program, port = run(folder, inside)
        stack.enter_context(start.program)
        return port

    return start


@pytest.fixture
def nginx(folder):
    """Start nginx, with an http block's inside; its port."""
    with ExitStack() as stack:
        yield proxy(stack, folder, programs.nginx)


@pytest.fixture
def haproxy(folder):
    """Start HAProxy, with what is behind the defaults; its port."""
    with ExitStack() as stack:
        yield proxy(stack, folder, programs.haproxy)


@pytest.fixture
def gate():
    with Gate() as one:
        yield one
