"""floor.c, compiled where there is a compiler.

python -m bench.floor becomes the server, so that a missing compiler is reported as any server is
that does not start.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).with_name("floor.c")
PROGRAM = Path(__file__).parent / "out" / "floor"
FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra")


def build() -> Path:
    """The program, no older than its source.

    Raises:
        RuntimeError: there is no compiler, or it refuses.
    """
    if PROGRAM.exists() and PROGRAM.stat().st_mtime >= SOURCE.stat().st_mtime:
        return PROGRAM
    compiler = shutil.which("cc")
    if not compiler:
        raise RuntimeError("no C compiler (cc) on the PATH")
    PROGRAM.parent.mkdir(parents=True, exist_ok=True)
    command = [compiler, *FLAGS, "-o", str(PROGRAM), str(SOURCE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"floor.c does not compile: {done.stderr.strip()}")
    return PROGRAM


def main() -> None:
    """Be that program."""
    try:
        program = build()
    except RuntimeError as reason:
        sys.exit(str(reason))
    os.execv(program, [str(program)])  # noqa: S606  # the same process, so that its CPU time counts


if __name__ == "__main__":
    main()
