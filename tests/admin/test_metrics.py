"""What Prometheus reads, read back with Prometheus's own parsers."""

import gzip
import sys

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from gpool.admin.metrics import HOW_TO_INSTALL, metrics_application
from tests.admin.parts import buckets, snapshot

FULL = snapshot(
    ready=2,
    busy=3,
    max_workers=9,
    limit=6,
    open=7,
    full_for=1.5,
    connections={"idle": 4, "hijacked": 3},
    requests={"2xx": 14, "5xx": 2},
    refused={"full": 2},
    buckets=buckets(_0=10, _15=5, _16=1),
    seconds=99.5,
    sent=1_000,
    blocked=2,
    longest=0.75,
)
GET = {"REQUEST_METHOD": "GET", "PATH_INFO": "/metrics"}
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def scrape(current=lambda: FULL, *, of_one_process=False, **environ):
    """Status, headers and body of an answer."""
    told = []
    application = metrics_application(current, of_one_process=of_one_process)
    body = b"".join(application({**GET, **environ}, lambda *args: told.append(args)))
    [(status, headers)] = told
    return status, dict(headers), body


def samples(body, parse=plain):
    """Values by name and labels."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in parse(body.decode())
        for sample in family.samples
    }


@pytest.mark.parametrize(
    ("accept", "parse", "kind"),
    [("", plain, "text/plain"), (OPENMETRICS, openmetrics, "application/openmetrics-text")],
)
def test_both_formats_have_all_figures(accept, parse, kind):
    status, headers, body = scrape(HTTP_ACCEPT=accept)
    assert status == "200 OK"
    assert headers["Content-Type"].startswith(kind)
    values = samples(body, parse)
    assert values["gpool_workers", ("state", "ready")] == 2
    assert values["gpool_workers", ("state", "busy")] == 3
    assert values["gpool_max_workers",] == 9
    assert values["gpool_limit",] == 6
    assert values["gpool_open_connections",] == 7
    assert values["gpool_connections", ("state", "hijacked")] == 3
    assert values["gpool_connections", ("state", "reading")] == 0
    assert values["gpool_requests_total", ("status", "2xx")] == 14
    assert values["gpool_requests_total", ("status", "none")] == 0
    assert values["gpool_refused_total", ("reason", "full")] == 2
    assert values["gpool_refused_total", ("reason", "max_conns_per_ip")] == 0
    assert values["gpool_response_body_bytes_total",] == 1_000
    assert values["gpool_hub_blocked_total",] == 2
    assert values["gpool_hub_blocked_longest_seconds",] == 0.75
    assert values["gpool_full_seconds",] == 1.5
    assert values["gpool_processes",] == 1


def test_the_histogram_is_cumulative_and_ends_with_all():
    values = samples(scrape()[2])
    name = "gpool_request_seconds"
    assert values[f"{name}_bucket", ("le", "0.0005")] == 10
    assert values[f"{name}_bucket", ("le", "25.0")] == 10
    assert values[f"{name}_bucket", ("le", "60.0")] == 15
    assert values[f"{name}_bucket", ("le", "+Inf")] == 16
    assert values[f"{name}_count",] == 16
    assert values[f"{name}_sum",] == 99.5


def test_every_family_says_what_it_is():
    families = list(plain(scrape()[2].decode()))
    assert all(family.documentation.endswith(".") for family in families if "gpool" in family.name)
    assert {family.type for family in families} == {"gauge", "counter", "histogram"}


def test_figures_of_the_process_are_shown_for_one_process_only():
    one, several = (samples(scrape(of_one_process=one)[2]) for one in (True, False))
    assert one["process_open_fds",] > 0
    assert not any(name.startswith("process_") for name, *_ in several)
    assert any(name == "python_info" for name, *_ in several)


def test_each_scrape_shows_what_there_is_then():
    busy = iter((1, 2))
    application = metrics_application(lambda: snapshot(busy=next(busy)), of_one_process=False)
    seen = [
        samples(b"".join(application(GET, lambda *_: None)))["gpool_workers", ("state", "busy")]
        for _ in range(2)
    ]
    assert seen == [1, 2]


def test_the_applications_own_registry_is_left_alone():
    from prometheus_client import REGISTRY, generate_latest

    assert b"gpool_workers" in scrape()[2]
    assert b"gpool_workers" not in generate_latest(REGISTRY)


def test_a_scraper_may_have_it_compressed():
    _, headers, body = scrape(HTTP_ACCEPT_ENCODING="gzip")
    assert headers["Content-Encoding"] == "gzip"
    assert b"gpool_workers" in gzip.decompress(body)


def test_without_prometheus_client_there_is_none(monkeypatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    assert metrics_application(lambda: FULL, of_one_process=True) is None
    assert "gpool[metrics]" in HOW_TO_INSTALL
