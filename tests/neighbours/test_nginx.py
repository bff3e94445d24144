"""nginx in front, as its configuration is usually written, and gpool as a command behind it."""

import os
from hashlib import sha256
from signal import SIGTERM

import pytest
import websocket

from tests.neighbours.clients import Client, ask, assert_nothing_fails_while_it_drains

pytestmark = pytest.mark.limit(60)

CLIENT = "127.0.0.2"  # not among the proxies, as a client on the loopback device
BODY = os.urandom(1 << 20) * 10

PROXIED = """
    upstream app {{
        server {address};
        keepalive 16;
    }}
    server {{
        listen LISTEN;
        location / {{
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            {more}
        }}
    }}
"""


@pytest.fixture(scope="module")
def site(gpools):
    """gpool on a port."""
    return gpools()


def proxied(address, more=""):
    return PROXIED.format(address=address, more=more)


# ---------------------------------------------------------------------- to gpool and back


def test_nginx_asks_again_on_the_connection_that_it_has(site, nginx):
    port = nginx(proxied(site.address))
    with Client(port) as client:
        ports = {client.ask()[1]["peer"][1] for _ in range(10)}
    assert len(ports) == 1, "one connection between nginx and gpool"


def test_a_unix_socket(gpool, nginx, folder):
    path = folder / "gpool.sock"
    gpool("--umask", "000", bind=[f"unix:{path}"])
    port = nginx(proxied(f"unix:{path}"))
    status, seen = ask(port, source=CLIENT)
    assert status == 200
    assert seen["REMOTE_ADDR"] == CLIENT, "nginx is believed, whose own address is empty"
    assert seen["peer"] == ["", ""]


@pytest.mark.skipif(os.geteuid() != 0, reason="nginx has another user than gpool only under root")
def test_a_unix_socket_that_nginx_may_not_open(gpool, nginx, folder):
    path = folder / "gpool.sock"
    gpool("--umask", "077", bind=[f"unix:{path}"])
    port = nginx(proxied(f"unix:{path}"))
    assert ask(port)[0] == 502
    nginx.program.wait("Permission denied")


@pytest.mark.parametrize("buffering", ["on", "off"])
def test_a_large_body(site, nginx, buffering):
    port = nginx(proxied(site.address, f"proxy_request_buffering {buffering};"))
    status, seen = ask(port, "/digest", method="POST", body=BODY)
    assert status == 200
    assert seen == {
        "size": len(BODY),
        "sha256": sha256(BODY).hexdigest(),
        "length": str(len(BODY)),
    }


def test_a_chunked_body_goes_through_as_it_comes(site, nginx):
    port = nginx(proxied(site.address, "proxy_request_buffering off;"))
    with Client(port) as client:
        client.send("/digest", method="PUT", Transfer_Encoding="chunked")
        for _ in range(10):
            client.sock.sendall(b"100000\r\n" + BODY[: 1 << 20] + b"\r\n")
        client.sock.sendall(b"0\r\n\r\n")
        answer = client.answer()
        assert (answer.status, sha256(BODY).hexdigest() in answer.read().decode()) == (200, True)


def test_a_streamed_answer_arrives_piece_by_piece(site, nginx, gate):
    port = nginx(proxied(site.address, "proxy_buffering off;"))
    with Client(port) as client:
        client.send(gate.path.replace("gate", "stream"))
        answer = client.answer()
        assert answer.read(16) == b"the first half, "
        gate.reached()
        gate.open()
        assert answer.read() == b"the second half"
        assert answer.getheader("Transfer-Encoding") == "chunked"


def test_a_large_file(site, nginx, large):
    port = nginx(proxied(site.address))
    status, body = ask(port, "/file")
    assert (status, sha256(body).digest()) == (200, sha256(large.read_bytes()).digest())


def test_a_websocket(gpools, nginx):
    sock = gpools(app="tests.functional.websocket_apps:sock")
    port = nginx(
        f"""
    map $http_upgrade $connection_upgrade {{
        default upgrade;
        '' close;
    }}
    server {{
        listen LISTEN;
        location / {{
            proxy_pass http://{sock.address};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header Host $http_host;
        }}
    }}
"""
    )
    with Client(port) as client:
        ws = websocket.create_connection(f"ws://127.0.0.1:{port}/echo", socket=client.sock)
        for text in ("first", "second" * 10_000):
            ws.send(text)
            assert ws.recv() == text
        ws.close()
    assert ask(port) == (200, b"hello"), "what is no WebSocket goes the same way"


# ---------------------------------------------------------------------- who the client is


def test_the_client_s_address_and_scheme_are_what_nginx_says(site, nginx):
    port = nginx(proxied(site.address))
    _, seen = ask(port, source=CLIENT, Host="site.example")
    assert seen["REMOTE_ADDR"] == CLIENT
    assert seen["peer"][0] == "127.0.0.1"
    assert seen["wsgi.url_scheme"] == "http"
    assert seen["HTTP_HOST"] == "site.example"


def test_what_a_client_says_of_itself_is_not_believed(site, nginx):
    port = nginx(proxied(site.address))
    said = {"X_Forwarded_For": "203.0.113.9", "X_Forwarded_Proto": "https"}
    _, seen = ask(port, source=CLIENT, **said, Forwarded="for=203.0.113.9;proto=https")
    assert seen["HTTP_X_FORWARDED_FOR"] == f"203.0.113.9, {CLIENT}"
    assert seen["REMOTE_ADDR"] == CLIENT
    assert seen["wsgi.url_scheme"] == "http"


def test_who_comes_past_nginx_is_not_believed(site):
    _, seen = ask(site.port, source=CLIENT, X_Forwarded_For="203.0.113.9")
    assert seen["REMOTE_ADDR"] == CLIENT


def test_the_host_that_the_client_has_asked_for(gpools, nginx):
    """With a Host of nginx's own, the client's is in X-Forwarded-Host."""
    site = gpools("--forwarded-headers", "x-forwarded-for,x-forwarded-host,x-forwarded-port")
    more = "proxy_set_header X-Forwarded-Host $host; proxy_set_header X-Forwarded-Port 8443;"
    port = nginx(proxied(site.address, more).replace("Host $host;", "Host app;", 1))
    _, seen = ask(port, source=CLIENT, Host="site.example", X_Forwarded_Host="forged.example")
    assert seen["HTTP_HOST"] == "site.example:8443"
    assert (seen["SERVER_NAME"], seen["SERVER_PORT"]) == ("site.example", "8443")


def test_the_forwarded_header(gpools, nginx):
    """nginx has no variable for it; this is the least that one writes, and overwrites."""
    site = gpools("--forwarded-headers", "forwarded")
    more = "proxy_set_header Forwarded 'for=$remote_addr;proto=$scheme;host=$host';"
    port = nginx(proxied(site.address, more))
    _, seen = ask(port, source=CLIENT, Forwarded="for=203.0.113.9;proto=https;host=forged.example")
    assert seen["REMOTE_ADDR"] == CLIENT
    assert seen["wsgi.url_scheme"] == "http"
    assert seen["HTTP_HOST"] == "site.example"


# ---------------------------------------------------------------------- TLS


def test_tls_in_front(site, nginx, keys, trusting):
    http = proxied(site.address).replace("listen LISTEN;", "listen LISTEN ssl http2;")
    files = f"ssl_certificate {keys.certificate}; ssl_certificate_key {keys.key};"
    port = nginx(f"{files}\n{http}")
    status, seen = ask(port, source=CLIENT, context=trusting)
    assert status == 200
    assert (seen["wsgi.url_scheme"], seen["HTTPS"]) == ("https", "on")
    assert seen["REMOTE_ADDR"] == CLIENT


def test_tls_to_gpool(gpools, nginx, keys):
    """nginx checks gpool's certificate, and keeps the connection."""
    site = gpools("--tls-cert", keys.certificate, "--tls-key", keys.key)
    checked = f"""proxy_ssl_trusted_certificate {keys.ca}; proxy_ssl_verify on;
            proxy_ssl_name localhost; proxy_ssl_server_name on;"""
    port = nginx(proxied(site.address, checked).replace("http://app", "https://app"))
    with Client(port, CLIENT) as client:
        seen = [client.ask()[1] for _ in range(5)]
        assert {one["REMOTE_ADDR"] for one in seen} == {CLIENT}
        assert len({one["peer"][1] for one in seen}) == 1
        assert client.ask("/digest", method="POST", body=BODY)[1]["size"] == len(BODY)
        status, body = client.ask("/file")
        assert (status, len(body)) == (200, 1 << 24)


def test_nginx_notices_a_wrong_certificate(gpools, nginx, keys):
    """So the test above shows a check that can fail."""
    site = gpools("--tls-cert", keys.certificate, "--tls-key", keys.key)
    checked = f"""proxy_ssl_trusted_certificate {keys.ca}; proxy_ssl_verify on;
            proxy_ssl_name elsewhere.example;"""
    port = nginx(proxied(site.address, checked).replace("http://app", "https://app"))
    assert ask(port)[0] == 502


# ---------------------------------------------------------------------- several of gpool

TWO = """
    upstream app {{
        server {one};
        server {two} {role};
        keepalive 16;
    }}
    server {{
        listen LISTEN;
        location / {{
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            {more}
        }}
    }}
"""


def test_what_a_full_one_refuses_another_serves(gpool, nginx, gate):
    one, two = gpool("--max-workers", "1"), gpool(name="two")
    more = "proxy_next_upstream error timeout http_503 non_idempotent;"
    port = nginx(TWO.format(one=one.address, two=two.address, role="backup", more=more))
    with Client(port) as client:
        client.send(gate.path)
        gate.reached()
        assert ask(port, "/name") == (200, b"two")
        assert ask(port, "/name", method="POST", body=b"x") == (200, b"two")
        gate.open()
        assert client.answer().read() == b"one"


def test_a_503_without_another_reaches_the_client(gpool, nginx, gate):
    one = gpool("--max-workers", "1")
    port = nginx(proxied(one.address))
    with Client(port) as client:
        client.send(gate.path)
        gate.reached()
        with Client(port) as other:
            other.send("/name")
            answer = other.answer()
            assert (answer.status, answer.getheader("Retry-After")) == (503, "1")
        gate.open()
        assert client.answer().read() == b"one"


def test_no_request_fails_while_one_of_two_drains(gpool, nginx):
    one, two = gpool(), gpool(name="two")
    port = nginx(TWO.format(one=one.address, two=two.address, role="", more=""))
    assert_nothing_fails_while_it_drains(one, port)


def test_a_request_that_is_being_served_ends_before_gpool_does(gpool, nginx, gate):
    one, two = gpool(), gpool(name="two")
    port = nginx(TWO.format(one=one.address, two=two.address, role="backup", more=""))
    with Client(port) as client:
        client.send(gate.path)
        gate.reached()
        one.tell(SIGTERM)
        one.wait("draining")
        while (answer := ask(port, "/name")) == (200, b"one"):
            pass  # it has not closed its listener yet
        assert answer == (200, b"two")
        gate.open()
        assert client.answer().read() == b"one"
    assert one.ended() == 0
