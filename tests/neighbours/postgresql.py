"""A PostgreSQL of the test's own, on a unix socket, and what it tells of its connections."""

import os
import re
import signal
import subprocess
from contextlib import contextmanager, suppress
from pwd import getpwnam

import psycopg

from tests.neighbours.programs import Program
from tests.parts import needed

__all__ = ["PostgreSQL"]

PORT = 5432  # a part of the socket's name only
SITE = "application_name = 'site'"
OPENED = r"(?m)^(\d+) LOG: .*connection authorized: .*application_name=site"
USERS = ("postgres", "nobody")  # whose it is if we are root, which it refuses


def owner():
    """What makes a child another user's, if we are root."""
    if os.geteuid() != 0:
        return {}
    for name in USERS:
        with suppress(KeyError):
            user = getpwnam(name)
            return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise AssertionError(f"none of {USERS} is a user here")


class PostgreSQL:
    """A server, with settings that need not survive a crash.

    Args:
        folder: where the socket is; it must be a place that every user may enter.
        connections: the most connections, beside those of the superuser.
    """

    def __init__(self, folder, connections=97):
        self.folder = folder
        self._owner = owner()
        data = folder / "data"
        data.mkdir()
        if self._owner:
            for path in (folder, data):
                os.chown(path, self._owner["user"], self._owner["group"])
        self._command = [needed("postgres"), "-D", data, "-k", folder, "-p", str(PORT)]
        self._command += ["-c", "listen_addresses=", "-c", "fsync=off"]
        for name in ("log_connections", "log_disconnections", "log_lock_waits"):
            self._command += ["-c", f"{name}=on"]
        self._command += ["-c", "log_line_prefix=%p ", "-c", "deadlock_timeout=10ms"]
        self._command += ["-c", f"max_connections={connections + 3}"]
        made = [needed("initdb"), "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"]
        subprocess.run(
            [*made, "-E", "UTF8", "--no-locale"],
            check=True,
            cwd=folder,
            capture_output=True,
            **self._owner,
        )
        self._watching = None
        self._marks = 0
        self._before = []
        self.start()

    @property
    def env(self):
        """The variables that lead to it."""
        return {"DATABASE_HOST": str(self.folder), "DATABASE_PORT": str(PORT)}

    def start(self):
        """Start it; it is ready for connections then."""
        stop = signal.SIGINT  # a "fast" end; TERM would wait for the clients
        self.program = Program(*self._command, stop=stop, cwd=self.folder, **self._owner)
        self.program.lines += self._before
        ready = "database system is ready to accept connections"
        self.program.wait(ready, since=len(self._before))

    def stop(self):
        """End it, and every connection at once."""
        if self._watching is not None:
            self._watching.close()
            self._watching = None
        self.program.stop()
        self._before = self.program.lines

    def restart(self):
        """End it and start it again."""
        self.stop()
        self.start()

    def execute(self, query):
        """Do something, on a connection that nobody else has; its cursor."""
        if self._watching is None:
            self._watching = psycopg.connect(
                host=str(self.folder), port=PORT, user="postgres", autocommit=True
            )
        return self._watching.execute(query)

    def ask(self, query):
        """The rows that a query finds."""
        return self.execute(query).fetchall()

    def backends(self, where="true"):
        """The processes that serve the site's connections now."""
        query = f"SELECT pid FROM pg_stat_activity WHERE {SITE} AND {where}"
        return {pid for (pid,) in self.ask(query)}

    def mark(self):
        """How much it has told so far, for `opened` and `ended`."""
        self._marks += 1
        self.execute(f"DO $$ BEGIN RAISE LOG 'mark {self._marks};'; END $$")
        self.program.wait(f"mark {self._marks};")
        return len(self.program.lines)

    def opened(self, since=0):
        """The processes that have begun to serve one of the site's connections, in order."""
        self.mark()
        return [int(pid) for pid in re.findall(OPENED, "\n".join(self.program.lines[since:]))]

    def ended(self, pids):
        """Wait until the connections that these have served are closed."""
        for pid in pids:
            self.program.wait(f"^{pid} LOG:  disconnection")

    @contextmanager
    def locked(self):
        """Hold the lock for which the site's /wait waits."""
        lock = "pg_advisory_{}lock(7)::text"
        self.ask(f"SELECT {lock.format('')}")
        try:
            yield
        finally:
            self.ask(f"SELECT {lock.format('un')}")

    def waiting(self, count, since):
        """Wait until so many wait for it at the same time."""
        self.program.wait("still waiting for ShareLock on advisory lock", count, since)
