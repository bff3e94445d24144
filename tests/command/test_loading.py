"""From module:name to an application: every form, every mistake, and the application's own."""

import sys
import traceback

import click
import pytest

import gpool.command.loading
from gpool.command.loading import AppFailed, load

GOOD = """
def app(environ, start_response):
    return []

class Site:
    class inner:
        @staticmethod
        def app(environ, start_response):
            return []

def create_app(*args, **named):
    def made(environ, start_response):
        return [args, named]
    return made

class Maker:
    @staticmethod
    def make(word):
        return create_app(word)

NUMBER = 3

def make_number():
    return 3
"""


def made(found):
    return found(None, None)


def refused(app):
    with pytest.raises(click.UsageError) as raised:
        load(app)
    assert "\n" not in raised.value.message
    return raised.value.message


def failed(app):
    """The traceback that the user sees."""
    with pytest.raises(AppFailed) as raised:
        load(app)
    return "".join(traceback.format_exception(raised.value.error))


@pytest.fixture(autouse=True)
def good(module):
    module("site_a", GOOD)


# ---------------------------------------------------------------------- forms


def test_a_name_in_a_module():
    assert load("site_a:app") is sys.modules["site_a"].app


def test_a_name_in_a_package(module):
    module("package_a.inner", GOOD)
    assert load("package_a.inner:app") is sys.modules["package_a.inner"].app


def test_a_name_with_dots():
    assert load("site_a:Site.inner.app") is sys.modules["site_a"].Site.inner.app


@pytest.mark.parametrize("name", ["app", "application"])
def test_without_a_name_it_is_the_usual_one(module, name):
    module("site_b", f"def {name}(environ, start_response): pass\n")
    assert load("site_b") is getattr(sys.modules["site_b"], name)


def test_application_goes_before_app(module):
    module("site_b", "def app(*args): pass\ndef application(*args): pass\n")
    assert load("site_b").__name__ == "application"


@pytest.mark.parametrize(
    ("call", "args", "named"),
    [
        ("create_app()", (), {}),
        ("create_app('a', 2)", ("a", 2), {}),
        ("create_app( 'a' , b = [1, {'c': None}] )", ("a",), {"b": [1, {"c": None}]}),
        ('create_app("it\'s: a colon")', ("it's: a colon",), {}),
        ("Maker.make(-1)", (-1,), {}),
    ],
)
def test_a_factory_is_called_with_literals(call, args, named):
    assert made(load(f"site_a:{call}")) == [args, named]


# ---------------------------------------------------------------------- mistakes


@pytest.mark.parametrize("app", ["", ":", ":app", "site_a:", ".site_a:app", "a..b:app", "a.:app"])
def test_what_is_no_name_of_a_module(app):
    assert refused(app) == f"{app!r} is not an application: module:name or module:factory()."


@pytest.mark.parametrize(
    "expression",
    [
        "app:app",
        "app(",
        "app[0]",
        "app or 3",
        "1",
        "'app'",
        "app; app",
        " app",
        "create_app(app)",
        "create_app(f())",
        "create_app(*[1])",
        "create_app(**{'a': 1})",
        "create_app()()",
        "create_app().app",
        "lambda: app",
        "app\napp",
        "a." * 20_000 + "a",
        "(" * 5_000,
    ],
    ids=lambda expression: expression[:24].replace("\n", " "),
)
def test_what_is_no_name_in_a_module(expression):
    message = refused(f"site_a:{expression}")
    assert message.endswith("such as app or create_app('production').")


def test_a_module_that_is_not_there_is_named():
    message = refused("nowhere:app")
    assert message.startswith("'nowhere:app': there is no module 'nowhere' in ")
    assert "--chdir" in message


@pytest.mark.parametrize("app", ["nowhere.inner:app", "site_a.inner:app", "site_a.py:app"])
def test_a_package_that_is_none_is_named(app):
    assert "there is no module" in refused(app)


def test_a_name_that_is_not_there_suggests_the_nearest():
    assert refused("site_a:ap").endswith("has no 'ap'. Did you mean app?")
    assert refused("site_a:Site.iner.app").endswith("has no 'iner'. Did you mean inner?")
    assert refused("site_a:xyzzy").endswith("has no 'xyzzy'.")


def test_without_a_name_there_must_be_a_usual_one(module):
    module("site_b", "def wsgi(*args): pass\n")
    assert "has no 'application'" in refused("site_b")


def test_what_cannot_be_called_is_named():
    assert refused("site_a:NUMBER") == "'site_a:NUMBER' is 3, which cannot be called."
    assert refused("site_a:NUMBER()") == "'site_a:NUMBER()': 3 cannot be called."
    assert refused("site_a:make_number()").endswith("is 3, which cannot be called.")


# ---------------------------------------------------------------------- the application's own


OURS = (gpool.command.loading.__file__, "importlib")


def assert_its_own(text, *lines):
    """The traceback has the application's lines and none of ours."""
    for line in lines:
        assert line in text
    for ours in OURS:
        assert ours not in text


def test_an_error_in_the_module(module):
    module("bad_a", "def deep():\n    raise RuntimeError('own')\n\ndeep()\n")
    text = failed("bad_a:app")
    assert_its_own(text, "bad_a.py", "in deep", "RuntimeError: own")
    assert text.splitlines()[1].strip().startswith("File")


def test_an_error_in_a_module_that_it_imports(module):
    module("bad_a", "import bad_b\n")
    module("bad_b", "1 / 0\n")
    assert_its_own(failed("bad_a:app").replace("<frozen importlib", "<"), "bad_b.py", "ZeroDiv")


def test_a_syntax_error(module):
    module("bad_a", "def app(:\n")
    assert_its_own(failed("bad_a:app"), "bad_a.py", "SyntaxError")


def test_an_import_that_fails_in_the_application_is_its_own(module):
    module("bad_a", "import nowhere_at_all\n")
    assert_its_own(failed("bad_a:app"), "bad_a.py", "No module named 'nowhere_at_all'")


def test_an_import_of_a_part_that_is_missing_is_its_own(module):
    module("bad_a", "import bad_a.missing\n")
    assert_its_own(failed("bad_a:app"), "bad_a.py", "bad_a.missing")


@pytest.mark.parametrize("status", ["", "0", "3", "'words'"])
def test_a_module_cannot_end_the_process(module, status):
    module("bad_a", f"import sys\nsys.exit({status})\n")
    assert_its_own(failed("bad_a:app"), "bad_a.py", "SystemExit")


def test_a_factory_cannot_end_the_process(module):
    module("bad_a", "import sys\ndef create_app():\n    sys.exit(0)\n")
    assert_its_own(failed("bad_a:create_app()"), "bad_a.py", "SystemExit")


def test_an_error_in_a_factory(module):
    module("bad_a", "def create_app():\n    raise ValueError('own')\n")
    assert_its_own(failed("bad_a:create_app()"), "bad_a.py", "in create_app", "ValueError: own")


def test_what_it_was_caused_by_is_shown(module):
    module("bad_a", "try:\n    1 / 0\nexcept Exception as e:\n    raise ValueError('own') from e\n")
    assert_its_own(failed("bad_a:app"), "ZeroDivisionError", "direct cause", "ValueError: own")


def test_the_wrong_arguments_for_a_factory(module):
    module("bad_a", "def create_app():\n    pass\n")
    assert "TypeError: create_app() takes 0 positional" in failed("bad_a:create_app(1)")


def test_a_module_that_makes_its_names_may_fail(module):
    module("bad_a", "def __getattr__(name):\n    raise ValueError('own')\n")
    assert_its_own(failed("bad_a:app"), "bad_a.py", "ValueError: own")


@pytest.mark.parametrize("app", ["bad_a:app", "bad_a:create_app()"])
def test_ctrl_c_is_not_the_applications(module, app):
    text = "raise KeyboardInterrupt\n"
    module("bad_a", text if app == "bad_a:app" else f"def create_app():\n    {text}")
    with pytest.raises(KeyboardInterrupt):
        load(app)
