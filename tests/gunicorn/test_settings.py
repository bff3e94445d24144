"""What gunicorn's settings become."""

import os
from math import inf

import click
import pytest
from gunicorn import config as gunicorn_config

from gpool.command.options import OPTIONS
from gpool.command.sources import Config
from gpool.gunicorn.settings import MOST_HEADERS, UNLIMITED, notes_of, own_settings, settings_of
from gpool.hosting import Hosting
from gpool.wsgi.framing import SMALL


@pytest.fixture(autouse=True)
def no_variables_of_others(monkeypatch):
    for name in os.environ:
        if name.startswith("GPOOL_"):
            monkeypatch.delenv(name)


class App:
    """An application object of gunicorn's, as the command makes it."""

    def __init__(self, **values):
        defaults = {name: option.default for name, option in OPTIONS.items()}
        self.gpool_config = Config("app:app", defaults | values, {})


def config(**values):
    cfg = gunicorn_config.Config()
    for name, value in values.items():
        cfg.set(name, value)
    return cfg


def mapped(own=None, **values):
    return settings_of(config(**values), own or {})


def hosting(**values):
    return mapped(**values).hosting


def test_a_process_has_as_many_connections_and_requests_as_worker_connections():
    settings = hosting(worker_connections=7)
    assert (settings["max_connections"], settings["max_workers"]) == (7, 7)


def test_what_is_too_much_waits_in_the_backlog():
    assert hosting()["overflow"] == "wait"


def test_keepalive_is_the_time_that_a_connection_may_be_idle():
    assert hosting(keepalive=9)["keepalive_timeout"] == 9
    assert mapped(keepalive=9).keep_alive


def test_keepalive_0_closes_after_each_answer():
    assert not mapped(keepalive=0).keep_alive


def test_limits_of_a_request_are_gunicorns():
    settings = hosting(
        limit_request_line=2_000, limit_request_fields=5, limit_request_field_size=3_000
    )
    assert settings["max_request_line"] == 2_000
    assert settings["max_headers"] == 5
    assert settings["max_header_size"] == 3_000


def test_a_head_may_have_a_line_and_a_field_of_the_largest_size():
    settings = hosting(limit_request_line=8_000, limit_request_field_size=100_000)
    assert settings["max_head_size"] == 108_000


def test_limit_0_is_a_large_one():
    settings = hosting(limit_request_line=0, limit_request_fields=0, limit_request_field_size=0)
    assert settings["max_request_line"] == settings["max_header_size"] == UNLIMITED
    assert settings["max_headers"] == MOST_HEADERS


def test_a_limit_below_what_can_be_told_is_raised_and_noted():
    cfg = config(limit_request_line=100)
    assert settings_of(cfg, {}).hosting["max_request_line"] == SMALL
    assert any("limit_request_line 100" in note for note in notes_of(cfg))


def test_peers_are_gunicorns_and_those_of_a_unix_socket():
    settings = hosting(forwarded_allow_ips="10.0.0.1,::1", proxy_allow_ips="*")
    assert settings["forwarded_allow_ips"] == "10.0.0.1,::1,unix"
    assert settings["proxy_allow_ips"] == "*,unix"


def test_a_proxy_is_believed_the_scheme_and_not_the_client():
    assert hosting()["forwarded_headers"] == "x-forwarded-proto,x-forwarded-ssl"


def test_secure_scheme_headers_say_which_headers_are_believed():
    cfg = config(secure_scheme_headers={"X-FORWARDED-SSL": "on", "X-SCHEME": "https"})
    assert settings_of(cfg, {}).hosting["forwarded_headers"] == "x-forwarded-ssl"
    (note,) = notes_of(cfg)
    assert note == "secure_scheme_headers: the gpool worker does not know X-SCHEME: https"


def test_nobody_is_believed_a_header_that_is_not_known():
    settings = hosting(secure_scheme_headers={"X-SCHEME": "https"})
    assert settings["forwarded_allow_ips"] == settings["forwarded_headers"] == ""


@pytest.mark.parametrize(("value", "expected"), [("off", False), ("auto", True), ("v2", True)])
def test_the_proxy_protocol_is_gunicorns(value, expected):
    cfg = config()
    cfg.settings["proxy_protocol"].value = value
    assert settings_of(cfg, {}).hosting["proxy_protocol"] is expected


@pytest.mark.parametrize("value", [False, True])
def test_the_proxy_protocol_was_a_switch_in_gunicorn_23(value):
    cfg = config()
    cfg.settings["proxy_protocol"].value = value
    assert settings_of(cfg, {}).hosting["proxy_protocol"] is value


@pytest.mark.parametrize("workers", [1, 2])
def test_the_application_is_told_whether_there_are_other_processes(workers):
    assert hosting(workers=workers)["environ"] == {"wsgi.multiprocess": workers > 1}


def test_sendfile_is_gunicorns():
    assert mapped().sendfile
    assert not mapped(sendfile=False).sendfile


def test_own_settings_go_over_gunicorns():
    own = {"max_workers": 3, "overflow": "reject", "request_timeout": 5.0, "keepalive_timeout": 8.0}
    settings = mapped(own, worker_connections=100, keepalive=0)
    assert settings.hosting.items() >= own.items()
    assert settings.hosting["max_connections"] == 100
    assert settings.keep_alive


def test_listening_stays_the_arbiters():
    settings = mapped({"reuse_port": True, "backlog": 3}).hosting
    assert not settings["reuse_port"]
    assert "backlog" not in settings


@pytest.mark.parametrize(("timeout", "threshold"), [(30, 1.0), (1, 0.5), (0, 1.0)])
def test_a_blocked_hub_is_told_of_before_the_arbiter_ends_it(timeout, threshold):
    assert mapped(timeout=timeout).block_threshold == threshold


def test_the_threshold_of_the_watch_is_gpools_own():
    assert mapped({"hub_block_threshold": 4.0}).block_threshold == 4.0
    assert "hub_block_threshold" not in mapped({"hub_block_threshold": 4.0}).hosting


@pytest.mark.parametrize("never", [None, 0, inf])
def test_the_watch_can_be_turned_off(never):
    assert mapped({"hub_block_threshold": never}).block_threshold is None


def test_the_share_of_full_collections_is_gpools_own():
    assert mapped().gc_share == 0.0005
    assert mapped({"gc_share": 0.5}).gc_share == 0.5
    assert "gc_share" not in mapped({"gc_share": 0.5}).hosting


def test_the_server_takes_what_is_made_of_the_defaults():
    Hosting([("127.0.0.1", 0)], lambda environ, start: [], **hosting())


def test_the_server_takes_what_is_made_when_no_scheme_is_believed():
    settings = hosting(secure_scheme_headers={"X-SCHEME": "https"})
    Hosting([("127.0.0.1", 0)], lambda environ, start: [], **settings)


def test_defaults_need_no_note():
    assert notes_of(config()) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("header_map", "dangerous"),
        ("forwarder_headers", "REMOTE_USER"),
        ("strip_header_spaces", True),
        ("threads", 4),
    ],
)
def test_what_has_no_effect_is_noted(name, value):
    (note,) = notes_of(config(**{name: value}))
    assert note.startswith(f"{name} has no effect")


@pytest.mark.parametrize("value", ["v1", "v2"])
def test_one_version_of_the_proxy_protocol_is_both_which_is_noted(value):
    cfg = config()
    cfg.settings["proxy_protocol"].value = value
    assert notes_of(cfg) == ["proxy_protocol: the gpool worker takes versions 1 and 2"]


def test_with_the_command_all_settings_are_the_commands(monkeypatch):
    monkeypatch.setenv("GPOOL_MAX_WORKERS", "5")
    own = own_settings(App(max_queue=1))
    assert (own["max_queue"], own["max_workers"]) == (1, OPTIONS["max_workers"].default)
    assert "processes" not in own


def test_the_server_takes_what_the_command_says():
    cfg = config(worker_connections=3)
    settings = settings_of(cfg, own_settings(App())).hosting
    assert settings["max_connections"] is None
    assert settings["overflow"] == "reject"
    Hosting([("127.0.0.1", 0)], lambda environ, start: [], **settings)


def test_who_is_believed_by_gpools_own_setting_is_believed_as_gpool_does():
    settings = mapped({"forwarded_allow_ips": "10.0.0.1"}).hosting
    assert settings["forwarded_allow_ips"] == "10.0.0.1"
    assert "forwarded_headers" not in settings


def test_gpools_own_settings_are_variables_else(monkeypatch):
    monkeypatch.setenv("GPOOL_MAX_WORKERS", "5")
    monkeypatch.setenv("GPOOL_REQUEST_TIMEOUT", "2.5")
    monkeypatch.setenv("GPOOL_HUB_BLOCK_THRESHOLD", "3")
    monkeypatch.setenv("GPOOL_PROCESSES", "9")  # the command's, not the server's
    expected = {"max_workers": 5, "request_timeout": 2.5, "hub_block_threshold": 3.0}
    assert own_settings(object()) == expected


def test_a_wrong_variable_is_an_error_that_says_the_range(monkeypatch):
    monkeypatch.setenv("GPOOL_MAX_WORKERS", "0")
    with pytest.raises(ValueError, match=r"GPOOL_MAX_WORKERS=0: .*1"):
        own_settings(object())


def test_a_variable_that_nobody_knows_is_an_error(monkeypatch):
    monkeypatch.setenv("GPOOL_MAX_WORKER", "5")
    with pytest.raises(click.UsageError, match="GPOOL_MAX_WORKERS"):
        own_settings(object())
