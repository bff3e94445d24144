"""The programs that tests have beside gpool, and what happens where one is not installed.

`.ci/parts` installs them all on Debian. With the variable TESTED_PARTS=required, as in CI, a test
fails without its program; otherwise it skips, and says why.
"""

import os
import shutil
from pathlib import Path

import pytest

__all__ = ["needed"]

#: Debian's package of a program, where the name is another.
PACKAGES = {
    "chromedriver": "chromium-driver",
    "initdb": "postgresql",
    "postgres": "postgresql",
    "promtool": "prometheus",
}
#: Where .ci/parts puts those that come as wheels.
WHEELS = Path(__file__).parents[1] / "build" / "parts" / "bin"
#: Where a user's PATH need not lead.
MORE = [
    *("/usr/sbin", "/usr/local/sbin"),
    *map(str, Path("/usr/lib/postgresql").glob("*/bin")),
    str(WHEELS),
]


def needed(program):
    """The path of a program; without it, the test that asks skips, or fails if it must not."""
    path = shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), *MORE]))
    if path is None:
        package = PACKAGES.get(program, program)
        reason = f"{program} is not installed: apt-get install {package}, or .ci/parts for all"
        if os.environ.get("TESTED_PARTS") == "required":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return path
