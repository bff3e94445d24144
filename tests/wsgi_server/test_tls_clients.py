"""HTTPS: what an application learns of a client, who is let in, and whose context it is."""

import ssl

import pytest
import trustme
from gevent import socket
from gevent.ssl import SSLContext

from gpool.wsgi.tls_environ import distinguished_name
from tests.support import read_all
from tests.wsgi_server.clients import request, until
from tests.wsgi_server.keys import V12, V13

pytestmark = pytest.mark.limit(10)


@pytest.fixture
def secure(serve, visit, keys):
    """A server of HTTPS, and a way to visit it."""

    def start(*, person=None, version=None, wants="none", **settings):
        known = {"client_ca": keys.ca, "client_certificate": wants} if wants != "none" else {}
        server = serve(ssl_context=keys.server(**known), **settings)
        return server, lambda: visit(server, tls=keys.client(person, version))

    return start


@pytest.fixture
def seen(site):
    """The TLS part of each environ, and `gpool.peer_certificate`."""
    environs = []

    def look(environ, start_response):
        environs.append(
            {name: environ[name] for name in environ if name.startswith(("SSL_", "gpool.peer"))}
        )
        environ["wsgi.input"].read()
        return site.do_hello(environ, start_response)

    site.more["look"] = look
    return environs


# ---------------------------------------------------------------------- what the environ says


@pytest.mark.parametrize(("version", "name"), [(V12, "TLSv1.2"), (V13, "TLSv1.3")])
def test_the_environ_says_how_it_is_encrypted(secure, seen, version, name):
    client = secure(version=version)[1]()
    client.ask("/look")
    assert seen == [
        {
            "SSL_PROTOCOL": name,
            "SSL_CIPHER": client.sock.cipher()[0],
            "SSL_CLIENT_VERIFY": "NONE",
            "SSL_TLS_SNI": "localhost",
        }
    ]


def test_without_a_name_there_is_none(secure, keys, seen):
    context = keys.client()
    context.check_hostname = False
    plain = socket.create_connection(secure()[0].address)
    with context.wrap_socket(plain) as client:
        client.sendall(request("/look", "Connection: close"))
        read_all(client)
    assert "SSL_TLS_SNI" not in seen[0]


@pytest.mark.parametrize("version", [V12, V13])
def test_the_environ_says_who_the_client_is(secure, keys, seen, version):
    secure(wants="required", person=keys.person, version=version)[1]().ask("/look")
    (environ,) = seen
    certificate = environ["gpool.peer_certificate"]
    subject = dict(pair for together in certificate["subject"] for pair in together)
    assert subject["commonName"] == "Jürgen"
    assert environ["SSL_CLIENT_VERIFY"] == "SUCCESS"
    assert environ["SSL_CLIENT_CERT"] == keys.person.cert_chain_pems[0].bytes().decode()
    assert environ["SSL_CLIENT_S_DN"].startswith("CN=J\\C3\\BCrgen,OU=Testing cert #")
    assert environ["SSL_CLIENT_I_DN"].endswith(",O=Keys\\, Ltd.")
    assert int(environ["SSL_CLIENT_M_SERIAL"], 16)
    assert environ["SSL_CLIENT_V_START"] == certificate["notBefore"]
    assert environ["SSL_CLIENT_V_END"] == certificate["notAfter"]


@pytest.mark.parametrize("settings", [{}, {"overflow": "wait", "max_workers": 1}])
def test_each_request_of_a_connection_says_it(secure, site, keys, seen, settings):
    """Known and unknown heads, bodies, one at a time and in batches, at once and in the queue."""
    server, connect = secure(wants="required", person=keys.person, body_buffer=100, **settings)
    client = connect()
    for _ in range(3):
        client.ask("/look")
    client.send(b"".join([request("/look")] * 5 + [request(f"/look/{n}") for n in range(5)]))
    client.send(b"".join(request("/look", body=b"x" * size, method="POST") for size in (10, 900)))
    for _ in range(12):
        assert client.answer().status == 200
    if settings:
        other = connect().send(request("/hold"))
        until(lambda: server.pool.stats().busy)
        client.send(request("/look") * 2)
        until(lambda: any(conn.state.name == "QUEUED" for conn in server._connections))
        site.gate.set()
        assert [client.answer().status, client.answer().status, other.answer().status] == [200] * 3
    assert len(seen) == (17 if settings else 15)
    assert all(environ == seen[0] for environ in seen)
    assert seen[0]["SSL_CLIENT_VERIFY"] == "SUCCESS"


@pytest.mark.parametrize("version", [V12, V13])
def test_a_client_that_comes_back_with_its_session_is_known(secure, keys, seen, version):
    server, _ = secure(wants="required")
    context = keys.client(keys.person, version)
    session = None
    for _ in range(2):
        plain = socket.create_connection(server.address)
        with context.wrap_socket(plain, server_hostname="localhost", session=session) as client:
            client.sendall(request("/look", "Connection: close"))
            read_all(client)
            assert client.session_reused is bool(session)
            session = client.session
    assert seen[0] == seen[1]


FORGED = [
    "SSL-Client-Verify: SUCCESS",
    "SSL-Client-S-DN: CN=admin",
    "SSL-Protocol: none",
    "gpool.peer-certificate: x",
]


@pytest.mark.parametrize("tls", [True, False])
def test_a_header_cannot_pass_for_it(secure, serve, visit, site, tls):
    environs = []

    def look(environ, start_response):
        environs.append(environ)
        return site.do_hello(environ, start_response)

    site.more["look"] = look
    client = secure(wants="optional")[1]() if tls else visit(serve())
    for _ in range(2):
        assert client.ask("/look", *FORGED).status == 200
    for environ in environs:
        assert environ["HTTP_SSL_CLIENT_VERIFY"] == "SUCCESS"
        assert environ.get("SSL_CLIENT_VERIFY") == ("NONE" if tls else None)
        assert (environ.get("SSL_PROTOCOL") == "TLSv1.3") is tls
        assert not {"SSL_CLIENT_S_DN", "gpool.peer_certificate"} & set(environ)


@pytest.mark.parametrize("name", ["SSL_CLIENT_VERIFY", "SSL_CLIENT_S_DN"])
def test_nor_can_one_with_underscores(secure, seen, name):
    client = secure()[1]()
    client.send(request("/look", f"{name}: SUCCESS")).answer()
    assert all(environ["SSL_CLIENT_VERIFY"] == "NONE" and len(environ) == 4 for environ in seen)


def test_a_name_is_written_as_rfc_4514_has_it():
    name = (
        (("domainComponent", "org"),),
        (("organizationName", ' "a+b", <c>;\\ '),),
        (("commonName", "#1"), ("userId", "x\ny\0")),
        (("1.2.3", "é"),),
    )
    assert distinguished_name(name) == (
        r"1.2.3=\C3\A9,CN=\#1+UID=x\0Ay\00," + r"O=\ \"a\+b\"\, \<c\>\;\\\ ,DC=org"
    )


# ---------------------------------------------------------------------- who is not let in


@pytest.mark.parametrize("version", [V12, V13])
@pytest.mark.parametrize("person", [None, trustme.CA().issue_cert("stranger@example.org")])
def test_who_shows_no_good_certificate_is_told_and_has_no_request(
    secure, keys, site, version, person
):
    server, connect = secure(wants="required", person=keys.person)
    context = keys.client(person, version)
    client = context.wrap_socket(
        socket.create_connection(server.address),
        server_hostname="localhost",
        do_handshake_on_connect=False,
    )

    def ask():
        client.do_handshake()
        client.sendall(request("/"))  # TLS 1.3: the client is done before the server has looked
        read_all(client)

    with client, pytest.raises(ssl.SSLError, match=r"(?i)alert"):
        ask()
    until(lambda: server.stats().open == 0)
    assert not site.calls
    assert connect().ask("/next").status == 200


# ---------------------------------------------------------------------- the user's own context


def test_an_sni_callback_of_the_users_is_honoured(serve, keys, seen):
    other = SSLContext(ssl.PROTOCOL_TLS_SERVER)
    keys.authority.issue_cert("other.test").configure_cert(other)
    names = []

    def choose(sock, name, context):
        names.append(name)
        sock.server_name = f"<{name}>"  # what `server_context` promises to look for
        if name == "other.test":
            sock.context = other

    context = keys.server()
    context.sni_callback = choose
    server = serve(ssl_context=context)
    for name in ("localhost", "other.test"):
        plain = socket.create_connection(server.address)
        with keys.client().wrap_socket(plain, server_hostname=name) as client:  # checks it
            client.sendall(request("/look", "Connection: close"))
            read_all(client)
    assert names == ["localhost", "other.test"]
    assert context.sni_callback is choose
    assert [environ["SSL_TLS_SNI"] for environ in seen] == ["<localhost>", "<other.test>"]


def test_a_context_without_the_name_is_served_without_it(serve, visit, tls, seen):
    visit(serve(ssl_context=tls[0]), tls=tls[1]).ask("/look")
    assert "SSL_TLS_SNI" not in seen[0] and tls[0].sni_callback is None


def test_files_will_do(serve, visit, keys):
    server = serve(keyfile=str(keys.key), certfile=str(keys.certificate))
    assert visit(server, tls=keys.client()).ask("/x").body == b"/x"


def test_what_is_wrong_with_files_is_said_when_the_server_is_made(serve, keys):
    with pytest.raises(ValueError, match=r"certificate 'gone.pem': there is no such file"):
        serve(certfile="gone.pem")


def test_a_renewed_certificate_is_for_new_connections(serve, visit, keys):
    server = serve(ssl_context=keys.server())
    old = visit(server, tls=keys.client())
    keys.write(keys.authority.issue_cert("localhost"))
    server.renew_tls(keys.server())
    new = visit(server, tls=keys.client())
    assert old.ask("/old").status == new.ask("/new").status == 200
    assert old.sock.getpeercert()["serialNumber"] != new.sock.getpeercert()["serialNumber"]


def test_a_server_without_tls_cannot_begin_to_speak_it(serve, keys):
    with pytest.raises(ValueError, match="without TLS"):
        serve().renew_tls(keys.server())
    with pytest.raises(TypeError, match=r"context must be an ssl\.SSLContext"):
        serve(ssl_context=keys.server()).renew_tls(None)


@pytest.mark.parametrize("size", [1, 70_000, 3_000_000])
def test_bodies_go_both_ways_with_tls_12(secure, size):
    client = secure(version=V12)[1]()
    body = bytes(range(251)) * (size // 251 + 1)
    assert client.ask("/echo", body=body, method="POST").body == body
