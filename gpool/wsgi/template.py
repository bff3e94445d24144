"""The part of an environ that is the same for each request of a server."""

import logging
import socket
from collections.abc import Iterable
from typing import Any

from gpool.wsgi.body import NO_BODY
from gpool.wsgi.files import FileWrapper
from gpool.wsgi.framing import Environ

__all__ = ["ErrorLog", "template"]

ANY = frozenset({"0.0.0.0", "::", ""})  # noqa: S104  # looked for, not bound
#: Keys that each request sets; they stand in the template so that a copy has room for them.
PER_REQUEST = (
    "REQUEST_METHOD",
    "PATH_INFO",
    "QUERY_STRING",
    "RAW_URI",
    "REQUEST_URI",
    "SERVER_PROTOCOL",
    "REMOTE_ADDR",
    "REMOTE_PORT",
    "gpool.disconnected",
    "gpool.hijack",
    "wsgi.early_hints",
)


class ErrorLog:
    """``wsgi.errors``: a text stream whose lines go to a logger.

    Args:
        logger: at level ERROR.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def write(self, text: str) -> int:
        """Any side. Log `text`, without the line's end."""
        if text.strip():
            self._logger.error("%s", text.rstrip("\n"))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Any side. Log each of `lines`."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Any side. There is nothing to do."""


def template(
    address: Any, base: dict[str, Any], *, software: str, tls: bool, several: bool
) -> Environ:
    """Make the template of a server.

    Args:
        address: the listener's, as `socket.getsockname` gives it.
        base: what the user wants in each environ; it goes over all that is here.
        software: SERVER_SOFTWARE.
        tls: whether the scheme is https.
        several: whether there may be other processes that serve the application.
    """
    # Neither may be empty (PEP 3333); a unix socket has no better ones.
    host, port = address[:2] if isinstance(address, tuple) else ("localhost", 443 if tls else 80)
    environ: Environ = dict.fromkeys(PER_REQUEST, "")
    environ |= {
        "SCRIPT_NAME": "",
        "SERVER_NAME": socket.gethostname() if host in ANY else host,
        "SERVER_PORT": str(port),
        "SERVER_SOFTWARE": software,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https" if tls else "http",
        "wsgi.input": NO_BODY,
        "wsgi.errors": ErrorLog(logging.getLogger("gpool.wsgi.errors")),
        "wsgi.multithread": True,
        "wsgi.multiprocess": several,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
        "wsgi.file_wrapper": FileWrapper,
    }
    if tls:
        environ["HTTPS"] = "on"
    return environ | base
