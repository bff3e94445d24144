"""What the processes of one arbiter share: the admin listener, and where they write their figures.

Both are made in the arbiter, before it has a child, so that whichever process accepts a scrape can
answer for all of them.

Guarantees: only a descriptor is kept, so that no Hub is made in the arbiter; a gunicorn that takes
another's place (USR2) can listen on the same port; the directory is removed by the arbiter alone,
whose children leave by the same way.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from time import time_ns

from gevent import socket

from gpool.admin.server import Admin, checked
from gpool.admin.spool import Spool
from gpool.hosting import Hosting
from gpool.hubwatch import HubWatch
from gpool.listener import bound, parse

__all__ = ["Siblings"]

BACKLOG = 128  # of scrapes and browsers
MEMORY = Path("/dev/shm")  # noqa: S108  # a directory of our own is made in it


class Siblings:
    """What is shared; made in the arbiter.

    Args:
        address: of the admin listener.
        public: whether it may be any address.
        full_threshold: see `Admin`.

    Raises:
        OSError: the address cannot be bound.
        ValueError: it is not a loopback one, and `public` is not set.
    """

    def __init__(self, address: str, *, public: bool, full_threshold: float) -> None:
        checked(address, public=public)
        self._full_threshold = full_threshold
        family, parsed = parse(address)
        of_ip = family != socket.AF_UNIX
        self._descriptor = bound(family, parsed, BACKLOG, reuse_port=of_ip)
        where = MEMORY if os.access(MEMORY, os.W_OK) else None
        self._directory = tempfile.mkdtemp(prefix="gpool-", dir=where)
        self._run = str(time_ns())
        self._arbiter = os.getpid()
        atexit.register(self.remove)

    def remove(self) -> None:
        """Any side. Remove the directory, if this is the arbiter."""
        if os.getpid() == self._arbiter:
            shutil.rmtree(self._directory, ignore_errors=True)

    def admin(self, hosting: Hosting, watch: HubWatch | None, title: str) -> Admin:
        """Any side, in a child. The admin listener of this process."""
        return Admin(
            hosting,
            socket.socket(fileno=self._descriptor),
            watch=watch,
            spool=Spool(self._directory, self._run, pid=os.getpid()),
            full_threshold=self._full_threshold,
            public=True,  # it was checked
            title=title,
        )
