import os
import shutil
import sys

import pytest

from bench import load
from bench.application import MIB
from bench.kinds import Purpose
from bench.load import Load, allow_connections, measured, run_client
from bench.processes import Serving
from bench.workloads import WORKLOADS

SAID = {"requests": 100, "bytes": 5 * MIB, "seconds": 2.0, "errors": {"status": 10}}


def saying(text, then=""):
    return [sys.executable, "-c", f"print('warnings'); print({text!r}); {then}"]


def test_what_a_client_says_last_is_what_counts():
    said = run_client(saying('{"seconds": 1.0, "p50": 2}'), 1)
    assert said.pop("client_busy") > 0
    assert said == {"seconds": 1.0, "p50": 2}


def test_a_busy_client_is_seen():
    """It uses half a second of CPU, and says that it took one."""
    burn = "import time\nwhile time.process_time() < 0.5: pass\nprint('{\"seconds\": 1.0}')"
    assert 0.5 <= run_client([sys.executable, "-c", burn], 1)["client_busy"] < 1


def test_a_client_gets_its_input():
    echo = 'import sys; print(\'{"seconds": 1, "n": %d}\' % len(sys.stdin.buffer.read()))'
    assert run_client([sys.executable, "-c", echo], 1, said=bytes(70_000))["n"] == 70_000


def test_a_client_that_fails_is_quoted():
    with pytest.raises(RuntimeError, match=r"^python.*: too bad$"):
        run_client([sys.executable, "-c", "import sys; sys.exit('well\\ntoo bad')"], 1)


def test_refused_answers_are_not_good():
    assert Load().good(SAID) == 90


def test_large_answers_count_by_their_bytes():
    assert Load(gets=MIB).good(SAID | {"errors": {"status": 0}}) == 5


def test_the_rate_is_of_good_answers(monkeypatch):
    monkeypatch.setattr(load, "run_client", lambda *_: dict(SAID))
    assert Load().load(1, 2)["rate"] == 45


def test_percentiles_that_say_nothing_are_dropped(monkeypatch):
    percentiles = {"p50": 1, "p99": 2, "p99.9": 3, "max": 4}
    monkeypatch.setattr(load, "run_client", lambda *_: SAID | percentiles)
    assert Load().load(1, 2).items() >= percentiles.items()
    assert not Load(latency=False).load(1, 2).keys() & percentiles


def test_requests_are_as_wrk_sends_them():
    made = Load(path="/a", headers=("X: y",), sends=4).request()
    assert (
        made == b"POST /a HTTP/1.1\r\nHost: localhost\r\nX: y\r\nContent-Length: 4\r\n\r\n\0\0\0\0"
    )
    command = Load(7, path="/a", headers=("X: y",)).command(80, 3)
    assert command[-1] == "http://127.0.0.1:80/a"
    assert {"--connections=7", "--duration=3s", "--header=X: y"} <= set(command)


def test_tls_is_asked_for_by_https():
    assert Load(purpose=Purpose.TLS).command(80, 3)[-1].startswith("https:")


def test_large_answers_have_a_client_of_their_own():
    assert "bench.download" in Load(2, path="/a", gets=9).command(80, 3)


def test_the_cost_is_of_each_good_answer(monkeypatch):
    times = iter([(1.0, 0.5), (1.9, 1.4)])
    monkeypatch.setattr(load, "cpu_seconds", lambda _pid: next(times))
    sizes = iter([1_000, 1_400, 2_000])
    monkeypatch.setattr(load, "memory_kib", lambda *_: next(sizes))
    run = measured(Serving(1, 2), lambda: SAID | {"rate": 45.0})
    assert run["user_us"] == run["system_us"] == pytest.approx(10_000)
    assert (run["rss_kib"], run["growth_kib"], run["peak_rss_kib"]) == (1_400, 400, 2_000)


def test_no_good_answer_is_no_figure():
    with pytest.raises(RuntimeError, match="not one good answer"):
        measured(Serving(os.getpid(), 1), lambda: SAID | {"rate": 0.0})


def test_too_many_connections_are_not_begun(monkeypatch):
    monkeypatch.setattr(load, "allow_descriptors", lambda _count: 1_000)
    allow_connections(900)
    with pytest.raises(RuntimeError, match="1001 open files needed, 1000 allowed"):
        allow_connections(901)


@pytest.mark.parametrize(
    "name", [name for name, one in WORKLOADS.items() if isinstance(one.shape, Load)]
)
def test_scripts_are_there(name):
    shape = WORKLOADS[name].shape
    assert (load.LUA / shape.script).is_file()
    assert shutil.which(shape.command(80, 1)[0]) or shape.command(80, 1)[0] == "wrk"
