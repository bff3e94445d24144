"""The admin listener: its answers, its probes, where it may listen, and when it answers."""

import json
import os
from types import SimpleNamespace

import gevent
import pytest
from gevent import socket
from prometheus_client.parser import text_string_to_metric_families

from gpool.admin import metrics
from gpool.admin import server as module
from gpool.admin.history import History
from gpool.admin.server import Admin, checked
from gpool.admin.spool import Spool
from gpool.hosting import Hosting
from gpool.wsgi.tally import Tally
from tests.admin.parts import snapshot
from tests.support import in_hub
from tests.wsgi_server.clients import Client, request, until

PATHS = ["/", "/metrics", "/healthz", "/readyz", "/stats", "/history"]


# ---------------------------------------------------------------------- answers


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_is_fresh_and_harmless(serve, path):
    answer = serve().get(path)
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_to_start_it_twice_is_to_start_it_once(serve):
    served = serve()
    timer = served.admin._timer
    served.admin.start()
    assert served.admin._timer is timer
    assert repr(served.admin) == f"<Admin on {served.admin.server.address}>"
    assert served.get("/healthz").status == 200


@pytest.mark.parametrize("path", PATHS)
def test_head_has_no_body(serve, path):
    with Client(serve().admin.server.address) as client:
        client.send(request(path, method="HEAD") + request("/healthz"))
        assert client.answer(head_only=True).status == 200
        assert json.loads(client.answer().body) == {"status": "ok"}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", [*PATHS, "/else"])
def test_other_methods_are_refused(serve, method, path):
    answer = serve().get(path, method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/else", "/metrics/", "/favicon.ico", "//"])
def test_another_path_is_told_which_there_are(serve, path):
    answer = serve().get(path)
    assert answer.status == 404
    assert answer.body.decode() == "There is: " + " ".join(PATHS) + "\n"
    assert answer.headers["cache-control"] == "no-store"


def test_stats_are_the_figures_of_the_servers(serve):
    served = serve(admin={"title": "shop:app"})
    served.client().ask("/")
    served.client().ask("/missing")
    served.client().send(request("/hold"))
    until(lambda: served.hosting.pool.stats().busy)
    stats = served.json("/stats")
    assert (stats["title"], stats["pids"], stats["state"]) == ("shop:app", [os.getpid()], "SERVING")
    assert (stats["busy"], stats["max_workers"]) == (1, 4)
    assert (stats["requests"]["2xx"], stats["requests"]["4xx"]) == (1, 1)
    assert (stats["connections"]["idle"], stats["connections"]["active"]) == (2, 1)


def test_its_own_answers_and_connections_are_not_counted(serve):
    served = serve()
    for _ in range(3):
        served.get("/stats")
    stats = served.json("/stats")
    assert not any(stats["requests"].values())
    assert (stats["open"], stats["accepted"], stats["running"]) == (0, 0, 0)


def test_a_hijacked_connection_is_shown(serve):
    served = serve()
    served.client().send(request("/hijack", "Upgrade: websocket", "Connection: Upgrade"))
    until(lambda: served.taken)
    stats = served.json("/stats")
    assert stats["connections"]["hijacked"] == 1
    assert stats["requests"]["1xx"] == 1


def test_metrics_are_those_of_the_servers(serve):
    served = serve()
    served.client().ask("/")
    families = text_string_to_metric_families(served.get("/metrics").body.decode())
    values = {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }
    assert values["gpool_requests_total", "2xx"] == 1
    assert values["gpool_connections", "idle"] == 1
    assert values["gpool_request_seconds_count",] == 1


def test_without_prometheus_client_all_else_works(serve, monkeypatch):
    monkeypatch.setattr(module, "metrics_application", lambda *_, **__: None)
    served = serve()
    answer = served.get("/metrics")
    assert (answer.status, answer.body.decode()) == (501, metrics.HOW_TO_INSTALL + "\n")
    assert [served.get(path).status for path in PATHS] == [200, 501, 200, 200, 200, 200]


def test_the_watch_is_shown(serve):
    watch = SimpleNamespace(blocked=2, longest=0.5, last="x.py:1 in f")
    stats = serve(admin={"watch": watch}).json("/stats")
    assert (stats["blocked"], stats["longest"], stats["last"]) == (2, 0.5, "x.py:1 in f")


# ---------------------------------------------------------------------- history


def test_the_history_grows_by_a_sample_a_second(serve, monkeypatch):
    monkeypatch.setattr(module, "INTERVAL", 0.01)
    served = serve()
    until(lambda: len(served.admin._history))
    data = served.json("/history")
    assert data["stats"]["pids"] == [os.getpid()]
    assert data["samples"]
    latest = data["samples"][-1]["t"]
    assert all(one["t"] > latest for one in served.json(f"/history?since={latest}")["samples"])


def test_history_since_gives_what_is_later(serve):
    served = serve()
    served.admin._history = History()
    for at in range(5):
        served.admin._history.add(snapshot(taken=at + 0.5))
    assert [one["t"] for one in served.json("/history?since=2")["samples"]] == [3, 4]
    assert [one["t"] for one in served.json("/history")["samples"]] == [1, 2, 3, 4]


def test_history_since_a_word_is_a_bad_request(serve):
    answer = serve().get("/history?since=yesterday")
    assert (answer.status, answer.body) == (400, b"since must be seconds of the epoch\n")


# ---------------------------------------------------------------------- probes


def ready(served):
    answer = served.get("/readyz")
    return answer.status, json.loads(answer.body).get("reason")


def test_ready_while_it_serves(serve):
    assert ready(serve()) == (200, None)


def test_not_ready_before_it_serves_but_healthy(serve):
    served = serve(started=False)
    served.admin.start()
    assert ready(served) == (503, "not serving")
    assert served.get("/healthz").status == 200
    served.hosting.start()
    assert ready(served) == (200, None)


def full(served):
    """Let all workers be busy."""
    for _ in range(served.hosting.pool.max_workers):
        served.client().send(request("/hold"))
    until(served.hosting.pool.full)


def test_full_for_longer_than_the_threshold_is_not_ready(serve):
    served = serve(max_workers=2, admin={"full_threshold": 0})
    full(served)
    served.hosting.full_since()
    gevent.sleep(0.001)
    status, reason = ready(served)
    assert status == 503
    assert reason is not None and reason.endswith("2 of 2 workers are busy")
    assert served.get("/healthz").status == 200
    served.gate.set()
    until(lambda: not served.hosting.pool.full())
    assert ready(served) == (200, None)


def test_full_for_less_than_the_threshold_is_ready(serve):
    served = serve(max_workers=1, admin={"full_threshold": 60})
    full(served)
    assert ready(served) == (200, None)


def test_all_paths_answer_when_all_workers_are_busy(serve):
    served = serve(max_workers=2)
    full(served)
    assert [served.get(path).status for path in PATHS] == [200] * len(PATHS)
    assert served.json("/stats")["busy"] == 2


def test_while_the_servers_drain_it_answers_and_says_so(serve):
    served = serve()
    served.client().send(request("/hold"))
    until(lambda: served.hosting.pool.stats().busy)
    drain = gevent.spawn(served.hosting.stop, 20)
    until(lambda: served.json("/stats")["state"] == "DRAINING")
    assert [served.get(path).status for path in PATHS if path != "/readyz"] == [200] * 5
    assert ready(served) == (503, "draining")
    assert b'gpool_workers{state="busy"} 1.0' in served.get("/metrics").body
    served.gate.set()
    drain.get()
    assert ready(served) == (503, "not serving")
    assert served.json("/stats")["requests"]["2xx"] == 1


# ---------------------------------------------------------------------- start and stop


def test_after_a_stop_nobody_listens_and_no_sample_is_taken(serve):
    served = serve()
    address, timer = served.admin.server.address, served.admin._timer
    assert timer.active
    served.admin.stop()
    assert not timer.active
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_it_may_start_again(serve):
    served = serve()
    served.admin.stop()
    served.admin.start()
    assert served.get("/healthz").status == 200


def test_a_tally_that_is_given_is_not_made_to_observe_again(serve):
    tally = Tally()
    served = serve(started=False, admin={"tally": tally})
    served.hosting.observe(tally)
    served.start()
    served.client().ask("/")
    assert served.json("/stats")["requests"]["2xx"] == 1


# ---------------------------------------------------------------------- several processes


def test_figures_of_siblings_are_shown_together(serve, tmp_path):
    sibling = Spool(tmp_path, "r", pid=os.getppid())
    sibling.write(snapshot(pids=(os.getppid(),), max_workers=6, requests={"2xx": 10}, full_for=9.0))
    served = serve(admin={"spool": Spool(tmp_path, "r", pid=os.getpid())})
    served.client().ask("/")
    stats = served.json("/stats")
    assert stats["pids"] == sorted([os.getpid(), os.getppid()])
    assert (stats["max_workers"], stats["requests"]["2xx"]) == (10, 11)
    assert b"process_open_fds" not in served.get("/metrics").body
    assert ready(served) == (200, None)
    assert sorted(one.requests["2xx"] for one in sibling.read()) == [1, 10]


def test_the_last_figures_are_written_at_the_end(serve, tmp_path):
    spool = Spool(tmp_path, "r", pid=os.getpid())
    served = serve(admin={"spool": spool})
    served.client().ask("/")
    served.hosting.stop(1)
    served.admin.stop()
    [last] = spool.read()
    assert (last.state, last.requests["2xx"]) == ("STOPPED", 1)


def test_a_spool_that_fails_leaves_the_process_its_own_figures(serve, tmp_path):
    directory = tmp_path / "spool"
    served = serve(admin={"spool": Spool(directory, "r", pid=os.getpid())})
    for path in directory.iterdir():
        path.unlink()
    directory.rmdir()
    assert served.json("/stats")["pids"] == [os.getpid()]


# ---------------------------------------------------------------------- where it listens


@pytest.mark.parametrize(
    "address",
    [
        ("127.0.0.1", 0),
        ("127.8.8.8", 0),
        ("::1", 0),
        "127.0.0.1:0",
        "[::1]:9090",
        "localhost:9090",
        "unix:/run/x.sock",
        ("::ffff:127.0.0.1", 0),
    ],
    ids=str,
)
def test_a_loopback_address_is_allowed(address):
    assert checked(address, public=False) is address


@pytest.mark.parametrize(
    "address",
    [
        ("0.0.0.0", 9090),
        ("", 9090),
        ":9090",
        ("::", 9090),
        "192.0.2.1:9090",
        ("2001:db8::1", 9090),
        ("::ffff:192.0.2.1", 9090),
        ("127.0.0.1.example", 9090),
        "example.org:9090",
    ],
    ids=str,
)
def test_another_address_is_refused_unless_it_is_asked_for(address):
    with pytest.raises(ValueError, match="loopback") as caught:
        Admin(Hosting([("127.0.0.1", 0)], print), address)
    assert repr(address) in str(caught.value)
    assert "--admin-public" in str(caught.value)
    assert checked(address, public=True) is address


def test_a_socket_is_judged_by_its_address():
    with socket.socket() as everywhere, socket.socket() as loopback:
        everywhere.bind(("0.0.0.0", 0))
        loopback.bind(("127.0.0.1", 0))
        assert checked(loopback, public=False) is loopback
        with pytest.raises(ValueError, match="loopback"):
            checked(everywhere, public=False)


def test_on_a_unix_socket(serve, tmp_path):
    served = serve(started=False)
    admin = Admin(served.hosting, f"unix:{tmp_path}/admin.sock")
    admin.start()
    try:
        with Client(f"{tmp_path}/admin.sock") as client:
            assert client.ask("/healthz").status == 200
    finally:
        admin.stop()


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"full_threshold": -1}, "full_threshold must be 0 or more"),
        ({"full_threshold": "5"}, "full_threshold must be a number"),
        ({"public": 1}, "public must be True or False"),
        ({"title": None}, "title must be a str"),
    ],
    ids=str,
)
def test_a_bad_setting_is_named(settings, error):
    with pytest.raises((ValueError, TypeError), match=error):
        Admin(Hosting([("127.0.0.1", 0)], print), ("127.0.0.1", 0), **settings)


def test_a_sample_may_be_taken_in_the_hub(serve, tmp_path):
    """As the timer does: nothing in it may wait."""
    served = serve(admin={"spool": Spool(tmp_path, "r", pid=os.getpid())})
    in_hub(served.admin._sample)
