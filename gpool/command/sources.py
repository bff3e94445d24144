"""Where a value comes from: the command line, the environment, a file, or nobody.

In this order: whoever is first wins. click asks the first two and converts and checks whatever it
finds, so that a value is checked the same wherever it came from; here is what click does not do:
the file, names that nobody knows, and saying where a wrong value stood.

Guarantees: a name in the file or the environment that is not known is an error that says which
one is near; an error names the option, the value, what is allowed, and where the value stood.
"""

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from gpool.command.options import OPTIONS
from gpool.command.setting import ENV, Setting
from gpool.command.types import ListType

__all__ = ["APP", "Config", "Found", "GpoolOption", "check_environment", "find_file", "read_file"]

APP = "app"
FILES = ("gpool.toml", "pyproject.toml")
SHAPES: dict[type, str] = {bool: "true or false", list: "a list", str: "a text"}
#: Variables that are no options: the build's, and what Kubernetes sets for a service called gpool.
NOT_OPTIONS = re.compile(r"GPOOL_(PURE_PYTHON|RELOADED|SERVICE_.*|PORT|PORT_.*)")


@dataclass(frozen=True, slots=True)
class Found:
    """What a file says.

    Attributes:
        path: of the file.
        values: by name.
    """

    path: Path
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that was said, and by whom.

    Attributes:
        app: the application, as ``module:name``.
        values: of every option.
        origins: where each of them stood, in words.
    """

    app: str
    values: Mapping[str, Any]
    origins: Mapping[str, str]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


def unknown(name: str, where: str, known: Iterable[str]) -> click.UsageError:
    """The error for a name that nobody knows."""
    by_word = {one.removeprefix(ENV): one for one in known}  # what all have says nothing
    near = get_close_matches(name.removeprefix(ENV), by_word, n=1)
    hint = f" Did you mean {by_word[near[0]]}?" if near else " See gpool --help."
    return click.UsageError(f"{where} has no option {name}.{hint}")


# ---------------------------------------------------------------------- the environment


def check_environment(environ: Mapping[str, str]) -> None:
    """Look for variables that begin like ours and are none.

    Raises:
        click.UsageError: there is one.
    """
    known = [one.variable for one in OPTIONS.values()] + [ENV + APP.upper()]
    for name in environ:
        if name.startswith(ENV) and name not in known and not NOT_OPTIONS.fullmatch(name):
            raise unknown(name, "The environment", known)


# ---------------------------------------------------------------------- the file


def find_file(named: str | None) -> Found | None:
    """The file that was named, or the first that is here; None if there is none.

    Raises:
        click.UsageError: it cannot be read, or says what nobody knows.
    """
    if named is not None:
        return read_file(Path(named))
    for name in FILES:
        path = Path(name)
        if path.is_file():
            found = read_file(path, required=name != "pyproject.toml")
            if found is not None:
                return found
    return None


def read_file(path: Path, *, required: bool = True) -> Found | None:
    """Read a file.

    Args:
        path: of ``pyproject.toml``, with a table ``[tool.gpool]``, or of a file that has our keys
            at the top, or in that table.
        required: whether it is an error that there is nothing of ours.
    """
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror}") from None
    except (RecursionError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise click.UsageError(f"{path}: {error}") from None
    table = data.get("tool", {}).get("gpool") if isinstance(data.get("tool"), dict) else None
    if table is not None and not isinstance(table, dict):
        raise click.UsageError(f"{path}: tool.gpool must be a table, not {table!r}.")
    if table is None and (path.name == "pyproject.toml" or "tool" in data):
        if required:
            raise click.UsageError(f"{path} has no table [tool.gpool].")
        return None
    return Found(path, checked(path, data if table is None else table))


def checked(path: Path, table: dict[str, Any]) -> dict[str, Any]:
    """A file's values, by the names that the options have."""
    known = [name for name, one in OPTIONS.items() if one.file] + [APP]
    values: dict[str, Any] = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name not in known:
            raise unknown(key, str(path), known)
        values[name] = shaped(path, name, value)
    return values


def shaped(path: Path, name: str, value: Any) -> Any:
    """A value, if it has its option's shape: click's own types expect no more than texts."""
    shape = shape_of(OPTIONS.get(name))
    if shape is not None and not isinstance(value, shape):
        raise wrong(path, name, f"{value!r} is not {SHAPES[shape]}.")
    if any("\0" in str(one) for one in (value if isinstance(value, list) else [value])):
        raise wrong(path, name, f"{value!r} has a NUL.")
    return value


def shape_of(option: Setting | None) -> type | None:
    """What a value in the file must be; None if the option's type looks itself."""
    if option is None:
        return str
    if option.multiple:
        return list
    if option.kind is click.BOOL:
        return bool
    texts = (click.Choice, click.Path, click.types.StringParamType)
    return str if isinstance(option.kind, texts) else None


def wrong(path: Path, name: str, text: str) -> click.BadParameter:
    """The error for a value in the file, as click words it for the others."""
    hint = OPTIONS[name].flag if name in OPTIONS else name
    return click.BadParameter(text, param_hint=f"'{hint}' (from {path})")


# ---------------------------------------------------------------------- click's options


class GpoolOption(click.Option):
    """An option of the table.

    Args:
        setting: what it is.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        flag = setting.flag
        if setting.kind is click.BOOL:
            flag += f"/--no-{flag.removeprefix('--')}"
        super().__init__(
            [flag, *([setting.short] if setting.short else [])],
            type=setting.kind,
            default=list(setting.default) if setting.multiple else setting.default,
            help=setting.text,
            envvar=setting.variable,
            multiple=setting.multiple,
            metavar=setting.metavar,
        )

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """The variable; PORT, which many a platform sets, is one of ``bind``'s."""
        value = super().resolve_envvar_value(ctx)
        if value is None and self.name == "bind" and os.environ.get("PORT"):
            return f":{os.environ['PORT']}"
        if value is None and isinstance(self.setting.kind, ListType):
            return os.environ.get(self.setting.variable)  # to believe nobody is not the default
        return value

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """What a wrong value is called: the option, and where it stood."""
        hint = f"'{self.setting.flag}'"
        where = origin(ctx, self.setting.name) if ctx is not None else ""
        return hint if where in ("", "command line") else f"{hint} (from {where})"

    def default_in_words(self) -> str:
        """What it is if nobody says anything."""
        default = self.setting.default
        if default is None:
            return "none"
        if isinstance(default, bool):
            return "on" if default else "off"
        if isinstance(default, (tuple, list)):
            return ", ".join(default) or "none"
        return f"{default:g}" if isinstance(default, float) else str(default)


def origin(ctx: click.Context, name: str) -> str:
    """Where the value of an option stood, in words."""
    source = ctx.get_parameter_source(name)
    if source is ParameterSource.COMMANDLINE:
        return "command line"
    if source is ParameterSource.ENVIRONMENT:
        variable = OPTIONS[name].variable if name in OPTIONS else ENV + name.upper()
        return "PORT" if name == "bind" and not os.environ.get(variable) else variable
    if source is ParameterSource.DEFAULT_MAP:
        return str(ctx.meta.get("gpool.file", "the file"))
    return "default"
