"""The part of an environ that is the same for each request; and wsgi.errors."""

import logging
import socket
from typing import Any
from wsgiref import validate

import pytest

from gpool.wsgi.application import Exchange
from gpool.wsgi.request import Heads
from gpool.wsgi.settings import Settings
from gpool.wsgi.template import PER_REQUEST, ErrorLog, template
from tests.wsgi.parts import Conn

CHECKS: Any = validate  # its checks are not in typeshed


def made(address=("192.0.2.1", 8_000), base=None, *, tls=False, several=False):
    return template(address, base or {}, software="test/1", tls=tls, several=several)


def of_a_request(environ):
    """What an application gets, but for what only a connection knows."""
    environ, framing = Heads(Settings().limits, environ).read(b"GET /a?b HTTP/1.1\r\nHost: c")
    environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = "192.0.2.2", "1"
    Exchange(Conn(), environ, framing)
    return environ


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("several", [False, True])
def test_it_has_what_pep_3333_wants_of_a_server(tls, several):
    environ = made(tls=tls, several=several)
    assert environ["wsgi.version"] == (1, 0)
    assert environ["wsgi.url_scheme"] == ("https" if tls else "http")
    assert ("HTTPS" in environ) is tls
    assert environ["wsgi.multithread"] is True  # greenlets run at the same time
    assert environ["wsgi.multiprocess"] is several
    assert environ["wsgi.run_once"] is False
    assert environ["wsgi.input_terminated"] is True
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("192.0.2.1", "8000")
    assert (environ["SCRIPT_NAME"], environ["SERVER_SOFTWARE"]) == ("", "test/1")
    CHECKS.check_errors(environ["wsgi.errors"])


@pytest.mark.parametrize("tls", [False, True])
def test_with_a_request_it_is_an_environ_of_pep_3333(tls):
    environ = of_a_request(made(tls=tls))
    CHECKS.check_environ(environ)
    assert environ["wsgi.input"].read() == b""


def test_each_key_that_stands_there_for_its_room_is_set_by_each_request():
    """Else a request would show nothing where there is something."""
    environ = made()
    for key in PER_REQUEST:
        assert environ[key] == ""
        environ[key] = f"of the template: {key}"
    environ = of_a_request(environ)
    for key in PER_REQUEST:
        assert environ[key] != f"of the template: {key}"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_a_server_on_all_addresses_has_the_name_of_its_host(host):
    assert made((host, 80))["SERVER_NAME"] == socket.gethostname()


def test_an_address_of_ipv6_has_more_than_host_and_port():
    environ = made(("::1", 8_000, 0, 0))
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("::1", "8000")


@pytest.mark.parametrize(("tls", "port"), [(False, "80"), (True, "443")])
@pytest.mark.parametrize("address", ["/run/site.sock", "", b"\0abstract"])
def test_a_unix_socket_has_a_name_and_port_all_the_same(address, tls, port):
    """PEP 3333: neither can be empty. What they make together is a URL without a port."""
    environ = made(address, tls=tls)
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("localhost", port)


def test_what_the_user_wants_goes_over_all_the_rest():
    base = {"SERVER_NAME": "site", "wsgi.multithread": False, "own": [1], "HTTPS": "off"}
    environ = made(base=base, tls=True)
    assert base.items() <= environ.items() and environ["own"] is base["own"]
    assert base == {"SERVER_NAME": "site", "wsgi.multithread": False, "own": [1], "HTTPS": "off"}


# ---------------------------------------------------------------------- wsgi.errors


@pytest.fixture
def errors(caplog):
    caplog.set_level(logging.DEBUG, "gpool.test")
    return ErrorLog(logging.getLogger("gpool.test"))


def test_what_is_written_is_logged_as_an_error(errors, caplog):
    assert errors.write("a message\n") == 10
    assert errors.write("100 %s %d\n") == 10  # is no format
    errors.writelines(["first\n", "second"])
    errors.flush()
    assert caplog.messages == ["a message", "100 %s %d", "first", "second"]
    assert {record.levelno for record in caplog.records} == {logging.ERROR}


def test_print_writes_a_line(errors, caplog):
    """It writes the line's end on its own."""
    print("a", "message", file=errors)
    assert errors.write("") == 0 and errors.write("\n") == 1
    assert " ".join(caplog.messages) == "a message"


def test_a_traceback_is_one_record(errors, caplog):
    errors.write("Traceback\n  line\nLookupError\n")
    assert caplog.messages == ["Traceback\n  line\nLookupError"]
