"""Rules, alerts, the dashboard and the autoscaler's metric: promtool, and Prometheus beside gpool.

Two of gpool under a little load, one of them full, are scraped by two of Prometheus: one as on
machines, one as in Kubernetes.
"""

import json
import subprocess
from contextlib import ExitStack

import gevent
import pytest
import yaml

from tests.deploy import shipped
from tests.deploy.prometheus import Prometheus, fetch
from tests.deploy.shipped import DEPLOY, read, succeeds
from tests.neighbours.clients import Client, Gate, ask
from tests.neighbours.programs import Gpool
from tests.parts import WHEELS, needed

pytestmark = [pytest.mark.parts, pytest.mark.limit(40)]

FOLDER = DEPLOY / "prometheus"
APP = "tests.neighbours.apps:app"
RECORDS = [rule["record"] for rule in shipped.rules() if "record" in rule]
ALERTS = [rule["alert"] for rule in shipped.rules() if "alert" in rule]
PANELS = shipped.panels()
#: Which show something only when it has happened: starts in the last minute.
EVENTS = {"Starts"}


@pytest.fixture(scope="module")
def admins():
    """The ports of two admin listeners; one of the two servers is full."""
    with ExitStack() as stack:
        gate = stack.enter_context(Gate())
        args = ["--max-workers", "2", "--overflow-pause", "0", "--admin", "127.0.0.1:0"]
        both = [
            stack.enter_context(Gpool(APP, *args, env={"NAME": name})) for name in ("one", "two")
        ]
        for one in both:
            assert [ask(one.port, "/name")[0] for _ in range(20)] == [200] * 20
        for _ in range(2):
            client = stack.enter_context(Client(both[0].port))
            client.send(gate.path)
            gate.reached()
        load = gevent.spawn(asking, *(one.port for one in both))
        yield [one.wait(r"admin on http://127\.0\.0\.1:(\d+)")[0][1] for one in both]
        load.kill()
        gate.open()


def asking(full, other):
    """A little load, for rates that are not zero."""
    while True:
        assert [ask(port, "/name")[0] for port in (full, other)] == [503, 200]
        gevent.sleep(0.02)


@pytest.fixture(scope="module")
def two_of_prometheus(admins, tmp_path_factory):
    """Both at once, since each takes some seconds until it looks for targets."""
    machines, kubernetes = (tmp_path_factory.mktemp(name) for name in ("machines", "kubernetes"))
    found = [{"targets": [f"127.0.0.1:{port}" for port in admins]}]
    with (
        Prometheus(machines, "prometheus.yml", found) as one,
        Prometheus(kubernetes, "kubernetes.yml", pods(admins)) as other,
    ):
        yield one, other


@pytest.fixture
def on_machines(two_of_prometheus):
    return two_of_prometheus[0]


@pytest.fixture
def in_kubernetes(two_of_prometheus):
    return two_of_prometheus[1]


def pods(admins):
    """What is told of two pods: of each port, and of one that has ended."""
    meta = "__meta_kubernetes_"
    return [
        {
            "targets": [f"127.0.0.1:{port}"],
            "labels": {
                f"{meta}pod_container_port_name": name,
                f"{meta}pod_phase": phase,
                f"{meta}namespace": "shop",
                f"{meta}pod_name": f"app-{number}",
                f"{meta}pod_label_app_kubernetes_io_name": "app",
            },
        }
        for number, port in enumerate(admins)
        for port, name, phase in (
            (port, "admin", "Running"),
            (1, "http", "Running"),
            (2, "admin", "Succeeded"),
        )
    ]


# ---------------------------------------------------------------------- promtool


def test_promtool_finds_nothing_to_complain_about():
    """The configuration for machines, with its targets.yml and rules.yml."""
    assert "1 rule files found" in succeeds(
        "promtool", "check", "config", FOLDER / "prometheus.yml"
    )
    succeeds("promtool", "check", "rules", "--lint-fatal", FOLDER / "rules.yml")


def test_alerts_come_when_they_should_and_only_then():
    succeeds("promtool", "test", "rules", FOLDER / "rules.test.yml")


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_is_tested_with_and_without(name):
    asked = [
        one
        for test in read("prometheus/rules.test.yml")["tests"]
        for one in test.get("alert_rule_test", [])
        if one["alertname"] == name
    ]
    assert {bool(one.get("exp_alerts")) for one in asked} == {True, False}


# ---------------------------------------------------------------------- gpool's metrics


def test_all_metrics_that_are_named_are_there(admins):
    """In rules, dashboard and adapter; a live listener's /metrics has them."""
    _, page = fetch(admins[0], "/metrics")
    there = {line.split("{")[0].split(" ")[0] for line in page.splitlines() if line[:1] != "#"}
    named = set().union(*map(shipped.metrics_of, shipped.expressions()))
    assert len(named) > 20
    assert named <= there | {"gpool_workers_busy_ratio"}


# ---------------------------------------------------------------------- on machines


@pytest.mark.parametrize("name", RECORDS)
def test_each_record_has_a_value_for_each_process(on_machines, name):
    on_machines.until(f"count({name}) == 2")


def test_the_busy_one_is_seen(on_machines):
    on_machines.until("count(gpool:workers_busy:ratio) == 2")
    values = sorted(value for _, value in on_machines.query("gpool:workers_busy:ratio"))
    assert values == [0, 1]


def test_a_refusal_is_no_failure(on_machines):
    on_machines.until("gpool:refused:rate5m > 0")
    assert on_machines.query('rate(gpool_requests_total{status="5xx"}[5m]) > 0'), "a 5xx it is"
    assert [value for _, value in on_machines.query("gpool:failed:rate5m")] == [0, 0]


def test_prometheus_evaluates_all_rules(on_machines):
    rules = on_machines.evaluated()
    assert sorted(rule["name"] for rule in rules) == sorted([*RECORDS, *ALERTS])
    assert {rule["health"] for rule in rules} == {"ok"}
    assert not any(rule.get("lastError") for rule in rules)


@pytest.mark.parametrize("title", PANELS)
def test_each_panel_shows_something(on_machines, title):
    on_machines.until("rate(gpool_requests_total[1m])")
    for expression in PANELS[title]:
        if title in EVENTS:
            on_machines.query(expression)
        else:
            assert on_machines.until(expression)


def test_the_dashboard_finds_the_job_and_its_processes(on_machines, admins):
    """What Grafana does with label_values."""
    on_machines.until("count(gpool_max_workers) == 2")
    _, job, instance = shipped.dashboard()["templating"]["list"]
    assert job["query"]["query"] == "label_values(gpool_max_workers, job)"
    assert instance["query"]["query"] == 'label_values(gpool_max_workers{job="$job"}, instance)'
    match = {"match[]": 'gpool_max_workers{job="gpool"}'}
    assert on_machines.api("label/job/values", **match) == ["gpool"]
    found = on_machines.api("label/instance/values", **match)
    assert found == sorted(f"127.0.0.1:{port}" for port in admins)


LOSSES = """
import json, sys
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

register_default_plugins()
print(JSONEncoder().encode(Dashboard.from_json(json.load(open(sys.argv[1])))))
"""


def test_grafana_knows_all_that_the_dashboard_says():
    """Read by Grafana's own schema and written again: what that does not know would be lost."""
    path = DEPLOY / "grafana" / "gpool.json"
    if not WHEELS.exists():
        needed("grafana-foundation-sdk")
    command = [WHEELS / "python", "-c", LOSSES, path]
    written = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=30).stdout
    assert list(lost(shipped.dashboard(), json.loads(written))) == []


def lost(one, other, path="dashboard"):
    """What `one` has and `other` has not."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key, value in one.items():
            yield from lost(value, other.get(key), f"{path}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (value, found) in enumerate(zip(one, other, strict=True)):
            yield from lost(value, found, f"{path}[{number}]")
    elif one != other:
        yield path


# ---------------------------------------------------------------------- in Kubernetes


def test_pods_have_the_labels_that_the_adapter_needs(in_kubernetes):
    in_kubernetes.until("count(up == 1) == 2")
    found = [labels for labels, _ in in_kubernetes.query('up{job="gpool"}')]
    assert {(one["namespace"], one["app"], one["pod"]) for one in found} == {
        ("shop", "app", "app-0"),
        ("shop", "app", "app-1"),
    }
    assert len(found) == 2, "no other port, and none that has ended"


def test_the_autoscaler_s_metric_is_the_ratio_of_each_pod(in_kubernetes):
    """What prometheus-adapter asks: which series there are, and then for the pods of the target."""
    rule = shipped.adapter_rule()
    in_kubernetes.until(rule["seriesQuery"])
    overrides = {label: one["resource"] for label, one in rule["resources"]["overrides"].items()}
    assert overrides == {"namespace": "namespace", "pod": "pod"}
    template = {
        "<<.Series>>": rule["seriesQuery"].partition("{")[0],
        "<<.LabelMatchers>>": 'namespace="shop",pod=~"app-0|app-1"',
        "<<.GroupBy>>": "pod",
    }
    expression = shipped.filled(rule["metricsQuery"], template)
    assert "<<" not in expression
    in_kubernetes.until(f"count({expression}) == 2")
    values = {labels["pod"]: value for labels, value in in_kubernetes.query(expression)}
    assert values == {"app-0": 1, "app-1": 0}


def test_the_configuration_for_kubernetes_asks_for_pods():
    """The part for which the files above stand in."""
    (job,) = read("prometheus/kubernetes.yml")["scrape_configs"]
    assert job["kubernetes_sd_configs"] == [{"role": "pod"}]
    assert yaml.safe_dump(job).count("__meta_kubernetes_") == 5
