"""HAProxy in front: as a proxy of HTTP, and of connections with the PROXY protocol."""

import os
from hashlib import sha256

import pytest

from tests.neighbours.clients import Client, ask, assert_nothing_fails_while_it_drains

pytestmark = pytest.mark.limit(60)

CLIENT, OTHER = "127.0.0.2", "127.0.0.3"  # not among the proxies, as clients on this machine
BODY = os.urandom(1 << 20) * 10


def http(*servers, options=""):
    lines = "\n".join(f"    server s{number} {one}" for number, one in enumerate(servers))
    return f"""
frontend www
    bind LISTEN
    option forwardfor
    http-request set-header X-Forwarded-Proto http
    default_backend app
backend app
    {options}
{lines}
"""


def tcp(*servers, options=""):
    return (
        http(*servers, options=options)
        .replace(
            """    option forwardfor
    http-request set-header X-Forwarded-Proto http
""",
            "    mode tcp\n",
        )
        .replace("backend app\n    ", "backend app\n    mode tcp\n    ")
    )


# ---------------------------------------------------------------------- HTTP


@pytest.fixture(scope="module")
def site(gpools):
    """gpool that is spoken HTTP to."""
    return gpools()


def test_the_client_is_in_x_forwarded_for(site, haproxy):
    port = haproxy(http(site.address))
    status, seen = ask(port, source=CLIENT)
    assert status == 200
    assert (seen["REMOTE_ADDR"], seen["peer"][0]) == (CLIENT, "127.0.0.1")


def test_what_a_client_says_of_itself_is_not_believed(site, haproxy):
    """HAProxy adds a header of its own; WSGI joins the two."""
    port = haproxy(http(site.address))
    _, seen = ask(port, source=CLIENT, X_Forwarded_For="203.0.113.9", X_Forwarded_Proto="https")
    assert seen["REMOTE_ADDR"] == CLIENT
    assert seen["wsgi.url_scheme"] == "http"


def test_haproxy_asks_again_on_the_connection_that_it_has(site, haproxy):
    port = haproxy(http(site.address, options="http-reuse always"))
    ports = {ask(port)[1]["peer"][1] for _ in range(10)}
    assert len(ports) <= 2, "one for each of its threads"


def test_large_bodies(site, haproxy):
    port = haproxy(http(site.address))
    _, seen = ask(port, "/digest", method="POST", body=BODY)
    assert (seen["size"], seen["sha256"]) == (len(BODY), sha256(BODY).hexdigest())
    status, body = ask(port, "/file")
    assert (status, len(body)) == (200, 1 << 24)


def test_a_streamed_answer_arrives_piece_by_piece(site, haproxy, gate):
    port = haproxy(http(site.address))
    with Client(port) as client:
        client.send(gate.path.replace("gate", "stream"))
        answer = client.answer()
        assert answer.read(16) == b"the first half, "
        gate.reached()
        gate.open()
        assert answer.read() == b"the second half"


# ---------------------------------------------------------------------- the PROXY protocol


@pytest.fixture(scope="module")
def proxied(gpools):
    """gpool that expects a PROXY header."""
    return gpools("--proxy-protocol", "--forwarded-allow-ips", "")


@pytest.mark.parametrize("version", ["send-proxy", "send-proxy-v2"])
def test_the_client_is_in_the_proxy_header(proxied, haproxy, version):
    port = haproxy(tcp(f"{proxied.address} {version}"))
    with Client(port, CLIENT) as client:
        here = str(client.sock.getsockname()[1])
        for _ in range(3):
            seen = client.ask(X_Forwarded_For="203.0.113.9")[1]
            assert (seen["REMOTE_ADDR"], seen["REMOTE_PORT"]) == (CLIENT, here)


def test_a_proxy_header_in_front_of_http(proxied, haproxy):
    """HAProxy does not use a client's connection for another then."""
    port = haproxy(http(f"{proxied.address} send-proxy-v2"))
    for source in (CLIENT, OTHER, CLIENT):
        assert ask(port, source=source)[1]["REMOTE_ADDR"] == source


def test_a_unix_socket_with_a_proxy_header(gpool, haproxy, folder):
    path = folder / "gpool.sock"
    gpool("--proxy-protocol", "--umask", "077", bind=[f"unix:{path}"])
    port = haproxy(tcp(f"unix@{path} send-proxy-v2"))
    _, seen = ask(port, source=CLIENT)
    assert seen["REMOTE_ADDR"] == CLIENT


def test_connections_are_counted_by_client_and_not_by_proxy(gpool, haproxy):
    site = gpool("--proxy-protocol", "--max-conns-per-ip", "2")
    port = haproxy(tcp(f"{site.address} send-proxy-v2"))
    with Client(port, CLIENT) as first, Client(port, CLIENT) as second:
        assert [first.ask()[0], second.ask()[0]] == [200, 200]
        assert ask(port, source=CLIENT)[0] == 429
        assert ask(port, source=OTHER)[0] == 200
        assert first.ask()[0] == 200


def test_tls_passes_through_behind_a_proxy_header(gpool, haproxy, keys, trusting):
    site = gpool("--proxy-protocol", "--tls-cert", keys.certificate, "--tls-key", keys.key)
    port = haproxy(tcp(f"{site.address} send-proxy-v2"))
    with Client(port, CLIENT, trusting) as client:
        _, seen = client.ask()
        assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"]) == (CLIENT, "https")
        assert client.ask("/digest", method="POST", body=BODY)[1]["size"] == len(BODY)


def test_a_large_body_behind_a_proxy_header(proxied, haproxy):
    port = haproxy(tcp(f"{proxied.address} send-proxy-v2"))
    _, seen = ask(port, "/digest", method="POST", body=BODY)
    assert (seen["size"], seen["sha256"]) == (len(BODY), sha256(BODY).hexdigest())


# ---------------------------------------------------------------------- health checks


LOGGED = "option log-health-checks"


def passed(started, server, layer):
    """Wait until HAProxy has found a server well."""
    started.program.wait(rf"server app/{server} succeeded, reason: {layer} check passed")


@pytest.mark.parametrize("words", ["check check-send-proxy", "check port {port}"])
def test_a_tcp_check_of_a_port_that_expects_a_proxy_header(gpool, haproxy, words):
    """With the header, which is LOCAL then, or without a word: neither is a client, or logged."""
    site = gpool("--proxy-protocol")
    words = words.format(port=site.port)
    port = haproxy(tcp(f"{site.address} send-proxy-v2 {words} inter 20ms", options=LOGGED))
    passed(haproxy, "s0", "Layer4")
    assert ask(port, source=CLIENT)[1]["REMOTE_ADDR"] == CLIENT
    assert "closed a connection" not in site.log


def test_an_http_check_behind_a_proxy_header(gpool, haproxy):
    """LOCAL means that HAProxy speaks for itself: its own address is the client's."""
    site = gpool("--proxy-protocol")
    server = f"{site.address} send-proxy-v2 check check-send-proxy inter 20ms"
    port = haproxy(tcp(server, options=f"{LOGGED}\n    option httpchk GET /name"))
    passed(haproxy, "s0", "Layer7")
    assert ask(port, "/name") == (200, b"one")


def admin(program):
    """The port of its admin listener."""
    return program.wait(r"admin on http://127\.0\.0\.1:(\d+)")[0][1]


READY = f"""option httpchk GET /readyz
    {LOGGED}
    default-server check inter 20ms fall 1 rise 1"""


def test_a_check_of_readyz_takes_a_full_one_out_and_in_again(gpool, haproxy, gate):
    args = ["--admin", "127.0.0.1:0", "--admin-full-threshold", "0"]
    one = gpool("--max-workers", "1", *args)
    two = gpool(name="two")
    server = f"{one.address} addr 127.0.0.1 port {admin(one)}"
    port = haproxy(http(server, f"{two.address} backup no-check", options=READY))
    passed(haproxy, "s0", "Layer7")
    with Client(port) as client:
        client.send(gate.path)
        gate.reached()
        haproxy.program.wait("reason: Layer7 wrong status, code: 503")
        haproxy.program.wait("Server app/s0 is DOWN")
        assert ask(port, "/name") == (200, b"two")
        gate.open()
        assert client.answer().read() == b"one"
        haproxy.program.wait("Server app/s0 is UP")
    assert ask(port, "/name") == (200, b"one")


# ---------------------------------------------------------------------- several of gpool


def test_what_a_full_one_refuses_another_serves(gpool, haproxy, gate):
    one, two = gpool("--max-workers", "1"), gpool(name="two")
    options = "retry-on conn-failure 503\n    option redispatch 1\n    balance first"
    port = haproxy(http(one.address, two.address, options=options))
    with Client(port) as client:
        client.send(gate.path)
        gate.reached()
        for _ in range(3):
            assert ask(port, "/name") == (200, b"two")
        gate.open()
        assert client.answer().read() == b"one"


def test_the_one_with_fewest_connections_is_asked(gpool, haproxy, gate):
    servers = [gpool(), gpool(name="two")]
    addresses = [one.address for one in servers]
    port = haproxy(http(*addresses, options="balance leastconn"))
    with Client(port) as client:
        client.send(gate.path)
        gate.reached()
        names = [ask(port, "/name")[1] for _ in range(50)]
        gate.open()
        busy = client.answer().read()
    assert names.count(busy) < 10, "a few, while HAProxy still counts the request before"


USUAL = """option redispatch 1
    default-server check inter 50ms fall 1 rise 1"""
RETRYING = f"""retry-on conn-failure empty-response response-timeout 503
    {USUAL}"""


@pytest.mark.parametrize("options", [USUAL, RETRYING], ids=["usual", "retry-on"])
def test_no_request_fails_while_one_of_two_drains(gpool, haproxy, options):
    one, two = gpool(), gpool(name="two")
    port = haproxy(http(one.address, two.address, options=options))
    assert_nothing_fails_while_it_drains(one, port)


def test_no_request_fails_while_one_of_two_drains_behind_tcp(gpool, haproxy):
    """A connection stays with its server: its client is told of the end by Connection: close."""
    one, two = (gpool("--proxy-protocol", name=name) for name in ("one", "two"))
    servers = [f"{site.address} send-proxy-v2" for site in (one, two)]
    options = f"{USUAL} check-send-proxy"
    port = haproxy(tcp(*servers, options=options))
    assert_nothing_fails_while_it_drains(one, port)
