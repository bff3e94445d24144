"""What the figures of a run were measured on: the machine, and the versions of what was used."""

import os
import platform
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench.kinds import ROOT
from bench.processes import cpus

PACKAGES = ("gpool", "gevent", "greenlet", "psycopg2-binary", "psycopg2", "asyncpg")
#: Commands that say their version, and the word of what they say where it is.
PROGRAMS = {"wrk": ["wrk", "--version"], "cc": ["cc", "--version"], "go": ["go", "version"]}
#: What makes another machine of it; the rest is software, and is compared.
HARDWARE = ("cpu", "cpus", "system")


def machine() -> dict[str, Any]:
    """The machine, as it is before anything is measured."""
    server, clients = cpus()
    return {
        "cpu": cpu_model(),
        "cpus": os.cpu_count(),
        "system": platform.platform(),
        "memory_mib": memory_mib(),
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "load_before": round(os.getloadavg()[0], 2),
        "server_on_cpu": sorted(server),
        "clients_on_cpu": sorted(clients),
        "revision": revision(),
        "versions": versions(),
    }


def cpu_model() -> str:
    """What the kernel calls the CPU."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, model = line.partition(":")
        if name.strip() in {"model name", "Model"}:
            return model.strip()
    return platform.machine()


def memory_mib() -> int:
    """The memory of the machine."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20


def revision() -> str | None:
    """The commit of this checkout, with a + if it has been changed since; None if it is none."""
    commit = said(["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"])
    if not commit:
        return None
    changed = said(["git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no"])
    return commit + "+" * bool(changed)


def versions() -> dict[str, str]:
    """Of what is used beside the servers, which have their own."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    for program, command in PROGRAMS.items():
        if lines := said(command).splitlines():
            found[program] = lines[0].partition("[")[0].removeprefix(program).strip()
    return found


def said(command: list[str]) -> str:
    """What a command prints, of either kind; nothing if there is no such command, or it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return ""
    # wrk says its version, and that this was no way to use it (1).
    return done.stdout.strip() if done.returncode in {0, 1} else ""
