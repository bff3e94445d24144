import math

import pytest

from gpool import config


@pytest.mark.parametrize("value", [0, -1])
def test_a_number_below_its_minimum_is_named_with_the_range(value):
    with pytest.raises(ValueError, match=f"max_workers must be at least 1, not {value}"):
        config.at_least("max_workers", value, 1)


@pytest.mark.parametrize("value", [True, 1.0, "1", None])
def test_what_is_not_a_whole_number_is_a_type_error(value):
    with pytest.raises(TypeError, match="max_workers must be a whole number of at least 1"):
        config.at_least("max_workers", value, 1)


def test_none_is_no_limit():
    assert config.optional_at_least("max_connections", None, 1) is None
    assert config.optional_at_least("max_connections", 7, 1) == 7
    assert config.optional_at_least("max_connections", 1, 1) == 1


@pytest.mark.parametrize("value", [-0.1, math.nan, 0])
def test_a_duration_out_of_range_is_named_with_the_range(value):
    with pytest.raises(ValueError, match="keepalive_timeout must be more than 0 seconds"):
        config.seconds("keepalive_timeout", value)


@pytest.mark.parametrize("value", ["1", None, True])
def test_what_is_not_a_number_is_no_duration(value):
    with pytest.raises(TypeError, match="keepalive_timeout must be a number of seconds"):
        config.seconds("keepalive_timeout", value)


def test_a_duration_may_be_endless_and_where_allowed_zero():
    assert config.seconds("keepalive_timeout", math.inf) == math.inf
    assert config.seconds("overflow_pause", 0, zero=True) == 0.0


def test_a_known_choice_is_returned():
    assert config.choice("overflow", "wait", ("reject", "wait")) == "wait"


def test_an_unknown_choice_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="overflow must be one of 'reject', 'wait', not 'queue'"):
        config.choice("overflow", "queue", ("reject", "wait"))
