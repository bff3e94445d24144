"""What gunicorn's settings mean for gpool: the arguments of `gpool.hosting.Hosting`.

gunicorn has names for most of it, and those who come from its gevent worker keep their values.
What it has no name for are gpool's own settings: all of the command's, if it is the command that
runs gunicorn, else those of the ``GPOOL_*`` variables. These win.

Guarantees: nothing here touches the process, but `own_settings` reads the environment; what a
setting of gunicorn asks for, and gpool does not do, is in `notes_of`, in words for the log.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

import click

from gpool.command.options import OPTIONS
from gpool.command.setting import Setting
from gpool.command.sources import check_environment
from gpool.garbage import GC_SHARE
from gpool.hubwatch import THRESHOLD
from gpool.wsgi.framing import SMALL, Limits

__all__ = ["Mapped", "notes_of", "own_settings", "settings_of"]

UNLIMITED = 1 << 20  # bytes; what stands for gunicorn's "no limit": somebody pays for them
MOST_HEADERS = 32_768  # gunicorn's own bound, and its "no limit"
#: What the worker does itself with a value of gpool's own; the rest are the server's.
OF_THE_WORKER = frozenset(
    {"admin", "admin_full_threshold", "admin_public", "gc_share", "hub_block_threshold"}
)
#: Listening is the arbiter's.
OF_THE_ARBITER = frozenset({"backlog", "reuse_port"})

#: Those of secure_scheme_headers that gpool knows, with the value that stands for https. Of what a
#: proxy says, gunicorn takes the scheme only; the client's address is gpool's own setting.
SCHEMES = {"X-FORWARDED-PROTO": "https", "X-FORWARDED-SSL": "on"}

#: Settings of gunicorn that change nothing here, and what is so instead.
INSTEAD = {
    "casefold_http_method": "methods are taken as they are sent",
    "forwarder_headers": "SCRIPT_NAME is the environment variable's",
    "header_map": "a header with '_' in its name is left out",
    "http2_cleartext": "HTTP/1.1 is spoken",
    "http_protocols": "HTTP/1.1 is spoken",
    "permit_obsolete_folding": "a folded header is answered with 400",
    "permit_unconventional_http_method": "a method is any token of RFC 9110",
    "permit_unconventional_http_version": "HTTP/1.0 and HTTP/1.1 are served",
    "strip_header_spaces": "a space before a header's colon is answered with 400",
    "threads": "worker_connections says how many requests are served at once",
}


@dataclass(frozen=True, slots=True)
class Mapped:
    """What becomes of the settings.

    Attributes:
        hosting: arguments of `gpool.hosting.Hosting`, but the listeners, application and TLS.
        keep_alive: whether connections stay after an answer.
        sendfile: whether the kernel may send files.
        block_threshold: seconds after which the Hub counts as blocked; None for never.
        gc_share: of the time, for full garbage collections; 1 leaves them to Python.
    """

    hosting: dict[str, Any]
    keep_alive: bool
    sendfile: bool
    block_threshold: float | None
    gc_share: float


def settings_of(cfg: Any, own: Mapping[str, Any]) -> Mapped:
    """Map gunicorn's settings.

    Args:
        cfg: a `gunicorn.config.Config`, of gunicorn 23 or later.
        own: gpool's own settings, by their names in `gpool.WSGIServer`, and hub_block_threshold
            and gc_share; they go over gunicorn's.
    """
    scheme_headers = schemes(cfg)
    line, size = size_of(cfg.limit_request_line), size_of(cfg.limit_request_field_size)
    hosting: dict[str, Any] = {
        "max_workers": cfg.worker_connections,
        "max_connections": cfg.worker_connections,
        "overflow": "wait",  # what is too much stays in the backlog, for other processes
        "keepalive_timeout": cfg.keepalive or None,
        "max_request_line": line,
        "max_header_size": size,
        "max_headers": cfg.limit_request_fields or MOST_HEADERS,
        "max_head_size": max(line + size, Limits().max_head_size),
        "forwarded_allow_ips": peers(cfg.forwarded_allow_ips) if scheme_headers else "",
        "forwarded_headers": scheme_headers,
        "proxy_protocol": cfg.proxy_protocol not in (False, "off"),
        "proxy_allow_ips": peers(cfg.proxy_allow_ips),
        "environ": {"wsgi.multiprocess": cfg.workers > 1},
        "reuse_port": cfg.reuse_port,
    }
    if "forwarded_allow_ips" in own:
        del hosting["forwarded_headers"]  # who has it from gpool believes as gpool does
    # The stack is to be written before the arbiter ends the process, at `timeout`.
    threshold = own.get("hub_block_threshold", min(THRESHOLD, cfg.timeout / 2 or THRESHOLD))
    others = OF_THE_WORKER | OF_THE_ARBITER
    hosting |= {name: value for name, value in own.items() if name not in others}
    return Mapped(
        hosting=hosting,
        keep_alive=bool(cfg.keepalive) or "keepalive_timeout" in own,
        sendfile=cfg.sendfile,
        block_threshold=None if threshold in (None, 0, inf) else threshold,
        gc_share=own.get("gc_share", GC_SHARE),
    )


def size_of(limit: int) -> int:
    """A size in bytes as gpool has it: 0 is no limit in gunicorn, and none is below `SMALL`."""
    return max(limit, SMALL) if limit else UNLIMITED


def peers(addresses: Iterable[str]) -> str:
    """A list of peers as gpool has it; gunicorn believes whoever comes through a unix socket."""
    return ",".join([*addresses, "unix"])


def schemes(cfg: Any) -> str:
    """The headers by which a proxy says the scheme, as gpool has them."""
    said = cfg.secure_scheme_headers.items() & SCHEMES.items()
    return ",".join(sorted(name.lower() for name, _ in said))


def is_changed(cfg: Any, name: str) -> bool:
    """Whether a setting, if this gunicorn has it, is another than its default."""
    setting = cfg.settings.get(name)
    return setting is not None and setting.get() != type(setting)().get()


def notes_of(cfg: Any) -> list[str]:
    """What `cfg` asks for and does not get, a sentence each."""
    notes = [
        f"{name} has no effect with the gpool worker: {INSTEAD[name]}"
        for name in sorted(INSTEAD)
        if is_changed(cfg, name)
    ]
    notes += [
        f"{name} {cfg.settings[name].get()} is below what the gpool worker can do: it is {SMALL}"
        for name in ("limit_request_line", "limit_request_field_size")
        if 0 < cfg.settings[name].get() < SMALL
    ]
    unknown = cfg.secure_scheme_headers.items() - SCHEMES.items()
    if unknown and is_changed(cfg, "secure_scheme_headers"):
        names = ", ".join(sorted(f"{name}: {value}" for name, value in unknown))
        notes.append(f"secure_scheme_headers: the gpool worker does not know {names}")
    if cfg.proxy_protocol in ("v1", "v2"):
        notes.append("proxy_protocol: the gpool worker takes versions 1 and 2")
    return notes


def own_settings(app: Any) -> dict[str, Any]:
    """What is set of gpool's own, for an application of gunicorn.

    Args:
        app: a `gunicorn.app.base.BaseApplication`; if the command has made it, its attribute
            ``gpool_config`` has all values.

    Raises:
        ValueError: a variable's value is not one that is allowed; the text names both.
        click.UsageError: there is a variable GPOOL_... that nobody knows.
    """
    options = [option for name, option in OPTIONS.items() if option.server or name in OF_THE_WORKER]
    config: Any = getattr(app, "gpool_config", None)
    if config is not None:
        return {option.name: config.values[option.name] for option in options}
    check_environment(os.environ)
    return {option.name: value_of(option) for option in options if option.variable in os.environ}


def value_of(option: Setting) -> Any:
    """What a variable of the environment says."""
    text = os.environ[option.variable]
    try:
        return option.kind.convert(text, None, None)
    except click.BadParameter as error:
        raise ValueError(f"{option.variable}={text}: {error.message}") from None
