"""The shape of the package: imports only go down the ladder, modules stay small."""

import ast
from pathlib import Path

import pytest

import gpool

PACKAGE = Path(gpool.__file__).parent

#: From the bottom up: a module imports only what stands before it.
LADDER = [
    "version",
    "errors",
    "states",
    "config",
    "adaptive",
    "trusted",
    "log",
    "garbage",
    "hubsight",
    "hubwatch",
    "certificates",
    "limits",
    "stats",
    "waiting",
    "worker",
    "workers",
    "pool",
    "connection",
    "lingering",
    "overflow",
    "hijacks",
    "tcpinfo",
    "descriptors",
    "listener",
    "accepting",
    "admission",
    "server",
    "wsgi",
    "wsgi.framing",
    "wsgi.scanning",
    "wsgi.request",
    "wsgi.forwarded",
    "wsgi.proxyprotocol",
    "wsgi.body",
    "wsgi.response",
    "wsgi.refusals",
    "wsgi.parking",
    "wsgi.files",
    "wsgi.template",
    "wsgi.settings",
    "wsgi.access",
    "wsgi.tally",
    "wsgi.ownepoll",
    "wsgi.slowlane",
    "wsgi.site",
    "wsgi.sockets",
    "wsgi.windows",
    "wsgi.watched",
    "wsgi.wire",
    "wsgi.lobby",
    "wsgi.answer",
    "wsgi.application",
    "wsgi.upgrade",
    "wsgi.intake",
    "wsgi.connection",
    "wsgi.parked",
    "wsgi.keeping",
    "wsgi.tls_environ",
    "wsgi.tls",
    "wsgi.queueing",
    "wsgi.adapting",
    "wsgi.server",
    "hosting",
    "admin",
    "admin.snapshot",
    "admin.spool",
    "admin.history",
    "admin.metrics",
    "admin.page",
    "admin.server",
    "__init__",
    "command",
    "command.types",
    "command.setting",
    "command.server_options",
    "command.options",
    "command.sources",
    "command.loading",
    "command.logs",
    "command.systemd",
    "command.listeners",
    "command.pidfile",
    "command.building",
    "command.serving",
    "command.reload",
    "gunicorn.settings",
    "gunicorn.answers",
    "gunicorn.siblings",
    "gunicorn.worker",
    "gunicorn",
    "processes",
    "cli",
    "__main__",
]
MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path):
    """A module's name below gpool."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


def imported(path):
    """The modules of gpool that the one at `path` imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: a relative import"
            names = [node.module or ""]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            if name == "gpool" or name.startswith("gpool."):
                yield name.removeprefix("gpool").removeprefix(".") or "__init__"


def test_every_module_has_its_rung():
    assert {name_of(path) for path in MODULES} == set(LADDER)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_only_go_down(path):
    rung = LADDER.index(name_of(path))
    assert all(LADDER.index(name) < rung for name in imported(path))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_opens_with_its_design_and_stays_under_400_lines(path):
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) <= 400
