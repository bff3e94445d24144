"""The example under the command, and a collector that it exports to."""

import socket
from contextlib import closing
from pathlib import Path

import pytest
from urllib3 import HTTPConnectionPool

from tests.telemetry.conftest import block_of
from tests.telemetry.test_spans import CALLER, TRACE, TRACEPARENT

pytestmark = pytest.mark.limit(60)

EXAMPLES = Path(__file__).parents[2] / "examples"
HEADERS = dict([TRACEPARENT.split(": ")])
SERVER, ERROR = 2, 2  # a span's kind and status, in OTLP's numbers
SOON, NEVER = "20", "600000"  # milliseconds until the exporter sends by itself


@pytest.fixture
def example(collector, gpool):
    """The command with the example, and a client; in OpenTelemetry's own variables."""
    clients = []

    def run(*words, every):
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address,
            "OTEL_SERVICE_NAME": "shop",
            "OTEL_BSP_SCHEDULE_DELAY": every,
            "OTEL_METRIC_EXPORT_INTERVAL": NEVER,
        }
        running = gpool(
            "--chdir", str(EXAMPLES), *words, app="telemetry_app:app", environ=variables
        )
        clients.append(HTTPConnectionPool("127.0.0.1", running.port, timeout=20, retries=False))
        return running, clients[-1]

    yield run
    for client in clients:
        client.close()


def test_a_trace_goes_through_to_the_next_service_and_a_kill_is_in_it(example, collector):
    """The exporter sends while the process serves: its thread is a greenlet there."""
    _, client = example("--request-timeout", "0.5", every=SOON)
    answer = client.request("GET", "/chain", headers=HEADERS)
    assert (answer.status, answer.json()["trace"]) == (200, TRACE)
    spans = {one.name: one for one in collector.wait(4)}
    names = ["GET /chain", "GET", "GET /work", "the database"]
    parents = [CALLER, *(spans[name].span for name in names)]
    assert [spans[name].parent for name in names] == parents[:-1]
    assert {one.trace for one in spans.values()} == {TRACE}
    assert spans["GET /chain"].attributes["http.route"] == "/chain"
    assert client.request("GET", "/work?seconds=60", headers=HEADERS).status == 504
    (killed,) = collector.wait(2, "GET /work")[1:]
    assert (killed.trace, killed.parent, killed.status) == (TRACE, CALLER, ERROR)
    assert killed.attributes["http.response.status_code"] == 504
    assert client.request("GET", "/fail").status == 500
    (failed,) = collector.wait(1, "GET /fail")
    assert (failed.status, failed.attributes["http.response.status_code"]) == (ERROR, 500)


def test_a_drain_loses_no_span_and_no_measurement(example, collector):
    """Nothing is sent before the end: what comes was flushed by it."""
    running, client = example(every=NEVER)
    for _ in range(20):
        assert client.request("GET", "/work?seconds=0").status == 200
    with closing(socket.create_connection(("127.0.0.1", running.port), timeout=20)) as streaming:
        streaming.sendall(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
        received = b""
        while b"block 0" not in received:
            received += streaming.recv(1_000)
        assert not collector.spans
        running.send(15)
        while data := streaming.recv(1_000):
            received += data
    assert b"block 2\n\r\n0\r\n\r\n" in received
    assert running.ended() == 0, running.log
    names = [one.name for one in collector.spans]
    expected = ["GET /stream", *["GET /work"] * 20, *["the database"] * 20]
    assert sorted(names) == expected, running.log
    assert {one.resource["service.name"] for one in collector.spans} == {"shop"}
    assert collector.measured("http.server.request.duration") == 21
    # After that, Python's own end may be told: gevent 25.9 asks for a greenlet when there is none.
    assert "Traceback" not in running.log.partition(" ended\n")[0]


def test_the_page_and_the_example_end_spans_in_the_same_way():
    assert block_of("ending") in (EXAMPLES / "telemetry_app.py").read_text()
