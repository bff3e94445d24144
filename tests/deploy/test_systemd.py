"""The units that are shipped, as systemd's own programs see them."""

import re
import sys
from configparser import RawConfigParser
from contextlib import ExitStack
from pathlib import Path

import pytest
from gevent import socket

from gpool.command.sources import read_file
from tests.deploy.shipped import DEPLOY, succeeds
from tests.neighbours.programs import ROOT, Program
from tests.parts import needed

pytestmark = [pytest.mark.parts, pytest.mark.limit(30)]

SYSTEMD = DEPLOY / "systemd"
SETTINGS = SYSTEMD / "gpool.toml"


@pytest.fixture
def units(tmp_path):
    """Both of them, with a program that is there."""
    for name in ("app.service", "app.socket"):
        (tmp_path / name).write_text((SYSTEMD / name).read_text())
    drop_in = tmp_path / "app.service.d" / "test.conf"
    drop_in.parent.mkdir()
    drop_in.write_text("[Service]\nExecStart=\nExecStart=/bin/true app:app\n")
    return tmp_path


def service():
    """The service's section."""
    unit = RawConfigParser(strict=False)  # some names are there twice
    unit.optionxform = str
    unit.read(SYSTEMD / "app.service")
    return unit["Service"]


def test_systemd_finds_nothing_to_complain_about(units):
    said = succeeds("systemd-analyze", "verify", "./app.service", "./app.socket", cwd=units)
    assert said == ""


def test_the_service_may_do_little_else_than_serve(units):
    """From 0, nothing, to 100, all; a unit with no restrictions has 96."""
    command = ["security", "--offline=yes", "--threshold=20", "--no-pager", "./app.service"]
    succeeds("systemd-analyze", *command, cwd=units)


def test_systemd_waits_longer_than_the_drain_may_take():
    assert int(service()["TimeoutStopSec"]) > read_file(SETTINGS).values["graceful_timeout"] + 5


def test_there_are_descriptors_for_all_connections():
    assert int(service()["LimitNOFILE"]) > read_file(SETTINGS).values["max_connections"] + 500


def test_it_serves_on_the_socket_that_systemd_gives(tmp_path):
    """systemd-socket-activate does for one what app.socket says."""
    text = SETTINGS.read_text()
    log = read_file(SETTINGS).values["access_log"]
    (tmp_path / "gpool.toml").write_text(
        text.replace(log, str(tmp_path / "access.log")).replace("127.0.0.1:9090", "127.0.0.1:0")
    )
    path = tmp_path / "sock"
    words = re.split(r"\s+", service()["ExecStart"])
    assert words[1:] == ["app:app"]
    more = {"PYTHONPATH": str(ROOT), "NAME": "one"}
    command = [needed("systemd-socket-activate"), f"--listen={path}"]
    command += [f"--setenv={name}={value}" for name, value in more.items()]
    gpool = Path(sys.executable).with_name("gpool")
    with ExitStack() as stack:
        program = stack.enter_context(
            Program(*command, gpool, "tests.neighbours.apps:app", cwd=tmp_path)
        )
        program.wait("Listening on")
        client = stack.enter_context(socket.socket(socket.AF_UNIX))
        client.connect(str(path))  # it is started by this
        client.sendall(b"GET /name HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.1 200"
        assert program.wait(r"(\d+) workers, connections: (\d+)")[0].groups() == ("200", "20000")
        assert program.stop() == 0
    assert "GET /name" in (tmp_path / "access.log").read_text()
