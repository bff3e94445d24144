"""Ordinary requests to an application in wsgiref.validate.validator, which checks both sides."""

import pytest

from tests.blackbox.client import chunked, request

ORDINARY = {
    "GET": {},
    "query": {"target": "/validated/a%20b?c=d"},
    "POST": {"method": "POST", "body": b"hello"},
    "type": {"method": "PUT", "body": b"x", "lines": ["Content-Type: a/b"]},
    "empty body": {"method": "POST", "body": b""},
    "large body": {"method": "POST", "body": b"x" * 99_999},
    "OPTIONS": {"method": "OPTIONS"},
    "DELETE": {"method": "DELETE"},
    "fields": {"lines": ["X-A: \xe9", "Cookie: a=b"]},
    "kept": {"lines": ["Connection: keep-alive"]},
    "closed": {"lines": ["Connection: close"]},
    "100-continue": {"method": "POST", "body": b"x", "lines": ["Expect: 100-continue"]},
}


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("options", ORDINARY.values(), ids=list(ORDINARY))
def test_the_validator_finds_nothing(server, options, version):
    options = {"target": "/validated", "lines": [], **options, "version": version}
    response = server.get(options.pop("target"), *options.pop("lines"), **options)
    assert (response.status, response.body) == (200, b"validated " + options.get("body", b""))


def test_the_validator_finds_nothing_in_head(server):
    assert server.get("/validated", method="HEAD").status == 200


def test_the_validator_finds_nothing_in_write(server):
    assert server.get("/validated?write").body == b"written validated "


def test_the_validator_finds_nothing_without_a_body(server):
    assert server.get("/validated?204").status == 204


def test_the_validator_finds_nothing_in_chunks(server):
    data = request("/validated", "Transfer-Encoding: chunked", method="POST")
    assert server.ask(data + chunked(b"hel", b"lo")).body == b"validated hello"


def test_the_validator_finds_nothing_on_a_kept_connection(server):
    with server.connect() as client:
        client.send(request("/validated", method="POST", body=b"x") * 20)
        assert [client.response().body for _ in range(20)] == [b"validated x"] * 20
