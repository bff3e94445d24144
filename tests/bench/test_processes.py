"""Servers are started, found to answer, and ended with all they have started."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench import processes
from bench.kinds import Kind, Purpose, Server, Setting
from bench.processes import DidNotStartError, absent, free_port, pinned, serving
from bench.trees import alive, tree

#: A server of one line of HTTP; its first argument is the port.
TINY = """
import os, signal, socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", file=sys.stderr)
while True:
    sock, _ = listener.accept()
    sock.recv(4096)
    body = "{body}"
    head = "HTTP/1.1 {status}\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body)
    sock.sendall((head + body).encode())
    sock.close()
"""
HELLO = TINY.format(status="200 OK", body="Hello, World!")


@pytest.fixture
def serve(monkeypatch):
    """Make the program a server called "tiny"."""

    def make(program, kind=Kind.THREADS, **more):
        seen = []

        def command(setup):
            seen.append(setup)
            return [sys.executable, "-c", program, str(setup.port)]

        settings = {Purpose.HELLO: Setting("nothing"), Purpose.WAIT: Setting("many", 50)}
        server = Server(
            title="Tiny", kind=kind, command=command, said=str, settings=settings, **more
        )
        monkeypatch.setitem(processes.SERVERS, "tiny", server)
        return seen

    return make


def variables(pid):
    """The environment of a process."""
    text = Path(f"/proc/{pid}/environ").read_text()
    return dict(line.split("=", 1) for line in text.split("\0") if line)


def test_it_has_answered_when_it_is_served(serve):
    serve(HELLO)
    with serving("tiny") as server:
        assert processes.answers(server.port, secure=False)
        assert os.sched_getaffinity(server.pid) == processes.cpus()[0]
    assert not alive(server.pid)


def test_it_is_set_up_for_the_purpose(serve):
    """Its setting is that of the purpose, or else the one for hello; a limit comes before it."""
    seen = serve(HELLO)
    for purpose, limit in (("wait", None), (Purpose.IDLE, None), ("wait", 7)):
        with serving("tiny", purpose, limit):
            pass
    assert [(one.purpose, one.threads) for one in seen] == [("wait", 50), ("idle", 1), ("wait", 7)]
    assert seen[0].certificate is None


def test_with_tls_it_gets_a_certificate(serve):
    """And one that has no TLS is not asked without it."""
    seen = serve("import sys; sys.exit('I have no TLS')")
    with pytest.raises(DidNotStartError, match="I have no TLS"), serving("tiny", Purpose.TLS):
        pass
    assert seen[0].certificate.read_text().startswith("-----BEGIN CERTIFICATE-----")
    assert seen[0].key.read_text().startswith("-----BEGIN PRIVATE KEY-----")  # PKCS#8


@pytest.mark.parametrize(
    ("kind", "cooperative"),
    [(Kind.OURS, True), (Kind.GEVENT, True), (Kind.THREADS, False), (Kind.ONE, False)],
)
def test_it_is_told_how_to_wait(serve, monkeypatch, kind, cooperative):
    monkeypatch.setenv("BENCH_COOPERATIVE", "left over")
    serve(HELLO, kind)
    with serving("tiny") as server:
        told = variables(server.pid).get("BENCH_COOPERATIVE")
    assert told == ("1" if cooperative else None)


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("raise OSError('the port is not free')", "OSError: the port is not free"),
        ("print('on stdout'); raise SystemExit(1)", "on stdout"),
        ("pass", "it ended without a word"),
    ],
)
def test_the_reason_is_what_it_said_last(serve, program, reason):
    serve(program)
    assert absent(["tiny"]) == {"tiny": reason}


def test_another_answer_is_none(serve, monkeypatch):
    """It listens, but what it says is not our application's."""
    monkeypatch.setattr(processes, "BEGIN", 0.3)
    for status, body in (("500 Oh", "Hello, World!"), ("200 OK", "It works!")):
        serve(TINY.format(status=status, body=body))
        assert absent(["tiny"])["tiny"].endswith("it says: listening")


def test_what_is_not_installed_is_absent(serve, monkeypatch, tmp_path):
    """With what bench/install has noted, if it has."""
    monkeypatch.setattr("bench.peers.installed.NOTES", tmp_path)
    serve(HELLO, needs=("gevent", "no-such-package"))
    sentence = "the package no-such-package is not installed{}; bash bench/install installs it"
    assert absent(["tiny"]) == {"tiny": sentence.format("")}
    (tmp_path / "no-such-package").write_text("ev.h: No such file\n")
    assert absent(["tiny"]) == {"tiny": sentence.format(" (ev.h: No such file)")}


def test_what_cannot_be_built_is_absent(serve, monkeypatch):
    serve(HELLO)

    def fail(_setup):
        raise RuntimeError("no compiler")

    broken = replace(processes.SERVERS["tiny"], command=fail)
    monkeypatch.setitem(processes.SERVERS, "tiny", broken)
    assert absent(["tiny"]) == {"tiny": "no compiler"}


DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
FORKS = "\nif not os.fork():\n    {}\n    signal.pause()\n"


@pytest.mark.parametrize("ears", ["pass", DEAF])
def test_all_of_it_ends(serve, monkeypatch, ears):
    """A child that its parent leaves behind too, even if it does not listen."""
    monkeypatch.setattr(processes, "GRACE", 0.1)
    line = "import os, signal, socket, sys"
    serve(HELLO.replace(line, line + FORKS.format(ears)))
    with serving("tiny") as server:
        assert [one.pid for one in tree(server.pid)] == alive(server.pid)
        assert len(alive(server.pid)) == 2
    assert not alive(server.pid)


def test_one_that_does_not_listen_is_killed(serve, monkeypatch):
    monkeypatch.setattr(processes, "PATIENCE", 0.1)
    monkeypatch.setattr(processes, "GRACE", 0.1)
    line = "import os, signal, socket, sys"
    serve(HELLO.replace(line, f"{line}\n{DEAF}"))
    with serving("tiny") as server:
        pass
    assert not alive(server.pid)


def test_a_port_is_free():
    with subprocess.Popen(
        [sys.executable, "-c", HELLO, str(port := free_port())], stderr=subprocess.PIPE
    ) as process:
        assert process.stderr.readline() == b"listening\n"
        assert port != free_port()
        process.send_signal(signal.SIGKILL)


def test_pinned_is_undone():
    before = os.sched_getaffinity(0)
    with pinned({min(before)}):
        assert os.sched_getaffinity(0) == {min(before)}
    assert os.sched_getaffinity(0) == before
