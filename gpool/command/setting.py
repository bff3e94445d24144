"""What an option is, and what makes one."""

from dataclasses import dataclass, field
from math import inf
from typing import Any

import click

from gpool.command.types import SecondsType
from gpool.wsgi.framing import Limits
from gpool.wsgi.settings import Settings

__all__ = ["ENV", "LIMITS", "SETTINGS", "Group", "Setting", "of_server", "switch", "timeout"]

ENV = "GPOOL_"
SETTINGS, LIMITS = Settings(), Limits()


@dataclass(frozen=True, slots=True)
class Setting:
    """One option.

    Attributes:
        name: its name in Python and in the file; with dashes on the command line.
        kind: of its values.
        default: what it is without anybody's word.
        text: what it does, a sentence or two.
        short: the one-letter form, if it has one.
        multiple: whether it may be given more than once.
        metavar: what stands for the value in the help.
        server: whether it is an argument of `gpool.WSGIServer`.
        file: whether it can be set in the file; what is about the command itself cannot.
    """

    name: str
    kind: Any
    default: Any
    text: str
    short: str = ""
    multiple: bool = False
    metavar: str | None = None
    server: bool = False
    file: bool = True

    @property
    def flag(self) -> str:
        """The option as it is written on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment's variable."""
        return ENV + self.name.upper()


@dataclass(frozen=True, slots=True)
class Group:
    """Options that belong together.

    Attributes:
        title: in the help and the docs.
        options: in this order.
    """

    title: str
    options: list[Setting] = field(default_factory=list)


def of_server(name: str, kind: Any, default: Any, text: str, **more: Any) -> Setting:
    """An option that is an argument of the server."""
    return Setting(name, kind, default, text, server=True, **more)


def switch(name: str, text: str, *, on: bool = False, **more: Any) -> Setting:
    """An option that is on or off."""
    return Setting(name, click.BOOL, on, text, **more)


def timeout(name: str, text: str, *, zero: bool = False) -> Setting:
    """One of the server's times; its default is written where the server has it."""
    default = getattr(SETTINGS, name)
    kind = SecondsType(zero=zero)
    return of_server(name, kind, None if default == inf else default, text)
