"""The table of servers: who is in it, how each is started, and that all answer the same."""

import http.client
import json
import ssl
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError

import pytest

from bench import application
from bench.kinds import Kind, Purpose, Setup
from bench.peers import go, tls
from bench.peers.installed import missing, of, program
from bench.processes import DidNotStartError, serving
from bench.servers import SERVERS
from bench.workloads import WORKLOADS

ORDER = [
    "floor",
    "wsgi",
    "wsgi-pure",
    "wsgi-defer",
    "pywsgi-nagle",
    "pywsgi",
    "pywsgi-gpool",
    "gunicorn-gevent",
    "uwsgi-gevent",
    "gunicorn-gthread",
    "granian",
    "waitress",
    "cheroot",
    "bjoern",
    "fastwsgi",
    "uvicorn",
    "go-fasthttp",
    "go-net-http",
    "gpool",
    "gpool-defer",
    "gevent",
    "gevent-pool",
]
THREADS = [name for name, server in SERVERS.items() if server.kind == Kind.THREADS]
#: Those that are not asked to do it: they are compiled before they have a command.
BUILT = ("floor", "go-fasthttp", "go-net-http")
SCRIPTS = [name for name in ORDER if name not in BUILT]
TLS = [name for name in ORDER if "tls" not in SERVERS[name].lacks]
HTTP = [name for name in ORDER if "json" not in SERVERS[name].lacks]
FILES = (tls.CERTIFICATE, tls.KEY)


@pytest.fixture(autouse=True)
def nothing_is_compiled(request, monkeypatch):
    """A command is looked at, not run."""
    if request.node.get_closest_marker("parts") is None:
        monkeypatch.setattr(go, "built", lambda name: f"bin/{name}")
        monkeypatch.setattr("bench.floor.build", lambda: "bin/floor")
        monkeypatch.setattr("bench.peers.cooperative.program", lambda name: f"bin/{name}")


def command(name, purpose=Purpose.HELLO, limit=None):
    """How a server is started on port 8000, as one string."""
    files = FILES if purpose == Purpose.TLS else ()
    setup = Setup(8_000, purpose, SERVERS[name].chosen(purpose), limit, *files)
    return " ".join(SERVERS[name].command(setup))


def test_all_are_there_in_the_order_of_the_report():
    assert list(SERVERS) == ORDER
    assert {server.kind for server in SERVERS.values()} == set(Kind)
    assert len({server.title for server in SERVERS.values()}) == len(SERVERS)


@pytest.mark.parametrize("name", ORDER)
def test_what_it_lacks_is_a_workload_and_has_a_reason(name):
    assert set(SERVERS[name].lacks) <= set(WORKLOADS)
    assert all(SERVERS[name].lacks.values())


@pytest.mark.parametrize("name", ORDER)
def test_each_has_a_setting_in_words_for_each_purpose(name):
    for purpose in Purpose:
        words = SERVERS[name].setting(purpose)
        assert words
        assert not words.endswith(".")


@pytest.mark.parametrize("name", ORDER)
def test_it_listens_on_the_port_of_loopback(name):
    for purpose in Purpose:
        assert "8000" in command(name, purpose)


@pytest.mark.parametrize("name", TLS)
def test_only_with_tls_it_gets_the_certificate(name):
    for purpose in Purpose:
        for file in FILES:
            assert (str(file) in command(name, purpose)) == (purpose == Purpose.TLS)


@pytest.mark.parametrize("name", [name for name in HTTP if SERVERS[name].kind != Kind.ONE])
def test_the_limit_reaches_it(name):
    assert "4321" in command(name, Purpose.OVERLOAD, 4_321)
    assert "4321" not in command(name, Purpose.OVERLOAD)


@pytest.mark.parametrize("name", THREADS)
def test_what_waits_has_more_threads(name):
    server = SERVERS[name]
    assert server.chosen(Purpose.WAIT).threads > 10 * server.chosen(Purpose.HELLO).threads
    for purpose in (Purpose.HELLO, Purpose.WAIT):
        assert f"{server.chosen(purpose).threads} " in f"{server.setting(purpose)} "
        assert str(server.chosen(purpose).threads) in command(name, purpose)


def test_a_setting_is_that_of_hello_where_there_is_no_other():
    uvicorn = SERVERS["uvicorn"]
    assert uvicorn.setting(Purpose.WAIT) == uvicorn.setting(Purpose.HELLO)
    assert uvicorn.setting(Purpose.OVERLOAD) != uvicorn.setting(Purpose.HELLO)


def test_only_ours_is_compiled():
    assert [name for name in ORDER if SERVERS[name].compiled] == ["wsgi", "wsgi-defer"]


def test_versions():
    assert of("gevent", "greenlet")() == f"{of('gevent')()}, greenlet {of('greenlet')()}"
    assert of("gevent", "no-such-package")() == of("gevent")()
    with pytest.raises(PackageNotFoundError):
        of("no-such-package")()
    assert missing(("gevent", "greenlet")) is None


def test_a_program_is_the_environment_s_own():
    assert program("pip").startswith(sys.prefix)
    with pytest.raises(FileNotFoundError, match="no no-such-program on the PATH; bash bench"):
        program("no-such-program")


def test_what_go_misses_is_said():
    """Of a page of places where it was looked for, the line that says what for."""
    said = """answers/answers.go:13:2: cannot find package "github.com/lib/pq" in any of:
	/usr/lib/go-1.19/src/github.com/lib/pq (from $GOROOT)
"""
    assert go.complaint(said).startswith('cannot find package "github.com/lib/pq" in any of')
    assert go.complaint("a\nmain.go:3:1: undefined: x\n") == "main.go:3:1: undefined: x"
    assert go.complaint("") == "nobody says why"


def test_the_certificate_is_made_once(monkeypatch, tmp_path):
    """It is of P-256 and for this address, and its authority is all that a client needs."""
    for name in ("CERTIFICATE", "KEY", "AUTHORITY"):
        monkeypatch.setattr(tls, name, tmp_path / name)
    monkeypatch.setattr(tls, "OUT", tmp_path)
    files = tls.certificate()
    before = [path.read_bytes() for path in files]
    assert tls.certificate() == files
    assert [path.read_bytes() for path in files] == before
    ours, theirs = tls.context(*files), tls.client_context()
    assert shaken(ours, theirs) == "TLSv1.3"
    theirs.minimum_version = theirs.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        shaken(ours, theirs)


def shaken(server, client):
    """The version on which the two contexts agree."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(there, back, server_side=True)
    theirs = client.wrap_bio(back, there, server_hostname="127.0.0.1")
    for _ in range(3):
        for side in (theirs, ours):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
    return theirs.version()


# ------------------------------------------------------------------------------ with them all


def get(port, path, body=None, context=None):
    """The status and body of a request on a connection of its own."""
    kind = http.client.HTTPSConnection if context else http.client.HTTPConnection
    more = {"context": context} if context else {}
    connection = kind("127.0.0.1", port, timeout=20, **more)
    connection.request("POST" if body else "GET", path, body)
    answer = connection.getresponse()
    try:
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.fixture
def served(request):
    """The server of that name, or the reason why it is not here."""

    def start(name, purpose=Purpose.HELLO):
        manager = serving(name, purpose)
        try:
            server = manager.__enter__()
        except DidNotStartError as why:
            pytest.skip(str(why))
        request.addfinalizer(lambda: manager.__exit__(None, None, None))
        return server

    return start


@pytest.mark.parts
@pytest.mark.parametrize("name", HTTP)
def test_the_same_bytes(served, name):
    port = served(name).port
    for path, body in {
        "/": application.BODY,
        "/wait": application.BODY,
        "/json": application.items(),
        "/1-whole": application.LARGE,
        "/1-iterable": application.LARGE,
    }.items():
        assert get(port, path) == (200, body)
    if "1-file" not in SERVERS[name].lacks:
        assert get(port, "/1-file") == (200, application.LARGE)
    assert get(port, "/upload", bytes(2**20)) == (200, application.BODY)
    assert "running" in json.loads(get(port, "/stats")[1])
    assert SERVERS[name].version()[0].isdecimal() or name.startswith("go")


@pytest.mark.parts
@pytest.mark.parametrize("name", TLS)
def test_https(served, name):
    """TLS 1.3, since the client speaks nothing else."""
    assert get(served(name, "tls").port, "/", context=tls.client_context())[1] == application.BODY


@pytest.mark.parts
@pytest.mark.parametrize("name", [name for name in ORDER if name not in HTTP])
def test_the_canned_answer(served, name):
    assert get(served(name).port, "/") == (200, application.BODY)
