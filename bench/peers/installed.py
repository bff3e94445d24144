"""What is installed, in which version, and why not: for the tables of servers."""

import shutil
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.kinds import ROOT

__all__ = ["NOTES", "interpreter", "missing", "of", "program"]

#: Where bench/install leaves, in a file of the package's name, why it could not be installed.
NOTES = ROOT / "bench" / "out" / "install"


def of(*packages: str) -> Callable[[], str]:
    """The versions of packages: the first one's alone, the others' with their names.

    Without the first there is no server; the others are left out where they are not installed.
    """

    def said() -> str:
        first, *others = packages
        there = [one for one in others if missing((one,)) is None]
        return ", ".join([version(first), *(f"{one} {version(one)}" for one in there)])

    return said


def missing(packages: tuple[str, ...]) -> str | None:
    """What to do if one of these packages is not installed; None if all are."""
    for package in packages:
        try:
            version(package)
        except PackageNotFoundError:
            note = NOTES / package
            why = f" ({note.read_text().strip()})" if note.exists() else ""
            return f"the package {package} is not installed{why}; bash bench/install installs it"
    return None


def program(name: str) -> str:
    """The path of a program: the virtual environment's, else the system's.

    Raises:
        FileNotFoundError: there is none; the text says what to do.
    """
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"no {name} on the PATH; bash bench/install installs it")
    return found


def interpreter(module: str) -> list[str]:
    """How a module is run by this Python."""
    return [sys.executable, "-m", module]
