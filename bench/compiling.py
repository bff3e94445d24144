"""The bench's own programs in C, compiled when they are needed and where there is a compiler."""

import shutil
import subprocess
from pathlib import Path

__all__ = ["compiled", "compiler"]

OUT = Path(__file__).parent / "out"
FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra")


def compiled(source: Path, to: Path = OUT) -> Path:
    """The program of one source, no older than that.

    Args:
        source: in C.
        to: the folder of the program, which has the source's name.

    Raises:
        RuntimeError: there is no compiler, or it refuses.
    """
    program = to / source.stem
    if program.exists() and program.stat().st_mtime >= source.stat().st_mtime:
        return program
    to.mkdir(parents=True, exist_ok=True)
    command = [cc(), *FLAGS, "-o", str(program), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{source.name} does not compile: {done.stderr.strip()}")
    return program


def cc() -> str:
    """The compiler."""
    found = shutil.which("cc")
    if not found:
        raise RuntimeError("no C compiler (cc) on the PATH; bash bench/install installs one")
    return found


def compiler() -> str:
    """Its name and version.

    Raises:
        RuntimeError: there is none.
    """
    return subprocess.check_output([cc(), "--version"], text=True).splitlines()[0]
