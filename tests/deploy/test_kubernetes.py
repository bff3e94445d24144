"""The manifests that are shipped: kubectl builds them, Kubernetes' schemas know all that they say.

What no schema sees is that they fit together, and that gpool does what the Deployment asks of it;
the image with the Deployment's restrictions is in test_container.py.
"""

import tempfile
from pathlib import Path

import pytest
import yaml

from tests.deploy import shipped
from tests.deploy.prometheus import fetch
from tests.deploy.shipped import DEPLOY, read, succeeds
from tests.neighbours.programs import Gpool

pytestmark = [pytest.mark.parts, pytest.mark.limit(30)]

FOLDER = DEPLOY / "kubernetes"
#: Not for kubectl: what builds the others, and the values of another's chart.
APART = {"kustomization.yaml", "adapter.yaml"}


@pytest.fixture(scope="module")
def built():
    """What kubectl would apply, by kind."""
    return shipped.manifests()


@pytest.fixture(scope="module")
def pod(built):
    """The pod that the Deployment makes."""
    return built["Deployment"]["spec"]["template"]


@pytest.fixture(scope="module")
def container(pod):
    """Its container; it has one."""
    (one,) = pod["spec"]["containers"]
    return one


def settings(container):
    """gpool's variables."""
    return {one["name"]: one["value"] for one in container["env"]}


# ---------------------------------------------------------------------- as Kubernetes has it


def test_kubectl_builds_all_of_them(built):
    files = {path.name for path in FOLDER.iterdir()} - APART
    assert set(read("kubernetes/kustomization.yaml")["resources"]) == files
    assert set(built) == {
        "Deployment",
        "HorizontalPodAutoscaler",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Service",
    }


@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_kubernetes_knows_all_that_they_say(built, version):
    """Strictly: a field with a wrong name is an error."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "built.yaml"
        path.write_text(yaml.safe_dump_all(built.values()))
        said = succeeds("kubernetes-validate", "--strict", "-k", version, path)
    assert said.count("passed") == len(built)


# ---------------------------------------------------------------------- how they fit together


def test_all_mean_the_pods_of_the_deployment(built, pod):
    labels = pod["metadata"]["labels"]
    (spread,) = pod["spec"]["topologySpreadConstraints"]
    matching = {"matchLabels": labels}
    assert built["Deployment"]["spec"]["selector"] == matching
    assert built["PodDisruptionBudget"]["spec"]["selector"] == matching
    assert built["NetworkPolicy"]["spec"]["podSelector"] == matching
    assert spread["labelSelector"] == matching
    assert built["Service"]["spec"]["selector"] == labels


def test_ports_are_those_that_gpool_has(built, container):
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    env = settings(container)
    assert env["GPOOL_BIND"] == f":{ports['http']}"
    assert env["GPOOL_ADMIN"] == f":{ports['admin']}"
    assert [one["targetPort"] for one in built["Service"]["spec"]["ports"]] == ["http"]
    anyone, some = built["NetworkPolicy"]["spec"]["ingress"]
    assert (anyone["ports"], "from" in anyone) == ([{"port": "http"}], False)
    assert (some["ports"], "from" in some) == ([{"port": "admin"}], True)
    probed = {
        container[name]["httpGet"]["port"]
        for name in ("startupProbe", "readinessProbe", "livenessProbe")
    }
    assert probed == {"admin"}
    job = read("prometheus/kubernetes.yml")["scrape_configs"][0]
    assert job["relabel_configs"][0]["regex"] == "admin"


def test_a_pod_has_time_for_its_whole_drain(pod, container):
    """And for what is killed at its end, some seconds."""
    command, seconds = container["lifecycle"]["preStop"]["exec"]["command"]
    assert command == "sleep"
    drain = float(settings(container)["GPOOL_GRACEFUL_TIMEOUT"])
    assert pod["spec"]["terminationGracePeriodSeconds"] >= float(seconds) + drain + 5


def test_preparing_for_the_end_takes_longer_than_two_probes(container):
    _, seconds = container["lifecycle"]["preStop"]["exec"]["command"]
    assert float(seconds) > 2 * container["readinessProbe"]["periodSeconds"]


def test_a_container_can_do_nothing_but_its_work(pod, container):
    """What the standard "restricted" of Kubernetes asks for, and a root that is read only."""
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    spec = pod["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    volumes = {one["name"]: "emptyDir" in one for one in spec["volumes"]}
    assert {one["name"]: True for one in container["volumeMounts"]} == volumes


def test_the_autoscaler_asks_for_the_metric_that_the_adapter_makes(built):
    """Of the record that Prometheus keeps."""
    spec = built["HorizontalPodAutoscaler"]["spec"]
    name = built["Deployment"]["metadata"]["name"]
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    pods, _ = spec["metrics"]
    rule = shipped.adapter_rule()
    assert pods["pods"]["metric"]["name"] == rule["name"]["as"]
    record = rule["seriesQuery"].partition("{")[0]
    assert record in {one.get("record") for one in shipped.rules()}
    assert "replicas" not in built["Deployment"]["spec"], "it would undo the autoscaler's"


def test_a_disruption_leaves_room_for_an_end(built):
    """With as few pods as the autoscaler may leave, a node can still be emptied."""
    spec = built["PodDisruptionBudget"]["spec"]
    assert spec["maxUnavailable"] < built["HorizontalPodAutoscaler"]["spec"]["minReplicas"]


# ---------------------------------------------------------------------- what gpool makes of it


def test_gpool_takes_the_settings_and_answers_the_probes(container):
    """The variables as they are, but for addresses that are free."""
    env = settings(container) | {"GPOOL_BIND": "127.0.0.1:0", "GPOOL_ADMIN": "127.0.0.1:0"}
    assert container["args"] == ["gpool", "app:app"]
    with Gpool("tests.neighbours.apps:app", bind=(), env=env | {"NAME": "one"}) as program:
        assert f"{env['GPOOL_MAX_WORKERS']} workers" in program.log
        port = program.wait(r"admin on http://127\.0\.0\.1:(\d+)")[0][1]
        for name in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert fetch(port, container[name]["httpGet"]["path"])[0] == 200
        program.drain()
        seconds = env["GPOOL_GRACEFUL_TIMEOUT"]
        assert f"draining, for {seconds} s at most" in program.log
