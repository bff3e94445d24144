"""What each configuration of the tests begins with."""


def post_worker_init(worker):
    """A worker has its application."""
    worker.log.info("ready: %s", worker.pid)
