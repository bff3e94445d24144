"""bench/install, with a pip and an apt-get that install nothing."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "bench" / "install"
PYTHON = """#!/bin/sh
case "$1" in
-|-c) exec {python} -S "$@" ;;
esac
echo "pip $*" >>log
case "$*" in
*bjoern*)
    echo "ev.c:1:10: fatal error: ev.h: No such file or directory"
    echo "hint: see above"
    exit 1 ;;
*granian*) echo "error: No matching distribution found for granian"; exit 1 ;;
esac
""".replace("{python}", sys.executable)
#: Programs that are there, for a user who is `id`.
PROGRAMS = {
    "apt-get": 'echo "apt-get $*" >>log',
    "id": "echo 1000",
    "wrk": "true",
    "gcc": "true",
    "go": "true",
    "postgres": "true",
}


@pytest.fixture
def place(tmp_path):
    """A checkout with the script alone, and a PATH with these programs."""

    def write(path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    write(tmp_path / "bench" / "install", SCRIPT.read_text())
    write(tmp_path / ".venv" / "bin" / "python", PYTHON)
    for name, does in PROGRAMS.items():
        write(tmp_path / "bin" / name, f"#!/bin/sh\n{does}\n")
    for name in ("bash", "cat", "dirname", "grep", "mkdir", "rm", "tail"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name))
    (tmp_path / "log").touch()
    return tmp_path


def install(place, *args):
    """Run it; its status, what it says on either stream, and what it has called."""
    done = subprocess.run(
        ["bash", "bench/install", *args],
        cwd=place,
        env={"PATH": str(place / "bin")},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr, (place / "log").read_text()


def test_each_package_by_itself(place):
    """One that cannot be had does not keep the others away, and leaves its reason."""
    status, said, complained, called = install(place)
    assert status == 0
    pip = [line for line in called.splitlines() if line.startswith("pip -m pip install ")]
    names = [line.split()[-1].partition(">=")[0] for line in pip]
    assert [f"installing {name} into .venv" for name in names] == said.splitlines()
    assert names.index("bjoern") < names.index("fastwsgi")
    assert complained.count("not possible:") == 2
    notes = {path.name: path.read_text() for path in (place / "bench/out/install").iterdir()}
    assert notes == {
        "bjoern": "ev.c:1:10: fatal error: ev.h: No such file or directory\n",
        "granian": "error: No matching distribution found for granian\n",
    }


def test_a_reason_goes_when_it_is_installed(place):
    install(place)
    (place / ".venv" / "bin" / "python").write_text(PYTHON.replace("bjoern", "xxx"))
    install(place)
    assert [path.name for path in (place / "bench/out/install").iterdir()] == ["granian"]


def test_nothing_is_done_twice(place):
    """With all packages there, pip is not asked; a version that is too old is replaced."""
    there = place / "site"
    for line in SCRIPT.read_text().partition('packages="')[2].partition('"')[0].split():
        name, _, least = line.partition(">=")
        folder = there / f"{name.replace('-', '_')}-{least}.dist-info"
        folder.mkdir(parents=True)
        version = {"asyncpg": "0.9", "cheroot": "10.0"}.get(name, f"{least}.1rc1")
        (folder / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
    python = PYTHON.replace("exec ", f"PYTHONPATH={there} exec ")
    (place / ".venv" / "bin" / "python").write_text(python)
    assert install(place)[1] == "installing asyncpg into .venv\n"


def test_who_is_not_root_is_told_what_to_type(place):
    (place / "bin" / "go").unlink()
    _, _, complained, called = install(place)
    assert "apt-get" not in called
    [line] = [line for line in complained.splitlines() if "sudo apt-get install" in line]
    assert "golang-go" in line.split()


def test_without_wrk_nothing_can_be_measured(place):
    (place / "bin" / "wrk").unlink()
    status, _, complained, called = install(place, "wrk")
    assert status == 1
    assert complained.splitlines()[-1] == "without wrk nothing can be measured"
    assert not called


def test_without_an_environment(place):
    (place / ".venv" / "bin" / "python").unlink()
    assert install(place)[0] == 1
    assert install(place, "wrk")[0] == 0
