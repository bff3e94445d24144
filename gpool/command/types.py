"""The types of the command's values: from text, or a file's value, to what the server takes.

What a value may be is said once, here, for the command line, the environment and the file; the
text of an error says what is allowed, click puts the option's name before it.
"""

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Any

import click

from gpool.config import seconds, share_of
from gpool.listener import is_unix, parse
from gpool.trusted import Trusted
from gpool.wsgi.forwarded import HEADERS as KNOWN
from gpool.wsgi.forwarded import names

__all__ = [
    "FD",
    "HEADERS",
    "PEERS",
    "AddressType",
    "BindType",
    "CountType",
    "ListType",
    "ModeType",
    "SecondsType",
    "ShareType",
    "SizeType",
]

if TYPE_CHECKING:
    ParamType = click.ParamType[Any]
else:
    ParamType = click.ParamType  # generic to a type checker only, before click 8.4

FD = "fd://"
UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


class CountType(ParamType):
    """A whole number.

    Args:
        minimum: the smallest.
        optional: whether ``none`` stands for "no limit".
        maximum: the largest, where there is one.
    """

    name = "count"

    def __init__(self, minimum: int, *, optional: bool = False, maximum: int | None = None) -> None:
        self.minimum = minimum
        self.optional = optional
        self.maximum = maximum

    def allowed(self) -> str:
        """What is allowed, in words."""
        least = f"a whole number of at least {self.minimum}"
        most = "" if self.maximum is None else f" and at most {self.maximum}"
        return least + most + (", or none" if self.optional else "")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A number, or None."""
        if self.optional and is_none(value):
            return None
        number = whole(value)
        if number is None or number < self.minimum or number > (self.maximum or number):
            self.fail(f"{value!r} is not {self.allowed()}.", param, ctx)
        return number


class SizeType(CountType):
    """A number of bytes; ``64k``, ``1M`` and ``1G`` are powers of 1 024."""

    name = "bytes"

    def allowed(self) -> str:
        """What is allowed, in words."""
        return f"a number of bytes of at least {self.minimum}, such as 65536, 64k or 1M"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A number."""
        if isinstance(value, str):
            text = value.strip().lower().removesuffix("b").removesuffix("i")
            unit = text[-1:] if text[-1:] in ("k", "m", "g") else ""
            number = whole(text.removesuffix(unit))
            value = value if number is None else number * UNITS[unit]
        return super().convert(value, param, ctx)


class SecondsType(ParamType):
    """A number of seconds.

    Args:
        zero: whether 0 is allowed.
        optional: whether ``none`` stands for "never".
    """

    name = "seconds"

    def __init__(self, *, zero: bool = False, optional: bool = True) -> None:
        self.zero = zero
        self.optional = optional

    def allowed(self) -> str:
        """What is allowed, in words."""
        least = "0 or more" if self.zero else "more than 0"
        return f"a number of seconds, {least}" + (", or none" if self.optional else "")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Seconds, or None."""
        if self.optional and is_none(value):
            return None
        try:
            number = value if isinstance(value, bool) else float(value)
            number = seconds(self.name, number, zero=self.zero)
        except (OverflowError, TypeError, ValueError):  # 1 and 400 zeros is a number in TOML
            self.fail(f"{value!r} is not {self.allowed()}.", param, ctx)
        return None if number == inf and self.optional else number


class ShareType(ParamType):
    """A share of a whole."""

    name = "share"

    def allowed(self) -> str:
        """What is allowed, in words."""
        return "a number more than 0 and at most 1, such as 0.0005"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The share."""
        try:
            number = value if isinstance(value, bool) else float(value)
            return share_of(self.name, number)
        except (OverflowError, TypeError, ValueError):
            self.fail(f"{value!r} is not {self.allowed()}.", param, ctx)


class AddressType(ParamType):
    """Where to listen: ``host:port``, ``[::]:8000``, ``:8000``, ``unix:/path``."""

    name = "address"
    descriptors = False

    def allowed(self) -> str:
        """What is allowed, in words."""
        more = " or fd://3" if self.descriptors else ""
        return f"host:port, [::1]:8000, :8000 (all interfaces), unix:/path{more}"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The address as text."""
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or not self._is_one(value):
            self.fail(f"{value!r} is not an address: {self.allowed()}.", param, ctx)
        if value.isdigit():
            return f"127.0.0.1:{value}"
        return value

    def _is_one(self, value: str) -> bool:
        if value.startswith(FD):
            return self.descriptors and value.removeprefix(FD).isdecimal()
        try:
            family_and_address = parse(value)
        except (TypeError, ValueError):
            return False
        if is_unix(value):
            return True
        host, port = family_and_address[1]
        is_name = not ({"/", ":"} & set(host)) or value.startswith("[")
        return is_name and 0 <= port <= 65_535  # noqa: PLR2004  # ports


class BindType(AddressType):
    """The same, and ``fd://3``: a descriptor that is open already."""

    descriptors = True

    def split_envvar_value(self, rv: str) -> list[str]:
        """Several in one variable are separated by commas or blanks."""
        return rv.replace(",", " ").split()


class ListType(ParamType):
    """Several values in one text, between commas; a list in a file.

    Args:
        name: what they are called.
        check: raises a TypeError or ValueError that says what is wrong.
        allowed: what is allowed, in words.
    """

    def __init__(self, name: str, check: Callable[[Any], object], allowed: str) -> None:
        self.name = name
        self._check = check
        self._allowed = allowed

    def allowed(self) -> str:
        """What is allowed, in words."""
        return self._allowed

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text, which is well-formed."""
        text = ",".join(map(str, value)) if isinstance(value, list) else value
        try:
            self._check(text)
        except (TypeError, ValueError) as error:
            self.fail(f"{error}.", param, ctx)
        return str(text)


class ModeType(ParamType):
    """An octal number, such as 027."""

    name = "octal"
    highest = 0o777

    def allowed(self) -> str:
        """What is allowed, in words."""
        return "an octal number from 0 to 777, such as 027"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """A number; one that is no text is taken as it is, TOML has 0o027."""
        try:
            mode = value if isinstance(value, int) else int(str(value), 8)
        except ValueError:
            mode = -1
        if isinstance(value, bool) or not 0 <= mode <= self.highest:
            self.fail(f"{value!r} is not {self.allowed()}.", param, ctx)
        return mode


#: Whom to trust.
PEERS = ListType("addresses", Trusted, "addresses and networks between commas, unix, *, or nothing")
#: What they are believed.
HEADERS = ListType("names", names, f"names between commas, of {', '.join(KNOWN)}")


def is_none(value: Any) -> bool:
    """Whether `value` says "none"."""
    return value is None or (isinstance(value, str) and value.strip().lower() in ("none", "off"))


def whole(value: Any) -> int | None:
    """A whole number, None if it is not one."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return None
    try:
        return int(value)
    except ValueError:
        return None
