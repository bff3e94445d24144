"""An application that is traced as docs/telemetry.md has it, and what becomes of its spans."""

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from gpool import RequestTimeout
from tests.command.conftest import folder, gpool
from tests.telemetry.collecting import Collector
from tests.wsgi_server.conftest import serve, site, visit

__all__ = ["block_of", "folder", "from_page", "gpool", "serve", "site", "visit"]

PAGE = Path(__file__).parents[2] / "docs" / "telemetry.md"


def block_of(name):
    """The block of the page that defines a function."""
    blocks = [block.split("```")[0] for block in PAGE.read_text().split("```python\n")[1:]]
    (text,) = [block for block in blocks if f"\ndef {name}(" in f"\n{block}"]
    return text


def from_page(name):
    """A function of the page; what it uses beside its block's own imports is in scope."""
    known: dict[str, Any] = {"Any": Any, "Callable": Callable, "Iterable": Iterable}
    known |= {"trace": trace, "RequestTimeout": RequestTimeout}
    exec(compile(block_of(name), PAGE, "exec"), known)
    return known[name]


class Traced:
    """The instrumentation around an application, on providers of its own.

    Attributes:
        tracer: for spans of the application.
    """

    def __init__(self, application, **named):
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self._spans = TracerProvider()
        self._meters = MeterProvider([self._reader])
        self._spans.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = self._spans.get_tracer(__name__)
        self.application = OpenTelemetryMiddleware(
            application, tracer_provider=self._spans, meter_provider=self._meters, **named
        )

    def __call__(self, environ, start_response):
        return self.application(environ, start_response)

    def ended(self):
        """The spans that have ended, in that order."""
        return list(self._exporter.get_finished_spans())

    def durations(self):
        """The points of the histogram of durations."""
        data = self._reader.get_metrics_data()
        for metric in data.resource_metrics[0].scope_metrics[0].metrics:
            if metric.name == "http.server.request.duration":
                return list(metric.data.data_points)
        return []

    def close(self):
        self._spans.shutdown()
        self._meters.shutdown()


@pytest.fixture(scope="session", autouse=True)
def names_of_today():
    """Read once in a process, by the first middleware."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "http")
        yield


@pytest.fixture
def traced(site, caplog):
    """Trace an application, `site` by default; nothing of OpenTelemetry complains meanwhile."""
    made = []

    def trace_it(application=site, **named):
        made.append(Traced(application, **named))
        return made[-1]

    yield trace_it
    for one in made:
        one.close()
    complaints = [
        record.getMessage()
        for record in caplog.get_records("call")
        if record.name.startswith("opentelemetry") and record.levelno >= logging.WARNING
    ]
    assert not complaints


@pytest.fixture
def collector():
    with Collector() as one:
        yield one
