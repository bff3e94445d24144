"""gpool as a wheel has it: with the hot path compiled, where there is a compiler.

The servers that are measured compiled find it before the sources; see .ci/compile.
"""

import os
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
BUILT = ROOT / "build" / "compiled"
SOURCES = ("*.py", "*.pxd")


@cache
def environment() -> dict[str, str]:
    """The environment of a process that uses the compiled gpool.

    Raises:
        RuntimeError: it cannot be compiled here.
    """
    if not fresh():
        done = subprocess.run(
            ["bash", str(ROOT / ".ci" / "compile")], capture_output=True, text=True, check=False
        )
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise RuntimeError(f"not compiled: {said[-1] if said else 'nobody says why'}")
    # Safe path: else the sources in the working directory come first.
    return {**os.environ, "PYTHONSAFEPATH": "1", "PYTHONPATH": f"{BUILT}{os.pathsep}{ROOT}"}


def fresh() -> bool:
    """Whether what is built is no older than its sources."""
    libraries = list(BUILT.glob("gpool/workers.*.so"))
    if not libraries:
        return False
    sources = [path for pattern in SOURCES for path in (ROOT / "gpool").rglob(pattern)]
    return libraries[0].stat().st_mtime > max(path.stat().st_mtime for path in sources)
