"""Where a server listens, and what its constructor takes."""

import socket as blocking_socket
from inspect import signature
from pathlib import Path

import pytest
from gevent import socket
from gevent.pywsgi import WSGIServer as Pywsgi

from gpool import WorkerPool, WSGIServer
from tests.support import descriptors
from tests.wsgi_server.clients import Client

pytestmark = pytest.mark.limit(3)


def asked(address, path="/x"):
    with Client(address) as client:
        return client.ask(path).body


# ---------------------------------------------------------------------- addresses


@pytest.mark.parametrize("listener", [("127.0.0.1", 0), "127.0.0.1:0", ":0", ("", 0), 0])
def test_a_server_listens_on_an_address(serve, listener):
    server = serve(listener=listener)
    assert asked(("127.0.0.1", server.address[1])) == b"/x"


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("module", [socket, blocking_socket])
def test_a_server_listens_on_a_socket(serve, module, blocking):
    listener = module.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    listener.setblocking(blocking)
    server = serve(listener=listener)
    assert asked(server.address) == b"/x"


def test_a_server_listens_on_a_path_and_removes_it_at_the_end(serve, tmp_path):
    path = tmp_path / "socket"
    server = serve(listener=f"unix:{path}")
    assert asked(str(path)) == b"/x"
    server.stop()
    assert not path.exists()
    server.start()
    assert asked(str(path)) == b"/x"


def test_a_stale_path_is_taken_over_and_a_live_one_is_not(serve, tmp_path, site):
    path = tmp_path / "socket"
    with blocking_socket.socket(blocking_socket.AF_UNIX) as stale:
        stale.bind(str(path))
    first = serve(listener=f"unix:{path}")
    second = WSGIServer(f"unix:{path}", site)
    with pytest.raises(OSError, match=f"in use: '{path}'"):
        second.start()
    second.stop()
    assert asked(str(path)) == b"/x"
    assert first.stats().accepted >= 1


def test_a_path_that_another_server_has_replaced_is_not_removed(serve, tmp_path):
    path = tmp_path / "socket"
    first = serve(listener=f"unix:{path}")
    path.rename(tmp_path / "old")
    serve(listener=f"unix:{path}")
    first.stop()
    assert asked(str(path)) == b"/x"


def test_a_path_of_a_socket_that_was_passed_in_is_its_owners(serve, tmp_path):
    path = tmp_path / "socket"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    server = serve(listener=listener)
    assert asked(str(path)) == b"/x"
    server.stop()
    assert path.exists()


def test_with_reuse_port_two_servers_share_an_address(serve):
    first = serve(reuse_port=True)
    second = serve(listener=first.address, reuse_port=True)
    while not (first.stats().accepted and second.stats().accepted):
        assert asked(first.address) == b"/x"


def test_two_servers_without_it_do_not(serve, site):
    first = serve()
    second = WSGIServer(first.address, site)
    before = descriptors()
    with pytest.raises(OSError, match=f"in use: .*{first.address[1]}"):
        second.start()
    assert descriptors() == before
    second.stop()


def test_a_server_can_start_again_on_its_port(serve):
    server = serve(listener=":0")
    address = ("127.0.0.1", server.address[1])
    for _ in range(3):
        assert asked(address) == b"/x"
        server.stop()
        server.start()


def test_defer_accept_serves_as_well(serve):
    server = serve(defer_accept=True)
    assert [asked(server.address, f"/{n}") for n in range(3)] == [b"/0", b"/1", b"/2"]


def test_a_server_is_a_context_manager(site):
    with WSGIServer(("127.0.0.1", 0), site) as server:
        server.start()
        assert asked(server.address) == b"/x"
    assert server.closed


def test_an_ipv4_client_of_all_interfaces_has_its_ipv4_address(serve, site):
    seen = []

    def look(environ, start_response):
        seen.append(environ["REMOTE_ADDR"])
        return site.do_hello(environ, start_response)

    site.more["look"] = look
    server = serve(listener=":0")
    asked(("127.0.0.1", server.address[1]), "/look")
    assert seen == ["127.0.0.1"]


# ---------------------------------------------------------------------- the constructor

OUT_OF_RANGE = [
    ("max_workers", 0, "max_workers must be at least 1, not 0"),
    ("spawn", 0, "max_workers must be at least 1, not 0"),
    ("max_idle_worker_duration", 0, "max_idle_worker_duration must be more than 0 seconds, not 0"),
    ("max_connections", 0, "max_connections must be at least 1, not 0"),
    ("max_conns_per_ip", -1, "max_conns_per_ip must be at least 1, not -1"),
    ("overflow", "queue", "overflow must be one of 'reject', 'wait', 'adaptive', not 'queue'"),
    ("overflow_pause", -1, "overflow_pause must be 0 or more seconds, not -1"),
    ("log_format", "apache", "log_format must be one of 'combined', 'json', not 'apache'"),
    ("max_queue", -1, "max_queue must be at least 0, not -1"),
    ("body_buffer", -1, "body_buffer must be at least 0, not -1"),
    ("write_buffer", -1, "write_buffer must be at least 0, not -1"),
    ("max_headers", 0, "max_headers must be at least 1, not 0"),
    ("max_body_size", -1, "max_body_size must be at least 0, not -1"),
    ("backlog", -1, "backlog must be at least 1, not -1"),
    *(
        (f"{name}_timeout", value, f"{name}_timeout must be more than 0 seconds, not {value}")
        for name in ("header", "keepalive", "body", "write", "request", "queue")
        for value in (0, -1)
    ),
    *(
        (name, 10, rf"{name} must be at least \d+, not 10")
        for name in ("max_request_line", "max_header_size", "max_head_size")
    ),
]
WRONG_TYPE = [
    ("application", None, "application must be a callable"),
    ("application", "app", "application must be a callable"),
    ("spawn", "many", "spawn must be a WorkerPool or a number of workers"),
    ("spawn", WorkerPool(print), "WorkerPool without a worker_func"),
    ("max_workers", "5", "max_workers must be a whole number of at least 1, not '5'"),
    ("max_workers", True, "max_workers must be a whole number of at least 1, not True"),
    ("max_idle_worker_duration", "1", "max_idle_worker_duration must be a number of seconds"),
    ("max_connections", 1.5, "max_connections must be a whole number of at least 1, not 1.5"),
    ("max_conns_per_ip", "1", "max_conns_per_ip must be a whole number of at least 1, not '1'"),
    ("overflow_pause", None, "overflow_pause must be a number of seconds, 0 or more, not None"),
    ("log", 5, "log must be a logging.Logger, or have write"),
    ("max_queue", 1.5, "max_queue must be a whole number of at least 0, not 1.5"),
    ("body_buffer", "1", "body_buffer must be a whole number of at least 0, not '1'"),
    ("write_buffer", None, "write_buffer must be a whole number of at least 0, not None"),
    ("header_timeout", "10", "header_timeout must be a number of seconds, more than 0, not '10'"),
    ("backlog", "many", "backlog must be a whole number"),
    ("environ", 5, "environ must be"),
    ("environ", [("a", "b")], "environ must be"),
    ("ssl_context", "cert.pem", "ssl_context must be"),
    ("cancel_on_disconnect", "no", "cancel_on_disconnect must be"),
    ("reuse_port", "no", "reuse_port must be"),
    ("defer_accept", "no", "defer_accept must be"),
]


def construct(name, value):
    arguments = {"listener": ("127.0.0.1", 0), "application": print, name: value}
    return WSGIServer(**arguments)


@pytest.mark.parametrize(("name", "value", "text"), OUT_OF_RANGE)
def test_a_value_out_of_range_is_named_with_the_range(name, value, text):
    with pytest.raises(ValueError, match=text):
        construct(name, value)


@pytest.mark.parametrize(("name", "value", "text"), WRONG_TYPE)
def test_a_value_of_the_wrong_kind_is_named(name, value, text):
    with pytest.raises(TypeError, match=text):
        construct(name, value)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("error_log", "configure the logger 'gpool.wsgi' instead"),
        ("handler_class", "flask-sock and Flask-SocketIO need none"),
        ("ca_certs", "pass ssl_context instead"),
        ("server_side", "pass ssl_context instead"),
        ("do_handshake_on_connect", "under header_timeout"),
        ("max_body", "did you mean 'max_body_size'?"),
        ("xyzzy", "there are also header_timeout, "),
    ],
)
def test_an_argument_that_is_not_known_gets_a_hint(name, hint):
    with pytest.raises(TypeError, match=f"WSGIServer has no argument '{name}'.*{hint}"):
        construct(name, None)


def test_what_pywsgi_has_is_taken_or_gets_a_hint():
    """Each keyword of pywsgi's constructor that gpool does not take."""
    ours = signature(WSGIServer.__init__).parameters
    for name in signature(Pywsgi.__init__).parameters:
        if name not in ours and name not in ("self", "ssl_args"):
            with pytest.raises(TypeError, match=f"'{name}': "):
                construct(name, None)


def test_a_bad_argument_leaves_nothing_behind(tmp_path):
    before = descriptors()
    with pytest.raises(ValueError, match="max_workers"):
        WSGIServer(f"unix:{tmp_path}/socket", print, max_workers=0)
    assert descriptors() == before and not list(Path(tmp_path).iterdir())


def test_the_defaults_are_written_in_the_settings(serve):
    settings = serve().site.settings
    assert (settings.header_timeout, settings.keepalive_timeout) == (10, 75)
    assert (settings.body_timeout, settings.write_timeout) == (30, 30)
    assert settings.request_timeout == float("inf")
