"""The command read in the test's own process, and a value for each of its options."""

import json

import click

from gpool.cli import GpoolCommand, config_of, parameters
from gpool.command.options import OPTIONS
from gpool.command.types import (
    HEADERS,
    AddressType,
    BindType,
    CountType,
    ListType,
    ModeType,
    SecondsType,
    ShareType,
    SizeType,
)

__all__ = ["LINE", "SOURCES", "VARIABLE", "configured", "said", "sample", "through"]

COMMAND = GpoolCommand("gpool", params=parameters())  # making it takes longer than to ask it
LINE, VARIABLE, FILE = SOURCES = ("command line", "variable", "file")


def configured(*words):
    """What becomes of the words of a command line, and of what else there is."""
    with COMMAND.make_context("gpool", list(words)) as ctx:
        return config_of(ctx, dict(ctx.params))


def said(*words):
    """What is said to the user of these words."""
    try:
        configured(*words)
    except click.ClickException as error:
        return error.format_message()
    raise AssertionError(f"{words} are good")


def sample(name, folder):  # noqa: C901, PLR0911  # one for each type
    """A value of an option that is not its default, and its forms: a word, and in the file."""
    option = OPTIONS[name]
    kind = option.kind
    if kind is click.BOOL:
        return not option.default, str(not option.default).lower(), not option.default
    if isinstance(kind, SizeType):
        return 4_096, "4k", 4_096
    if isinstance(kind, CountType):
        return kind.minimum + 6, str(kind.minimum + 6), kind.minimum + 6
    if isinstance(kind, SecondsType):
        return 3.5, "3.5", 3.5
    if isinstance(kind, ShareType):
        return 0.125, "0.125", 0.125
    if isinstance(kind, ModeType):
        return 0o27, "027", "027"
    if isinstance(kind, ListType):
        items = ["x-forwarded-proto", "forwarded"] if kind is HEADERS else ["10.0.0.0/8", "unix"]
        return ",".join(items), ",".join(items), items
    if isinstance(kind, click.Choice):
        value = next(one for one in reversed(kind.choices) if one != option.default)
        return value, value, value
    if isinstance(kind, BindType):
        return ("127.0.0.1:9001",), "127.0.0.1:9001", ["127.0.0.1:9001"]
    if isinstance(kind, AddressType):
        return "127.0.0.1:9001", "127.0.0.1:9001", "127.0.0.1:9001"
    path = str(folder)
    return ((path,), path, [path]) if option.multiple else (path, path, path)


def through(source, name, folder, monkeypatch):
    """The words that give an option its sample through a source; sets the others up."""
    option = OPTIONS[name]
    value, word, in_file = sample(name, folder)
    if source == FILE:
        (folder / "gpool.toml").write_text(f"{name} = {json.dumps(in_file)}\n")
        return []
    if source == VARIABLE:
        monkeypatch.setenv(option.variable, word)
        return []
    if option.kind is click.BOOL:
        return [option.flag if value else f"--no-{option.flag[2:]}"]
    return [option.flag, word]
