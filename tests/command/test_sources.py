"""Where values come from, in which order, and what is said of what nobody knows."""

import tomllib

import click
import pytest

from gpool.cli import main
from gpool.command.options import OPTIONS
from gpool.command.sources import find_file, read_file
from tests.command.parts import configured, said, sample

KUBERNETES = {
    "GPOOL_SERVICE_HOST": "10.3.0.1",
    "GPOOL_SERVICE_PORT": "80",
    "GPOOL_SERVICE_PORT_HTTP": "80",
    "GPOOL_PORT": "tcp://10.3.0.1:80",
    "GPOOL_PORT_80_TCP": "tcp://10.3.0.1:80",
    "GPOOL_PORT_80_TCP_PROTO": "tcp",
}


def write(folder, text, name="gpool.toml"):
    (folder / name).write_text(text)


def printed(capsys, *words):
    """What --print-config prints."""
    main(["--print-config", *words])
    return capsys.readouterr().out


# ---------------------------------------------------------------------- order


def test_nobody_says_anything():
    config = configured("a:b")
    assert config["max_workers"] == OPTIONS["max_workers"].default
    assert config.origins["max_workers"] == "default"


def test_the_first_source_wins(folder, monkeypatch):
    write(folder, "max_workers = 2\n")
    assert configured("a:b")["max_workers"] == 2
    monkeypatch.setenv("GPOOL_MAX_WORKERS", "3")
    assert configured("a:b")["max_workers"] == 3
    assert configured("a:b", "--max-workers", "4")["max_workers"] == 4


def test_a_command_line_turns_off_what_a_file_turns_on(folder):
    write(folder, "reuse_port = true\nmax_connections = 5\nheader_timeout = 3\n")
    words = ["--no-reuse-port", "--max-connections", "none", "--header-timeout", "none", "a:b"]
    config = configured(*words)
    assert not config["reuse_port"]
    assert config["max_connections"] is None
    assert config["header_timeout"] is None


def test_lists_are_not_added_up(folder, monkeypatch):
    write(folder, 'bind = ["a:1"]\n')
    monkeypatch.setenv("GPOOL_BIND", "b:2 c:3")
    assert configured("a:b")["bind"] == ("b:2", "c:3")
    assert configured("-b", "d:4", "-b", "e:5", "a:b")["bind"] == ("d:4", "e:5")


def test_the_application_has_the_same_order(folder, monkeypatch):
    write(folder, 'app = "file:app"\n')
    assert configured().app == "file:app"
    monkeypatch.setenv("GPOOL_APP", "variable:app")
    assert configured().app == "variable:app"
    assert configured("line:app").app == "line:app"


def test_without_an_application_there_is_nothing_to_serve():
    assert said() == "Which application? gpool MODULE:APP, such as gpool app:app."


# ---------------------------------------------------------------------- PORT, systemd


def test_port_is_where_to_listen(monkeypatch):
    monkeypatch.setenv("PORT", "5000")
    config = configured("a:b")
    assert config["bind"] == (":5000",)
    assert config.origins["bind"] == "PORT"


def test_port_gives_way_to_what_is_ours_and_not_to_a_file(folder, monkeypatch):
    monkeypatch.setenv("PORT", "5000")
    write(folder, 'bind = ["a:1"]\n')
    assert configured("a:b")["bind"] == (":5000",)
    monkeypatch.setenv("GPOOL_BIND", "b:2")
    assert configured("a:b")["bind"] == ("b:2",)
    assert configured("a:b").origins["bind"] == "GPOOL_BIND"


@pytest.mark.parametrize("port", ["http", "99999", "-1", "1.5", "tcp://a:1"])
def test_a_port_that_is_none_is_named(monkeypatch, port):
    monkeypatch.setenv("PORT", port)
    message = said("a:b")
    assert message.startswith(f"Invalid value for '--bind' (from PORT): ':{port}' is not")


def test_systemds_sockets_are_what_is_not_given(monkeypatch):
    monkeypatch.setattr("gpool.cli.listen_fds", lambda environ: [3, 4])
    config = configured("a:b")
    assert config["bind"] == ("fd://3", "fd://4")
    assert config.origins["bind"] == "systemd"
    assert configured("-b", "a:1", "a:b")["bind"] == ("a:1",)


# ---------------------------------------------------------------------- the environment


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("GPOOL_MAX_WORKRS", "GPOOL_MAX_WORKERS"),
        ("GPOOL_WORKERS", "GPOOL_MAX_WORKERS"),
        ("GPOOL_APPS", "GPOOL_APP"),
        ("GPOOL_TLS_CRT", "GPOOL_TLS_CERT"),
    ],
)
def test_a_variable_that_is_none_suggests_the_nearest(monkeypatch, name, near):
    monkeypatch.setenv(name, "1")
    assert said("a:b") == f"The environment has no option {name}. Did you mean {near}?"


def test_a_variable_that_is_near_to_none_is_an_error_too(monkeypatch):
    monkeypatch.setenv("GPOOL_XYZZY", "1")
    assert said("a:b") == "The environment has no option GPOOL_XYZZY. See gpool --help."


@pytest.mark.parametrize("name", sorted(KUBERNETES))
def test_the_variables_of_kubernetes_are_passed_over(monkeypatch, name):
    monkeypatch.setenv(name, KUBERNETES[name])
    config = configured("a:b")
    assert set(config.origins.values()) == {"default"}


@pytest.mark.parametrize("name", ["GPOOL_PURE_PYTHON", "gpool_max_workers", "MY_GPOOL_X"])
def test_other_variables_are_nobodys_business(monkeypatch, name):
    monkeypatch.setenv(name, "1")
    assert set(configured("a:b").origins.values()) == {"default"}


@pytest.mark.parametrize(
    ("word", "value"),
    [("1", True), ("on", True), ("yes", True), ("TRUE", True), ("0", False), ("off", False)],
)
def test_a_switch_as_a_variable(monkeypatch, word, value):
    monkeypatch.setenv("GPOOL_REUSE_PORT", word)
    monkeypatch.setenv("GPOOL_MONKEY_PATCH", word)
    config = configured("a:b")
    assert config["reuse_port"] is config["monkey_patch"] is value


def test_a_wrong_variable_is_named(monkeypatch):
    monkeypatch.setenv("GPOOL_MAX_WORKERS", "many")
    assert said("a:b") == (
        "Invalid value for '--max-workers' (from GPOOL_MAX_WORKERS): "
        "'many' is not a whole number of at least 1."
    )


def test_to_believe_nobody_is_something_to_say(monkeypatch):
    monkeypatch.setenv("GPOOL_FORWARDED_ALLOW_IPS", "")
    config = configured("a:b")
    assert config["forwarded_allow_ips"] == ""
    assert config.origins["forwarded_allow_ips"] == "GPOOL_FORWARDED_ALLOW_IPS"


# ---------------------------------------------------------------------- flags


@pytest.mark.parametrize("flag", ["--max-worker=3", "--reload-dirs=x", "--acces-log=x"])
def test_a_flag_that_is_none_suggests_others(flag):
    message = said(flag, "a:b")
    assert "No such option" in message
    assert "Did you mean" in message


def test_a_wrong_value_is_named():
    assert said("--max-workers", "0", "a:b") == (
        "Invalid value for '--max-workers': '0' is not a whole number of at least 1."
    )


def test_a_choice_says_what_there_is():
    message = said("--overflow", "drop", "a:b")
    assert "'--overflow'" in message and "'reject'" in message and "'wait'" in message


# ---------------------------------------------------------------------- the file


def test_gpool_toml_is_found_before_pyproject(folder):
    write(folder, "[tool.gpool]\nmax_workers = 3\n", "pyproject.toml")
    assert configured("a:b")["max_workers"] == 3
    assert configured("a:b").origins["max_workers"] == "pyproject.toml"
    write(folder, "max_workers = 2\n")
    assert configured("a:b")["max_workers"] == 2


def test_a_pyproject_of_somebody_else_is_passed_over(folder):
    write(folder, '[project]\nname = "x"\n[tool.ruff]\nline-length = 3\n', "pyproject.toml")
    assert set(configured("a:b").origins.values()) == {"default"}


def test_a_pyproject_that_is_named_must_be_ours(folder):
    write(folder, '[project]\nname = "x"\n', "pyproject.toml")
    assert said("-c", "pyproject.toml", "a:b") == "pyproject.toml has no table [tool.gpool]."


def test_a_named_file_is_the_only_one(folder):
    write(folder, "max_workers = 2\nmax_queue = 2\n")
    write(folder, "max_workers = 3\n", "other.toml")
    config = configured("-c", "other.toml", "a:b")
    assert config["max_workers"] == 3
    assert config.origins["max_queue"] == "default"
    assert config.origins["max_workers"] == "other.toml"


def test_a_file_may_have_the_table_of_pyproject(folder):
    write(folder, "[tool.gpool]\nmax_workers = 3\n")
    assert configured("a:b")["max_workers"] == 3


def test_a_variable_names_the_file(folder, monkeypatch):
    write(folder, "max_workers = 3\n", "other.toml")
    monkeypatch.setenv("GPOOL_CONFIG", "other.toml")
    assert configured("a:b")["max_workers"] == 3


def test_a_file_that_is_not_there_is_named():
    assert "'nowhere.toml' does not exist" in said("-c", "nowhere.toml", "a:b")


def test_dashes_in_keys_are_those_of_the_command_line(folder):
    write(folder, 'max-workers = 3\ntls-min-version = "TLSv1.3"\n')
    config = configured("a:b")
    assert (config["max_workers"], config["tls_min_version"]) == (3, "TLSv1.3")


@pytest.mark.parametrize(
    ("key", "near"),
    [("max_workrs", "max_workers"), ("max-worker", "max_workers"), ("aplication", "See gpool")],
)
def test_a_key_that_is_none_suggests_the_nearest(folder, key, near):
    write(folder, f"{key} = 3\n")
    message = said("a:b")
    assert message.startswith(f"gpool.toml has no option {key}.")
    assert near in message


def test_an_empty_file_says_nothing(folder):
    write(folder, "")
    assert set(configured("a:b").origins.values()) == {"default"}


@pytest.mark.parametrize(
    ("line", "hint", "allowed"),
    [
        ("max_workers = true", "--max-workers", "a whole number"),
        ("max_workers = 1.5", "--max-workers", "a whole number"),
        ("max_workers = [1]", "--max-workers", "a whole number"),
        ("max_workers = {a = 1}", "--max-workers", "a whole number"),
        ("header_timeout = true", "--header-timeout", "a number of seconds"),
        ("header_timeout = 2024-01-01", "--header-timeout", "a number of seconds"),
        (f"header_timeout = {10**400}", "--header-timeout", "a number of seconds"),
        ('bind = "a:1"', "--bind", "a list"),
        ("bind = 8000", "--bind", "a list"),
        ("bind = [true]", "--bind", "an address"),
        ("bind = [[1]]", "--bind", "an address"),
        ('reload_dir = "x"', "--reload-dir", "a list"),
        ("monkey_patch = 1", "--monkey-patch", "true or false"),
        ('reload = "maybe"', "--reload", "true or false"),
        ("log_level = 3", "--log-level", "a text"),
        ('log_level = "loud"', "--log-level", "one of"),
        ("tls_cert = 3", "--tls-cert", "a text"),
        ("access_log = true", "--access-log", "a text"),
        ('access_log = ["a"]', "--access-log", "a text"),
        ("chdir = 3", "--chdir", "a text"),
        ('chdir = ["a"]', "--chdir", "a text"),
        ("forwarded_allow_ips = 3", "--forwarded-allow-ips", "IP addresses"),
        ("forwarded_allow_ips = [1]", "--forwarded-allow-ips", "IP addresses"),
        ("forwarded_allow_ips = {}", "--forwarded-allow-ips", "IP addresses"),
        ("umask = true", "--umask", "an octal number"),
        ("app = 3", "app", "a text"),
        ('pid_file = "a\\u0000b"', "--pid-file", "NUL"),
        ('bind = ["unix:a\\u0000b"]', "--bind", "NUL"),
        ("backlog = 9999999999", "--backlog", "at most 2147483647"),
    ],
)
def test_a_value_of_the_wrong_kind_is_one_line(folder, line, hint, allowed):
    write(folder, line + "\n")
    message = said("a:b")
    assert message.startswith(f"Invalid value for '{hint}' (from gpool.toml): ")
    assert allowed in message
    assert "\n" not in message


def test_a_table_of_the_wrong_kind_is_one_line(folder):
    write(folder, "[tool]\ngpool = 3\n")
    assert said("a:b") == "gpool.toml: tool.gpool must be a table, not 3."


@pytest.mark.parametrize(
    "data",
    [b"max_workers = \n", b"= 3", b"\xff\xfe", b"a = " + b"[" * 5_000, b"a = 1\na = 2\n"],
    ids=["value", "key", "bytes", "deep", "twice"],
)
def test_a_file_that_is_no_toml_is_one_line(folder, data):
    (folder / "gpool.toml").write_bytes(data)
    message = said("a:b")
    assert message.startswith("gpool.toml: ")
    assert "\n" not in message


def test_a_file_that_cannot_be_read_is_one_line(folder):
    (folder / "d").mkdir()
    with pytest.raises(click.UsageError) as raised:
        read_file(folder / "d")
    assert raised.value.message == f"{folder / 'd'}: Is a directory"


def test_a_folder_is_no_file(folder):
    (folder / "gpool.toml").mkdir()
    assert find_file(None) is None


def test_a_long_file_is_read(folder):
    write(folder, "# nothing\n" * 200_000 + "max_workers = 3\n")
    assert configured("a:b")["max_workers"] == 3


# ---------------------------------------------------------------------- --print-config


def test_every_value_is_printed_with_where_it_came_from(folder, monkeypatch, capsys):
    write(folder, "max_queue = 5\n")
    monkeypatch.setenv("GPOOL_MAX_HEADERS", "6")
    monkeypatch.setenv("PORT", "5000")
    text = printed(capsys, "--max-workers", "4", "a:b")
    lines = text.splitlines()
    assert 'app = "a:b"  # command line' in lines
    assert "max_workers = 4  # command line" in lines
    assert "max_headers = 6  # GPOOL_MAX_HEADERS" in lines
    assert 'bind = [":5000"]  # PORT' in lines
    assert "max_queue = 5  # gpool.toml" in lines
    assert "# tls_cert = none  # default" in lines
    names = [line.removeprefix("# ").split(" = ")[0] for line in lines if " = " in line]
    assert names == ["app", *(name for name, one in OPTIONS.items() if one.file)]


def test_what_is_printed_is_a_file_with_the_same_values(folder, capsys):
    words = [
        *("--header-timeout", "none", "--keepalive-timeout", "1.5", "--max-connections", "none"),
        *("--umask", "027", "--bind", "a:1", "--bind", "unix:/x y", "--no-monkey-patch"),
        *("--access-log", 'a "quoted" \\ name\nwith ü\x7f', "--max-body-size", "3M", "a:b"),
        *("--graceful-timeout", "inf", "--forwarded-allow-ips", "", "--reload-dir", "x"),
    ]
    before = configured(*words)
    write(folder, printed(capsys, *words), "printed.toml")
    after = configured("--config", "printed.toml")
    assert after.app == before.app
    for name, option in OPTIONS.items():
        if option.file:
            assert after[name] == before[name], name


def test_what_is_printed_of_the_samples_is_a_file_with_the_same_values(folder, capsys):
    names = [name for name, one in OPTIONS.items() if one.file and name != "tls_key_password"]
    words = ["a:b"]
    for name in names:
        option = OPTIONS[name]
        value, word, _ = sample(name, folder)
        words += (
            [option.flag if value else f"--no-{option.flag[2:]}"]
            if option.kind is click.BOOL
            else [option.flag, word]
        )
    write(folder, printed(capsys, *words), "printed.toml")
    after = configured("--config", "printed.toml")
    assert {name: after[name] for name in names} == {
        name: sample(name, folder)[0] for name in names
    }


def test_the_defaults_that_are_printed_are_toml(folder, capsys):
    table = tomllib.loads(printed(capsys))
    assert table["max_workers"] == OPTIONS["max_workers"].default
    assert "app" not in table


def test_a_password_is_not_printed(folder, monkeypatch, capsys):
    monkeypatch.setenv("GPOOL_TLS_KEY_PASSWORD", "secret")
    text = printed(capsys, "a:b")
    assert "secret" not in text
    assert '# tls_key_password = "..."  # GPOOL_TLS_KEY_PASSWORD' in text
    assert "tls_key_password" not in tomllib.loads(text)
