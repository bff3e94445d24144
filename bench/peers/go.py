"""The servers in Go: built from the Debian packages of the libraries, without a network."""

import os
import shutil
import subprocess
from pathlib import Path

from bench.kinds import ROOT

__all__ = ["built", "package_version", "version"]

SOURCES = Path(__file__).parent
OUT = ROOT / "bench" / "out" / "go"
#: Where Debian's packages have the sources of libraries.
LIBRARIES = "/usr/share/gocode"
PACKAGES = {"fasthttp": "golang-github-valyala-fasthttp-dev", "pq": "golang-github-lib-pq-dev"}
PATIENCE = 300  # seconds that a compilation may take; the first one compiles the libraries too


def go() -> str:
    """The command.

    Raises:
        RuntimeError: there is none.
    """
    found = shutil.which("go")
    if not found:
        raise RuntimeError("Go is not installed; bash bench/install installs it on Debian")
    return found


def built(name: str) -> Path:
    """The program, no older than its sources.

    Raises:
        RuntimeError: it cannot be built here.
    """
    program = OUT / name
    sources = [*(SOURCES / name).glob("*.go"), *(SOURCES / "answers").glob("*.go")]
    if program.exists() and program.stat().st_mtime >= max(one.stat().st_mtime for one in sources):
        return program
    OUT.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [go(), "build", "-o", str(program), f"./{name}"],
        cwd=SOURCES,
        env={**os.environ, "GO111MODULE": "off", "GOPATH": gopath(), "GOFLAGS": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    if done.returncode:
        raise RuntimeError(f"{name} in Go does not compile: {complaint(done.stderr)}")
    return program


def gopath() -> str:
    """Where libraries are: the user's own first."""
    return os.pathsep.join([*filter(None, [os.environ.get("GOPATH")]), LIBRARIES])


def complaint(said: str) -> str:
    """The one line of the compiler's that says what to do, or else its last."""
    lines = [line.strip() for line in said.strip().splitlines()]
    for line in lines:
        if "cannot find package" in line:
            return f"{line.partition('cannot')[1]}{line.partition('cannot')[2]}; bash bench/install"
    return lines[-1] if lines else "nobody says why"


def version() -> str:
    """Of Go itself: go1.19.8."""
    said = subprocess.check_output([go(), "version"], text=True, timeout=60)
    return said.split()[2]


def package_version(name: str) -> str:
    """Of a library's Debian package; "unknown" where it is not from one."""
    if not shutil.which("dpkg-query"):
        return "unknown"
    command = ["dpkg-query", "--show", "--showformat", "${Version}", PACKAGES[name]]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout.strip() or "unknown"
