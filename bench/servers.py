"""The servers under load, in the order of the report; the same application on each.

Each is one process that serves, on a free port of loopback, at the best setting that we have found
for what it is asked to do; `bench.peers` has them, with the reasons. `bench.processes` starts them.
"""

from bench.kinds import Kind, Purpose, Server
from bench.peers.cooperative import BARE, GUNICORN, PYWSGI, UWSGI, WSGI
from bench.peers.others import ASGI, FLOOR, GO, ONE
from bench.peers.threads import THREADS

__all__ = ["SERVERS", "Kind", "Purpose", "Server"]

SERVERS: dict[str, Server] = (
    FLOOR | WSGI | PYWSGI | GUNICORN | UWSGI | THREADS | ONE | ASGI | GO | BARE
)
