"""gpool as a wheel has it: with the hot path compiled, where there is a compiler.

The servers that are measured compiled find it before the sources; see .ci/compile.
"""

import fcntl
import os
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
BUILT = ROOT / "build" / "compiled"
LOCK = ROOT / "build" / "compiled.lock"  # beside it, since it is made anew
SOURCES = ("*.py", "*.pxd", "*.pyx")


def environment() -> dict[str, str]:
    """The environment of a process that uses the compiled gpool.

    Raises:
        RuntimeError: it cannot be compiled here.
    """
    compiled()
    # Safe path: else the sources in the working directory come first.
    return {**os.environ, "PYTHONSAFEPATH": "1", "PYTHONPATH": f"{BUILT}{os.pathsep}{ROOT}"}


@cache
def compiled() -> None:
    """Compile it, once in a process and if need be; who comes meanwhile waits, and then has it."""
    LOCK.parent.mkdir(exist_ok=True)
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not fresh():
            compile_it()


def compile_it() -> None:
    """Compile it now."""
    done = subprocess.run(
        ["bash", str(ROOT / ".ci" / "compile")], capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise RuntimeError(f"not compiled: {said[-1] if said else 'nobody says why'}")


def fresh() -> bool:
    """Whether what is built is no older than its sources."""
    libraries = list(BUILT.glob("gpool/workers.*.so"))
    if not libraries:
        return False
    sources = [path for pattern in SOURCES for path in (ROOT / "gpool").rglob(pattern)]
    return libraries[0].stat().st_mtime > max(path.stat().st_mtime for path in sources)
