"""Applications with flask-sock and Flask-SocketIO on the command ``gpool``, and real clients."""

import os
import socket
import ssl
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from queue import Queue
from threading import Thread

import pytest
import requests
import simple_websocket
import socketio
import trustme
import websocket
from urllib3 import HTTPConnectionPool

pytestmark = pytest.mark.limit(60)

WAIT = 20  # seconds that a client waits at most
MEGABYTE = "0123456789abcdef" * 65_536


def command(app, listener, certificate):
    """How an application is served: the one place that says so."""
    words = ["-m", "gpool", f"tests.functional.websocket_apps:{app}", f"--bind=fd://{listener}"]
    tls = dict(zip(("cert", "key"), certificate, strict=True)) if certificate else {}
    words += [f"--tls-{name}={path}" for name, path in tls.items()]
    return [sys.executable, *words, "--graceful-timeout=0.2", "--log-level=warning"]


class Served:
    """An application in a process of its own. Its listener is there before, so nobody waits."""

    def __init__(self, app, errors, certificate, **environment):
        self._errors = errors
        with socket.create_server(("127.0.0.1", 0)) as listener, errors.open("w") as stderr:
            self.port = listener.getsockname()[1]
            self.process = subprocess.Popen(
                command(app, listener.fileno(), certificate),
                pass_fds=[listener.fileno()],
                stderr=stderr,
                cwd=Path(__file__).parents[2],
                env=os.environ | environment,
            )

    def errors(self):
        """What it has written to stderr, but that a client polls on, or stays, while it leaves."""
        lines = self._errors.read_text().splitlines(keepends=True)
        due = ("Session is disconnected", "the drain is cut off")
        return "".join(line for line in lines if not any(one in line for one in due))

    def stop(self):
        """Tell it to; it must leave in time, without a word."""
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(WAIT)
        in_time = self.process.poll() == 0
        self.process.kill()
        self.process.wait()
        assert in_time and not self.errors(), self.errors()


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def certificate(authority, tmp_path_factory):
    """The files of a server's certificate and key."""
    paths = [str(tmp_path_factory.mktemp("tls") / name) for name in ("certificate", "key")]
    issued = authority.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(paths[0])
    issued.private_key_pem.write_to_path(paths[1])
    return paths


@pytest.fixture(scope="module")
def trust(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture(scope="module")
def trusted(authority, tmp_path_factory):
    """The file that says whom to trust."""
    path = str(tmp_path_factory.mktemp("trust") / "authority")
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    """Start applications; each must end well."""
    with ExitStack() as started:

        def start(app, certificate=(), **environment):
            errors = tmp_path_factory.mktemp("served") / "errors"
            served = Served(app, errors, certificate, **environment)
            started.callback(served.stop)
            return served

        yield start


@pytest.fixture(scope="module", params=["ws", "wss", "ws-ping", "wss-ping"])
def sock(request, serving, certificate):
    """The application of flask-sock, as an address; with pings that never come due, or without.

    With them simple-websocket waits in a selector.
    """
    scheme, _, ping = request.param.partition("-")
    environment = {"WEBSOCKET_PING": "3600"} if ping else {}
    served = serving("sock", certificate if scheme == "wss" else (), **environment)
    return f"{scheme}://localhost:{served.port}"


@pytest.fixture
def visit(trust):
    """WebSockets of websocket-client, which are closed at the end."""
    opened = []

    def connect(address, **named):
        client = websocket.create_connection(
            address, timeout=WAIT, sslopt={"context": trust}, **named
        )
        opened.append(client)
        return client

    yield connect
    for client in opened:
        with suppress(OSError, websocket.WebSocketException):  # the test has ended it
            client.close()
        client.shutdown()


# ---------------------------------------------------------------------- flask-sock


def test_messages_come_back_texts_and_bytes(sock, visit):
    client = visit(f"{sock}/echo")
    for text in ["hello", "", "Zo\u00eb", "x" * 126, "y" * 70_000]:
        client.send(text)
        assert client.recv() == text
    client.send_binary(bytes(range(256)))
    assert client.recv() == bytes(range(256))


def test_a_message_of_a_megabyte_goes_both_ways(sock, visit):
    client = visit(f"{sock}/echo")
    for _ in range(3):
        client.send(MEGABYTE)
        assert client.recv() == MEGABYTE


def test_many_messages_at_once_go_both_ways(sock, visit):
    client = visit(f"{sock}/burst/20")
    for number in range(200):  # the server sends more meanwhile than all buffers take
        client.send(f"{number} {'z' * 2_000}")
    got = [client.recv().rsplit(" ", 1)[0] for _ in range(200 * 20)]
    assert got == [f"{each} {number}" for number in range(200) for each in range(20)]


def test_a_message_in_fragments_comes_back_whole(sock, visit):
    client = visit(f"{sock}/echo")
    parts = ["one ", "two ", "three"]
    for number, part in enumerate(parts):
        opcode = websocket.ABNF.OPCODE_CONT if number else websocket.ABNF.OPCODE_TEXT
        last = number == len(parts) - 1
        client.send_frame(websocket.ABNF.create_frame(part, opcode, int(last)))
    assert client.recv() == "one two three"


def test_all_in_a_room_hear_what_one_says_however_large(sock, visit):
    people = [visit(f"{sock}/room/hall") for _ in range(5)]
    assert [person.recv() for person in people] == [f"{n} here" for n in range(1, 6)]
    for person in people:
        person.send("hello all")
    for person in people:
        assert [person.recv() for _ in people] == ["hello all"] * 5
    # From five greenlets at once, into the same five sockets, which nobody reads at first.
    for letter, person in zip("abcde", people, strict=True):
        person.send(letter * 200_000)
    heard = Queue()
    readers = [Thread(target=lambda who=who: heard.put(listen(who))) for who in people]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    for _ in people:
        assert heard.get_nowait() == [(letter, 200_000) for letter in "abcde"]


def listen(person):
    texts = [person.recv() for _ in range(5)]
    return sorted((text[0], text.count(text[0])) for text in texts)


def test_a_client_that_closes_is_answered(sock, visit):
    client = visit(f"{sock}/echo")
    client.send_close(1_000, b"done")
    frame = client.recv_frame()
    assert frame.opcode == websocket.ABNF.OPCODE_CLOSE and frame.data[:2] == b"\x03\xe8"
    assert client.sock.recv(1) == b""


def test_a_server_that_closes_says_why(sock, visit):
    client = visit(f"{sock}/bye")
    client.send("go on")
    opcode, data = client.recv_data(control_frame=True)
    assert opcode == websocket.ABNF.OPCODE_CLOSE
    assert data == (4_001).to_bytes(2, "big") + b"that was all"


def test_the_end_of_a_route_closes_after_what_it_has_said(sock, visit):
    client = visit(f"{sock}/over")
    assert client.recv() == "last words"
    opcode, data = client.recv_data(control_frame=True)
    assert opcode == websocket.ABNF.OPCODE_CLOSE and data[:2] == b"\x03\xe8"


def test_a_client_that_vanishes_takes_nobody_with_it(sock, visit):
    staying, leaving = [visit(f"{sock}/room/ghosts") for _ in range(2)]
    assert [staying.recv(), leaving.recv()] == ["1 here", "2 here"]
    leaving.sock.close()
    third = visit(f"{sock}/room/ghosts")
    third.recv()
    third.send("anybody?")
    assert [staying.recv(), third.recv()] == ["anybody?", "anybody?"]


def test_the_client_of_simple_websocket_is_understood(sock, trust):
    client = simple_websocket.Client(f"{sock}/echo", ssl_context=trust)
    for text in ["hello", "x" * 100_000]:
        client.send(text)
        assert client.receive(timeout=WAIT) == text
    client.close()
    client.thread.join(WAIT)


def test_a_frame_in_the_packet_of_the_request_is_answered_at_once(sock, trust):
    """RFC 6455 has a client wait for the 101. With pings, a selector must tell of the frame."""
    scheme, _, address = sock.partition("://")
    host, port = address.split(":")
    head = (
        f"GET /echo HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    frame = websocket.ABNF.create_frame("early", websocket.ABNF.OPCODE_TEXT).format()
    with ExitStack() as stack:
        client = stack.enter_context(socket.create_connection((host, port), timeout=WAIT))
        if scheme == "wss":
            client = stack.enter_context(trust.wrap_socket(client, server_hostname=host))
        client.sendall(head.encode() + frame)
        lines = stack.enter_context(client.makefile("rb"))
        assert lines.readline().startswith(b"HTTP/1.1 101 ")
        while lines.readline() != b"\r\n":
            pass
        assert lines.read(7) == b"\x81\x05early"


def test_pings_go_out_and_keep_the_connection(serving, visit):
    served = serving("sock", WEBSOCKET_PING="1")  # a second in which to answer
    client = visit(f"ws://localhost:{served.port}/echo")
    for number in range(2):
        opcode, frame = client.recv_data_frame(control_frame=True)
        assert opcode == websocket.ABNF.OPCODE_PING
        client.send(str(number))
        while opcode != websocket.ABNF.OPCODE_TEXT:
            opcode, frame = client.recv_data_frame(control_frame=True)
        assert frame.data == str(number).encode()


def test_a_client_that_does_not_answer_pings_is_hung_up(serving, visit):
    served = serving("sock", WEBSOCKET_PING="0.02")
    client = visit(f"ws://localhost:{served.port}/echo")
    opcodes = [client.recv_frame().opcode for _ in range(2)]
    assert opcodes == [websocket.ABNF.OPCODE_PING, websocket.ABNF.OPCODE_CLOSE]


def test_without_an_upgrade_the_same_path_is_http(serving):
    served = serving("sock")
    with HTTPConnectionPool("127.0.0.1", served.port, timeout=WAIT, retries=False) as http:
        offer = {"Connection": "Upgrade", "Upgrade": "websocket"}
        for headers, status in [({}, 200), (offer, 400), ({}, 200)]:  # Werkzeug's answers
            assert http.request("GET", "/", headers=headers).status == status
        assert http.request("GET", "/nowhere", headers=offer).status == 404
        assert http.num_connections == 1


def test_a_stop_hangs_up_what_is_open_and_the_process_ends(serving, visit):
    for environment in ({}, {"WEBSOCKET_PING": "3600"}):
        served = serving("sock", **environment)
        client = visit(f"ws://localhost:{served.port}/echo")
        client.send("here")
        assert client.recv() == "here"
        served.process.terminate()
        with pytest.raises((websocket.WebSocketConnectionClosedException, ConnectionError)):
            client.recv()
        assert served.process.wait(WAIT) == 0


# ---------------------------------------------------------------------- Flask-SocketIO


@pytest.fixture(scope="module", params=["http", "https"])
def chat(request, serving, certificate):
    served = serving("chat", certificate if request.param == "https" else ())
    return f"{request.param}://localhost:{served.port}"


class Person:
    """A client of python-socketio, and what it hears."""

    def __init__(self, address, trusted, transports):
        self.heard = Queue()
        session = requests.Session()
        session.verify = trusted
        session.trust_env = False  # REQUESTS_CA_BUNDLE would win over that
        self.client = socketio.Client(reconnection=False, http_session=session)
        for event in ("shouted", "entered", "message"):
            self.client.on(event, lambda text, event=event: self.heard.put((event, text)))
        self.client.connect(address, transports=transports, wait_timeout=WAIT)

    def call(self, event, *args):
        return self.client.call(event, args, timeout=WAIT)

    def hears(self):
        return self.heard.get(timeout=WAIT)


@pytest.fixture(params=[["websocket"], ["polling", "websocket"], ["polling"]], ids="-".join)
def person(request, chat, trusted):
    """One who comes with these transports."""
    people = []

    def come():
        people.append(Person(chat, trusted, request.param))
        return people[-1]

    come.transport = request.param[-1]
    yield come
    for one in people:
        one.client.disconnect()
        one.client.eio.wait()


def test_events_go_both_ways_and_are_acknowledged(person):
    one = person()
    for text in ["hello", "Zo\u00eb", "x" * 100_000]:
        assert one.call("shout", text) == f"heard {len(text)}"
        assert one.hears() == ("shouted", text.upper())


def test_the_transport_is_what_was_agreed(person):
    one = person()
    assert one.client.transport() == person.transport
    assert one.call("transport") == person.transport


def test_who_is_in_a_room_hears_what_is_said_there(person):
    inside, another, outside = person(), person(), person()
    for one in (inside, another):
        one.client.emit("enter", "hall")
        assert one.hears() == ("entered", "hall")
    outside.client.emit("say", ("hall", "hello all"))
    for one in (inside, another):
        assert one.hears() == ("message", "hello all")
    assert outside.heard.empty()
