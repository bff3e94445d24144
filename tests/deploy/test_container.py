"""The Dockerfile that is shipped: hadolint, and an image of it that runs under podman.

No registry is needed: the base is made of this machine's Python, and what pip installs are wheels,
gpool's own built from this tree. Where the image runs, it is restricted as the Deployment for
Kubernetes says. It is on the machine's network, at ports that are free.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from signal import SIGTERM

import pytest

from tests.deploy import shipped
from tests.deploy.base import make_root
from tests.deploy.containers import ULIMITS, Podman
from tests.deploy.prometheus import fetch
from tests.deploy.shipped import DEPLOY, succeeds
from tests.neighbours.clients import Client, Gate, ask
from tests.neighbours.programs import ROOT, Program

pytestmark = [pytest.mark.parts, pytest.mark.limit(120)]

DOCKERFILE = DEPLOY / "container" / "Dockerfile"
IGNORED = DEPLOY / "container" / "Dockerfile.dockerignore"
IMAGE = "localhost/app:1"
for_root = pytest.mark.skipif(os.geteuid() != 0, reason="containers with no subuids are for root")


def test_hadolint_finds_nothing_to_complain_about():
    succeeds("hadolint", "--no-color", "--failure-threshold=style", DOCKERFILE)


@pytest.fixture(scope="module")
def wheels():
    """gpool's wheel, as it is here, and those of what it needs."""
    with tempfile.TemporaryDirectory(prefix="gpool-") as name:
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        made = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", name, ROOT]
        env = os.environ | {"GPOOL_PURE_PYTHON": "1"}
        subprocess.run(made, check=True, stderr=subprocess.DEVNULL, env=env)
        (gpool,) = Path(name).glob("gpool-*.whl")
        fetched = [*pip, "download", "--only-binary=:all:", "--dest", name, f"{gpool}[metrics]"]
        subprocess.run(fetched, check=True, stderr=subprocess.DEVNULL)
        yield Path(name)


@pytest.fixture(scope="module")
def podman():
    """It is short of paths: the storage is below /tmp."""
    with Podman(Path(tempfile.mkdtemp(prefix="gpool-"))) as one:
        yield one


@pytest.fixture(scope="module")
def image(podman, wheels, tmp_path_factory):
    """The image of an application, with things in its directory that have no place there."""
    folder = tmp_path_factory.mktemp("image")
    make_root(folder / "root")
    with (folder / "base.tar").open("wb") as file:
        subprocess.run(["tar", "-C", folder / "root", "-c", "."], stdout=file, check=True)
    podman.run("import", "--quiet", folder / "base.tar", "localhost/base:1")
    site = folder / "site"
    site.mkdir()
    shutil.copy(ROOT / "tests" / "neighbours" / "apps.py", site / "app.py")
    (site / "requirements.txt").write_text("gpool[metrics]\n")
    (site / "secret.key").write_text("the key")
    (site / ".venv").mkdir()
    (site / ".venv" / "large").write_text("x")
    (folder / "pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheels\n")
    podman.run(
        *(
            "build",
            "--quiet",
            "--layers=false",
            "--network=host",
            "--isolation=chroot",
            *ULIMITS[:2],
        ),
        *("--build-arg=BUILD=localhost/base:1", "--build-arg=BASE=localhost/base:1"),
        *("--ignorefile", IGNORED, "--secret", f"id=pip,src={folder / 'pip.conf'}"),
        *("--volume", f"{wheels}:/wheels:ro", "--file", DOCKERFILE, "--tag", IMAGE, site),
    )
    return IMAGE


def restricted():
    """podman's words for what the Deployment says of its container."""
    spec = shipped.manifests()["Deployment"]["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    security = container["securityContext"]
    assert security["allowPrivilegeEscalation"] is False
    assert security["readOnlyRootFilesystem"] is True
    (tmp,) = container["volumeMounts"]
    env = {one["name"]: one["value"] for one in container["env"]}
    env |= {"GPOOL_BIND": "127.0.0.1:0", "GPOOL_ADMIN": "127.0.0.1:0", "NAME": "one"}
    ids = (spec["securityContext"][name] for name in ("runAsUser", "runAsGroup"))
    return [
        *("--read-only", "--read-only-tmpfs=false", f"--tmpfs={tmp['mountPath']}"),
        *("--security-opt=no-new-privileges", "--user", ":".join(map(str, ids))),
        *(f"--cap-drop={one}" for one in security["capabilities"]["drop"]),
        *(f"--env={name}={value}" for name, value in env.items()),
    ], container["args"]


@pytest.fixture
def container(podman, image):
    """The image, running; it ends with the test."""
    words, args = restricted()
    command = [*podman.words, "run", "--rm", "--name=app", "--network=host", *ULIMITS]
    with ExitStack() as stack:
        program = Program(*command, *words, image, *args)
        stack.enter_context(program)
        program.wait(r"\d workers, connections: ")
        program.port = int(program.wait(r"app:app on http://127\.0\.0\.1:(\d+)")[0][1])
        program.admin = program.wait(r"admin on http://127\.0\.0\.1:(\d+)")[0][1]
        yield program


@for_root
def test_it_serves_with_nothing_but_its_rights(podman, container):
    """No user that it could become, no capability, and no file that it could write to."""
    assert ask(container.port, "/name") == (200, b"one")
    assert fetch(container.admin, "/readyz")[0] == 200
    assert "gpool_workers" in fetch(container.admin, "/metrics")[1]
    shown = "while read -r line; do echo $line; done </proc/1/status"
    seen = dict(re.findall(r"(\w+):\s*(\S+)", podman.run("exec", "app", "sh", "-c", shown)))
    assert (seen["Uid"], seen["Gid"], seen["NoNewPrivs"]) == ("65532", "65532", "1")
    assert [int(seen[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")] == [0, 0, 0]
    podman.run("exec", "app", "sh", "-c", ": >/tmp/x")
    for path in ("/srv/app/x", "/opt/venv/x", "/x"):
        tried = f"(: >{path}) 2>&1 || :"
        said = podman.run("exec", "--user=0", "app", "sh", "-c", tried)  # not for lack of rights
        assert "Read-only file system" in said


@for_root
def test_its_end_answers_what_has_begun(container):
    """As `docker stop` does it: TERM for process 1, which is gpool."""
    with Gate() as gate, Client(container.port) as client:
        client.send(gate.path)
        gate.reached()
        container.tell(SIGTERM)
        container.wait("draining, for 25 s at most")
        gate.open()
        answer = client.answer()
        assert (answer.status, answer.read()) == (200, b"one")
    assert container.ended() == 0


@for_root
def test_the_image_has_what_it_needs_and_not_more(podman, image):
    command = ["run", "--rm", "--network=none", *ULIMITS, image, "sh", "-c"]
    listed = podman.run(*command, "cd /srv/app; echo .[!.]* * __pycache__/*")
    assert set(listed.split()) == {
        *(".[!.]*", "app.py", "requirements.txt", "__pycache__"),
        f"__pycache__/app.{sys.implementation.cache_tag}.pyc",
    }
    (config,) = json.loads(podman.run("image", "inspect", image))
    assert config["Config"]["User"] == "65532:65532"
    assert config["Config"]["Cmd"] == ["gpool", "app:app"]
    assert "pip.conf" not in podman.run("history", "--no-trunc", "--format={{.Size}}", image)
    podman.run(*command, "[ ! -s /etc/pip.conf ]")


@for_root
def test_without_settings_it_listens_on_the_port_that_the_platform_names(podman, image):
    """And drains for less than `docker stop` waits."""
    said = podman.run(
        *("run", "--rm", "--network=none", *ULIMITS, "--env=PORT=8123", image),
        *("gpool", "--print-config", "app:app"),
    )
    assert re.search(r'bind = \[":8123"\]', said)
    assert re.search(r"graceful_timeout = 8\.0", said)
