"""The figures for Prometheus.

A collector makes metric families of a `Snapshot`; everything else, the two text formats, the
choice between them, compression, is prometheus_client's. It is not a dependency of gpool: without
it there is no `/metrics`, and the answer says how to install it.

Guarantees: a registry of its own, so that an application's metrics do not mix in, nor these into
the application's; every series is there from the first scrape on, with 0, as Prometheus advises.
Where several processes share the listener there are no ``process_*`` figures, which would be those
of whoever answers.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import Any

from gpool.admin.snapshot import Snapshot
from gpool.wsgi.site import Application
from gpool.wsgi.tally import BOUNDS

__all__ = ["HOW_TO_INSTALL", "metrics_application"]

HOW_TO_INSTALL = (
    "/metrics needs prometheus_client, which is not installed: pip install 'gpool[metrics]'"
)

#: Name, and what it says, of figures that are one number each; the attribute is the second.
GAUGES = (
    ("gpool_max_workers", "max_workers", "The most workers there may be."),
    (
        "gpool_limit",
        "limit",
        "How many requests may be in flight now; fewer than workers with overflow adaptive.",
    ),
    (
        "gpool_open_connections",
        "open",
        "Open connections, hijacked ones among them.",
    ),
    ("gpool_full_seconds", "full_for", "For how long there has been no room; 0 if there is some."),
    (
        "gpool_start_time_seconds",
        "started",
        "When the oldest process began, in seconds of the epoch.",
    ),
    (
        "gpool_hub_blocked_longest_seconds",
        "longest",
        "For how long the event loop was blocked at the worst.",
    ),
)
COUNTERS = (
    (
        "gpool_connections_accepted",
        "accepted",
        "Connections accepted, refused ones among them.",
    ),
    ("gpool_response_body_bytes", "sent", "Bytes of the bodies of answers."),
    ("gpool_request_errors", "errors", "Requests that the application has failed."),
    ("gpool_workers_created", "created", "Workers created."),
    ("gpool_workers_reused", "reused", "Requests given to a worker that was there already."),
    ("gpool_workers_retired", "retired", "Workers ended because nobody had needed them."),
    (
        "gpool_workers_tainted",
        "tainted",
        "Workers not reused because something still referred to them.",
    ),
    ("gpool_hub_blocked", "blocked", "How many times something blocked the event loop."),
)
#: The same of those with a label: name, attribute, label, what it says.
LABELLED_COUNTERS = (
    ("gpool_requests", "requests", "status", "Answers, by the class of their status."),
    ("gpool_refused", "refused", "reason", "Connections and requests refused, by reason."),
)


class Figures:
    """prometheus_client's custom collector.

    Args:
        current: makes the snapshot that a scrape shows.
        core: the module `prometheus_client.core`.
    """

    def __init__(self, current: Callable[[], Snapshot], core: Any) -> None:
        self._current = current
        self._core = core

    def collect(self) -> Iterator[Any]:
        """Worker side. The metric families, for one scrape."""
        snapshot = self._current()
        yield from self._gauges(snapshot)
        yield from self._counters(snapshot)
        yield self._histogram(snapshot)

    def _gauges(self, snapshot: Snapshot) -> Iterator[Any]:
        gauge = self._core.GaugeMetricFamily
        workers = gauge("gpool_workers", "Workers: greenlets of the pool.", labels=["state"])
        workers.add_metric(["ready"], snapshot.ready)
        workers.add_metric(["busy"], snapshot.busy)
        yield workers
        connections = gauge("gpool_connections", "Open connections, by state.", labels=["state"])
        for state, count in snapshot.connections.items():
            connections.add_metric([state], count)
        yield connections
        yield gauge("gpool_processes", "Processes that serve.", value=len(snapshot.pids))
        for name, attribute, text in GAUGES:
            yield gauge(name, text, value=getattr(snapshot, attribute))
        yield self._core.InfoMetricFamily(
            "gpool", "The version of gpool.", value={"version": snapshot.version}
        )

    def _counters(self, snapshot: Snapshot) -> Iterator[Any]:
        counter = self._core.CounterMetricFamily
        for name, attribute, label, text in LABELLED_COUNTERS:
            family = counter(name, text, labels=[label])
            for value, count in getattr(snapshot, attribute).items():
                family.add_metric([value], count)
            yield family
        for name, attribute, text in COUNTERS:
            yield counter(name, text, value=getattr(snapshot, attribute))

    def _histogram(self, snapshot: Snapshot) -> Any:
        bounds = [*(str(bound) for bound in BOUNDS), "+Inf"]
        return self._core.HistogramMetricFamily(
            "gpool_request_seconds",
            "How long the application and its answer took, in seconds; refusals and connections "
            "that the application took are not timed.",
            buckets=list(zip(bounds, accumulate(snapshot.buckets), strict=True)),
            sum_value=snapshot.seconds,
        )


def metrics_application(
    current: Callable[[], Snapshot], *, of_one_process: bool
) -> Application | None:
    """Any side. A WSGI application that answers a scrape.

    Args:
        current: makes the snapshot that a scrape shows.
        of_one_process: whether figures of the process itself, ``process_*``, are shown too.

    Returns:
        None if prometheus_client is not installed.
    """
    try:
        import prometheus_client  # noqa: PLC0415  # an extra
        from prometheus_client import core  # noqa: PLC0415
    except ImportError:
        return None
    registry = prometheus_client.CollectorRegistry(auto_describe=False)
    registry.register(Figures(current, core))
    prometheus_client.PlatformCollector(registry=registry)
    if of_one_process:
        prometheus_client.ProcessCollector(registry=registry)
    application = prometheus_client.make_wsgi_app(registry)

    def scrape(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        # It knows no HEAD; the server sends no body then.
        answer: Iterable[bytes] = application({**environ, "REQUEST_METHOD": "GET"}, start_response)
        return answer

    return scrape
