"""Build hook: compile the hot path with Cython, where there is a C compiler.

The sources stay Python: what stands in a `.pxd` beside a module tells Cython which classes become
extension types. All modules are compiled or none, since extension types know each other's layout.

- GPOOL_PURE_PYTHON=1: compile nothing.
- No compiler, or it fails: a warning, and a wheel that is pure Python.
- Editable installs are pure, since a compiled module hides what is edited; GPOOL_COMPILE=1
  compiles beside the sources, for a benchmark.
"""

import os
import sys
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MODULES = (
    "accepting",
    "admission",
    "connection",
    "limits",
    "states",
    "worker",
    "workers",
    "wsgi.answer",
    "wsgi.application",
    "wsgi.connection",
    "wsgi.framing",
    "wsgi.intake",
    "wsgi.ownepoll",
    "wsgi.parked",
    "wsgi.parking",
    "wsgi.queueing",
    "wsgi.request",
    "wsgi.response",
    "wsgi.scanning",
    "wsgi.server",
    "wsgi.site",
    "wsgi.slowlane",
    "wsgi.sockets",
    "wsgi.watched",
    "wsgi.wire",
)
DIRECTIVES = {"language_level": 3, "annotation_typing": False, "binding": False}


class CompileHotPath(BuildHookInterface[Any]):
    """Hatchling's hook."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and add what came of it to the wheel."""
        editable = version == "editable"
        wanted = os.environ.get("GPOOL_COMPILE") == "1" if editable else True
        if self.target_name != "wheel" or os.environ.get("GPOOL_PURE_PYTHON") == "1" or not wanted:
            return
        try:
            built = compile_all(Path(self.root), Path(mkdtemp(prefix="gpool-build-")))
        except (Exception, SystemExit) as error:  # distutils ends the program
            self.app.display_warning(f"gpool stays pure Python: {error}")
            return
        if editable:
            for path, target in built.items():
                (Path(self.root) / target).write_bytes(path.read_bytes())
            return
        build_data["force_include"].update({str(path): name for path, name in built.items()})
        build_data["pure_python"] = False
        build_data["infer_tag"] = True


def source(name: str) -> str:
    """The file of a module; what has a form of its own for C is a `.pyx`."""
    path = Path("gpool", *name.split("."))
    return str(
        next(path.with_suffix(kind) for kind in (".pyx", ".py") if path.with_suffix(kind).exists())
    )


def compile_all(root: Path, into: Path) -> dict[Path, str]:
    """Compile `MODULES`; returns the libraries, and where they belong in the package."""
    from Cython.Build import cythonize  # noqa: PLC0415  # not needed for a pure build
    from setuptools import Distribution, Extension  # noqa: PLC0415

    before = Path.cwd()
    os.chdir(root)  # the modules' names come from their paths
    try:
        extensions = cythonize(
            [
                Extension(
                    f"gpool.{name}",
                    [source(name)],
                    extra_compile_args=["-g0"],  # 0.9 MiB instead of 3.8
                )
                for name in MODULES
            ],
            build_dir=str(into / "c"),
            compiler_directives=DIRECTIVES,
            quiet=True,
        )
        command: Any = Distribution({"ext_modules": extensions}).get_command_obj("build_ext")
        command.build_lib, command.build_temp = str(into / "lib"), str(into / "o")
        command.parallel = os.cpu_count()
        command.ensure_finalized()
        command.run()
    finally:
        os.chdir(before)
    lib = into / "lib"
    built = {path: str(path.relative_to(lib)) for path in lib.rglob("*.*") if path.is_file()}
    if len(built) != len(MODULES):
        raise RuntimeError(f"{len(built)} of {len(MODULES)} modules were compiled")
    print(f"compiled {len(built)} modules", file=sys.stderr)  # noqa: T201
    return built
