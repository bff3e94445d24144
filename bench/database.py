"""A PostgreSQL of the bench's own, in a temporary folder, on the clients' CPU.

It listens on a free port of loopback, over which a round trip goes as to any database on a
machine of its own, and trusts whoever connects, for as long as the bench runs. What it has is one
table: `bench.queries.ROWS` rows of a number, which is the primary key, and a text of 100 bytes.
Nothing in it need survive a crash, so it does not wait for the disk.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from pwd import getpwnam
from typing import Any

from bench.processes import cpus, free_port, pinned
from bench.queries import CONNECTIONS, DSN, ROWS

__all__ = ["NoDatabaseError", "running"]

USERS = ("postgres", "nobody")  # whose it is if we are root, which it refuses
TEXT = 100  # bytes
BEGIN = 30  # seconds that it has to start, and each of its tools to end
POLL = 0.02  # seconds between two looks
SETTINGS = {
    "fsync": "off",
    "unix_socket_directories": "",
    "listen_addresses": "127.0.0.1",
    "max_connections": str(2 * CONNECTIONS + 10),  # one server's may still be closing
    "autovacuum": "off",  # it would come at some moment of its own
    "jit": "off",
}
#: For psql, which puts the variables in.
TABLE = """
CREATE TABLE rows (id int PRIMARY KEY, text text NOT NULL);
INSERT INTO rows SELECT n, rpad('row ' || n, :size, '.') FROM generate_series(0, :count - 1) n;
VACUUM ANALYZE rows;
"""


class NoDatabaseError(Exception):
    """There is no database; the text says why, and what to do."""


@contextmanager
def running() -> Iterator[str]:
    """A database, while this runs; servers that are started meanwhile find it by BENCH_DSN.

    Where that variable is set, by an outer `running` or by the user, it is that database.

    Yields:
        the URI that leads to it.

    Raises:
        NoDatabaseError: it is not installed, or does not start.
    """
    if DSN in os.environ:
        yield os.environ[DSN]
        return
    with tempfile.TemporaryDirectory(prefix="gpool-bench-") as name, served(Path(name)) as dsn:
        os.environ[DSN] = dsn
        try:
            yield dsn
        finally:
            del os.environ[DSN]


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """One in this folder."""
    owner, port = owned(folder), free_port()
    dsn = f"postgresql://bench@127.0.0.1:{port}/postgres?sslmode=disable"
    made = [tool("initdb"), "-D", "data", "-U", "bench", "-A", "trust", "--no-sync"]
    ask([*made, "-E", "UTF8", "--no-locale"], folder, owner)
    command = [tool("postgres"), "-D", "data", "-p", str(port)]
    command += [word for one in SETTINGS.items() for word in ("-c", "=".join(one))]
    log = folder / "log"
    with log.open("w") as said, pinned(cpus()[1]):
        process = subprocess.Popen(command, cwd=folder, stdout=said, stderr=said, **owner)
    try:
        wait_for(process, port, log)
        filled = [tool("psql"), "-qX", "-v", "ON_ERROR_STOP=1", "-d", dsn]
        ask([*filled, "-v", f"size={TEXT}", "-v", f"count={ROWS}"], folder, owner, TABLE)
        yield dsn
    finally:
        process.send_signal(signal.SIGINT)  # a "fast" end; TERM would wait for the clients
        process.wait()


def owned(folder: Path) -> dict[str, Any]:
    """What makes a child another user's if we are root; the folder is theirs then."""
    if os.geteuid() != 0:
        return {}
    for name in USERS:
        with suppress(KeyError):
            user = getpwnam(name)
            os.chown(folder, user.pw_uid, user.pw_gid)
            return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise NoDatabaseError(f"PostgreSQL refuses to run as root, and none of {USERS} is a user here")


def tool(name: str) -> str:
    """A program of PostgreSQL; Debian's are in a folder of their version, not on the PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    path = os.pathsep.join([*map(str, folders), os.environ.get("PATH", "")])
    found = shutil.which(name, path=path)
    if found is None:
        raise NoDatabaseError(
            f"PostgreSQL's {name} is not installed; bash bench/install installs it on Debian"
        )
    return found


def ask(command: list[str], folder: Path, owner: dict[str, Any], text: str = "") -> None:
    """Run a tool to its end; its last line is the reason if it fails."""
    done = subprocess.run(
        command,
        cwd=folder,
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=BEGIN,
        **owner,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise NoDatabaseError(f"{Path(command[0]).name} of PostgreSQL: {said[-1]}")


def wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Return when it takes connections."""
    latest = time.monotonic() + BEGIN
    ready = [tool("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    while subprocess.run(ready, check=False).returncode:
        if process.poll() is not None or time.monotonic() > latest:
            said = log.read_text().strip().splitlines() or ["no reason given"]
            raise NoDatabaseError(f"PostgreSQL does not start: {said[-1]}")
        time.sleep(POLL)
