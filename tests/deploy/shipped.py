"""What `deploy/` has, read as the programs do that it is for."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.parts import needed

__all__ = ["DEPLOY", "adapter_rule", "expressions", "manifests", "metrics_of", "read", "succeeds"]

DEPLOY = Path(__file__).parents[2] / "deploy"
METRIC = re.compile(r"\b(?:gpool|process)_[a-z_]+")
LIMIT = 60  # seconds for a program that only looks at files


def read(name: str) -> Any:
    """A file of YAML, which JSON is too."""
    return yaml.safe_load((DEPLOY / name).read_text())


def succeeds(*command: Any, text: str = "", **more: Any) -> str:
    """Run a program to its end, which has to be good; what it says."""
    done = subprocess.run(
        [needed(command[0]), *map(str, command[1:])],
        input=text,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=LIMIT,
        check=False,
        **more,
    )
    assert done.returncode == 0, done.stdout
    return str(done.stdout)


def manifests() -> dict[str, Any]:
    """What kubectl would apply, by kind."""
    text = succeeds("kubectl", "kustomize", DEPLOY / "kubernetes")
    return {one["kind"]: one for one in yaml.safe_load_all(text)}


def adapter_rule() -> Any:
    """prometheus-adapter's rule; it has one."""
    (rule,) = read("kubernetes/adapter.yaml")["rules"]["custom"]
    return rule


def rules() -> list[Any]:
    """The records and alerts for Prometheus."""
    return [rule for group in read("prometheus/rules.yml")["groups"] for rule in group["rules"]]


def dashboard() -> Any:
    """The dashboard for Grafana."""
    return json.loads((DEPLOY / "grafana/gpool.json").read_text())


def panels() -> dict[str, list[str]]:
    """The expressions of each panel, and of the annotations, for all processes of the job."""
    board = dashboard()
    found = {one["title"]: one["targets"] for one in board["panels"] if "targets" in one}
    found |= {one["name"]: [one] for one in board["annotations"]["list"]}
    variables = {"$job": "gpool", "$instance": ".*", "$__rate_interval": "1m"}
    return {title: [filled(one["expr"], variables) for one in of] for title, of in found.items()}


def filled(text: str, variables: dict[str, str]) -> str:
    """`text` with its variables' values."""
    for name, value in variables.items():
        text = text.replace(name, value)
    return text


def expressions() -> list[str]:
    """All that anything in here asks Prometheus."""
    queries = [one["query"]["query"] for one in dashboard()["templating"]["list"][1:]]
    asked = [expr for of in panels().values() for expr in of]
    rule = adapter_rule()
    return [
        *(one["expr"] for one in rules()),
        *asked,
        *queries,
        rule["seriesQuery"],
        rule["metricsQuery"],
    ]


def metrics_of(expression: str) -> set[str]:
    """The metrics of gpool's that it names, records aside."""
    return set(METRIC.findall(expression))
