"""Starting anew when a file changes."""

import os
import signal
import socket
import threading
from pathlib import Path

import pytest

from gpool.command.reload import Child, ChildState
from tests.command.running import Waiting, exchange, once
from tests.command.shows import shows

pytest.importorskip("watchfiles", reason="watchfiles is not installed: pip install 'gpool[reload]'")
pytestmark = pytest.mark.limit(60)

SITE = r"""
import os
import site_part
from tests.command.apps import app as inner
VERSION = "%s"
os.write(2, b"imported\n")

def app(environ, start_response):
    if environ["PATH_INFO"] == "/version":
        start_response("200 OK", [])
        return [f"{VERSION} {os.getpid()}".encode()]
    return inner(environ, start_response)
"""
READY = r"\d+ workers, connections: "


def write(path, text):
    """Write a file at once, so that it is one change."""
    part = path.with_suffix(".part")
    part.write_text(text)
    part.replace(path)


@pytest.fixture
def site(folder):
    """Write the application, of a version."""
    root = folder / "site"
    root.mkdir()

    def version(text):
        write(root / "site_part.py", "")
        write(root / "site_app.py", SITE % text)

    version("one")
    return version


@pytest.fixture
def server(gpool, folder, site):
    """The command with --reload, started from above the application."""
    words = ["--reload", "--chdir", "site"]

    def start(*more, **named):
        return gpool(*words, *more, app="site_app:app", **named)

    return start


def version(server):
    text, pid = server.body("/version").split()
    return text, int(pid)


def change(server, folder, text, expected=READY):
    """Change the application, and wait for what follows."""
    mark = len(server.lines)
    write(folder / "site" / "site_app.py", text)
    server.wait(expected, since=mark)


def ended(pid):
    """Whether there is no such process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"


@shows("reload")
def test_a_change_starts_another(server, folder):
    running = server()
    text, pid = version(running)
    assert (text, pid != running.process.pid) == ("one", True)
    change(running, folder, SITE % "two")
    assert running.found("changed: site_app.py")
    text, following = version(running)
    assert (text, following != pid) == ("two", True)
    assert ended(pid)
    assert running.end() == 0
    assert ended(following)


def test_an_error_in_the_source_is_survived(server, folder):
    running = server()
    change(running, folder, "def app(:\n", "ended with status 1; waiting for a change")
    assert running.found("SyntaxError")
    change(running, folder, SITE % "three")
    assert version(running)[0] == "three"
    assert running.end() == 0


def test_no_client_is_turned_away_meanwhile(server, folder):
    running = server()
    address = ("127.0.0.1", running.port)
    enough = threading.Event()
    answers, errors = [], []

    def ask():
        while not enough.is_set():
            try:
                answers.append(exchange(address, "/version"))
            except OSError as error:
                errors.append(error)
                return

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    waiting = Waiting(running.port)
    mark = len(running.lines)
    write(folder / "site" / "site_app.py", SITE % "two")
    running.wait("draining", since=mark)
    assert waiting.finish().endswith(b"body")  # what the old one serves is answered
    running.wait(READY, since=mark)
    assert version(running)[0] == "two"
    enough.set()
    thread.join(20)
    assert not errors
    assert {status for status, _ in answers} == {200}
    assert running.end() == 0


@shows("reload_dir")
def test_another_folder_is_watched_too(server, folder):
    (folder / "parts").mkdir()
    running = server("--reload-dir", "../parts")
    running.wait(f"watching {folder}/site, ../parts")
    mark = len(running.lines)
    write(folder / "parts" / "page.html", "x")
    running.wait("changed: page.html", since=mark)
    running.wait(READY, since=mark)
    assert running.end() == 0


def test_a_folder_that_is_not_there_is_named(folder):
    status, _, err = once("--reload", "--reload-dir", "nowhere", "a:b", folder=folder)
    assert status == 1
    assert err == "Error: --reload-dir nowhere: there is no such file or directory\n"


def test_an_address_in_use_is_one_line(folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, _, err = once("--reload", "--bind", f"127.0.0.1:{port}", "a:b", folder=folder)
    assert (status, err) == (1, f"Error: --bind: Address already in use: ('127.0.0.1', {port})\n")


def test_a_child_that_does_not_end_is_killed(server, folder):
    running = server("--graceful-timeout", "0", "--hub-block-threshold", "none")
    _, pid = version(running)
    with socket.create_connection(("127.0.0.1", running.port)) as client:
        client.sendall(b"GET /block HTTP/1.1\r\nHost: a\r\n\r\n")
        running.wait("blocking")
        change(running, folder, SITE % "two", "killed, after 3 s")
        running.wait(READY, count=2)
    assert version(running)[0] == "two"
    assert ended(pid)
    assert running.end() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_signal_ends_both(server, folder, number):
    running = server("--pid-file", "../pid", bind=["127.0.0.1:0", "unix:../sock"])
    _, pid = version(running)
    assert (folder / "pid").read_text() == f"{running.process.pid}\n"
    assert running.end(number) == 0
    assert ended(pid)
    assert not (folder / "pid").exists()
    assert not (folder / "sock").exists()
    assert bool(running.found("draining")) is (number == signal.SIGTERM)


def test_a_drain_of_the_child_is_waited_for_and_a_second_signal_cuts_it(server):
    running = server()
    first, second = Waiting(running.port), Waiting(running.port)
    running.send(signal.SIGTERM)
    running.wait("draining")
    assert first.finish().endswith(b"body")
    assert running.end(signal.SIGTERM) == 0
    assert b"body" not in second.rest()
    assert running.found("ending at once")


class Process:
    """A child that notes its signals, and ends."""

    def __init__(self):
        self.signals = []

    def send_signal(self, number):
        self.signals.append(number)

    def wait(self, timeout):
        return 0


@pytest.fixture
def child():
    """A child that serves."""
    found = Child([], [], ".")
    found._process = Process()
    found._move(ChildState.SERVING)
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_one_signal_is_one_signal_to_the_child(child, number):
    process = child._process
    child._asked(number, None)
    child._end(1)
    assert process.signals == [number]
    assert child.state is ChildState.ABSENT


def test_the_first_term_is_no_news_to_a_child_that_ends_for_a_change(child):
    child._move(ChildState.ENDING)
    child._asked(signal.SIGTERM, None)
    assert child._process.signals == []
    child._asked(signal.SIGTERM, None)
    assert child._process.signals == [signal.SIGTERM]


def test_after_a_signal_there_is_no_other_child(child):
    child._asked(signal.SIGTERM, None)
    child._end(1)
    child._start()
    assert child.state is ChildState.ABSENT


def test_a_child_that_ended_by_itself_is_no_news_to_the_end(server):
    running = server()
    os.kill(version(running)[1], signal.SIGTERM)
    running.wait("ended with status 0; waiting for a change")
    assert running.end() == 0


def test_hup_starts_another(server):
    running = server()
    _, pid = version(running)
    mark = len(running.lines)
    running.send(signal.SIGHUP)
    running.wait(READY, since=mark)
    assert version(running)[1] != pid
    assert running.end() == 0


def test_usr1_is_the_childs_too(server, folder):
    running = server("--access-log", "../access")
    (folder / "access").rename(folder / "access.1")
    running.send(signal.SIGUSR1)
    running.wait_for_file(folder / "access")
    assert running.end() == 0


def test_modules_of_our_names_beside_the_application(server, folder):
    (folder / "click.py").write_text("raise RuntimeError\n")
    assert version(server())[0] == "one"


def test_several_processes_are_started_anew(server, folder):
    pytest.importorskip("gunicorn", reason="gunicorn is not installed: pip install gunicorn")
    imported = "imported"  # in a worker that takes signals
    running = server("--processes", "2", bind=["unix:../sock"], ready=None)
    running.wait(imported, count=2)
    sock = str(folder / "sock")
    assert exchange(sock, "/version")[1].startswith("one ")
    mark = len(running.lines)
    write(folder / "site" / "site_app.py", SITE % "two")
    running.wait(imported, count=2, since=mark)
    assert exchange(sock, "/version")[1].startswith("two ")
    assert running.end() == 0
    assert not (folder / "sock").exists()
