"""A collector: OTLP over HTTP, on gpool itself, in a thread with a Hub of its own.

In a thread since the tests wait for processes in ways that block their own Hub, while those
processes flush what they have. It keeps what it is sent, for a test to wait on.
"""

import gzip
import threading
from typing import Any, NamedTuple

from gevent.event import Event
from gevent.hub import get_hub
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from gpool import WSGIServer

__all__ = ["Collector", "Span"]

LIMIT = 20  # seconds without news; the limit of a test cannot end a wait for a thread


class Span(NamedTuple):
    """What is looked at of a span; ids as `traceparent` has them."""

    name: str
    trace: str
    span: str
    parent: str
    kind: int
    status: int
    attributes: dict[str, Any]
    resource: dict[str, Any]


def values(attributes):
    """Attributes as a dict; the tests have no lists among them."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


def spans_of(message):
    """All spans of a message."""
    for group in message.resource_spans:
        resource = values(group.resource.attributes)
        for scope in group.scope_spans:
            for one in scope.spans:
                yield Span(
                    *(one.name, one.trace_id.hex(), one.span_id.hex(), one.parent_span_id.hex()),
                    *(one.kind, one.status.code, values(one.attributes), resource),
                )


class Collector:
    """The collector, while it is entered.

    Attributes:
        spans: that have come.
        address: for OTEL_EXPORTER_OTLP_ENDPOINT.
    """

    def __init__(self):
        self.spans = []
        self._counts = {}
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __call__(self, environ, start_response):
        data = environ["wsgi.input"].read()
        if environ.get("HTTP_CONTENT_ENCODING") == "gzip":
            data = gzip.decompress(data)
        with self._news:
            if environ["PATH_INFO"] == "/v1/traces":
                self.spans += spans_of(ExportTraceServiceRequest.FromString(data))
                answer = ExportTraceServiceResponse()
            else:
                self._measure(ExportMetricsServiceRequest.FromString(data))
                answer = ExportMetricsServiceResponse()
            self._news.notify_all()
        start_response("200 OK", [("Content-Type", "application/x-protobuf")])
        return [answer.SerializeToString()]

    def _measure(self, message):
        for group in message.resource_metrics:
            instance = values(group.resource.attributes)["service.instance.id"]
            for scope in group.scope_metrics:
                for metric in scope.metrics:
                    counts = [one.count for one in metric.histogram.data_points]
                    self._counts[metric.name, instance] = sum(counts)  # since its beginning

    def measured(self, name):
        """How many measurements a histogram has, of all processes together."""
        with self._news:
            return sum(count for (of, _), count in self._counts.items() if of == name)

    def _serve(self):
        server = WSGIServer(("127.0.0.1", 0), self)
        ended = Event()
        watcher = get_hub().loop.async_()
        watcher.start(ended.set)
        server.start()
        with self._news:
            self.address = f"http://127.0.0.1:{server.server_port}"
            self._end = watcher.send
            self._news.notify_all()
        ended.wait()
        server.stop(1)
        watcher.close()
        if (
            "libuv" not in type(get_hub().loop).__module__
        ):  # gevent's leaves watchers unclosed there
            get_hub().destroy()

    def __enter__(self):
        with self._news:
            self._thread.start()
            assert self._news.wait_for(lambda: hasattr(self, "_end"), LIMIT)
        return self

    def __exit__(self, *exc_info):
        self._end()
        self._thread.join(LIMIT)
        assert not self._thread.is_alive()

    def wait(self, count, name=""):
        """Wait until `count` spans have come whose name begins with `name`; those."""
        with self._news:
            while len(found := [one for one in self.spans if one.name.startswith(name)]) < count:
                assert self._news.wait(LIMIT), [one.name for one in self.spans]
            return found
