"""gunicorn's configuration; what differs between its workers is on their command lines."""

from pathlib import Path

from bench.kinds import KEEPALIVE

workers = 1
backlog = 4_096
keepalive = KEEPALIVE
loglevel = "error"
accesslog = None
graceful_timeout = 0  # its clients have gone by then
timeout = 300  # a worker that is busy is not one that hangs
control_socket_disable = True  # versions without it do not look at this
if Path("/dev/shm").is_dir():  # noqa: S108  # gunicorn's own advice, for the heart beats' file
    worker_tmp_dir = "/dev/shm"  # noqa: S108
