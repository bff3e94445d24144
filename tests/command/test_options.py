"""The table of options: complete, well-formed, and the same through every source."""

import re
from dataclasses import fields
from inspect import signature

import click
import pytest

from gpool import WSGIServer
from gpool.command.options import GROUPS, OPTIONS, server_arguments
from gpool.hosting import Hosting
from gpool.wsgi.framing import Limits
from gpool.wsgi.settings import Settings
from tests.command.parts import FILE, LINE, SOURCES, VARIABLE, configured, sample, through

#: Arguments of the server that are something else to the command.
NOT_OPTIONS = {
    "listener": "--bind",
    "application": "MODULE:APP",
    "spawn": "there is one pool",
    "environ": "a program's",
    "log": "--access-log",
    "ssl_context": "--tls-cert",
    "keyfile": "--tls-key",
    "certfile": "--tls-cert",
    "settings": "each has its option",
}
ALL = sorted(OPTIONS)
IN_FILES = sorted(name for name, one in OPTIONS.items() if one.file)


def arguments_of_the_server():
    own = {one.name for one in (*fields(Settings), *fields(Limits))} - {"limits"}
    return own | signature(WSGIServer).parameters.keys() - NOT_OPTIONS.keys()


def test_each_argument_of_the_server_is_an_option_and_nothing_else():
    options = {name for name, one in OPTIONS.items() if one.server}
    assert options == arguments_of_the_server()


def test_what_is_no_option_is_still_an_argument_of_the_server():
    assert NOT_OPTIONS.keys() <= signature(WSGIServer).parameters.keys()


def default_of_the_server(name):
    if name in signature(WSGIServer).parameters:
        return signature(WSGIServer).parameters[name].default
    settings = Settings()
    return getattr(settings if hasattr(settings, name) else settings.limits, name)


#: What the command has otherwise: on a machine of one's own, the proxy is on it.
OTHER_DEFAULTS = {"backlog", "forwarded_allow_ips", "proxy_allow_ips"}


@pytest.mark.parametrize("name", sorted(arguments_of_the_server() - OTHER_DEFAULTS))
def test_a_default_is_the_servers(name):
    expected = default_of_the_server(name)
    assert OPTIONS[name].default == (None if expected == float("inf") else expected)


def test_the_server_takes_all_defaults():
    values = {name: one.default for name, one in OPTIONS.items()}
    Hosting([("127.0.0.1", 0)], lambda environ, start: [], **server_arguments(values))


def test_names_and_short_forms_are_given_once():
    options = [one for group in GROUPS for one in group.options]
    names = [one.name for one in options]
    shorts = [one.short for one in options if one.short]
    assert len(set(names)) == len(names)
    assert len(set(shorts)) == len(shorts)


@pytest.mark.parametrize("name", ALL)
def test_an_option_is_well_formed(name):
    option = OPTIONS[name]
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name)
    assert option.flag == "--" + name.replace("_", "-")
    assert option.variable == "GPOOL_" + name.upper()
    assert re.fullmatch(r"[A-Z].*\.", option.text)
    assert option.metavar is None or option.metavar.isupper()


def test_groups_have_titles_and_options():
    titles = [group.title for group in GROUPS]
    assert len(set(titles)) == len(titles)
    assert all(title and group.options for title, group in zip(titles, GROUPS, strict=True))


@pytest.mark.parametrize("name", IN_FILES)
@pytest.mark.parametrize("source", SOURCES)
def test_an_option_has_the_same_value_through_each_source(source, name, folder, monkeypatch):
    config = configured(*through(source, name, folder, monkeypatch), "a:b")
    assert config[name] == sample(name, folder)[0]
    assert config[name] != OPTIONS[name].default
    origins = {LINE: "command line", VARIABLE: OPTIONS[name].variable, FILE: "gpool.toml"}
    assert config.origins[name] == origins[source]


@pytest.mark.parametrize("name", ["check", "print_config"])
@pytest.mark.parametrize("source", [LINE, VARIABLE])
def test_what_is_about_the_command_itself_is_no_key_of_a_file(source, name, folder, monkeypatch):
    assert configured(*through(source, name, folder, monkeypatch), "a:b")[name]
    (folder / "gpool.toml").write_text(f"{name} = true\n")
    with pytest.raises(click.UsageError, match=f"gpool.toml has no option {name}"):
        configured("a:b")


@pytest.mark.parametrize("name", sorted(set(IN_FILES) - {"bind"}))
def test_an_empty_variable_says_nothing(name, monkeypatch):
    monkeypatch.setenv(OPTIONS[name].variable, "")
    config = configured("a:b")
    default = OPTIONS[name].default
    if name in ("forwarded_allow_ips", "forwarded_headers", "proxy_allow_ips"):
        default = ""  # but that nobody is to be believed
    assert config[name] == default


@pytest.mark.parametrize("name", [name for name in ALL if OPTIONS[name].short])
def test_a_short_form_is_the_option(name, folder):
    value, word, _ = sample(name, folder)
    if name == "config":
        (folder / "c.toml").write_text("max_workers = 3\n")
        assert configured("-c", "c.toml", "a:b")["max_workers"] == 3
    else:
        assert configured(OPTIONS[name].short, word, "a:b")[name] == value
