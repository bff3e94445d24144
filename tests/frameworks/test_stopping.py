"""A deployment: SIGTERM while a request is being read, and other connections are kept."""

from hashlib import sha256
from socket import create_connection

import pytest

from tests.frameworks.conftest import SERVER

pytestmark = pytest.mark.skipif(SERVER == "pywsgi", reason="it keeps connections until it kills")

HEAD = (
    b"PUT /pieces HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n"
    b"Expect: 100-continue\r\n\r\n"
)
BODY = bytes(100_000)


def test_a_request_in_its_handler_is_answered_and_then_the_process_ends(own_site):
    client = create_connection(("127.0.0.1", own_site.port), 20)
    with client, client.makefile("rb") as answer:
        client.sendall(HEAD)
        assert answer.readline() == b"HTTP/1.1 100 Continue\r\n"  # so the handler is reading
        own_site.process.terminate()
        assert own_site.process.stdout.readline() == "stopping\n"
        client.sendall(BODY)
        head, _, body = answer.read().lstrip().partition(b"\r\n\r\n")  # to the end of all
    assert head.startswith(b"HTTP/1.1 200") and b"connection: close" in head.lower()
    assert sha256(BODY).hexdigest().encode() in body
    assert own_site.process.communicate(timeout=20)[0] == "stopped\n"
    assert own_site.process.returncode == 0, own_site.errors()


def test_kept_connections_do_not_hold_up_the_end(own_site):
    with own_site.clients() as client:
        assert client.request("GET", "/greet?name=me").status == 200
        own_site.process.terminate()
        assert own_site.process.communicate(timeout=20)[0] == "stopping\nstopped\n"
    assert own_site.process.returncode == 0, own_site.errors()
