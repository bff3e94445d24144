"""How many connections there may be, and that each gives its slot back, however it ends."""

import pytest
from gevent import socket

from gpool import Refusal
from tests.support import settle
from tests.wsgi_server.clients import Client, request, until

pytestmark = pytest.mark.limit(3)


def open_connections(server, visit, count):
    clients = [visit(server) for _ in range(count)]
    until(lambda: server.stats().open == count)
    return clients


# ---------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("setting", "status", "reason"),
    [
        ("max_connections", 503, Refusal.MAX_CONNECTIONS),
        ("max_conns_per_ip", 429, Refusal.MAX_CONNS_PER_IP),
    ],
)
def test_a_connection_above_the_limit_gets_a_whole_answer_and_the_others_are_undisturbed(
    serve, visit, setting, status, reason
):
    server = serve(**{setting: 2}, overflow_pause=0)
    clients = open_connections(server, visit, 2)
    for sent in (b"", request("/"), request("/", body=bytes(30_000), method="POST")):
        refused = visit(server).send(sent)
        answer = refused.answer()
        assert answer.status == status and setting.encode() in answer.body
        assert (answer.headers["retry-after"], answer.headers["connection"]) == ("1", "close")
        assert refused.rest() == b""
    assert [client.ask("/in").body for client in clients] == [b"/in"] * 2
    assert server.stats().refused[reason] == 3


def test_a_refused_client_lingers_until_it_closes(serve, visit):
    server = serve(max_connections=1, overflow_pause=0)
    open_connections(server, visit, 1)
    refused = visit(server)
    assert refused.answer().status == 503
    assert (server.stats().open, server.stats().lingering) == (1, 1)
    refused.close()
    until(lambda: not server.stats().lingering)


def test_a_refused_client_that_stays_is_closed_after_a_while(serve, visit):
    server = serve(max_connections=1, overflow_pause=0)
    server._lingering._timeout = 0.001
    open_connections(server, visit, 1)
    visit(server).answer()
    until(lambda: not server.stats().lingering)


def test_addresses_are_counted_apart(serve, visit):
    server = serve(max_conns_per_ip=1)
    assert visit(server).ask().status == 200
    assert visit(server).answer().status == 429
    with Client.__new__(Client) as other:
        other.sock = socket.create_connection(server.address, source_address=("127.0.0.2", 0))
        other._buffer = b""
        assert other.ask().status == 200
    assert visit(server).answer().status == 429


def test_unix_clients_have_no_address_to_limit(serve, visit, tmp_path):
    server = serve(listener=f"unix:{tmp_path}/socket", max_conns_per_ip=1)
    clients = open_connections(server, visit, 3)
    assert [client.ask().status for client in clients] == [200] * 3


def test_with_wait_connections_stay_in_the_backlog_until_one_closes(serve, visit):
    server = serve(max_connections=1, overflow="wait")
    [first] = open_connections(server, visit, 1)
    assert first.ask("/first").status == 200
    waiting = visit(server).send(request("/waiting"))
    settle()
    assert (server.stats().accepted, server.stats().open) == (1, 1)
    first.close()
    assert waiting.answer().body == b"/waiting"


# ---------------------------------------------------------------------- slots


def silent(client, site):
    client.close()


def idle(client, site):
    client.ask()
    client.close()


def reset(client, site):
    client.send(request("/hold"))
    until(lambda: site.calls)
    client.reset()
    settle()
    site.gate.set()


def asked_to_close(client, site):
    client.ask("/", "Connection: close")


def old(client, site):
    client.ask("/", version="1.0")


def malformed(client, site):
    client.send(b"\x00\r\n\r\n").rest()
    client.close()


def failed(client, site):
    client.ask("/fail")
    client.close()


def half_a_head(client, site):
    client.send(b"GET").end().rest()


def half_a_body(client, site):
    client.send(request("/echo", body=b"12", method="POST")[:-1]).end().rest()


def too_large(client, site):
    client.send(request("/", "Content-Length: 1000000000000", method="POST")).rest()
    client.close()


def unread(client, site):
    client.ask("/", body=bytes(1_000_000), method="POST")
    client.close()


def cut_off(client, site):
    client.send(request("/flood"))
    until(lambda: site.calls)
    settle()
    client.close()


def unheard(client, site):
    client.send(request("/large"))
    until(lambda: site.calls)
    settle()
    client.close()


WAYS = [
    silent,
    idle,
    reset,
    asked_to_close,
    old,
    malformed,
    failed,
    half_a_head,
    half_a_body,
    too_large,
    unread,
    cut_off,
    unheard,
]


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_a_slot_is_given_back_once_however_a_connection_ends(
    serve, site, visit, *, way, secure, tls, no_hub_errors
):
    settings = {"ssl_context": tls[0]} if secure else {}
    server = serve(max_connections=2, max_conns_per_ip=2, write_buffer=1 << 24, **settings)
    other = visit(server, tls=tls[1] if secure else None)
    assert other.ask().status == 200
    site.calls.clear()
    way(visit(server, tls=tls[1] if secure else None), site)
    until(lambda: server.stats().open == 1)
    until(lambda: not server.stats().lingering)
    assert server._limits._by_network == {"127.0.0.1": 1}
    assert (len(server._connections), server._limits.open) == (1, 1)
    assert other.ask("/other").body == b"/other"
    assert not server.pool.stats().busy
    other.close()
    until(lambda: not server.stats().open)
    assert not server._limits._by_network
