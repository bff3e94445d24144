"""nginx in front of two of gpool, with the configuration that is shipped, as it is.

`app.conf` is included where Debian's nginx.conf would; the files beside it that say where nginx and
gpool listen are the test's, but for the one test that looks at those that are shipped.
"""

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.deploy.shipped import DEPLOY, succeeds
from tests.neighbours.clients import Client, Gate, ask, assert_nothing_fails_while_it_drains
from tests.neighbours.programs import NGINX, Gpool, Program, listening
from tests.parts import needed

pytestmark = [pytest.mark.parts, pytest.mark.limit(30)]

CLIENT = "127.0.0.2"
APP = "tests.neighbours.apps:app"
CONFIG = DEPLOY / "haproxy" / "gpool.toml"  # gpool's side is the same
SITE = DEPLOY / "nginx" / "app.conf"


@pytest.fixture
def folder():
    """One that nginx's workers may enter."""
    with tempfile.TemporaryDirectory(prefix="gpool-") as name:
        path = Path(name)
        path.chmod(0o755)
        (path / "conf.d").mkdir(mode=0o755)
        (path / "nginx.conf").write_text(NGINX.format(folder=path, http=f"include {SITE};"))
        yield path


@pytest.fixture
def pair(folder):
    """Start nginx with two of gpool behind it; its port, and the two."""
    with ExitStack() as stack:

        def start(*args):
            both = [
                stack.enter_context(Gpool(APP, "--config", CONFIG, *args, env={"NAME": each}))
                for each in ("one", "two")
            ]
            servers = (SITE.parent / "app.servers").read_text()
            for shipped, server in zip((8000, 8001), both, strict=True):
                servers = servers.replace(f"127.0.0.1:{shipped} ", f"{server.address} ")
            (folder / "conf.d" / "app.servers").write_text(servers)
            with listening() as sock:
                port, number = sock.getsockname()[1], sock.fileno()
                (folder / "conf.d" / "app.listen").write_text(f"listen 127.0.0.1:{port};")
                command = [needed("nginx"), "-e", "stderr", "-p", folder]
                command += ["-c", folder / "nginx.conf"]
                env = {"NGINX": f"{number};"}
                stack.enter_context(Program(*command, env=env, pass_fds=[number]))
            return port, *both

        yield start


@pytest.fixture
def gate():
    with Gate() as one:
        yield one


@pytest.mark.skipif(os.geteuid() != 0, reason="a network of its own is for root")
def test_nginx_finds_nothing_to_complain_about(folder):
    """The files as they are, in a network of their own, since -t tries whether it may listen."""
    for name in ("app.servers", "app.listen"):
        (folder / "conf.d" / name).write_text((SITE.parent / name).read_text())
    command = ["-p", folder, "-e", "stderr", "-c", folder / "nginx.conf", "-t"]
    said = succeeds("unshare", "--net", needed("nginx"), *command)
    assert "[warn]" not in said


def test_both_serve_and_see_the_client(pair):
    port, *_ = pair()
    assert {ask(port, "/name")[1] for _ in range(10)} == {b"one", b"two"}
    _, seen = ask(port, source=CLIENT, Host="site.example")
    assert (seen["REMOTE_ADDR"], seen["HTTP_HOST"]) == (CLIENT, "site.example")


def test_connections_are_kept(pair):
    port, *_ = pair()
    assert len({ask(port)[1]["peer"][1] for _ in range(20)}) == 2, "one for each server"


def test_what_a_full_one_refuses_the_other_serves(pair, gate):
    port, one, _ = pair("--max-workers", "1")
    with Client(one.port) as direct:
        direct.send(gate.path)
        gate.reached()
        assert [ask(port, "/name") for _ in range(30)] == [(200, b"two")] * 30
        gate.open()
        assert direct.answer().read() == b"one"


def test_what_may_not_be_done_twice_is_not_sent_twice(pair, gate):
    port, one, _ = pair("--max-workers", "1")
    with Client(one.port) as direct:
        direct.send(gate.path)
        gate.reached()
        assert {ask(port, "/name", method="POST")[0] for _ in range(4)} == {200, 503}
        gate.open()
        assert direct.answer().read() == b"one"


def test_the_one_with_fewest_requests_is_asked(pair, gate):
    port, *_ = pair()
    with Client(port) as client:
        client.send(gate.path)
        gate.reached()
        names = {ask(port, "/name")[1] for _ in range(10)}
        gate.open()
        assert {client.answer().read()} | names == {b"one", b"two"}
        assert len(names) == 1


def test_no_request_fails_while_one_drains(pair):
    port, one, _ = pair()
    assert_nothing_fails_while_it_drains(one, port)
