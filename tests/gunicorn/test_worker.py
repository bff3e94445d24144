"""What a process makes of its configuration, without an arbiter."""

import logging
import ssl
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from gevent.event import Event
from gunicorn import config

from gpool.gunicorn.worker import Worker, log_with
from tests.gunicorn.serving import SETTINGS
from tests.wsgi_server.keys import Keys


@pytest.mark.skipif("http_protocols" not in SETTINGS, reason="this gunicorn speaks HTTP/1.1 only")
def test_a_client_that_offers_http_2_is_told_http_1_1(tmp_path, monkeypatch):
    """Also where gunicorn could speak it, and says so."""
    monkeypatch.setattr("gunicorn.http2.is_http2_available", lambda: True)
    keys, cfg = Keys(tmp_path), config.Config()
    cfg.set("http_protocols", "h2,h1")
    cfg.set("certfile", str(keys.certificate))
    cfg.set("keyfile", str(keys.key))
    worker = object.__new__(Worker)
    worker.cfg = cfg
    offering = keys.client()
    offering.set_alpn_protocols(["h2", "http/1.1"])
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = worker._ssl_context().wrap_bio(to_server, to_client, server_side=True)
    client = offering.wrap_bio(to_client, to_server, server_hostname="localhost")
    for one in (client, server):
        with pytest.raises(ssl.SSLWantReadError):
            one.do_handshake()
    client.do_handshake()
    assert client.selected_alpn_protocol() == "http/1.1"


@contextmanager
def without_handlers():
    """The logger of gpool, when nobody has said where its lines go; in a test's own time."""
    own, root = logging.getLogger("gpool"), logging.getLogger()
    kept = own.handlers, own.level, own.propagate, root.handlers
    own.handlers, root.handlers = [], []
    try:
        yield own
    finally:
        own.handlers, own.level, own.propagate, root.handlers = kept


def gunicorns():
    """What stands for gunicorn's logger."""
    return SimpleNamespace(
        error_log=SimpleNamespace(level=logging.WARNING, handlers=[logging.NullHandler()])
    )


def test_what_gpool_says_goes_where_gunicorns_errors_go():
    log = gunicorns()
    with without_handlers() as own:
        log_with(log)
        assert (own.handlers, own.level) == (log.error_log.handlers, logging.WARNING)
        assert not own.propagate


@pytest.mark.parametrize("name", ["gpool", None])
def test_who_has_said_where_it_goes_has_it_there_and_once(name):
    users = logging.NullHandler()
    with without_handlers() as own:
        logging.getLogger(name).addHandler(users)
        log_with(gunicorns())
        assert own.handlers == ([users] if name else [])
        assert own.propagate


def test_a_logger_class_without_an_error_log_is_left_alone():
    with without_handlers() as own:
        log_with(SimpleNamespace())
        assert not own.handlers and own.propagate


@pytest.mark.parametrize("alive", [True, False])
def test_a_worker_that_ends_already_is_not_ended_by_max_requests_too(alive):
    worker, lines = object.__new__(Worker), []
    worker.alive, worker.max_requests, worker._changed = alive, 5, Event()
    worker.pid, worker.log = 1, SimpleNamespace(info=lambda *words: lines.append(words[0]))
    worker._enough()
    assert len(lines) == alive
    assert not worker.alive
