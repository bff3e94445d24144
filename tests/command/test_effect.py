"""Every option takes effect: on the servers, on gunicorn, on the process.

`test_no_option_is_without_a_test_of_its_effect` looks for what is missing; those that need a
process that serves for longer are in `test_serving` and `test_reload`.
"""

import importlib
import os
import socket
import stat

import pytest

from gpool.command import building
from gpool.command.options import OPTIONS
from gpool.processes import gunicorn_settings
from gpool.wsgi.access import AccessLog, as_json
from gpool.wsgi.forwarded import Forwarded
from tests.command.parts import SOURCES, configured, sample, through
from tests.command.running import APP, exchange, once
from tests.command.shows import shows

pytestmark = pytest.mark.limit(60)


def app(environ, start_response):
    return []


class Sink:
    def write(self, text):
        pass


# ---------------------------------------------------------------------- the server's arguments


def setting(name):
    return lambda hosting: getattr(hosting.servers[0]._settings, name)


def limit(name):
    return lambda hosting: getattr(hosting.servers[0]._settings.limits, name)


def forwarded(hosting):
    application = hosting.servers[0].site.application
    assert isinstance(application, Forwarded)
    return application


def access(hosting):
    assert isinstance(hosting.servers[0].site.access, AccessLog)
    return "json" if hosting.servers[0].site.access._format is as_json else "combined"


def peers(trusted):
    """What is trusted of what the sample has, and of what it has not."""
    return [trusted.host(host) for host in ("10.9.8.7", "", "127.0.0.1")]


#: Where a server has it, and what is there for the sample if it is not the sample.
ON_THE_SERVER = {
    "backlog": lambda hosting: hosting.servers[0].backlog,
    "reuse_port": lambda hosting: hosting.servers[0]._reuse_port,
    "defer_accept": lambda hosting: hosting.servers[0]._defer_accept,
    "max_workers": lambda hosting: hosting.pool.stats().max_workers,
    "max_idle_worker_duration": lambda hosting: hosting.pool._max_idle,
    "max_connections": lambda hosting: hosting.servers[0]._limits.max_connections,
    "max_conns_per_ip": lambda hosting: hosting.servers[0]._limits.max_conns_per_ip,
    "overflow": lambda hosting: hosting.servers[0]._policy,
    "overflow_pause": lambda hosting: hosting.servers[0].overflow._pause,
    "log_format": access,
    "forwarded_allow_ips": lambda hosting: peers(forwarded(hosting)._trusted),
    "forwarded_headers": lambda hosting: sorted(forwarded(hosting)._believed),
    "proxy_protocol": lambda hosting: bool(hosting.servers[0]._lobby.proxies),
    **{
        name: setting(name)
        for name in (
            "header_timeout",
            "keepalive_timeout",
            "keepalive_min_timeout",
            "body_timeout",
            "write_timeout",
            "request_timeout",
            "queue_timeout",
            "max_queue",
            "adaptive_delay",
            "adaptive_min",
            "body_buffer",
            "write_buffer",
            "cancel_on_disconnect",
        )
    },
    **{
        name: limit(name)
        for name in (
            "max_request_line",
            "max_headers",
            "max_header_size",
            "max_head_size",
            "max_body_size",
        )
    },
}
OTHERWISE = {
    "forwarded_allow_ips": [True, True, False],
    "forwarded_headers": ["forwarded", "x-forwarded-proto"],
}


def hosted(config):
    return building.hosting(config, ["127.0.0.1:0", "127.0.0.1:0"], app, log=Sink())


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("name", sorted(ON_THE_SERVER))
def test_the_server_has_what_was_said(name, source, folder, monkeypatch):
    config = configured(*through(source, name, folder, monkeypatch), "a:b")
    expected = OTHERWISE.get(name, sample(name, folder)[0])
    assert ON_THE_SERVER[name](hosted(config)) == expected
    assert ON_THE_SERVER[name](hosted(configured("--config", os.devnull, "a:b"))) != expected or (
        source != SOURCES[0]
    )


@shows("proxy_allow_ips")
@pytest.mark.parametrize("source", SOURCES)
def test_the_proxies_are_those_that_were_said(source, folder, monkeypatch):
    words = through(source, "proxy_allow_ips", folder, monkeypatch)
    config = configured("--proxy-protocol", *words, "a:b")
    assert peers(hosted(config).servers[0]._lobby.proxies) == [True, True, False]


# ---------------------------------------------------------------------- gunicorn's


#: What gunicorn is told, for the sample.
TOLD = {
    "bind": ("bind", ["127.0.0.1:9001"]),
    "backlog": ("backlog", 7),
    "reuse_port": ("reuse_port", True),
    "processes": ("workers", 7),
    "max_requests": ("max_requests", 6),
    "max_requests_jitter": ("max_requests_jitter", 6),
    "worker_timeout": ("timeout", 4),
    "graceful_timeout": ("graceful_timeout", 4),
    "log_level": ("loglevel", "critical"),
}


@shows("processes", "max_requests", "max_requests_jitter", "worker_timeout")
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("name", sorted(TOLD))
def test_gunicorn_is_told(name, source, folder, monkeypatch):
    config = configured(*through(source, name, folder, monkeypatch), "a:b")
    key, value = TOLD[name]
    assert gunicorn_settings(config)[key] == value


def test_gunicorn_is_told_of_files(folder):
    words = ["--pid-file", "p", "--log-file", "l", "--tls-cert", "c", "--tls-key", "k"]
    said = gunicorn_settings(configured(*words, "a:b"))
    assert (said["pidfile"], said["errorlog"]) == ("p", "l")
    assert (said["certfile"], said["keyfile"]) == ("c", "k")


@pytest.mark.parametrize(
    ("word", "seconds"), [("0", 0), ("0.2", 1), ("1.5", 2), ("30", 30), ("inf", (1 << 31) - 1)]
)
def test_gunicorns_seconds_are_whole_and_never_become_never(word, seconds):
    said = gunicorn_settings(
        configured("--worker-timeout", word, "--graceful-timeout", word, "a:b")
    )
    assert said["timeout"] == said["graceful_timeout"] == seconds


@pytest.mark.parametrize(("word", "mask"), [("027", 0o27), ("0", 0)])
def test_gunicorns_umask_is_ours(word, mask):
    assert gunicorn_settings(configured("--umask", word, "a:b"))["umask"] == mask


def test_all_interfaces_for_gunicorn():
    assert gunicorn_settings(configured("-b", ":80", "a:b"))["bind"] == ["[::]:80"]


# ---------------------------------------------------------------------- in this process


@shows("hub_block_threshold")
@pytest.mark.parametrize("source", SOURCES)
def test_the_watch_has_the_threshold(source, folder, monkeypatch):
    config = configured(*through(source, "hub_block_threshold", folder, monkeypatch), "a:b")
    assert building.watch(config).threshold == 3.5


@pytest.mark.parametrize("word", ["0", "none", "inf"])
def test_the_watch_can_be_turned_off(word):
    assert building.watch(configured("--hub-block-threshold", word, "a:b")) is None


@shows("gc_share")
@pytest.mark.parametrize("source", SOURCES)
def test_full_collections_are_kept_to_the_share(source, folder, monkeypatch):
    config = configured(*through(source, "gc_share", folder, monkeypatch), "a:b")
    assert building.collections(config["gc_share"]).share == 0.125


def test_full_collections_can_be_left_to_python():
    assert building.collections(configured("--gc-share", "1", "a:b")["gc_share"]) is None


@shows("admin", "admin_full_threshold")
@pytest.mark.parametrize("source", SOURCES)
def test_the_admin_listener_is_what_was_said(source, folder, monkeypatch):
    words = through(source, "admin", folder, monkeypatch)
    config = configured(*words, "--admin-full-threshold", "7", "a:b")
    admin = building.admin(config, hosted(config), None)
    assert admin.server.address == ("127.0.0.1", 9001)
    assert admin._full_threshold == 7


@shows("admin_public")
def test_the_admin_listener_may_be_public():
    words = ["--admin", "0.0.0.0:0", "--admin-public", "a:b"]
    config = configured(*words)
    assert building.admin(config, hosted(config), None) is not None
    with pytest.raises(Exception, match="loopback"):
        building.admin(configured(*words[:2], "a:b"), hosted(config), None)


@shows("tls_key", "tls_key_password", "tls_client_ca", "tls_client_cert")
@shows("tls_min_version", "tls_ciphers")
def test_each_option_of_tls_reaches_the_context(monkeypatch):
    seen = []
    monkeypatch.setattr(
        building, "server_context", lambda *args, **named: seen.append((args, named))
    )
    words = [
        *("--tls-cert", "c", "--tls-key", "k", "--tls-key-password", "p", "--tls-client-ca", "ca"),
        *("--tls-client-cert", "optional", "--tls-min-version", "TLSv1.3", "--tls-ciphers", "x"),
    ]
    building.tls_context(configured(*words, "a:b"))
    expected = {
        "password": "p",
        "client_ca": "ca",
        "client_certificate": "optional",
        "minimum_version": "TLSv1.3",
        "ciphers": "x",
    }
    assert seen == [(("c", "k"), expected)]


# ---------------------------------------------------------------------- a process that ends


@shows("check")
def test_check_imports_and_builds_and_ends(folder):
    status, out, err = once("--check", APP, folder=folder)
    assert (status, err) == (0, "")
    assert out.startswith(f"{APP} and the configuration are good: <function app")


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (["--tls-cert", "nowhere"], 1, "there is no such file"),
        (["--tls-key", "k"], 2, "--tls-key is given, but not --tls-cert"),
        (["--admin", "0.0.0.0:1"], 1, "loopback"),
        (["--hub-block-threshold", "0.001"], 1, "0.05 to 3600"),
        (["--bind", "fd://99"], 1, "--bind fd://99: Bad file descriptor"),
    ],
)
def test_check_finds_what_is_wrong(folder, words, status, text):
    code, _, err = once("--check", *words, APP, folder=folder)
    assert code == status
    assert text in err.splitlines()[-1]
    assert "Traceback" not in err


@shows("print_config", "config")
def test_print_config_needs_no_application(folder):
    (folder / "c.toml").write_text("max_workers = 7\n")
    status, out, _ = once("--print-config", "--config", "c.toml", folder=folder)
    assert status == 0
    assert "max_workers = 7  # c.toml" in out.splitlines()


# ---------------------------------------------------------------------- a process that serves


@shows("chdir", "umask", "monkey_patch", "pid_file", "log_file", "access_log", "log_level", "bind")
def test_what_is_of_the_process(gpool, folder):
    (folder / "site").mkdir()
    words = [
        *("--chdir", "site", "--umask", "077", "--no-monkey-patch", "--pid-file", "../pid"),
        *("--log-file", "../log", "--access-log", "../access", "--log-format", "json"),
    ]
    server = gpool(*words, bind=["unix:sock"], ready=None)
    server.wait_for_socket(folder / "site" / "sock")
    sock = str(folder / "site" / "sock")
    assert stat.S_IMODE((folder / "site" / "sock").stat().st_mode) == 0o700
    assert exchange(sock, "/folder") == (200, str(folder / "site"))
    assert exchange(sock, "/umask") == (200, "0o77")
    assert exchange(sock, "/patched") == (200, "False")
    assert exchange(sock, "/path") == (200, repr(str(folder / "site")))
    assert (folder / "pid").read_text() == f"{server.process.pid}\n"
    assert server.end() == 0
    assert not (folder / "pid").exists()
    assert not (folder / "site" / "sock").exists()
    assert '"target": "/patched"' in (folder / "access").read_text()
    assert "on unix:sock" in (folder / "log").read_text()
    assert stat.S_IMODE((folder / "log").stat().st_mode) == 0o600
    assert server.log == "THE END"


def test_without_a_word_the_library_is_patched_and_the_banner_is_there(gpool):
    server = gpool("--admin", "127.0.0.1:0")
    assert server.body("/patched") == "True"
    server.wait(r"INFO gpool: gpool \S+ \(.*\), gevent \S+, Python 3")
    server.wait(rf"INFO gpool: {APP} on http://127\.0\.0\.1:{server.port}$")
    server.wait("INFO gpool: 10000 workers, connections: no limit, overflow: reject")
    server.wait(r"INFO gpool: admin on http://127\.0\.0\.1:\d+")
    assert exchange(("127.0.0.1", server.ports[-1]), "/readyz")[0] == 200


def test_a_factory(gpool):
    assert gpool(app="tests.command.apps:create(word='said')").body("/word") == "said"


@shows("bind")
def test_each_form_of_an_address(gpool, folder):
    with socket.create_server(("127.0.0.1", 0)) as passed:
        fd = passed.fileno()
        server = gpool(
            bind=["127.0.0.1:0", "[::1]:0", ":0", f"unix:{folder}/sock", f"fd://{fd}"],
            pass_fds=[fd],
        )
    assert server.body("/") == "hello"
    six = int(server.wait(r"on http://\[::1\]:(\d+)")[1])
    everywhere = int(server.wait(r"on http://\[::\]:(\d+)")[1])
    with socket.create_connection(("::1", six)):
        pass
    assert exchange(("127.0.0.1", everywhere))[0] == 200
    assert exchange(f"{folder}/sock")[0] == 200
    assert exchange(("127.0.0.1", server.ports[1]))[0] == 200
    assert server.end() == 0
    assert not (folder / "sock").exists()


def test_port_is_all_interfaces(gpool):
    server = gpool(bind=[], environ={"PORT": "0"})
    port = int(server.wait(r"on http://\[::\]:(\d+)")[1])
    assert exchange(("127.0.0.1", port))[0] == 200


@shows("tls_cert")
def test_tls_is_spoken(gpool, keys):
    server = gpool(
        *("--tls-cert", str(keys.certificate), "--tls-key", str(keys.key)),
        *("--tls-client-ca", str(keys.ca), "--tls-client-cert", "optional"),
    )
    server.wait("on https://")
    assert server.body("/scheme", context=keys.client()) == "https"
    assert server.body("/client", context=keys.client(keys.person)) == "SUCCESS"


@shows("log_level")
def test_a_level_above_info_says_nothing_at_the_start(gpool, folder):
    server = gpool("--log-level", "warning", bind=["unix:sock"], ready=None)
    server.wait_for_socket(folder / "sock")
    assert exchange(str(folder / "sock"))[0] == 200
    assert server.end() == 0
    assert server.log == "THE END"


@shows("hub_block_threshold")
def test_what_blocks_is_reported_after_the_threshold(gpool):
    server = gpool("--hub-block-threshold", "0.1")
    assert server.body("/block_a_little") == "done"
    server.wait("do_block_a_little")


@pytest.mark.parametrize(("share", "kept"), [("0.0005", True), ("1", False)])
def test_what_was_loaded_is_left_out_of_full_collections(gpool, share, kept):
    server = gpool("--gc-share", share)
    assert (int(server.body("/frozen")) > 10_000) is kept


def test_the_access_log_on_the_standard_output(gpool, folder):
    with (folder / "out").open("w") as out:
        server = gpool("--access-log", "-", stdout=out)
        server.body("/pid")
        assert server.end() == 0
    assert '"GET /pid HTTP/1.1" 200' in (folder / "out").read_text()


# ---------------------------------------------------------------------- all of them


def test_no_option_is_without_a_test_of_its_effect():
    shown = set(ON_THE_SERVER)
    for name in ("effect", "serving", "reload"):
        module = importlib.import_module(f"tests.command.test_{name}")
        for one in vars(module).values():
            shown |= getattr(one, "shows", set())
    assert shown == set(OPTIONS)
