"""gpool under gunicorn: ``gunicorn -k gpool.gunicorn.Worker app:app``.

    settings     what gunicorn's settings and gpool's own mean for a server; pure
    answers      the access log, the hooks and max_requests, told of each answer
    worker       the process: patches, serves, shows that it lives, drains

More than one process is gunicorn's job: its arbiter starts them, watches them and replaces them.
"""

from gpool.gunicorn.worker import Worker

__all__ = ["Worker"]
