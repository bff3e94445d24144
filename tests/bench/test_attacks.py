"""The command that measures slow attacks; what they do to a server is in tests/neighbours."""

import json
from dataclasses import replace
from functools import partial

import pytest

from bench import attackers, attacks
from bench.attackers import ATTACKS, GPOOL, Attack, Plan, attacking, left_open, measure
from bench.attacks import main, report, sheets
from bench.processes import DidNotStartError
from tests.bench.scripted import good, scripted
from tests.parts import needed


def measured(times=1.5, **more):
    """Figures that nobody measured."""
    client = {"p50": 0.2, "p99": 2.0, "late_p99": 0.1, "errors": {"status": 0, "timeout": 0}}
    run = {
        "alone": client,
        "arriving": client | {"p99": 2.0 * times, "errors": {"status": 3, "timeout": 1}},
        "held": client | {"p99": 4.0 * times},
        "beside": dict.fromkeys(attacks.WHEN, client),
        "cpu": 0.25,
        "grown_kib": 2048,
        "most": {"busy": 7, "running": 9, "open": 100},
        "seen": {"connections": {"reading": 92, "idle": 8, "new": 0}, "requests": {"2xx": 1234}},
        "left_open": 0,
    }
    return run | more


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """The command, with figures of `measured`; its status, what it says, and what was measured."""

    def call(*arguments, fails=()):
        asked = []

        def measure(attack, server, plan):
            asked.append((attack, server, plan))
            if attack.path in fails:
                raise DidNotStartError("nobody there")
            return measured(len(asked))

        monkeypatch.setattr(attacks, "measure", measure)
        status = main([*arguments, "--to", str(tmp_path)])
        return status, capsys.readouterr().out, asked

    return call


def rows(page, name):
    """The cells of a page's lines that begin with a name."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if line.startswith(f"| {name}")
    ]


def test_all_attacks_are_measured_on_gpool_and_written_down(run, tmp_path):
    status, said, asked = run("--connections", "100", "--rate", "50", "--seconds", "2")
    assert status == 0
    assert asked == [(attack, GPOOL, Plan(100, 50, 2)) for attack in ATTACKS.values()]
    kept = json.loads((tmp_path / "attacks.json").read_text())
    assert list(kept["runs"]) == list(ATTACKS)
    assert kept["settings"] == {"connections": 100, "rate": 50, "seconds": 2, "repeat": 1}
    assert "100 slow clients beside a normal one" in said
    assert report(kept) == (tmp_path / "attacks.md").read_text()


def test_of_several_runs_the_middle_is_told(run, tmp_path):
    _, _, asked = run("--attack", "headers", "--repeat", "3")
    assert len(asked) == 3
    told, _, _ = rows((tmp_path / "attacks.md").read_text(), "headers")
    # p50 and p99; then p50, p99, times that alone, the one beside, times that; and when all are
    # there.
    arriving, held = ["0.20", "4.00", *["2.00"] * 3], ["0.20", "8.00", "4.00", "2.00", "4.00"]
    assert told[1:13] == ["0.20", "2.00", *arriving, *held]
    assert told[-1] == "3"


def test_servers_and_attacks_are_patterns(run):
    _, _, asked = run("--attack", "[hr]*", "--server", "gpool", "--server", "pyws*")
    assert len(asked) == len(set(asked))
    assert {server for _, server, _ in asked} == {"gpool", "pywsgi", "pywsgi-gpool", "pywsgi-nagle"}
    assert {attack.title for attack, _, _ in asked} == {
        ATTACKS[name].title for name in ("headers", "read", "range")
    }


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--attack", "storm"], "storm is none of headers, body"),
        (["--server", "iis"], "iis is none of gpool, "),
        (["--rate", "0"], "--rate: must be at least 1"),
    ],
)
def test_what_there_is_not_is_named(words, named, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert named in capsys.readouterr().err


def test_an_attack_that_fails_is_told_and_takes_no_other_with_it(run, tmp_path):
    status, said, asked = run("--attack", "upload", "--attack", "headers", fails={"/upload"})
    assert (status, len(asked)) == (1, 2)
    assert "failed: upload: nobody there" in said
    page = (tmp_path / "attacks.md").read_text()
    assert "failed: upload: nobody there" in page
    assert rows(page, "headers")
    assert not rows(page, "upload")


def test_what_became_of_the_attackers_is_told():
    untold = {"busy": None, "running": None, "open": None}
    figures = {
        "runs": {
            "body": [measured()],
            "body, floor": [measured(seen=None, left_open=None, most=untold)],
        },
        "settings": {"connections": 100},
        "failed": [],
    }
    noticed, taken, attackers = sheets(figures)
    assert noticed.rows[0][noticed.headings.index("not 2xx")] == "4.00"
    ours, theirs = taken.rows
    assert (ours[3:], theirs[3:]) == (["100", "7.00", "0.00", "1"], ["-", "-", "-", "1"])
    assert attackers.rows[0][2] == "92 reading, 8 idle; answers: 1,234 2xx"
    assert attackers.rows[1][1:] == [ATTACKS["body"].title, "-"]


def test_a_server_that_does_not_tell_is_not_waited_for():
    with scripted(good) as server:
        port = server.port
    assert left_open(port) is None


def test_without_slowhttptest_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setattr(attackers.shutil, "which", lambda name: None)
    with (
        pytest.raises(RuntimeError, match="apt-get install slowhttptest"),
        attacking(Attack("", ()), 1, Plan()),
    ):
        pytest.fail("there is no attacker")


@pytest.mark.parts
@pytest.mark.limit(60)
@pytest.mark.parametrize("server", ["gpool", "pywsgi"])
def test_an_attack_is_measured(server, monkeypatch):
    """With gpool as its sources are: whether it is compiled makes no difference here."""
    needed("slowhttptest")
    needed("cc")
    ours = attackers.gpool
    plain = partial(replace, compiled=False)
    monkeypatch.setattr(attackers, "gpool", lambda *given: plain(ours(*given)))
    seen = measure(ATTACKS["headers"], server, Plan(connections=50, rate=50, seconds=1))
    for when in attacks.WHEN:
        assert seen[when]["good"] > 0
        assert seen["beside"][when]["good"] > 0
    if server == "pywsgi":
        assert (seen["seen"], seen["left_open"], seen["most"]["open"]) == (None, None, None)
    else:
        assert seen["seen"]["connections"]["reading"] == 50
        assert seen["most"]["open"] >= 50
        assert seen["left_open"] == 0
