"""gunicorn's settings and hooks, by what they do: one start of gunicorn for many of them."""

import json
import signal
import socket
from contextlib import closing
from http.client import HTTPConnection

import pytest

from tests.gunicorn.serving import Gunicorn, get
from tests.support import read_all

pytestmark = pytest.mark.limit(60)

FORMAT = (
    'h=%(h)s l=%(l)s u=%(u)s r="%(r)s" m=%(m)s U=%(U)s q=%(q)s H=%(H)s s=%(s)s b=%(b)s B=%(B)s'
    " f=%(f)s a=%(a)s T=%(T)s D=%(D)s M=%(M)s L=%(L)s p=%(p)s"
    " i=%({x-in}i)s o=%({x-out}o)s e=%({server_software}e)s none=%({x-none}i)s"
)
HOOKS = """
def pre_request(worker, req):
    if req.path == "/refused":
        raise RuntimeError("the hook's own")
    if req.path == "/hooked":
        seen = req.method, req.uri, req.path, req.query, req.version
        worker.log.info("before: %s %s %s %s %s", *seen)
        worker.log.info("headers: %s", dict(req.headers)["X-IN"])

def post_request(worker, req, environ, resp):
    if req.path == "/hooked":
        headers = dict(resp.headers)["X-Out"]
        worker.log.info("after: %s %s %s %s", resp.status, resp.sent, headers, worker.nr > 0)
        raise RuntimeError("a hook that fails")
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gunicorn")
    served = Gunicorn(
        folder,
        *("--access-logfile", str(folder / "access.log"), "--access-logformat", FORMAT),
        *("--limit-request-line", "1500", "--limit-request-fields", "10"),
        *("--limit-request-field_size", "2000", "--keep-alive", "1"),
        worker="egg:gpool#gpool",
        config=HOOKS,
        environ={"GPOOL_MAX_BODY_SIZE": "100"},
    )
    served.access_log = folder / "access.log"
    yield served
    served.stop()


def connected(served):
    return socket.create_connection(("127.0.0.1", served.port), timeout=20)


def environ_of(served, **headers):
    return json.loads(served.ask("/environ", **headers)[1])


def test_a_request_is_answered(served):
    status, body, headers = served.ask()
    assert (status, int(body)) == (200, served.workers[0])
    assert headers["Server"].startswith("gpool/")


def test_the_application_is_imported_when_all_is_patched(served):
    assert served.ask("/patched")[1] == "True"


def test_what_was_loaded_is_left_out_of_full_collections(served):
    assert int(served.ask("/frozen")[1]) > 10_000


def test_an_error_of_the_application_is_in_gunicorns_log(served):
    since = served.mark()
    assert served.ask("/error")[0] == 500
    served.wait(r"\[ERROR\] the application raised, for GET /error", since=since)
    served.wait("RuntimeError: the application's own", since=since)


def test_one_process_is_told_that_it_is_one(served):
    assert environ_of(served)["wsgi.multiprocess"] is False


def test_a_proxy_that_is_trusted_says_the_scheme(served):
    assert environ_of(served, X_Forwarded_Proto="https")["wsgi.url_scheme"] == "https"


def test_a_proxy_is_not_believed_the_client_as_by_gunicorn(served):
    assert environ_of(served, X_Forwarded_For="192.0.2.1")["REMOTE_ADDR"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (f"GET /{'x' * 1_600} HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (f"GET / HTTP/1.1\r\nHost: a\r\nX: {'x' * 2_100}\r\n\r\n", 431),
        ("GET / HTTP/1.1\r\nHost: a\r\n" + "X: y\r\n" * 11 + "\r\n", 431),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n", 413),
    ],
    ids=["limit_request_line", "limit_request_field_size", "limit_request_fields", "own"],
)
def test_limits_of_requests_are_kept(served, head, status):
    with connected(served) as client:
        client.sendall(head.encode())
        assert read_all(client).startswith(b"HTTP/1.1 %d " % status)


def test_a_connection_stays_for_keepalive_seconds(served):
    with closing(HTTPConnection("127.0.0.1", served.port, timeout=20)) as connection:
        assert get(connection)[0] == 200
        assert connection.sock.recv(1) == b""  # the other side's end


def access_line(served, path):
    """The access log's line for a path, when it is there."""
    served.ask("/slow?0.01")  # later than the one that is looked for
    lines = [line for line in served.access_log.read_text().splitlines() if path in line]
    return lines[-1] if lines else None


def test_each_atom_of_the_access_log_has_its_value(served):
    served.ask("/logged?a=b", X_In="in", Authorization="Basic bWU6c2VjcmV0", Referer="them")
    line = access_line(served, "/logged")
    pid = served.workers[0]
    expected = (
        'h=127.0.0.1 l=- u=me r="GET /logged?a=b HTTP/1.1" m=GET U=/logged q=a=b H=HTTP/1.1 s=200'
        f" b={len(str(pid))} B={len(str(pid))} f=them a=- T=0 "
    )
    assert line.startswith(expected)
    assert line.endswith(f" p=<{pid}> i=in o=out e=gpool/0.1.0 none=-")
    times = dict(part.split("=") for part in line[len(expected) :].split()[:3])
    assert int(times["D"]) // 1_000 == int(times["M"])
    assert float(times["L"]) == int(times["D"]) / 1e6


def test_an_answer_without_a_request_has_its_line_too(served):
    with connected(served) as client:
        client.sendall(b"NONSENSE\r\n\r\n")
        assert read_all(client).startswith(b"HTTP/1.1 400 ")
    assert " s=400 " in access_line(served, 'r="- - -"')


def test_usr1_opens_the_access_log_anew(served, tmp_path):
    served.ask("/before")
    assert access_line(served, "/before")
    served.access_log.rename(tmp_path / "rotated.log")
    served.kill(signal.SIGUSR1)
    served.wait("Handling signal: usr1")
    while not served.access_log.exists():  # the arbiter's is first, the worker's may be later
        served.ask("/between")
    while access_line(served, "/slow") is None:
        served.ask("/between")
    served.ask("/after")
    assert access_line(served, "/after")
    assert "/after" not in (tmp_path / "rotated.log").read_text()


def test_the_hooks_are_called_around_a_request_and_cannot_spoil_it(served):
    since = served.mark()
    assert served.ask("/hooked?a=b", X_In="in")[0] == 200
    served.wait(r"before: GET /hooked\?a=b /hooked a=b \(1, 1\)", since=since)
    served.wait("headers: in", since=since)
    length = len(str(served.workers[0]))
    served.wait(f"after: 200 OK {length} out True", since=since)
    served.wait("post_request raised", since=since)


def test_a_pre_request_hook_that_raises_is_a_500(served):
    assert served.ask("/refused")[0] == 500


# ---------------------------------------------------------------------- listeners


PROXY = b"PROXY TCP4 192.0.2.7 127.0.0.1 5555 80\r\n"


@pytest.fixture(scope="module")
def proxied(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gunicorn")
    with Gunicorn(
        folder,
        *("--proxy-protocol", "--keep-alive", "0", "--worker-connections", "1"),
        environ={"SCRIPT_NAME": "/shop"},
        bind=("127.0.0.1:0", f"unix:{folder}/socket"),
    ) as served:
        served.path = f"{folder}/socket"
        yield served


def asked(client, path, prefix=PROXY):
    client.sendall(prefix + b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % path)
    head, _, body = read_all(client).partition(b"\r\n\r\n")
    return head, body


def test_the_proxy_protocol_says_the_client(proxied):
    with connected(proxied) as client:
        environ = json.loads(asked(client, b"/shop/environ")[1])
    assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == ("192.0.2.7", "5555")


def test_a_unix_socket_is_a_listener_too_and_a_proxy_behind_it_believed(proxied):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(proxied.path)
        assert json.loads(asked(client, b"/shop/environ")[1])["REMOTE_ADDR"] == "192.0.2.7"


def test_script_name_is_the_variables_and_off_the_path(proxied):
    with connected(proxied) as client:
        environ = json.loads(asked(client, b"/shop/environ")[1])
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/shop", "/environ")


def test_a_path_outside_of_script_name_is_a_500(proxied):
    with connected(proxied) as client:
        assert asked(client, b"/other")[0].startswith(b"HTTP/1.1 500 ")


def test_keepalive_0_ends_each_connection(proxied):
    with connected(proxied) as client:
        head, _ = asked(client, b"/shop/")  # which reads to the end
    assert b"\r\nConnection: close" in head


def test_a_connection_above_worker_connections_waits_for_one_to_end(proxied):
    with connected(proxied) as first, connected(proxied) as second:
        first.sendall(PROXY)  # it is let in, and asks nothing yet
        second.sendall(PROXY + b"GET /shop/second HTTP/1.1\r\nHost: a\r\n\r\n")
        first.sendall(b"GET /shop/slow?0.3 HTTP/1.1\r\nHost: a\r\n\r\n")
        second.settimeout(0.15)
        with pytest.raises(TimeoutError):
            second.recv(1)
        assert read_all(first).startswith(b"HTTP/1.1 200 ")
        first.close()
        second.settimeout(20)
        assert read_all(second).startswith(b"HTTP/1.1 200 ")
