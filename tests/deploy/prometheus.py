"""Prometheus in a process of its own, with a configuration that is shipped, and its HTTP API."""

import json
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlencode

import gevent
import yaml

from tests.deploy.shipped import DEPLOY, read
from tests.neighbours.programs import Program
from tests.parts import needed

__all__ = ["Prometheus", "fetch"]

EVERY = "500ms"  # instead of 15 s
PAUSE = 0.1  # seconds between two questions; it tells nobody when it has scraped
PATIENCE = 25


def fetch(port, path):
    """The status and the body of a page of this machine."""
    with closing(HTTPConnection("127.0.0.1", int(port), timeout=PATIENCE)) as client:
        client.request("GET", path)
        answer = client.getresponse()
        return answer.status, answer.read().decode()


class Prometheus(Program):
    """It runs with the configuration `name`, scrapes `targets`, and looks often.

    Args:
        folder: where its files are.
        name: of the configuration in deploy/prometheus.
        targets: what its service discovery finds, as in a file of it. Debian's Prometheus is built
            without Kubernetes', so a file takes the place of that: the labels are what the
            relabelling has to do with.

    Attributes:
        port: of its API.
    """

    def __init__(self, folder, name, targets):
        config = read(f"prometheus/{name}")
        config["global"] = {"scrape_interval": EVERY, "evaluation_interval": EVERY}
        (job,) = config["scrape_configs"]
        if job.pop("kubernetes_sd_configs", None) == [{"role": "pod"}]:
            job["file_sd_configs"] = [{"files": ["targets.yml"]}]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        (folder / "targets.yml").write_text(yaml.safe_dump(targets))
        (folder / "rules.yml").symlink_to(DEPLOY / "prometheus" / "rules.yml")
        super().__init__(
            needed("prometheus"),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            "--web.listen-address=127.0.0.1:0",
        )
        try:
            self.port = self.wait(r'msg="Listening on" address=127\.0\.0\.1:(\d+)')[0][1]
            self.wait("Server is ready to receive web requests")
        except BaseException:
            self.stop()
            raise

    def api(self, path, **arguments):
        """What the API answers, which must be in order."""
        _, body = fetch(self.port, f"/api/v1/{path}?{urlencode(arguments)}")
        answer = json.loads(body)
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression):
        """The labels and the values of an expression, now."""
        found = self.api("query", query=expression)["result"]
        return [(one["metric"], float(one["value"][1])) for one in found]

    def until(self, expression):
        """The same, as soon as there is one."""
        with gevent.Timeout(PATIENCE, AssertionError(f"no data: {expression}")):
            while not (found := self.query(expression)):
                gevent.sleep(PAUSE)
        return found

    def evaluated(self):
        """All rules, as soon as each has been evaluated."""
        with gevent.Timeout(PATIENCE, AssertionError("some rule is never evaluated")):
            while True:
                groups = self.api("rules")["groups"]
                rules = [rule for group in groups for rule in group["rules"]]
                if rules and all(rule["health"] != "unknown" for rule in rules):
                    return rules
                gevent.sleep(PAUSE)
