"""What the soak can be told, and what it makes of it."""

from pathlib import Path

import pytest

from bench.soak.command_line import options
from bench.soak.running import GROUPS, Plan


def test_without_a_limit_it_takes_a_minute():
    plan = options([]).plan
    assert (plan.requests, plan.minutes, plan.pure) == (None, 1.0, False)
    assert plan.groups == GROUPS


def test_a_number_of_requests_is_a_limit():
    given = options(["--requests", "10", "--seed", "7", "--pure", "--to", "here"])
    assert given.plan == Plan(10, None, seed=7, pure=True)
    assert given.to == Path("here")


def test_minutes_may_be_parts():
    assert options(["--minutes", "0.5"]).plan.seconds == 30


@pytest.mark.parametrize(
    "wrong", [["--minutes", "0"], ["--minutes", "inf"], ["--minutes", "x"], ["--requests", "0"]]
)
def test_what_is_wrong_is_refused(wrong, capsys):
    with pytest.raises(SystemExit):
        options(wrong)
    assert wrong[0] in capsys.readouterr().err


def test_help_says_what_the_status_means(capsys):
    with pytest.raises(SystemExit):
        options(["--help"])
    assert "Status 0 if all claims held" in " ".join(capsys.readouterr().out.split())


def test_the_ledger_has_room_for_all():
    assert Plan(10).room > 10
    assert Plan(None, 1.0).room > 60 * 100_000
