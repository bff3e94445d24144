"""Every option of the command, once.

The command line, the ``GPOOL_...`` variables, the file's keys, ``--print-config``, the server's
arguments and the page of the docs are made from this table, so that they cannot differ. An option
that is an argument of `gpool.WSGIServer` has its name, its default and its range.
"""

from collections.abc import Mapping
from typing import Any

import click

from gpool.admin.server import FULL_THRESHOLD
from gpool.command.server_options import SERVER_GROUPS
from gpool.command.setting import Group, Setting, of_server, switch
from gpool.command.types import AddressType, CountType, SecondsType, ShareType
from gpool.garbage import GC_SHARE
from gpool.hubwatch import THRESHOLD
from gpool.wsgi.access import FORMATS

__all__ = ["GROUPS", "OPTIONS", "server_arguments"]

LEVELS = ("debug", "info", "warning", "error", "critical")

GROUPS = [
    Group(
        "Application",
        [
            Setting(
                "chdir",
                click.Path(exists=True, file_okay=False),
                ".",
                "Go there first; the application is imported from there.",
                metavar="DIRECTORY",
            ),
            switch(
                "monkey_patch",
                "Let gevent replace what blocks in the standard library, before the application "
                "is imported.",
                on=True,
            ),
            switch(
                "reload",
                "Start anew when a source file changes. For development; needs gpool[reload].",
            ),
            Setting(
                "reload_dir",
                click.Path(),
                (),
                "What to watch besides the application's directory; may be repeated.",
                multiple=True,
                metavar="PATH",
            ),
            Setting(
                "config",
                click.Path(exists=True, dir_okay=False),
                None,
                "A TOML file: gpool.toml, or pyproject.toml with a table [tool.gpool]. Without it, "
                "the first of these two that is here.",
                short="-c",
                metavar="FILE",
                file=False,
            ),
            switch(
                "check",
                "Import the application, check the configuration, and end.",
                file=False,
            ),
            switch(
                "print_config",
                "Print every value and where it came from, and end.",
                file=False,
            ),
        ],
    ),
    *SERVER_GROUPS,
    Group(
        "TLS",
        [
            Setting(
                "tls_cert",
                click.Path(),
                None,
                "The certificate and its chain, PEM; turns TLS on. Read again on SIGHUP.",
                metavar="FILE",
            ),
            Setting(
                "tls_key",
                click.Path(),
                None,
                "Its key, PEM; without it, the key is in tls-cert.",
                metavar="FILE",
            ),
            Setting("tls_key_password", click.STRING, None, "Of the key; best as a variable."),
            Setting(
                "tls_client_ca",
                click.Path(),
                None,
                "Whose certificates clients may show, PEM.",
                metavar="FILE",
            ),
            Setting(
                "tls_client_cert",
                click.Choice(["none", "optional", "required"]),
                "none",
                "Whether clients are asked for a certificate, which must be of tls-client-ca.",
            ),
            Setting(
                "tls_min_version",
                click.Choice(["TLSv1.2", "TLSv1.3"]),
                "TLSv1.2",
                "The oldest version that is spoken.",
            ),
            Setting("tls_ciphers", click.STRING, None, "Of TLS 1.2, in OpenSSL's form."),
        ],
    ),
    Group(
        "Logs",
        [
            Setting(
                "access_log",
                click.STRING,
                None,
                "A file, or - for the standard output.",
                metavar="FILE",
            ),
            of_server(
                "log_format",
                click.Choice(FORMATS),
                "combined",
                "Of the access log: Apache's combined, with the seconds, or JSON.",
            ),
            Setting("log_level", click.Choice(LEVELS), "info", "What gpool itself tells."),
            Setting(
                "log_file",
                click.STRING,
                None,
                "Where to, instead of the standard error; opened anew on SIGUSR1.",
                metavar="FILE",
            ),
        ],
    ),
    Group(
        "Processes",
        [
            Setting(
                "processes",
                CountType(1),
                1,
                "More than one are gunicorn's, which starts, watches and replaces them; needs "
                "gpool[gunicorn].",
                short="-p",
            ),
            Setting(
                "max_requests",
                CountType(0),
                0,
                "After so many a process is replaced; 0 for never. Not with one process.",
            ),
            Setting(
                "max_requests_jitter",
                CountType(0),
                0,
                "Up to so many more, so that not all are replaced at once.",
            ),
            Setting(
                "worker_timeout",
                SecondsType(zero=True, optional=False),
                30.0,
                "A process whose Hub is blocked for so long is replaced; 0 for never. Not with "
                "one process.",
            ),
            Setting(
                "gc_share",
                ShareType(),
                GC_SHARE,
                "The most of the time that full garbage collections may take, which keep everybody "
                "waiting; 1 leaves them to Python.",
            ),
            Setting(
                "pid_file",
                click.Path(),
                None,
                "Where to write the process's number.",
                metavar="FILE",
            ),
        ],
    ),
    Group(
        "Watching",
        [
            Setting(
                "admin",
                AddressType(),
                None,
                "Where to listen for /metrics (with gpool[metrics]), /healthz, /readyz, /stats "
                "and the live page: a loopback address or unix:/path.",
                metavar="ADDRESS",
            ),
            switch(
                "admin_public",
                "Let admin be any address: whoever reaches it sees the figures.",
            ),
            Setting(
                "admin_full_threshold",
                SecondsType(zero=True, optional=False),
                FULL_THRESHOLD,
                "For how long there may be no room before /readyz says so.",
            ),
            Setting(
                "hub_block_threshold",
                SecondsType(zero=True),
                THRESHOLD,
                "A request that keeps all others waiting for so long, since it blocks without "
                "gevent, is reported with its stack; 0 for never.",
            ),
        ],
    ),
]

OPTIONS: dict[str, Setting] = {one.name: one for group in GROUPS for one in group.options}


def server_arguments(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of `values` that are arguments of `gpool.WSGIServer`."""
    return {name: value for name, value in values.items() if OPTIONS[name].server}
