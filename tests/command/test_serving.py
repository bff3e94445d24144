"""One process that serves: its signals, its drain, its end, and what it says when it cannot."""

import os
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command.running import APP, Waiting, environment, exchange, once
from tests.command.shows import shows

pytestmark = pytest.mark.limit(60)

TERM, INT, QUIT, HUP, USR1 = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGUSR1,
)


def refuses(port):
    """Whether nobody listens."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) != 0


# ---------------------------------------------------------------------- the end


def test_term_answers_what_is_being_served_and_takes_no_more(gpool):
    server = gpool()
    waiting = Waiting(server.port)
    server.send(TERM)
    server.wait("draining, for 30 s at most")
    while not refuses(server.port):  # it takes who is in the backlog first
        pass
    assert waiting.finish().endswith(b"body")
    assert server.ended() == 0
    server.found("ended$")


@pytest.mark.parametrize("number", [TERM, INT, QUIT])
def test_a_second_signal_ends_at_once(gpool, number):
    server = gpool()
    waiting = Waiting(server.port)
    server.send(TERM)
    server.wait("draining")
    assert server.end(number) == 0
    assert b"body" not in waiting.rest()
    assert server.found("ending at once")


@pytest.mark.parametrize("number", [INT, QUIT])
def test_a_signal_ends_at_once(gpool, number):
    server = gpool()
    waiting = Waiting(server.port)
    assert server.end(number) == 0
    assert b"body" not in waiting.rest()
    assert not server.found("draining")


def test_signals_while_it_ends_change_nothing(gpool, folder):
    """As of somebody impatient, whose application goes on when it is killed."""
    (folder / "stubborn.py").write_text("""
import sys
import gevent

def app(environ, start_response):
    for word in "begun", "killed":
        print(word, file=sys.stderr, flush=True)
        try:
            gevent.sleep(60)
        except gevent.GreenletExit:
            pass
    return []
""")
    server = gpool(app="stubborn:app")
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        server.wait("begun")
        server.send(INT)
        server.wait("killed")
        server.send(TERM)
        assert server.end(INT) == 0
    assert not server.found("draining|Traceback")


def test_an_interrupt_while_the_application_is_imported_is_no_traceback(gpool, folder):
    text = "import sys, time\nprint('importing', file=sys.stderr, flush=True)\ntime.sleep(60)\n"
    (folder / "long.py").write_text(text)
    server = gpool(app="long:app", ready="importing")
    assert server.end(INT) == 130
    assert server.lines == ["importing", "THE END"]


def test_the_admin_listener_is_told_and_ends_with_the_process(gpool, folder):
    server = gpool("--admin", f"unix:{folder}/admin")
    server.wait(f"admin on .*{folder}/admin")
    assert exchange(f"{folder}/admin", "/stats")[0] == 200
    assert server.end(TERM) == 0
    assert not (folder / "admin").exists()


@shows("graceful_timeout")
@pytest.mark.parametrize("seconds", ["0", "0.2"])
def test_a_drain_is_cut_after_graceful_timeout(gpool, seconds):
    server = gpool("--graceful-timeout", seconds)
    waiting = Waiting(server.port)
    assert server.end(TERM) == 0
    assert b"body" not in waiting.rest()
    assert server.found(f"draining, for {seconds} s at most")


def test_an_endless_drain_ends_with_its_last_request(gpool):
    server = gpool("--graceful-timeout", "inf")
    waiting = Waiting(server.port)
    server.send(TERM)
    server.wait("draining, for inf s at most")
    assert waiting.finish().endswith(b"body")
    assert server.ended() == 0


# ---------------------------------------------------------------------- files


def test_usr1_opens_the_logs_anew(gpool, folder):
    server = gpool("--access-log", "access", "--log-file", "log", bind=["unix:sock"], ready=None)
    sock = str(folder / "sock")
    server.wait_for_socket(folder / "sock")
    assert exchange(sock, "/pid")[0] == 200
    for name in ("access", "log"):
        (folder / name).rename(folder / f"{name}.1")
    server.send(USR1)
    server.wait_for_file(folder / "access")
    server.wait_for_file(folder / "log")
    assert exchange(sock, "/hello")[0] == 200
    assert server.end() == 0
    assert '"GET /hello ' in (folder / "access").read_text()
    assert "/hello" not in (folder / "access.1").read_text()
    assert "ended" in (folder / "log").read_text()
    assert "gevent" in (folder / "log.1").read_text()
    assert "ended" not in (folder / "log.1").read_text()


def certificate(port, authority):
    """The certificate that a new client is shown."""
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    authority.configure_trust(context)
    with (
        socket.create_connection(("127.0.0.1", port), 20) as sock,
        context.wrap_socket(sock, server_hostname="localhost") as client,
    ):
        return client.getpeercert()["serialNumber"]


def test_hup_reads_the_certificate_again(gpool, folder, keys):
    cert, key = folder / "c.pem", folder / "k.pem"

    def write(issued):
        cert.write_bytes(b"".join(one.bytes() for one in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(key)

    write(keys.authority.issue_cert("localhost"))
    server = gpool("--tls-cert", "c.pem", "--tls-key", "k.pem")
    first = certificate(server.port, keys.authority)
    assert certificate(server.port, keys.authority) == first
    write(keys.authority.issue_cert("localhost"))
    server.send(HUP)
    server.wait("the certificate was read again: c.pem")
    second = certificate(server.port, keys.authority)
    assert second != first
    cert.write_text("nothing")
    server.send(HUP)
    server.wait("ERROR gpool: the certificate stays as it was: .*c.pem")
    assert certificate(server.port, keys.authority) == second
    assert server.end() == 0


def test_hup_without_tls_goes_on(gpool, folder):
    server = gpool("--log-file", "log", "--access-log", "-", bind=["unix:sock"], ready=None)
    server.wait_for_socket(folder / "sock")
    server.send(HUP)
    assert exchange(str(folder / "sock"))[0] == 200
    assert server.end() == 0


# ---------------------------------------------------------------------- several listeners


def test_listeners_share_their_workers(gpool):
    server = gpool("--max-workers", "1", bind=["127.0.0.1:0", "127.0.0.1:0"])
    one, other = server.ports
    waiting = Waiting(one)
    assert exchange(("127.0.0.1", other))[0] == 503
    assert waiting.finish().endswith(b"body")
    assert server.end() == 0


# ---------------------------------------------------------------------- systemd


#: Gives a descriptor as systemd does, and becomes the words that follow.
AS_SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
os.execv(sys.argv[2], sys.argv[2:])
"""


def test_systemds_sockets_are_served(gpool):
    with socket.create_server(("127.0.0.1", 0)) as passed:
        wrap = (sys.executable, "-c", AS_SYSTEMD, str(passed.fileno()))
        server = gpool(wrap=wrap, bind=[], pass_fds=[passed.fileno()])
        assert server.port == passed.getsockname()[1]
        assert server.body("/") == "hello"
    assert server.end() == 0


def test_systemd_is_told(gpool, folder):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(folder / "notify"))
        systemd.settimeout(20)
        environ = {"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "100000"}
        server = gpool(environ=environ)
        pid = server.process.pid
        assert systemd.recv(200) == f"READY=1\nMAINPID={pid}".encode()
        assert [systemd.recv(200) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        waiting = Waiting(server.port)
        server.send(TERM)
        while (told := systemd.recv(200)) == b"WATCHDOG=1":
            pass
        assert told == b"STOPPING=1"
        assert systemd.recv(200) == b"WATCHDOG=1"  # also while it drains
        waiting.finish()
        assert server.ended() == 0


def test_ready_is_not_told_when_it_cannot_listen(folder):
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd,
        socket.create_server(("127.0.0.1", 0)) as taken,
    ):
        systemd.bind(str(folder / "notify"))
        systemd.setblocking(False)
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        environ = {"NOTIFY_SOCKET": str(folder / "notify")}
        assert once("--bind", address, APP, folder=folder, environ=environ)[0] == 1
        with pytest.raises(BlockingIOError):
            systemd.recv(100)


# ---------------------------------------------------------------------- what goes wrong


def ends(*words, folder, **named):
    """The status and the lines of a process that cannot serve."""
    status, out, err = once(*words, folder=folder, **named)
    assert not out
    return status, err.splitlines()


def test_an_address_in_use_is_one_line(folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, lines = ends("--bind", f"127.0.0.1:{port}", APP, folder=folder)
    assert status == 1
    assert lines == [f"Error: --bind: Address already in use: ('127.0.0.1', {port})"]


def test_an_admin_address_in_use_leaves_nothing(folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        admin = f"127.0.0.1:{taken.getsockname()[1]}"
        words = ["--bind", "unix:sock", "--pid-file", "pid", "--admin", admin, APP]
        status, lines = ends(*words, folder=folder)
    assert status == 1
    assert lines[-1].startswith("Error: --admin: Address already in use")
    assert not list(folder.iterdir())


@pytest.mark.parametrize("address", ["unix:nowhere/sock", f"unix:{'x' * 200}", "203.0.113.1:80"])
def test_an_address_that_cannot_be_bound_is_one_line(folder, address):
    status, lines = ends("--bind", address, APP, folder=folder)
    assert status == 1
    assert len(lines) == 1 and lines[0].startswith("Error: --bind: ")
    assert "None" not in lines[0]


@pytest.mark.parametrize("words", [[], ["--check"]])
def test_an_application_that_fails_shows_its_own_traceback(folder, words):
    (folder / "bad.py").write_text("def deep():\n    raise ValueError('own')\n\ndeep()\n")
    status, lines = ends(*words, "--bind", "127.0.0.1:0", "bad:app", folder=folder)
    assert status == 1
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "ValueError: own"
    assert lines[1].strip() == f'File "{folder}/bad.py", line 4, in <module>'
    assert not any("gpool" in line for line in lines if "File" in line)


def test_a_module_that_exits_is_1(folder):
    (folder / "bad.py").write_text("import sys\nsys.exit(0)\n")
    status, lines = ends("bad:app", "--pid-file", "pid", folder=folder)
    assert (status, lines[-1]) == (1, "SystemExit: 0")
    assert not (folder / "pid").exists()


@pytest.mark.parametrize("name", ["gpool", "click", "gevent"])
def test_a_module_of_our_names_in_the_applications_folder_is_not_ours(gpool, folder, name):
    (folder / f"{name}.py").write_text("raise RuntimeError('not this one')\n")
    assert gpool().body("/") == "hello"


LATE = """
import atexit, socket

atexit.register(lambda: print("looked up", socket.getaddrinfo("127.0.0.1", 80)[0][4]))

def app(environ, start_response):
    return []
"""


def test_what_the_application_does_at_the_very_end_can_look_up_a_name(gpool, folder):
    """With gevent that takes a thread, and Python 3.12 starts none by then."""
    (folder / "late.py").write_text(LATE)
    with (folder / "out").open("w") as out:
        server = gpool(app="late:app", stdout=out)
        assert server.end() == 0
    assert (folder / "out").read_text() == "looked up ('127.0.0.1', 80)\n"


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_closed_standard_streams_are_nobodys_descriptors(gpool, folder, closed):
    wrap = ("sh", "-c", f'exec "$@" {closed}', "sh")
    words = ["--access-log", "access", "--log-file", "log"]
    server = gpool(*words, bind=["unix:sock"], ready=None, wrap=wrap)
    sock = folder / "sock"
    server.wait_for_socket(sock)
    assert exchange(str(sock), "/block_a_little")[0] == 200
    for number in range(3):
        target = str(Path(f"/proc/{server.process.pid}/fd/{number}").readlink())
        assert "socket" not in target and str(folder) not in target
    assert server.end() == 0
    assert (folder / "log").read_text().splitlines()[-1].endswith("ended")


@pytest.mark.parametrize("word", ["--help", "--print-config"])
def test_a_reader_that_has_had_enough_is_no_error_of_ours(folder, word):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "gpool", word],
        env=environment(),
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=20,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")
