"""A base image that is made of this machine's own Python, for where no registry can be reached.

It stands for python:X-slim: Python in /usr/local, a shell, and the libraries that both need. It
takes a second or two, and nothing is fetched.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.parts import needed

__all__ = ["make_root"]

#: Of the standard library: what no application needs, and what is large.
LEFT_OUT = shutil.ignore_patterns(
    "test",
    "tests",
    "site-packages",
    "dist-packages",
    "config-*",
    "idlelib",
    "__pycache__",
    "_tkinter*",
)
SHELL = ("sh", "sleep")
#: What wheels count on besides (manylinux), of glibc and gcc.
WHEELS_USE = ["libdl.so.2", "libpthread.so.0", "librt.so.1", "libgcc_s.so.1", "libstdc++.so.6"]
LIBRARY = re.compile(r"(?:=> )?(/\S+) \(0x")
USERS = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"


def make_root(root: Path) -> None:
    """Fill the directory `root`."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    home = Path(sys.base_prefix)
    library = root / "usr/local/lib" / version
    shutil.copytree(home / "lib" / version, library, ignore=LEFT_OUT, symlinks=True)
    python = put(home / "bin" / version, root / "usr/local/bin" / version)
    (python.parent / "python3").symlink_to(version)
    wheels = Path("/usr/share/python-wheels")  # Debian's ensurepip has its wheels there
    if wheels.exists():
        shutil.copytree(wheels, root / wheels.relative_to("/"))
    programs = [put(Path(needed(name)), root / "bin" / name) for name in SHELL]
    libraries = {one for each in [python, *programs, *library.rglob("*.so")] for one in used(each)}
    (libc,) = (one for one in libraries if one.name == "libc.so.6")
    for path in libraries | {libc.with_name(name) for name in WHEELS_USE}:
        put(path, root / path.relative_to("/"))
    (root / "etc").mkdir()
    (root / "etc/passwd").write_text(USERS)
    (root / "etc/ld.so.conf").write_text(f"{home / 'lib'}\n")
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    subprocess.run([needed("ldconfig"), "-r", root], check=True)


def put(source: Path, target: Path) -> Path:
    """Copy a file, whatever it is a link to."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)
    return target


def used(binary: Path) -> set[Path]:
    """The libraries that a program, or another library, is loaded with."""
    found = subprocess.run(["ldd", binary], capture_output=True, text=True, check=False).stdout
    return {Path(one) for one in LIBRARY.findall(found)}
