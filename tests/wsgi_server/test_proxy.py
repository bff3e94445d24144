"""A server behind proxies: PROXY headers in front of a connection, forwarded ones in requests."""

import io
import ssl
import struct
from contextlib import suppress

import pytest
from gevent import socket

from gpool import Refusal, WSGIServer
from gpool.connection import ConnState
from gpool.wsgi.proxyprotocol import SIGNATURE
from tests.support import Log, descriptors, settle
from tests.wsgi_server.clients import RESET, Client, lapse, request, until

pytestmark = pytest.mark.limit(5)

V1 = b"PROXY TCP4 192.0.2.1 192.0.2.9 5000 443\r\n"
V1_IPV6 = b"PROXY TCP6 2001:db8::1 2001:db8::9 5000 443\r\n"
UNKNOWN = b"PROXY UNKNOWN\r\n"


def binary(command, family, block):
    return SIGNATURE + bytes([0x20 | command, family]) + len(block).to_bytes(2, "big") + block


def v2(host="192.0.2.1", tlvs=b""):
    source, other = socket.inet_aton(host), socket.inet_aton("192.0.2.9")
    return binary(1, 0x11, source + other + struct.pack("!HH", 5_000, 443) + tlvs)


V2 = v2()
V2_TLVS = v2(tlvs=b"\x04\x0f\xa0" + bytes(4_000))
V2_IPV6 = binary(
    1,
    0x21,
    socket.inet_pton(socket.AF_INET6, "2001:db8::1") + bytes(16) + struct.pack("!HH", 5_000, 443),
)
V2_UNIX = binary(1, 0x31, b"/run/client".ljust(108, b"\0") * 2)
LOCAL = binary(0, 0, b"")

CLIENTS = {
    "v1": (V1, "192.0.2.1:5000"),
    "v1 IPv6": (V1_IPV6, "2001:db8::1:5000"),
    "v2": (V2, "192.0.2.1:5000"),
    "v2 TLVs": (V2_TLVS, "192.0.2.1:5000"),
    "v2 IPv6": (V2_IPV6, "2001:db8::1:5000"),
    "v2 unix": (V2_UNIX, ":"),
}
each_client = pytest.mark.parametrize(("header", "who"), CLIENTS.values(), ids=CLIENTS)
each_local = pytest.mark.parametrize("header", [UNKNOWN, b"PROXY UNKNOWN x y\r\n", LOCAL])


def do_who(environ, start_response):
    """The client, as the application sees it."""
    start_response("200 OK", [])
    return [f"{environ['REMOTE_ADDR']}:{environ['REMOTE_PORT']}".encode("latin-1")]


@pytest.fixture
def proxied(serve, site):
    """A server that wants PROXY headers of 127.0.0.1 and ::1."""
    site.more["who"] = do_who

    def start(**settings):
        return serve(**{"proxy_protocol": True, **settings})

    return start


def waiting(server, count=1):
    until(lambda: len(server._lobby) == count)


def connection(source, server):
    """A client of another address."""
    client = Client.__new__(Client)
    client.sock = socket.create_connection(server.address, source_address=(source, 0))
    client._buffer = b""
    return client


# ---------------------------------------------------------------------- whose connection it is


@each_client
def test_the_application_sees_the_client(proxied, visit, header, who):
    client = visit(proxied()).send(header)
    for _ in range(3):
        assert client.ask("/who").body.decode() == who


@each_client
def test_the_request_may_be_in_the_same_packet(proxied, visit, header, who):
    client = visit(proxied()).send(header + request("/who") + request("/echo", body=b"x" * 5_000))
    assert client.answer().body.decode() == who
    assert client.answer().body == b"x" * 5_000


@pytest.mark.parametrize("header", [V1, V1_IPV6, V2, V2_IPV6, LOCAL])
def test_a_header_that_comes_byte_by_byte_is_read_and_the_hub_does_not_spin(
    proxied, visit, header, no_hub_errors
):
    server = proxied()
    client = visit(server)
    reads = []
    waiting(server)
    (guest,) = server._lobby._guests
    guest.socket = Counted(guest.socket, reads)
    for number, byte in enumerate(header):
        client.send(bytes([byte]))
        until(lambda: len(reads) > number)  # noqa: B023  # called at once
        settle()
        assert len(reads) == number + 1
    assert client.ask("/hello").body == b"/hello"


class Counted:
    """A socket that tells how often it was looked at."""

    def __init__(self, sock, reads):
        self._sock = sock
        self._reads = reads

    def recv(self, size, flags=0):
        if flags:
            self._reads.append(size)
        return self._sock.recv(size, flags)

    def __getattr__(self, name):
        return getattr(self._sock, name)


@pytest.mark.parametrize("header", [V1, V2_TLVS])
@pytest.mark.parametrize("where", [1, 6, 15, 20, -2, -1])
def test_a_header_in_two_parts_with_the_request_behind_it(proxied, visit, header, where):
    server = proxied()
    client = visit(server).send(header[:where])
    waiting(server)
    assert client.send(header[where:] + request("/who")).answer().body == b"192.0.2.1:5000"


@each_local
def test_a_proxy_that_speaks_for_itself_is_served_as_itself(proxied, visit, header):
    client = visit(proxied()).send(header)
    assert client.ask("/who").body == f"127.0.0.1:{client.port}".encode()


@each_client
def test_tls_begins_behind_the_header(proxied, visit, tls, header, who):
    server = proxied(ssl_context=tls[0])
    client = visit(server).send(header)
    client.sock = tls[1].wrap_socket(client.sock, server_hostname="localhost")
    assert client.ask("/who").body.decode() == who
    assert client.ask("/echo", body=b"x" * 100_000, method="POST").body == b"x" * 100_000


def test_tls_that_comes_with_the_last_byte_of_the_header_is_found(proxied, visit, tls):
    """The first bytes of TLS are in the kernel before the header is whole."""
    server = proxied(ssl_context=tls[0])
    client = visit(server).send(V2[:-1])
    waiting(server)
    client.send(V2[-1:] + client_hello())
    assert client.exactly(1) == b"\x16"  # a handshake record: ServerHello


def client_hello():
    out = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), out, server_hostname="a")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return out.read()


def test_a_proxy_on_a_unix_socket(proxied, visit, tmp_path):
    listener = f"unix:{tmp_path}/socket"
    server = proxied(listener=listener, proxy_allow_ips="unix")
    client = visit(str(tmp_path / "socket")).send(V1[:9])
    waiting(server)
    assert client.send(V1[9:] + request("/who")).answer().body == b"192.0.2.1:5000"


def test_a_unix_peer_that_is_not_named_sends_no_header(proxied, visit, tmp_path):
    proxied(listener=f"unix:{tmp_path}/socket")
    client = visit(str(tmp_path / "socket"))
    assert client.ask("/who").body == b":"


def test_a_proxy_of_ipv6(proxied, visit):
    try:
        server = proxied(listener=("::1", 0))
    except OSError:
        pytest.skip("this machine has no ::1")
    assert visit(server.address[:2]).send(V1).ask("/who").body == b"192.0.2.1:5000"


def test_a_proxy_of_ipv4_on_a_socket_of_both(proxied, visit):
    server = proxied(listener=("", 0))
    client = visit(("127.0.0.1", server.address[1])).send(V1)
    assert client.ask("/who").body == b"192.0.2.1:5000"


def test_with_defer_accept(proxied, visit):
    client = visit(proxied(defer_accept=True)).send(V1)
    assert client.ask("/who").body == b"192.0.2.1:5000"
    client = visit(proxied(defer_accept=True)).send(V1 + request("/who"))
    assert client.answer().body == b"192.0.2.1:5000"


def test_the_access_log_has_the_client(proxied, visit):
    log = io.StringIO()
    server = proxied(log=log)
    visit(server).send(V1).ask("/logged")
    visit(server).send(v2("192.0.2.2") + b"nonsense\r\n\r\n").answer()
    server.site.tick()
    lines = log.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == ["192.0.2.1", "192.0.2.2"]


def test_a_connection_that_was_accepted_elsewhere_waits_too(proxied):
    server = proxied()
    ours, theirs = socket.socketpair()
    with ours:
        raw = socket._socket.socket(fileno=theirs.detach())
        raw.setblocking(False)
        server.handle(raw, ("127.0.0.1", 1))
        assert len(server._lobby) == 1
        ours.sendall(V1 + request("/who", "Connection: close"))
        assert b"192.0.2.1:5000" in ours.recv(65_536)


# ---------------------------------------------------------------------- limits


def test_connections_are_counted_by_client_and_not_by_proxy(proxied, visit):
    server = proxied(max_conns_per_ip=1)
    first = visit(server).send(v2("192.0.2.1"))
    assert first.ask().status == 200
    for header in (v2("192.0.2.1"), V1):
        refused = visit(server).send(header)
        assert refused.answer().status == 429 and refused.rest() == b""
    for number in range(2, 5):
        assert visit(server).send(v2(f"192.0.2.{number}")).ask().status == 200
    assert server.stats().refused[Refusal.MAX_CONNS_PER_IP] == 2
    first.close()
    until(lambda: server.stats().open == 3)
    assert visit(server).send(V2).ask().status == 200


def test_who_waits_takes_no_slot(proxied, visit):
    server = proxied(max_connections=1, max_conns_per_ip=1, overflow_pause=0)
    for count in (1, 2):
        visit(server)
        waiting(server, count)
    assert server.stats().open == 0
    assert visit(server).send(V1).ask().status == 200
    assert visit(server).send(v2("192.0.2.2")).answer().status == 503


def test_with_wait_no_more_are_accepted_than_can_be_admitted(proxied, visit):
    """Or those would get the 503 that waiting is to spare them."""
    server = proxied(max_connections=2, overflow="wait")
    silent, served = visit(server), visit(server).send(V1)
    assert served.ask().status == 200
    waiting(server)
    third = visit(server).send(V1 + request("/third", "Connection: close"))
    settle()
    assert server.stats().accepted == 2
    silent.close()
    assert third.answer().status == 200
    fourth, fifth = visit(server), visit(server)
    waiting(server)
    fourth.send(V1)
    assert fourth.ask().status == 200
    settle()
    assert server.stats().accepted == 4
    served.close()
    assert fifth.send(V1).ask().status == 200
    assert not any(server.stats().refused.values())


def test_more_than_may_wait_turn_out_who_has_waited_for_longest(proxied, visit):
    server = proxied()
    server._lobby._max_waiting = 2
    with Log("gpool.wsgi") as log:
        clients = []
        for number in range(4):
            clients.append(visit(server))
            until(lambda: server.stats().accepted == number + 1)  # noqa: B023  # called at once
        assert log.lines.get() == (
            f"closed a connection of the proxy ('127.0.0.1', {clients[0].port}): "
            "too many connections wait for theirs"
        )
    assert clients[0].rest() == clients[1].rest() == b""
    assert len(server._lobby) == 2
    for client in clients[2:]:
        assert client.send(V1).ask("/who").body == b"192.0.2.1:5000"


# ---------------------------------------------------------------------- who is not believed


@pytest.mark.parametrize("allowed", ["", "127.0.0.2, 10.0.0.0/8", "unix", "::1"])
def test_who_is_not_named_is_served_as_itself(proxied, visit, allowed):
    client = visit(proxied(proxy_allow_ips=allowed))
    assert client.ask("/who").body == f"127.0.0.1:{client.port}".encode()


@pytest.mark.parametrize("header", [V1, V2, UNKNOWN])
def test_a_header_of_somebody_else_is_a_bad_request(proxied, visit, site, header):
    client = visit(proxied(proxy_allow_ips="127.0.0.2")).send(header + request("/who"))
    assert client.answer().status == 400
    assert not site.calls


def test_a_header_without_the_setting_is_a_bad_request(serve, visit):
    assert visit(serve()).send(V1 + request("/who")).answer().status == 400


def test_networks_and_everybody(proxied):
    for allowed in ("127.0.0.0/8", "*"):
        server = proxied(proxy_allow_ips=allowed)
        with connection("127.0.0.3", server) as client:
            assert client.send(V1).ask("/who").body == b"192.0.2.1:5000"


# ---------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize("said", [b"", b"PROXY TCP4", V2[:14], V2_TLVS[:-1]])
def test_who_does_not_end_a_header_in_time_is_closed_without_a_word(proxied, visit, said):
    server = proxied(header_timeout=5)
    client = visit(server).send(said)
    waiting(server)
    with Log("gpool.wsgi") as log:
        lapse(server, 5)
        assert client.rest() == b""
        assert log.lines.get().endswith("no PROXY header within header_timeout")
    assert not len(server._lobby) and not server.stats().open


def test_more_bytes_do_not_restart_the_time(proxied, visit):
    server = proxied(header_timeout=5)
    client = visit(server)
    waiting(server)
    for byte in V1[:7]:
        client.send(bytes([byte]))
        settle()
        server.clock.advance(1)
        server.site.tick()
    assert client.rest() == b""


def test_nobody_is_closed_before_the_time_and_the_request_has_its_own(proxied, visit):
    server = proxied(header_timeout=5)
    client = visit(server)
    waiting(server)
    for _ in range(4):
        server.clock.advance(1)
        server.site.tick()
    client.send(V1)
    until(lambda: server.stats().open == 1)
    for _ in range(4):
        server.clock.advance(1)
        server.site.tick()
    assert client.ask("/who").body == b"192.0.2.1:5000"


@pytest.mark.parametrize(
    "said", [request("/"), b"\x16\x03\x01", b"PROXY TCP4 x\r\n" + bytes(9), V2[:13] + b"\xff\0\0"]
)
def test_what_is_no_header_is_closed_at_once_and_logged_once_a_minute(
    proxied, visit, site, said, no_hub_errors
):
    server = proxied()
    with Log("gpool.wsgi") as log:
        for _ in range(3):
            client = visit(server).send(said)
            with suppress(ConnectionResetError):  # what it sent was not read
                assert client.rest() == b""
        until(lambda: server.stats().accepted == 3)
        assert "a malformed PROXY header: " in log.lines.get()
        assert log.lines.empty()
    assert not len(server._lobby) and not site.calls
    assert visit(server).send(V1).ask().status == 200


@pytest.mark.usefixtures("no_hub_errors")
@pytest.mark.parametrize("go", ["close", "reset", "end"])
@pytest.mark.parametrize("said", [b"", V1[:9], V2[:9]])
def test_a_proxy_that_goes_is_forgotten(proxied, visit, logged, go, said):
    server = proxied()
    client = visit(server).send(said)
    waiting(server)
    settle()
    getattr(client, go)()
    waiting(server, 0)
    assert len(logged()) == (1 if said and go != "reset" else 0)


@pytest.mark.parametrize("secure", [False, True])
def test_a_client_that_is_gone_when_the_header_is_read_costs_nothing(
    proxied, tls, no_hub_errors, secure
):
    server = proxied(**({"ssl_context": tls[0]} if secure else {}))
    for _ in range(3):  # all of it in one turn of the loop
        sock = socket._socket.socket()
        sock.connect(server.address)
        sock.send(V1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        sock.close()
    until(lambda: server.stats().accepted == 3)
    until(lambda: not server.stats().open and not len(server._lobby))


# ---------------------------------------------------------------------- the end


def test_a_drain_closes_who_waits_at_once(proxied, visit):
    server = proxied()
    clients = [visit(server), visit(server).send(V1[:9])]
    waiting(server, 2)
    server.stop(60)
    assert [client.rest() for client in clients] == [b"", b""]
    assert not len(server._lobby) and not server._limits.expected


def test_a_drain_serves_whose_header_is_there(proxied, visit):
    """What has come is answered, as without a proxy."""
    server = proxied()
    client = visit(server)
    waiting(server)
    client.sock._sock.send(V1 + request("/who"))  # the watcher has not told yet
    server.stop(60)
    assert client.answer().body == b"192.0.2.1:5000"
    assert client.rest() == b""


def test_a_drain_serves_who_is_in_the_backlog(proxied):
    server = proxied()
    late = Client.__new__(Client)
    late.sock = socket._socket.socket()
    late.sock.connect(server.address)  # without a turn of the loop
    late._buffer = b""
    with late:
        late.send(V1 + request("/who"))
        assert not server.stats().accepted
        server.stop(60)
        assert late.answer().body == b"192.0.2.1:5000"
        assert late.rest() == b""


def test_a_server_can_start_again(proxied, visit):
    server = proxied()
    visit(server)
    waiting(server)
    server.stop(60)
    server.start()
    assert visit(server).send(V1).ask("/who").body == b"192.0.2.1:5000"


def test_no_descriptor_is_left(proxied, visit):
    server = proxied()
    settle()
    before = descriptors()
    for said in (b"", V1[:5], b"nonsense", V1 + request("/", "Connection: close")):
        client = visit(server).send(said)
        until(lambda: server.stats().accepted)
        settle()
        client.close()
        until(lambda: not (len(server._lobby) or server.stats().open or server.stats().lingering))
    assert descriptors() == before


def test_a_hijacked_connection_has_the_client_too(proxied, visit, site):
    taken = []

    def take(environ, start_response):
        sock, rest = environ["gpool.hijack"]()
        taken.append(sock)
        sock.sendall(environ["REMOTE_ADDR"].encode() + rest)
        return []

    site.more["take"] = take
    server = proxied()
    client = visit(server).send(V1 + request("/take") + b"rest")
    assert client.exactly(13) == b"192.0.2.1rest"
    assert [conn.state for conn in server._connections] == [ConnState.HIJACKED]
    taken.pop().close()


# ---------------------------------------------------------------------- headers of requests


def test_forwarded_headers_of_a_proxy_that_is_named(serve, visit, site):
    site.more["who"] = do_who
    log = io.StringIO()
    server = serve(forwarded_allow_ips="127.0.0.1", log=log)
    client = visit(server)
    for _ in range(3):  # heads are remembered; what they say of clients is not
        answer = client.ask("/who", "X-Forwarded-For: 192.0.2.1:7", "X-Forwarded-Host: evil")
        assert answer.body == b"192.0.2.1:7"
    assert client.ask("/who").body == f"127.0.0.1:{client.port}".encode()
    server.site.tick()
    assert [line.split()[0] for line in log.getvalue().splitlines()] == ["192.0.2.1"] * 3 + [
        "127.0.0.1"
    ]


def test_forwarded_headers_of_anybody_else(serve, visit, site):
    site.more["who"] = do_who
    for allowed in ("", "127.0.0.2"):
        client = visit(serve(forwarded_allow_ips=allowed))
        answer = client.ask("/who", "X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1")
        assert answer.body == f"127.0.0.1:{client.port}".encode()


def test_which_headers_are_believed_can_be_told(serve, visit, site):
    site.more["who"] = do_who
    server = serve(forwarded_allow_ips="127.0.0.1", forwarded_headers="forwarded")
    client = visit(server)
    answer = client.ask("/who", "X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.2")
    assert answer.body == b"192.0.2.2:"


def test_both_protocols_each_for_its_own_proxies(proxied, visit):
    server = proxied(forwarded_allow_ips="192.0.2.1")
    field = "X-Forwarded-For: 198.51.100.1"
    assert visit(server).send(V1).ask("/who", field).body == b"198.51.100.1:"
    assert visit(server).send(v2("192.0.2.2")).ask("/who", field).body == b"192.0.2.2:5000"


# ---------------------------------------------------------------------- settings


@pytest.mark.parametrize("name", ["forwarded_allow_ips", "proxy_allow_ips"])
def test_a_list_of_addresses_is_checked(site, name):
    with pytest.raises(ValueError, match=f"{name} must have IP addresses, networks .*, not 'x'"):
        WSGIServer(":0", site, **{name: "127.0.0.1,x"})
    with pytest.raises(TypeError, match=f"{name} must be a text of IP addresses"):
        WSGIServer(":0", site, **{name: ["127.0.0.1"]})


def test_the_names_of_headers_are_checked(site):
    with pytest.raises(ValueError, match="forwarded_headers must have names out of"):
        WSGIServer(":0", site, forwarded_headers="x-real-ip")


@pytest.mark.parametrize("value", [1, None, "yes"])
def test_proxy_protocol_is_true_or_false(site, value):
    with pytest.raises(TypeError, match="proxy_protocol must be True or False"):
        WSGIServer(":0", site, proxy_protocol=value)
