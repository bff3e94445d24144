"""The settings of a WSGI server: units, ranges, and what a wrong one says."""

from dataclasses import fields
from math import inf, nan

import pytest

from gpool.wsgi.framing import SMALL, Limits
from gpool.wsgi.settings import INSTEAD, Settings, unknown

ZERO_TOO = "keepalive_min_timeout"
TIMES = [one.name for one in fields(Settings) if one.name.endswith("_timeout")]
COUNTS = ["max_queue", "body_buffer", "write_buffer", "adaptive_min"]
SIZES = ["max_request_line", "max_header_size", "max_head_size"]


def test_without_arguments_there_are_the_defaults():
    assert Settings.checked({}) == Settings()
    assert Settings().limits == Limits()


def test_the_defaults_are_allowed():
    values = {one.name: getattr(Settings(), one.name) for one in fields(Settings)}
    limits = {one.name: getattr(Limits(), one.name) for one in fields(Limits)}
    del values["limits"]
    assert Settings.checked(values | limits) == Settings()


def test_what_is_known_is_taken_and_the_rest_is_left():
    values = {"max_queue": 5, "max_headers": 7, "other": 1, "keepalive_timeout": 2}
    settings = Settings.checked(values)
    assert values == {"other": 1}
    assert (settings.max_queue, settings.limits.max_headers) == (5, 7)
    assert settings.keepalive_timeout == 2.0
    assert settings.limits.max_body_size == Limits().max_body_size


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize(("value", "seconds"), [(None, inf), (inf, inf), (0.5, 0.5), (3, 3.0)])
def test_a_time_is_seconds_and_none_is_never(name, value, seconds):
    assert getattr(Settings.checked({name: value}), name) == seconds


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize("value", [0, -1, -inf, nan])
def test_a_time_out_of_range_is_named(name, value):
    if name == ZERO_TOO and value == 0:
        assert getattr(Settings.checked({name: value}), name) == 0
        return
    allowed = "0 or more" if name == ZERO_TOO else "more than 0"
    with pytest.raises(ValueError, match=f"{name} must be {allowed} seconds"):
        Settings.checked({name: value})


@pytest.mark.parametrize("value", [0, -1, -inf, nan])
def test_the_adaptive_delay_is_more_than_nothing(value):
    assert Settings.checked({"adaptive_delay": 2}).adaptive_delay == 2.0
    with pytest.raises(ValueError, match="adaptive_delay must be more than 0 seconds, not"):
        Settings.checked({"adaptive_delay": value})


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize("value", ["5", True, [], object()])
def test_a_time_that_is_no_number_is_named(name, value):
    with pytest.raises(TypeError, match=f"{name} must be a number of seconds"):
        Settings.checked({name: value})


@pytest.mark.parametrize(
    ("name", "smallest"),
    [
        *((name, int(name == "adaptive_min")) for name in COUNTS),
        *((name, SMALL) for name in SIZES),
        ("max_headers", 1),
        ("max_body_size", 0),
    ],
)
def test_a_count_has_a_smallest_value(name, smallest):
    settings = Settings.checked({name: smallest})
    assert getattr(settings if name in COUNTS else settings.limits, name) == smallest
    with pytest.raises(ValueError, match=f"{name} must be at least {smallest}"):
        Settings.checked({name: smallest - 1})
    for value in (None, "5", 5_000.0, True, inf):
        with pytest.raises(TypeError, match=f"{name} must be a whole number"):
            Settings.checked({name: value})


def test_no_limit_is_smaller_than_what_is_not_measured():
    """`Heads` passes heads of SMALL characters without a look at their sizes."""
    with pytest.raises(ValueError, match="max_request_line"):
        Settings.checked({"max_request_line": SMALL - 1})


def test_a_switch_is_true_or_false():
    for value in (True, False):
        assert Settings.checked({"cancel_on_disconnect": value}).cancel_on_disconnect is value
    for value in (0, 1, None, "no"):
        with pytest.raises(TypeError, match="cancel_on_disconnect must be True or False"):
            Settings.checked({"cancel_on_disconnect": value})


def test_settings_do_not_change():
    with pytest.raises(AttributeError):
        Settings().max_queue = 1
    with pytest.raises(AttributeError):
        Limits().max_headers = 1


# ---------------------------------------------------------------------- what is not known


@pytest.mark.parametrize("name", INSTEAD)
def test_what_pywsgi_has_is_told_what_to_do_instead(name):
    text = str(unknown({name: 1}))
    assert name in text and INSTEAD[name] in text


@pytest.mark.parametrize(
    ("name", "meant"),
    [("header_timeot", "header_timeout"), ("max_header", "max_headers"), ("queue", "max_queue")],
)
def test_a_slip_is_told_what_was_meant(name, meant):
    assert f"{name!r}; did you mean {meant!r}?" in str(unknown({name: 1}))


def test_what_is_like_nothing_is_told_what_there_is():
    text = str(unknown({"xyz": 1}))
    for one in (*fields(Settings), *fields(Limits)):
        assert one.name == "limits" or one.name in text


def test_limits_are_given_one_by_one():
    with pytest.raises(TypeError, match="limits"):
        Settings.checked({"limits": Limits()})
