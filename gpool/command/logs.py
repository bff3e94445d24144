"""The logs of the command: gpool's own, and the file of the access log.

The root logger is the application's; what is set here is the logger ``gpool`` and what is below
it. A file is opened anew on SIGUSR1, as logrotate wants it.

Guarantees: nothing of gpool's is lost because the application configures logging for itself.
"""

import logging
import sys
from pathlib import Path
from typing import Any, TextIO

import click

__all__ = ["LogFile", "Logs", "opened"]

FORMAT = "%(asctime)s [%(process)d] %(levelname)s %(name)s: %(message)s"


class LogFile:
    """A file that is appended to, and can be opened anew.

    Args:
        path: of the file; ``-`` for the standard output.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: str) -> None:
        # Absolute, since an application may go elsewhere.
        self._path = None if path == "-" else Path(path).absolute()
        self._file = self._open()

    def _open(self) -> TextIO:
        return sys.stdout if self._path is None else self._path.open("a", encoding="utf-8")

    def write(self, text: str) -> None:
        """Any side. Append `text`."""
        self._file.write(text)

    def flush(self) -> None:
        """Any side. Let the system have it."""
        self._file.flush()

    def reopen(self) -> None:
        """Any side. Go on in the file that has the name now; in the old one if that fails."""
        if self._path is not None:
            old, self._file = self._file, self._open()
            old.close()


class Logs:
    """The logs of one process.

    Args:
        level: what gpool tells, one of logging's levels in small letters.
        log_file: where to; None for the standard error.
        access_log: of the access log; None for none.

    Attributes:
        access: what `gpool.WSGIServer` takes for its ``log``.

    Raises:
        click.ClickException: a file cannot be opened.
    """

    def __init__(self, level: str, log_file: str | None, access_log: str | None) -> None:
        self._error = opened("--log-file", log_file) if log_file is not None else None
        self.access = opened("--access-log", access_log) if access_log is not None else None
        self._level = level.upper()
        handler: Any = logging.StreamHandler(self._error)
        handler.setFormatter(logging.Formatter(FORMAT))
        logger = logging.getLogger("gpool")
        for old in logger.handlers[:]:
            logger.removeHandler(old)
        logger.addHandler(handler)
        logger.propagate = False
        logger.setLevel(self._level)

    def claim(self) -> None:
        """Any side. Turn on again what the application's configuration may have turned off."""
        for name, logger in logging.Logger.manager.loggerDict.items():
            if isinstance(logger, logging.Logger) and f"{name}.".startswith("gpool."):
                logger.disabled = False

    def reopen(self) -> None:
        """Any side. Open the files anew."""
        for file in (self._error, self.access):
            if file is not None:
                try:
                    file.reopen()
                except OSError as error:
                    logging.getLogger("gpool").warning("a log cannot be opened anew: %s", error)


def opened(option: str, path: str) -> LogFile:
    """A log's file; what is wrong with it is said in the command's words."""
    try:
        return LogFile(path)
    except OSError as error:
        raise click.ClickException(f"{option}: {error.strerror}: {path!r}") from None
