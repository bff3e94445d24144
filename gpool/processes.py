"""More than one process: gunicorn's arbiter, with our worker class.

Starting, watching, replacing and ending processes is gunicorn's business, and so are its signals:
HUP starts new processes and drains the old, TTIN and TTOU make one more or less, USR2 starts a new
gunicorn. What is said here in our words is said to it in its own; the rest goes to the workers as
the application's attribute ``gpool_config``.

Guarantees: none of this is imported unless there is to be more than one process.
"""

import os
from collections.abc import Callable
from math import ceil
from typing import Any

import click

from gpool.command.building import tls_context
from gpool.command.loading import AppFailed, load
from gpool.command.sources import Config
from gpool.command.types import FD

__all__ = ["gunicorn_settings", "supervise"]

WORKER = "gpool.gunicorn.Worker"
LONGEST = (1 << 31) - 1  # seconds; what stands for "never" where 0 does not


def supervise(config: Config) -> None:
    """Run gunicorn's arbiter until a signal ends it; does not return.

    Raises:
        click.ClickException: there is no gunicorn, or something in the configuration is wrong.
    """
    try:
        from gunicorn.app.base import BaseApplication  # noqa: PLC0415  # an extra
        from gunicorn.arbiter import Arbiter  # noqa: PLC0415  # the same

        from gpool.gunicorn.worker import Worker  # noqa: PLC0415  # the same
    except ImportError:
        raise click.ClickException(
            "more than one process needs gunicorn: pip install 'gpool[gunicorn]'"
        ) from None
    tls_context(config)  # to say what is wrong with it before there are processes

    class Application(BaseApplication):
        """What gunicorn asks for its settings and the application."""

        gpool_config = config

        def load_config(self) -> None:
            """Tell gunicorn."""
            for name, value in gunicorn_settings(config).items():
                if name in self.cfg.settings:  # the control socket is of gunicorn 25
                    self.cfg.set(name, value)

        def load(self) -> Callable[..., Any]:
            """The application, in a worker."""
            try:
                return load(config.app)
            except AppFailed as failed:
                raise failed.error from None

    try:
        Worker.share(config.values)
        arbiter = Arbiter(Application())
        # gunicorn removes the files of unix sockets, but not of those that systemd has opened.
        arbiter.systemd = all(address.startswith(FD) for address in config["bind"])
        arbiter.run()
    except RuntimeError as error:
        raise click.ClickException(str(error)) from None


def gunicorn_settings(config: Config) -> dict[str, Any]:
    """Our settings, in gunicorn's words; those of a worker are not among them."""
    said = {
        "bind": [everywhere(address) for address in config["bind"]],
        "workers": config["processes"],
        "worker_class": WORKER,
        "backlog": config["backlog"],
        "reuse_port": config["reuse_port"],
        "timeout": whole(config["worker_timeout"]),
        "graceful_timeout": whole(config["graceful_timeout"]),
        "max_requests": config["max_requests"],
        "max_requests_jitter": config["max_requests_jitter"],
        "pidfile": config["pid_file"],
        "loglevel": config["log_level"],
        "errorlog": config["log_file"] or "-",
        "umask": current_umask() if config["umask"] is None else config["umask"],
        "proc_name": f"gpool {config.app}",
        "control_socket_disable": True,
    }
    if config["tls_cert"] is not None:
        said |= {"certfile": config["tls_cert"], "keyfile": config["tls_key"]}
    return said


def whole(seconds: float) -> int:
    """Seconds for gunicorn, which has whole ones, and takes 0 for never."""
    return ceil(min(seconds, LONGEST))


def current_umask() -> int:
    """The process's, which gunicorn would set to 0 for its unix sockets."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def everywhere(address: str) -> str:
    """An address for gunicorn, which has no word for all interfaces."""
    return f"[::]{address}" if address.startswith(":") else address
