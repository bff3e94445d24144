"""A traced Flask application on gpool: OpenTelemetry's own WSGI instrumentation, a span a request.

python examples/telemetry_app.py [HOST] [PORT], then:
curl -H 'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' \
    http://127.0.0.1:8000/chain

Spans are printed, or go to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names, with metrics.
"""

import os

# Before the instrumentation is imported: the names of today's conventions, in seconds.
os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http")

from gevent import monkey

monkey.patch_all()

import signal  # noqa: E402  # after the patch, as everything an application imports
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Iterable, Iterator  # noqa: E402
from typing import Any  # noqa: E402
from urllib.request import urlopen  # noqa: E402

import gevent  # noqa: E402
from flask import Flask, jsonify, request  # noqa: E402
from flask.typing import ResponseReturnValue  # noqa: E402
from opentelemetry import metrics, trace  # noqa: E402
from opentelemetry.exporter.otlp.proto.http.metric_exporter import (  # noqa: E402
    OTLPMetricExporter,
)
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: E402
from opentelemetry.instrumentation.urllib import URLLibInstrumentor  # noqa: E402
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware  # noqa: E402
from opentelemetry.sdk.metrics import MeterProvider  # noqa: E402
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: E402
from opentelemetry.sdk.resources import Resource  # noqa: E402
from opentelemetry.sdk.trace import TracerProvider  # noqa: E402
from opentelemetry.sdk.trace.export import (  # noqa: E402
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SimpleSpanProcessor,
)

from gpool import RequestTimeout, WSGIServer  # noqa: E402


def set_up() -> None:
    """Export what this process does from now on; what is left goes out when it ends."""
    resource = Resource.create({"process.pid": os.getpid()})
    tracing = TracerProvider(resource=resource)
    if "OTEL_EXPORTER_OTLP_ENDPOINT" in os.environ:
        tracing.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        reader = PeriodicExportingMetricReader(OTLPMetricExporter())
        metrics.set_meter_provider(MeterProvider([reader], resource))
    else:
        tracing.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
    trace.set_tracer_provider(tracing)
    URLLibInstrumentor().instrument()


def ending(application: Callable[..., Any]) -> Callable[..., Any]:
    """End the span of a request that is killed; the instrumentation does so for an Exception."""

    def call(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            result: Iterable[bytes] = application(environ, start_response)
        except Exception:
            raise
        except BaseException as error:  # RequestTimeout, GreenletExit
            span = trace.get_current_span()
            span.set_status(trace.StatusCode.ERROR, repr(error))
            if isinstance(error, RequestTimeout):
                span.set_attribute("http.response.status_code", 504)
            span.end()
            raise
        return result

    return call


set_up()
app = Flask(__name__)
app.wsgi_app = OpenTelemetryMiddleware(ending(app.wsgi_app))  # type: ignore[method-assign]
tracer = trace.get_tracer(__name__)


@app.before_request
def name_the_span() -> None:
    """Call it by the route: a path has too many values."""
    if request.url_rule is not None:
        span = trace.get_current_span()
        span.update_name(f"{request.method} {request.url_rule.rule}")
        span.set_attribute("http.route", request.url_rule.rule)


@app.get("/work")
def work() -> ResponseReturnValue:
    """Block for `?seconds=`, as a database would, in a span of its own."""
    seconds = min(request.args.get("seconds", 0.01, type=float), 60.0)
    with tracer.start_as_current_span("the database"):
        time.sleep(seconds)
    traced = trace.get_current_span().get_span_context().trace_id
    return jsonify(waited=seconds, trace=trace.format_trace_id(traced), process=os.getpid())


@app.get("/chain")
def chain() -> ResponseReturnValue:
    """Ask another service, which goes on with the same trace: this one's /work."""
    host, port = request.environ["SERVER_NAME"], request.environ["SERVER_PORT"]
    with urlopen(f"http://{host}:{port}/work", timeout=10) as answer:
        return bytes(answer.read()), {"Content-Type": "application/json"}


@app.get("/stream")
def stream() -> ResponseReturnValue:
    """Answer in blocks; the span ends with the last of them."""

    def blocks() -> Iterator[bytes]:
        for number in range(3):
            time.sleep(0.01)
            yield b"block %d\n" % number

    return blocks(), {"Content-Type": "text/plain"}


@app.get("/fail")
def fail() -> ResponseReturnValue:
    """Fail; the span has the status, and says that it is an error."""
    raise RuntimeError("as asked for")


def main(host: str = "127.0.0.1", port: str = "8000") -> None:
    """Serve until interrupted or terminated; requests that are in progress are answered."""
    server = WSGIServer((host, int(port)), app)
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, server.stop, 10)
    server.start()
    print(f"serving on http://{host}:{server.server_port}/chain", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
