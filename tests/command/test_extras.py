"""What is not installed, and what is out of its range, is said in the command's own words."""

import sys

import click
import pytest

from gpool.command import building
from gpool.command.reload import watch_and_serve
from gpool.processes import supervise
from tests.command.parts import configured


@pytest.mark.parametrize(
    ("module", "serve", "extra"),
    [
        ("watchfiles", lambda config: watch_and_serve(config, [], "."), "gpool[reload]"),
        ("gunicorn.app.base", supervise, "gpool[gunicorn]"),
    ],
)
def test_a_part_that_is_not_installed_is_named_with_what_to_install(
    monkeypatch, module, serve, extra
):
    monkeypatch.setitem(sys.modules, module, None)  # to import it is an ImportError
    with pytest.raises(click.ClickException) as raised:
        serve(configured("a:b"))
    assert raised.value.message.endswith(f"pip install '{extra}'")


def test_a_setting_that_a_server_refuses_is_an_error_of_the_command():
    """Those that depend on each other are checked when the server is made."""
    with pytest.raises(click.ClickException) as raised:
        building.hosting(configured("a:b"), [("127.0.0.1", 0)], application=None)
    assert "application" in raised.value.message
