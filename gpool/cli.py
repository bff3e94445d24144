"""The command ``gpool MODULE:APP``: what was said becomes a `Config`, and somebody serves it.

    click reads and checks --> Config --> --check, --print-config
                                     --> --reload: a child, with the same words
                                     --> more than one process: gunicorn's arbiter
                                     --> one: gpool.command.serving

Guarantees: a mistake of the user's is a line that names it, and the exit status 2, or 1 where it
is not the command line's; an application that cannot be imported shows its own traceback, and the
status is 1.
"""

import json
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click
from click.core import ParameterSource
from gevent import monkey

from gpool.command import building
from gpool.command.listeners import listener
from gpool.command.loading import AppFailed, load
from gpool.command.options import GROUPS, OPTIONS
from gpool.command.reload import RELOADED, watch_and_serve
from gpool.command.serving import serve
from gpool.command.setting import ENV, Setting
from gpool.command.sources import (
    APP,
    Config,
    GpoolOption,
    check_environment,
    find_file,
    origin,
)
from gpool.command.systemd import listen_fds
from gpool.processes import supervise
from gpool.version import __version__

__all__ = ["main"]

WORDS = """Serve a WSGI application: MODULE:NAME, or MODULE:FACTORY() to call what makes it.

Each option can also be a variable, --max-workers is GPOOL_MAX_WORKERS, or a line in gpool.toml or
pyproject.toml [tool.gpool], max_workers = 100. The command line comes first, then the variables,
then the file. TERM ends after what is being served, INT at once."""


class GpoolCommand(click.Command):
    """A command whose help has the options in their groups."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a section for each group."""
        by_name = {one.name: one for one in self.params if isinstance(one, GpoolOption)}
        for group in GROUPS:
            with formatter.section(group.title):
                formatter.write_dl([record(ctx, by_name[one.name]) for one in group.options])
        rest = [one for one in self.params if isinstance(one, click.Option)]
        with formatter.section("More"):
            records = [one.get_help_record(ctx) for one in rest if not isinstance(one, GpoolOption)]
            formatter.write_dl([one for one in [*records, self._help_record(ctx)] if one])

    def _help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        option = self.get_help_option(ctx)
        return None if option is None else option.get_help_record(ctx)


def record(ctx: click.Context, option: GpoolOption) -> tuple[str, str]:
    """An option's two columns in the help."""
    names, text = option.get_help_record(ctx) or ("", "")
    if option.setting.kind is click.BOOL and not option.setting.default:
        names = names.split(" / ")[0]  # the other is for who overrides a file
    return names, f"{text}  [{option.default_in_words()}]" if option.setting.file else text


def use_file(ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """Let the file's values stand behind those of the command line and the environment."""
    found = find_file(value)
    if found is not None:
        ctx.default_map = found.values
        ctx.meta["gpool.file"] = str(found.path)
    return value


def parameters() -> list[click.Parameter]:
    """The command's."""
    options = [GpoolOption(one) for one in OPTIONS.values()]
    for option in options:
        if option.name == "config":
            option.is_eager = True
            option.callback = use_file
    app = click.Argument([APP], required=False, envvar=ENV + APP.upper(), metavar="MODULE:APP")
    version = click.version_option(__version__, "-V", "--version", message="gpool %(version)s")
    command: Any = version(click.Command(None))
    return [app, *options, *command.params]


def config_of(ctx: click.Context, values: dict[str, Any]) -> Config:
    """What was said, with what systemd and a reloading parent have to say."""
    check_environment(os.environ)
    app = values.pop(APP)
    origins = {name: origin(ctx, name) for name in values}
    sockets = listen_fds(os.environ)
    if ctx.get_parameter_source("bind") is ParameterSource.DEFAULT and sockets:
        values["bind"], origins["bind"] = tuple(f"fd://{one}" for one in sockets), "systemd"
    inherited = os.environ.pop(RELOADED, "")
    if inherited:
        values["bind"] = tuple(f"fd://{one}" for one in inherited.split(","))
        values["reload"] = False
        values["pid_file"] = None  # the parent's
    if app is None and not values["print_config"]:
        raise click.UsageError("Which application? gpool MODULE:APP, such as gpool app:app.")
    return Config(app or "", values, origins)


def run(**values: Any) -> None:
    """The command itself."""
    ctx = click.get_current_context()
    config = config_of(ctx, values)
    if config["print_config"]:
        print_config(ctx, config)
        return
    try:
        folder = os.getcwd()  # noqa: PTH109  # sys.path has texts, too
        os.chdir(config["chdir"])
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
    except OSError as error:  # it may not be searched, or is gone
        raise click.ClickException(f"--chdir {config['chdir']}: {error.strerror}") from None
    if config["umask"] is not None:
        os.umask(config["umask"])
    if config["check"]:
        check(config)
    elif config["reload"]:
        watch_and_serve(config, ctx.meta["gpool.arguments"], folder)
    elif config["processes"] > 1 or config["max_requests"]:
        supervise(config)
    else:
        patch(config)
        serve(config)


def patch(config: Config) -> None:
    """Let gevent replace what blocks, unless it is not to."""
    if config["monkey_patch"]:
        monkey.patch_all()


def check(config: Config) -> None:
    """Import the application and build everything, without listening."""
    patch(config)
    context = building.tls_context(config)
    listeners = [listener(address) for address in config["bind"]]
    application = load(config.app)
    hosting = building.hosting(config, listeners, application, ssl_context=context)
    building.admin(config, hosting, building.watch(config))
    click.echo(f"{config.app} and the configuration are good: {application!r}")


def print_config(ctx: click.Context, config: Config) -> None:
    """Print every value as a line of TOML, and where it came from."""
    if config.app:
        click.echo(f"{APP} = {in_toml(config.app)}  # {origin(ctx, APP)}")
    for group in GROUPS:
        click.echo(f"\n# {group.title}")
        for one in group.options:
            if one.file:
                click.echo(f"{line(one, config[one.name])}  # {config.origins[one.name]}")


def line(option: Setting, value: Any) -> str:
    """An option as a line of the file; a comment if it cannot or need not be in one."""
    if value is None and option.default is None:
        return f"# {option.name} = none"
    if value is not None and "password" in option.name:
        return f'# {option.name} = "..."'
    return f"{option.name} = {in_toml(value)}"


def in_toml(value: Any) -> str:
    """A value as TOML has it."""
    if value is None:
        return '"none"'
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(in_toml, value))}]"
    if isinstance(value, (bool, str)):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value)


def standard_streams() -> None:
    """Open those of 0, 1 and 2 that are closed: a listener or a log must not get their numbers."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:  # noqa: PLR2004  # stderr
        os.set_inheritable(descriptor, True)  # noqa: FBT003  # takes no keyword
    os.close(descriptor)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: PTH123, SIM115


def main(arguments: Sequence[str] | None = None) -> None:
    """The command's entry point; ends the process.

    Args:
        arguments: of the command line; `sys.argv`'s by default.
    """
    standard_streams()
    words = list(sys.argv[1:] if arguments is None else arguments)
    command = GpoolCommand("gpool", callback=run, params=parameters(), help=WORDS)
    settings: dict[str, Any] = {"max_content_width": 100, "help_option_names": ["-h", "--help"]}
    command.context_settings = settings
    try:
        with command.make_context("gpool", words[:]) as ctx:
            ctx.meta["gpool.arguments"] = words
            command.invoke(ctx)
    except click.exceptions.Exit as ending:
        sys.exit(ending.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except AppFailed as failed:
        traceback.print_exception(failed.error)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # whoever read what we print has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
