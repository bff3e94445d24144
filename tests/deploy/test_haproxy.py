"""HAProxy in front of two of gpool, with the configurations that are shipped, as they are."""

from contextlib import ExitStack
from signal import SIGKILL, SIGTERM

import pytest

from gpool.command.sources import read_file
from tests.deploy.prometheus import fetch
from tests.deploy.shipped import DEPLOY, succeeds
from tests.neighbours.clients import (
    Client,
    Gate,
    ask,
    assert_nothing_fails_while_it_drains,
)
from tests.neighbours.programs import Gpool, Program, listening
from tests.parts import needed

pytestmark = [pytest.mark.parts, pytest.mark.limit(30)]

CLIENT = "127.0.0.2"  # not among the proxies
APP = "tests.neighbours.apps:app"
CONFIG = DEPLOY / "haproxy" / "gpool.toml"


@pytest.fixture
def pair():
    """Start HAProxy with two of gpool behind it; its port, and the three programs."""
    with ExitStack() as stack:

        def start(name, *args, **more):
            one, two = (
                stack.enter_context(
                    Gpool(
                        APP, "--config", CONFIG, "--admin", "127.0.0.1:0", *args, env={"NAME": each}
                    )
                )
                for each in ("one", "two")
            )
            env = dict(more)
            for server, word in ((one, "ONE"), (two, "TWO")):
                server.admin = server.wait(r"admin on http://127\.0\.0\.1:(\d+)")[0][1]
                env |= {word: server.address, f"{word}_ADMIN": f"127.0.0.1:{server.admin}"}
            with listening() as sock:
                env["LISTEN"] = f"fd@{sock.fileno()}"
                command = [needed("haproxy"), "-db", "-f", DEPLOY / "haproxy" / name]
                program = Program(*command, env=env, pass_fds=[sock.fileno()])
                stack.enter_context(program)
                return sock.getsockname()[1], program, one, two

        yield start


@pytest.fixture
def gate():
    with Gate() as one:
        yield one


@pytest.mark.parametrize("name", ["http.cfg", "tcp.cfg"])
def test_haproxy_finds_nothing_to_complain_about(name):
    """As it is, with no variable set: -c, and warnings are errors."""
    succeeds("haproxy", "-c", "-dW", "-f", DEPLOY / "haproxy" / name)


def test_haproxy_gives_a_server_as_many_requests_as_it_has_workers():
    text = (DEPLOY / "haproxy" / "http.cfg").read_text()
    assert f"SERVER_MAXCONN {read_file(CONFIG).values['max_workers']}\n" in text


def test_both_serve_and_see_the_client(pair):
    port, *_ = pair("http.cfg")
    assert {ask(port, "/name")[1] for _ in range(10)} == {b"one", b"two"}
    _, seen = ask(port, source=CLIENT)
    assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"]) == (CLIENT, "http")


def test_requests_of_a_client_go_over_connections_that_are_kept(pair):
    port, *_ = pair("http.cfg")
    with Client(port) as client:
        ports = {client.ask()[1]["peer"][1] for _ in range(20)}
    assert len(ports) <= 4, "one for each server and thread of HAProxy"


def test_what_a_full_one_refuses_the_other_serves(pair, gate):
    """It has become full by a request that HAProxy knows nothing of."""
    port, _, one, _ = pair("http.cfg", "--max-workers", "1")
    with Client(one.port) as direct:
        direct.send(gate.path)
        gate.reached()
        assert [ask(port, "/name") for _ in range(10)] == [(200, b"two")] * 10
        assert 503 in {ask(port, "/name", method="POST")[0] for _ in range(10)}, "not sent twice"
        gate.open()
        assert direct.answer().read() == b"one"


def test_above_the_limit_of_all_requests_wait_in_haproxy(pair, gate):
    """For two seconds; gpool refuses nobody: it is never asked for more than it has workers."""
    port, program, one, two = pair("http.cfg", "--max-workers", "1", SERVER_MAXCONN="1")
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(port)) for _ in range(3)]
        for client in clients[:2]:
            client.send(gate.path)
            gate.reached()
        assert clients[2].ask("/name")[0] == 503
        program.wait(r" www app/<NOSRV> .* 503 .* sQ--")  # its time in the queue was over
        clients[2].send("/name")
        gate.open()
        assert [client.answer().status for client in clients] == [200] * 3
    for server in (one, two):
        _, page = fetch(server.admin, "/metrics")
        assert 'gpool_refused_total{reason="full"} 0.0' in page


def test_a_request_survives_the_death_of_the_one_that_has_it(pair, gate):
    """One that may be done twice."""
    port, _, *both = pair("http.cfg")
    with Client(port) as client:
        client.send(gate.path)
        gate.reached()
        dead, alive = both if which(port) == "one" else reversed(both)
        dead.tell(SIGKILL)
        gate.reached()
        gate.open()
        assert client.answer().status == 200
    assert dead.ended() == -SIGKILL
    assert alive.process.poll() is None


def which(port):
    """Who is asked next while the other has one request in flight: not the one that has it."""
    return "one" if ask(port, "/name")[1] == b"two" else "two"


@pytest.mark.parametrize(("name", "args"), [("http.cfg", []), ("tcp.cfg", ["--proxy-protocol"])])
def test_no_request_fails_while_one_drains(pair, name, args):
    port, _, one, _ = pair(name, *args)
    assert_nothing_fails_while_it_drains(one, port)


@pytest.mark.parametrize(("name", "args"), [("http.cfg", []), ("tcp.cfg", ["--proxy-protocol"])])
def test_the_admin_listener_says_that_one_drains(pair, gate, name, args):
    port, program, one, two = pair(name, *args)
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(port)) for _ in range(2)]
        for client in clients:
            client.send(gate.path)
            gate.reached()
        one.tell(SIGTERM)
        program.wait(r"Server app/one is DOWN, reason: Layer7 wrong status, code: 503")
        assert [ask(port, "/name") for _ in range(5)] == [(200, b"two")] * 5
        gate.open()
        assert {client.answer().read() for client in clients} == {b"one", b"two"}
    assert one.ended() == 0
    assert two.process.poll() is None


def test_a_proxy_header_tells_the_client_s_address(pair):
    port, *_ = pair("tcp.cfg", "--proxy-protocol")
    with Client(port, CLIENT) as client:
        here = str(client.sock.getsockname()[1])
        _, seen = client.ask()
    assert (seen["REMOTE_ADDR"], seen["REMOTE_PORT"]) == (CLIENT, here)
