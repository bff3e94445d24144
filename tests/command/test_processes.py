"""More than one process: what the command was told reaches gunicorn's workers."""

import json
import signal
import subprocess

import pytest

from tests.command.running import exchange
from tests.wsgi_server.keys import V12

LISTENING = r"Listening at: https?://127.0.0.1:(\d+)"
BOOTED = r"Booting worker with pid: (\d+)"

pytestmark = pytest.mark.limit(60)


class Several:
    """Two processes, and the port of their listener."""

    def __init__(self, gpool, *words, **named):
        pytest.importorskip("gunicorn", reason="gunicorn is not installed: pip install gunicorn")
        self.running = gpool("--processes", "2", *words, ready=LISTENING, **named)
        self.running.wait(BOOTED, count=2)
        self.port = int(self.running.found(LISTENING)[0][1])

    def ask(self, path="/", **named):
        return exchange(("127.0.0.1", self.port), path, **named)[1]


@pytest.fixture
def several(gpool):
    return lambda *words, **named: Several(gpool, *words, **named)


def test_the_application_is_patched_unless_it_is_not_to_be(several):
    assert several().ask("/patched") == "True"
    assert several("--no-monkey-patch").ask("/patched") == "False"


def test_both_processes_write_to_the_access_log_and_open_it_anew(several, folder):
    one = several("--access-log", "log", "--log-format", "json")
    for _ in range(4):
        one.ask("/pid")
    (folder / "log").rename(folder / "old")
    one.running.process.send_signal(signal.SIGUSR1)
    while not (folder / "log").exists():
        one.ask("/pid")
    assert one.running.end() == 0
    written = [(folder / name).read_text().splitlines() for name in ("old", "log")]
    assert all(json.loads(line)["target"] == "/pid" for lines in written for line in lines)
    assert len(written[0] + written[1]) >= 4


def test_whichever_answers_on_the_admin_listener_answers_for_both(several, folder):
    one = several("--admin", f"unix:{folder}/admin")
    pids = {int(match[1]) for match in one.running.found(BOOTED)}
    stats = {}
    while set(stats.get("pids", ())) != pids or stats["requests"]["2xx"] < 1:
        one.ask()
        stats = json.loads(exchange(f"{folder}/admin", "/stats")[1])
    assert stats["title"] == "tests.command.apps:app"


def test_an_admin_address_that_anybody_could_reach_is_refused_before_there_are_processes(
    gpool,
):
    running = gpool("--processes", "2", "--admin", "0.0.0.0:0", ready=None)
    assert running.process.wait(20) == 1
    assert "loopback" in running.log and "Booting" not in running.log


def test_an_application_that_fails_ends_the_command_with_its_own_traceback(gpool, folder):
    (folder / "broken.py").write_text("None.there\n")
    running = gpool("--processes", "2", app="broken:app", ready=None)
    assert running.process.wait(20) == 3  # gunicorn's for workers that fail to boot
    running.wait("THE END")
    assert 'broken.py", line 1, in <module>' in running.log
    assert "AppFailed" not in running.log and "loading.py" not in running.log


def test_settings_of_the_server_reach_each_process(several):
    one = several("--max-request-line", "1024")
    assert exchange(("127.0.0.1", one.port), "/" + "a" * 2_000)[0] == 414


def test_tls_with_a_password_a_version_and_ciphers(several, keys, folder):
    locked = folder / "locked.key"
    subprocess.run(
        ["openssl", "pkcs8", "-topk8", "-in", keys.key, "-out", locked, "-passout", "pass:secret"],
        check=True,
        capture_output=True,
    )
    one = several(
        *("--tls-cert", str(keys.certificate), "--tls-key", str(locked)),
        *("--tls-ciphers", "ECDHE+AESGCM", "--tls-client-ca", str(keys.ca)),
        *("--tls-client-cert", "required"),
        environ={"GPOOL_TLS_KEY_PASSWORD": "secret"},
    )
    context = keys.client(keys.person, V12)
    assert one.ask("/client", context=context) == "SUCCESS"
    with pytest.raises(OSError, match=r"."):
        one.ask("/client", context=keys.client())
