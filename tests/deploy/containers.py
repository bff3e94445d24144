"""podman with a storage of its own, which is gone with it."""

import shutil
import subprocess
from pathlib import Path
from typing import Self

from tests.parts import needed

__all__ = ["Podman"]

LIMIT = 120
#: podman would raise them, which not every machine lets it.
ULIMITS = ["--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096"]


class Podman:
    """What runs podman.

    Args:
        folder: where its storage is.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.words = [
            needed("podman"),
            f"--root={folder / 'storage'}",
            f"--runroot={folder / 'run'}",
            f"--tmpdir={folder / 'tmp'}",
            "--cgroup-manager=cgroupfs",  # no systemd need run
            f"--runtime={needed('runc')}",
            "--events-backend=none",
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        subprocess.run(
            [*self.words, "rm", "--all", "--force", "--time=0"], capture_output=True, check=False
        )
        subprocess.run([*self.words, "rmi", "--all", "--force"], capture_output=True, check=False)
        subprocess.run(
            ["umount", self._folder / "storage" / "overlay"], capture_output=True, check=False
        )
        shutil.rmtree(self._folder, ignore_errors=True)

    def run(self, *words: object, **more: object) -> str:
        """One of its commands, which has to succeed; what it writes."""
        done = subprocess.run(  # type: ignore[call-overload]
            [*self.words, *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT,
            check=False,
            **more,
        )
        assert done.returncode == 0, done.stdout
        return str(done.stdout)
