"""The examples, run as a reader would."""

import json
import signal
import socket
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path

import pytest
import websocket
from urllib3 import HTTPConnectionPool

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def run():
    """Start an example on a free port; says the process and the address it prints."""
    processes = []

    def start(name, port="0"):
        process = subprocess.Popen(
            [sys.executable, EXAMPLES / name, "127.0.0.1", port],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        line = process.stdout.readline()
        if not line:
            return process, None
        return process, ("127.0.0.1", int(line.split("127.0.0.1:")[1].split("/")[0].split()[0]))

    yield start
    for process in processes:
        process.kill()
        process.communicate()


class Person:
    """Somebody in the chat."""

    def __init__(self, address, name):
        self.socket = socket.create_connection(address, timeout=20)
        self.lines = self.socket.makefile("rw")
        self.say(name)

    def say(self, line):
        self.lines.write(f"{line}\n")
        self.lines.flush()

    def hears(self, text):
        """Read until a line with `text` comes; a line may come late, but the end must not."""
        while text not in (line := self.lines.readline()):
            assert line, f"no {text!r} before the end"

    def leave(self):
        self.lines.close()
        self.socket.close()


def test_every_example_has_a_test():
    tested = {"echo", "hijack", "flask_app", "django_app", "falcon_app", "bottle_app"}
    tested |= {"telemetry_app", "websocket_app"}
    assert {path.stem for path in EXAMPLES.glob("*.py")} == tested


def test_echo(run):
    process, address = run("echo.py")
    with socket.create_connection(address, timeout=20) as client:
        client.sendall(b"there and back")
        assert client.recv(100) == b"there and back"
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0


def test_more_people_chat_than_there_are_workers(run):
    _, address = run("hijack.py")
    people = []
    for number in range(25):
        person = Person(address, f"person {number}")
        person.hears(f"person {number} is here, with {number} others")
        people.append(person)
    people[0].say("hello all")
    for person in people:
        person.hears("person 0: hello all")
    people.pop().leave()
    people[0].hears("person 24 has left")
    for person in people:
        person.leave()


def test_people_chat_over_websockets(run):
    process, (host, port) = run("websocket_app.py")
    page = HTTPConnection(host, port, timeout=20)
    page.request("GET", "/")
    assert b"new WebSocket" in page.getresponse().read()
    page.close()
    people = [
        websocket.create_connection(f"ws://{host}:{port}/chat/{name}", timeout=20)
        for name in ("Ann", "Ben")
    ]
    assert [people[0].recv() for _ in range(2)] == ["* Ann is here", "* Ben is here"]
    assert people[1].recv() == "* Ben is here"
    people[1].send("hello")
    assert [person.recv() for person in people] == ["Ben: hello"] * 2
    people.pop().close()
    assert people[0].recv() == "* Ben has left"
    process.send_signal(signal.SIGTERM)
    opcode, reason = people[0].recv_data(control_frame=True)
    assert (opcode, reason[2:]) == (websocket.ABNF.OPCODE_CLOSE, b"the server stops")
    people[0].shutdown()
    assert process.wait(20) == 0, process.stderr.read()


def test_the_flask_application_and_its_clear_word_for_a_port_that_is_taken(run):
    process, address = run("flask_app.py")
    client = HTTPConnection(*address, timeout=20)
    client.request("GET", "/")
    assert client.getresponse().read() == b"hello from a reused worker\n"
    client.request("GET", "/wait?seconds=0.01")
    assert client.getresponse().read() == b'{"waited":0.01}\n'
    client.request("GET", "/pool")
    assert b'"tainted":0' in client.getresponse().read()
    second, nothing = run("flask_app.py", str(address[1]))
    assert nothing is None
    said = second.communicate()[1]
    taken = address[1]
    assert said.splitlines()[0] == (
        f"port {taken} of 127.0.0.1 is taken; try another: make serve PORT={taken + 1}"
    )
    client.close()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


@pytest.fixture
def http(run):
    """Start an example; a client of it, which at the end sees it drain and leave."""

    def start(name):
        process, address = run(name)
        client = HTTPConnectionPool(*address, timeout=20, retries=False)
        started.append((process, client))
        return client

    started = []
    yield start
    for process, client in started:
        process.send_signal(signal.SIGTERM)  # while a connection is kept
        assert process.wait(20) == 0, process.stderr.read()
        client.close()


def test_the_django_application_with_its_database(http):
    client = http("django_app.py")
    assert (
        client.request("GET", "/", fields={"name": "Zo\u00eb"}).data == "hello Zo\u00eb\n".encode()
    )
    for numbers, total in [([1, 2.5], 3.5), ([], None)]:
        fields = [("number", str(number)) for number in numbers]
        answer = client.request("POST", "/total", fields=fields)
        assert answer.json() == {"total": total}


def test_the_falcon_service(http):
    client = http("falcon_app.py")
    for text in ["buy milk", "drink milk"]:
        answer = client.request("POST", "/notes", json={"text": text})
        assert answer.status == 201
        assert client.request("GET", answer.headers["Location"]).json() == {"text": text}
    assert len(client.request("GET", "/notes").json()) == 2
    assert client.request("GET", "/notes/3").status == 404


def test_the_file_drop_in_bottle(http):
    client = http("bottle_app.py")
    assert b"<form" in client.request("GET", "/").data
    data = bytes(range(256)) * 2_000
    answer = client.request("POST", "/", fields={"file": ("data.bin", data)})
    assert answer.status == 201
    place = answer.headers["Location"]
    assert client.request("GET", place).data == data
    part = client.request("GET", place, headers={"Range": "bytes=100-299"})
    assert (part.status, part.data) == (206, data[100:300])
    assert client.request("GET", "/no-such-file").status == 404


def test_the_traced_application_prints_the_spans_of_its_callers_trace(run):
    process, address = run("telemetry_app.py")
    client = HTTPConnectionPool(*address, timeout=20, retries=False)
    trace = "0af7651916cd43dd8448eb211c80319c"
    traceparent = f"00-{trace}-b7ad6b7169203331-01"
    answer = client.request("GET", "/chain", headers={"traceparent": traceparent})
    assert answer.json()["trace"] == trace
    client.close()
    process.send_signal(signal.SIGTERM)
    text, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    decoder, spans = json.JSONDecoder(), []
    while text := text.lstrip():
        span, end = decoder.raw_decode(text)
        spans.append(span)
        text = text[end:]
    names = ["the database", "GET /work", "GET", "GET /chain"]  # as they end
    assert [span["name"] for span in spans] == names
    assert {span["context"]["trace_id"] for span in spans} == {f"0x{trace}"}
