"""gunicorn's worker class on gpool: one process, one `Hosting` over all its listeners.

As little as possible is done here: gunicorn's base class boots the process and knows its signals,
`gpool.hosting` serves and drains. This patches before the application is imported, shows the
arbiter that the Hub runs, and ends in the way that is asked for:

    TERM, HUP, max_requests, reload, the arbiter gone     drain, for graceful_timeout
    QUIT, INT                                             at once
    ABRT: the Hub was blocked for `timeout`               the stack to the log, and out

Guarantees: the heartbeat comes from a greenlet, so that a blocked Hub is seen; no request is lost
by a drain that has its time; what is drained ends within graceful_timeout, handlers that had to be
killed included. A setting that is wrong ends gunicorn at its start ("Worker failed to boot"), and
not each worker anew.
"""

import logging
import os
import signal
import sys
import traceback
from collections.abc import Mapping
from typing import Any, ClassVar

import click
import gevent
from gevent import hub, monkey, socket
from gevent.event import Event
from gunicorn.sock import ssl_context
from gunicorn.workers import base

from gpool.admin.server import FULL_THRESHOLD, Admin
from gpool.admission import KILL_TIMEOUT
from gpool.command.building import collections, tls_context
from gpool.command.logs import LogFile, opened
from gpool.command.sources import Config
from gpool.garbage import FullCollections
from gpool.gunicorn.answers import (
    AccessLines,
    Countdown,
    Hooks,
    keeping_headers,
    needs_headers,
    wants_lines,
    with_script_name,
)
from gpool.gunicorn.settings import notes_of, own_settings, settings_of
from gpool.gunicorn.siblings import Siblings
from gpool.hosting import Hosting, prepare_exit
from gpool.hubwatch import HubWatch
from gpool.wsgi.site import Application
from gpool.wsgi.wire import READ

__all__ = ["Worker"]

HEARTBEAT = 1.0  # seconds; gunicorn's gevent worker's
AFTERMATH = 2.0  # seconds for the other requests, when a blocked process has to end; arbitrary
LINE = "[%(asctime)s] [%(process)d] [%(levelname)s] %(message)s"  # gunicorn's


class Worker(base.Worker):
    """gpool under gunicorn: ``-k gpool.gunicorn.Worker``, or ``-k egg:gpool#gpool``.

    Attributes:
        hosting: what it serves; after the application is loaded.
        siblings: what the processes of the arbiter share; None without an admin listener.
        watch: over the Hub; None if that is turned off.
        collections: keeps full garbage collections short; None if they are left to Python.
    """

    hosting: Hosting
    watch: HubWatch | None = None
    collections: FullCollections | None = None
    siblings: ClassVar[Siblings | None] = None  # set in the arbiter, if there is an admin listener

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Any side, in the arbiter. Say once what is set and does not work here.

        Raises:
            RuntimeError: it would not work at all; gunicorn ends with the text.
        """
        if getattr(cfg, "protocol", "http") != "http":
            raise RuntimeError(f"protocol {cfg.protocol!r}: the gpool worker speaks HTTP only")
        for note in notes_of(cfg):
            log.warning("%s", note)
        try:
            own = own_settings(None)
        except (ValueError, click.UsageError) as error:
            raise RuntimeError(getattr(error, "message", str(error))) from None
        cls.share(own)
        if cfg.preload_app and not monkey.is_module_patched("socket"):
            log.warning(
                "preload_app: the application was imported before gevent could replace what "
                "blocks; put gevent.monkey.patch_all() first into the application or the "
                "configuration, or do without preload_app"
            )

    @classmethod
    def share(cls, own: Mapping[str, Any]) -> None:
        """Any side, in the arbiter. Make what its processes share, once.

        Args:
            own: gpool's own settings.
        """
        address = own.get("admin")
        if address is not None and cls.siblings is None:
            try:
                cls.siblings = Siblings(
                    address,
                    public=own.get("admin_public", False),
                    full_threshold=own.get("admin_full_threshold", FULL_THRESHOLD),
                )
            except (OSError, ValueError) as error:
                raise RuntimeError(f"admin: {error}") from None

    # ------------------------------------------------------------------ boot

    def init_process(self) -> None:
        """Any side, after the fork. Patch, and go on as gunicorn does."""
        # Until the base class has its own, the arbiter's handlers are here, and would lose a TERM:
        # the arbiter would wait for graceful_timeout. There is nothing to drain yet.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        config = self._config()
        if config is None or config["monkey_patch"]:
            monkey.patch_all()
        hub.reinit()
        self._changed = Event()
        self._aborted = False
        self._admin: Admin | None = None
        self._access_log: LogFile | None = None
        listeners: list[Any] = self.sockets  # gunicorn's wrappers
        self.sockets = [
            socket.socket(one.FAMILY, socket.SOCK_STREAM, fileno=one.sock.detach())
            for one in listeners
        ]
        log_with(self.log)
        super().init_process()

    def load_wsgi(self) -> None:
        """Any side. Load the application, and make what serves it: errors here are of the boot."""
        super().load_wsgi()
        mapped = settings_of(self.cfg, own_settings(self.app))
        hooks = Hooks(self, self.cfg)
        config = self._config()
        if config is None:
            context = self._ssl_context() if self.cfg.is_ssl else None
        else:
            context = tls_context(config)
            path = config["access_log"]
            self._access_log = None if path is None else opened("--access-log", path)
        self.hosting = Hosting(
            self.sockets,
            self._application(hooks),
            ssl_context=context,
            log=self._access_log,
            **mapped.hosting,
        )
        if wants_lines(self.log, self.cfg):
            self.hosting.observe(AccessLines(self.log))
        if hooks:
            self.hosting.observe(hooks)
        if hooks or self.max_requests != sys.maxsize:
            self.hosting.observe(Countdown(self, self._enough))
        for server in self.hosting.servers:
            server.site.sendfile = server.site.sendfile and mapped.sendfile
            if self.cfg.workers > 1 and not self.cfg.reuse_port:
                server.max_accept = 1  # the others are to have some too (gunicorn#2266)
        self._keep_alive = mapped.keep_alive
        self.collections = collections(mapped.gc_share)
        if mapped.block_threshold is not None:
            self.watch = HubWatch(mapped.block_threshold, line=LINE)
        if self.siblings is not None:
            title = config.app if config is not None else str(self.cfg.proc_name)
            self._admin = self.siblings.admin(self.hosting, self.watch, title)

    def _config(self) -> Config | None:
        # What the command was told, if it has started gunicorn.
        return getattr(self.app, "gpool_config", None)

    def _application(self, hooks: Hooks) -> Application:
        application: Application = self.wsgi
        if name := os.environ.get("SCRIPT_NAME", ""):
            application = with_script_name(application, name)
        if needs_headers(self.log, self.cfg):
            application = keeping_headers(application)
        return hooks.around(application) if hooks else application

    def _ssl_context(self) -> Any:
        context = ssl_context(self.cfg)
        if "h2" in getattr(self.cfg, "http_protocols", ()):
            context.set_alpn_protocols(["http/1.1"])  # or clients would speak HTTP/2
        return context

    # ------------------------------------------------------------------ run

    def run(self) -> None:
        """Worker side. Serve until told to end, and drain."""
        wakeup = hub.get_hub().loop.io(self.PIPE[0], READ, ref=False)
        wakeup.start(self._signalled)
        beat = gevent.spawn(self._beat)
        if self.collections is not None:
            self.collections.start()
        if self.watch is not None:
            self.watch.start()
        self.hosting.start()
        if self._admin is not None:
            self._admin.start()
        for server in self.hosting.servers:
            server.site.keep_alive = self._keep_alive
        while self.alive:
            self._changed.wait(HEARTBEAT)  # a hook may have set `alive`
            self._changed.clear()
        self.hosting.stop(self._drain_time())
        if self._admin is not None:
            self._admin.stop()
        if self.watch is not None:
            self.watch.stop()
        if self.collections is not None:
            self.collections.stop()
        prepare_exit()
        beat.kill()
        wakeup.close()
        if self._aborted:
            sys.exit(1)

    def _drain_time(self) -> float:
        # The arbiter, when it ends itself, kills who is there after graceful_timeout. Handlers
        # that are killed here before that get to clean up.
        graceful: float = self.cfg.graceful_timeout
        if self._aborted:
            return min(graceful, AFTERMATH)
        return max(graceful - KILL_TIMEOUT, graceful / 2)

    def _beat(self) -> None:
        # Worker side. `self.timeout` is half of the arbiter's.
        interval = min(HEARTBEAT, self.timeout or HEARTBEAT)
        while True:
            self.notify()
            if self.alive and self.ppid != os.getppid():
                self.log.info("Parent changed, shutting down: %s", self)
                self._end()
            gevent.sleep(interval)

    def _end(self) -> None:
        # Any side.
        self.alive = False
        self._changed.set()

    def _enough(self) -> None:
        # Worker side.
        if self.alive:
            self.log.info("Served max_requests (%s), shutting down: %s", self.max_requests, self)
            self._end()

    def _signalled(self) -> None:
        # Hub side. gunicorn has Python write to this pipe when a signal comes.
        os.read(self.PIPE[0], 4_096)
        self._changed.set()

    # ------------------------------------------------------------------ signals

    def handle_quit(self, sig: int, frame: Any) -> None:
        """Any side. End at once; in a greenlet, since the worker_int hook may block."""
        gevent.spawn(super().handle_quit, sig, frame)

    def handle_usr1(self, sig: int, frame: Any) -> None:
        """Any side. Reopen the logs; in a greenlet, since their locks may block."""
        gevent.spawn(super().handle_usr1, sig, frame)
        if self._access_log is not None:
            self._access_log.reopen()

    def handle_abort(self, sig: int, frame: Any) -> None:
        """Any side. The arbiter has seen no heartbeat: say what ran, and end.

        The base class raises SystemExit, into what blocks the Hub: with luck a request, which
        fails. Then the others are answered, and the process ends.
        """
        self._aborted = True
        stack = "".join(traceback.format_stack(frame))
        self.log.error(
            "Aborted, since the Hub was blocked for %s s by:\n%s", self.timeout * 2, stack
        )
        super().handle_abort(sig, frame)


def log_with(log: Any) -> None:
    """Let what gpool has to say go where gunicorn's errors go, unless the user has said where."""
    own, error_log = logging.getLogger("gpool"), getattr(log, "error_log", None)
    if error_log is None or own.hasHandlers():
        return
    own.setLevel(error_log.level)
    own.propagate = False  # as gunicorn's own
    for handler in error_log.handlers:
        own.addHandler(handler)
