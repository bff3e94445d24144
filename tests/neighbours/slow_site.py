"""An application with an answer that no kernel takes at once, whatever the path but /name."""

import os
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["app"]

LARGE = bytes(8 << 20)  # Linux keeps 4 MiB at most for a socket (net.ipv4.tcp_wmem)


def app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Answer with all of it in one piece."""
    short = environ["PATH_INFO"] == "/name"
    body = os.environ["NAME"].encode() if short else LARGE
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
