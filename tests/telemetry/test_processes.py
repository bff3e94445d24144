"""Several processes, wired as docs/telemetry.md says: its own blocks are the application."""

import sys
from collections import Counter
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.command.running import BANNER
from tests.command.running import READY as READY_ONE
from tests.command.test_processes import LISTENING, Several
from tests.gunicorn.serving import Gunicorn
from tests.telemetry.conftest import block_of
from tests.telemetry.test_spans import TRACE, TRACEPARENT

pytestmark = [pytest.mark.parts, pytest.mark.limit(60)]

EXAMPLES = Path(__file__).parents[2] / "examples"
NEVER = "600000"  # milliseconds until the exporter sends by itself
MANY = "100000"  # spans that are kept back; one process answers all while the other starts
IMPORTS = """
from collections.abc import Callable, Iterable
from typing import Any

from gpool import RequestTimeout
"""
HELLO = """
def hello(environ, start_response):
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


app = traced(hello)
"""
#: What gunicorn's helper waits for.
READY = """
of_the_page = post_worker_init


def post_worker_init(worker):
    of_the_page(worker)
    worker.log.info("ready: %s", worker.pid)
"""


@pytest.fixture
def wired(folder, collector):
    """Make the page's application a module there; the variables of its processes."""

    def write(*ends):
        text = "\n\n".join([block_of("set_up"), IMPORTS, block_of("ending"), HELLO, *ends])
        (folder / "app.py").write_text(text)
        return {
            "OTEL_SEMCONV_STABILITY_OPT_IN": "http",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address,
            "OTEL_BSP_SCHEDULE_DELAY": NEVER,
            "OTEL_BSP_MAX_QUEUE_SIZE": MANY,
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": MANY,
            "OTEL_METRIC_EXPORT_INTERVAL": NEVER,
        }

    return write


def ask_both(port):
    """Ask until both processes have answered, and some more: how many each has."""
    answers = Counter()
    name, value = TRACEPARENT.split(": ")
    while len(answers) < 2 or answers.total() < 20:
        with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as client:
            client.request("GET", "/", headers={name: value, "Connection": "close"})
            answers[int(client.getresponse().read())] += 1
    return answers


def all_have_come(collector, answers):
    """Each process has sent a span for each of its answers, as itself."""
    of = Counter(one.resource["process.pid"] for one in collector.spans)
    assert of == answers
    assert {one.trace for one in collector.spans} == {TRACE}
    instances = {one.resource["service.instance.id"] for one in collector.spans}
    assert len(instances) == len(answers)


def test_the_processes_of_the_command_lose_nothing(wired, gpool, collector):
    environ = wired("set_up()")
    several = Several(gpool, app="app:app", environ=environ)
    answers = ask_both(several.port)
    assert not collector.spans
    assert several.running.end() == 0, several.running.log
    all_have_come(collector, answers)
    assert collector.measured("http.server.request.duration") == answers.total()


@pytest.mark.parametrize("preload", [False, True], ids=["", "preload_app"])
def test_gunicorns_processes_lose_nothing(wired, folder, collector, preload):
    environ = wired(*([] if preload else ["set_up()"]))
    config = f"{block_of('post_worker_init')}\n{READY}" if preload else ""
    words = ["--preload"] if preload else []
    words += ["--chdir", str(folder), "--access-logfile", "log"]
    words += ["--access-logformat", '%(h)s "%(r)s" %(s)s %({traceparent}i)s']
    with Gunicorn(
        folder, *words, app="app:app", config=config, environ=environ, workers=2
    ) as running:
        answers = ask_both(running.port)
        assert not collector.spans
        assert running.stop() == 0, running.log
        assert "Traceback" not in running.log
    all_have_come(collector, answers)
    assert collector.measured("http.server.request.duration") == answers.total()
    lines = (folder / "log").read_text().splitlines()
    value = TRACEPARENT.split(": ")[1]
    assert lines == [f'127.0.0.1 "GET / HTTP/1.1" 200 {value}'] * answers.total()


def test_set_up_before_the_fork_all_arrives_but_as_of_the_arbiters_process(
    wired, folder, collector
):
    environ = wired("set_up()")
    config = "from gevent import monkey\n\nmonkey.patch_all()\nfrom tests.gunicorn.hooks import *\n"
    words = ["--preload", "--chdir", str(folder)]
    with Gunicorn(
        folder, *words, app="app:app", config=config, environ=environ, workers=2
    ) as running:
        answers = ask_both(running.port)
        assert running.stop() == 0, running.log
        arbiter = running.process.pid
    assert len(collector.spans) == answers.total()
    assert {one.resource["process.pid"] for one in collector.spans} == {arbiter}
    assert len({one.resource["service.instance.id"] for one in collector.spans}) == len(answers)
    assert collector.measured("http.server.request.duration") == answers.total()


@pytest.mark.parametrize("words", [[], ["--no-monkey-patch"]], ids=["greenlets", "threads"])
def test_the_exporter_sends_while_the_process_serves(wired, gpool, collector, words):
    environ = wired("set_up()") | {"OTEL_BSP_SCHEDULE_DELAY": "20"}
    running = gpool(*words, app="app:app", environ=environ)
    for count in range(1, 4):
        running.body("/")
        assert len(collector.wait(count)) == count
    assert running.end() == 0
    assert len(collector.spans) == 3


@pytest.mark.parametrize("words", [[], ["--processes", "2"]], ids=["one", "two"])
def test_an_application_that_knows_nothing_of_it_is_traced(gpool, collector, words):
    """As the page has it without a line of code; a Flask example that has no instrumentation."""
    variables = {
        "OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH": "patch_all",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address,
        "OTEL_SEMCONV_STABILITY_OPT_IN": "http",
        "OTEL_BSP_SCHEDULE_DELAY": NEVER,
        "OTEL_METRIC_EXPORT_INTERVAL": NEVER,
    }
    running = gpool(
        *("--chdir", str(EXAMPLES), *words),
        app="flask_app:app",
        environ=variables,
        ready=LISTENING if words else READY_ONE,
        wrap=[str(Path(sys.executable).with_name("opentelemetry-instrument"))],
    )
    port = int((running.found(LISTENING) or running.found(BANNER))[0][1])
    name, value = TRACEPARENT.split(": ")
    for _ in range(10):
        with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as client:
            client.request("GET", "/wait?seconds=0", headers={name: value})
            assert client.getresponse().status == 200
    assert running.end() == 0, running.log
    assert [one.name for one in collector.spans] == ["GET /wait"] * 10
    assert {one.trace for one in collector.spans} == {TRACE}
    assert collector.measured("http.server.request.duration") == 10
    assert "Warning" not in running.log
    served = running.log.partition(" ended\n")[0]  # see test_example about what may follow
    assert words or "Traceback" not in served  # several: set up before the fork
