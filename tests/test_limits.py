import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpool.limits import ConnectionLimits, Refusal, network


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (("192.0.2.7", 80), "192.0.2.7"),
        (("::ffff:192.0.2.7", 80, 0, 0), "192.0.2.7"),
        (("2001:db8:1:2:3:4:5:6", 80, 0, 0), bytes.fromhex("20010db800010002")),
        (("fe80::1%eth0", 80, 0, 3), bytes.fromhex("fe80000000000000")),
        (("::1", 80, 0, 0), bytes(8)),
        ("", None),
        (b"\0abstract", None),
    ],
)
def test_the_network_of_an_address(address, expected):
    assert network(address) == expected


def test_two_hosts_of_one_64_are_one_network_and_of_two_are_two():
    one, other, elsewhere = (
        network((host, 1)) for host in ("2001:db8::1", "2001:db8::2:1", "2001:db8:0:1::1")
    )
    assert one == other != elsewhere


def test_the_one_too_many_is_refused_until_one_is_released():
    limits = ConnectionLimits(max_conns_per_ip=2)
    peer = ("192.0.2.1", 1)
    assert [limits.admit(peer) for _ in range(3)] == [None, None, Refusal.MAX_CONNS_PER_IP]
    assert limits.admit(("192.0.2.2", 1)) is None
    limits.release(peer)
    assert limits.admit(peer) is None


def test_the_total_is_looked_at_first():
    limits = ConnectionLimits(max_connections=1, max_conns_per_ip=1)
    assert limits.admit(("192.0.2.1", 1)) is None
    assert limits.full()
    assert limits.admit(("192.0.2.1", 2)) is Refusal.MAX_CONNECTIONS


def test_a_release_tells_those_that_wait_for_room_once():
    limits = ConnectionLimits(max_connections=1)
    peer = ("192.0.2.1", 1)
    told = []
    for _ in range(2):
        assert limits.admit(peer) is None
        if not told:
            limits.when_room(lambda: told.append(limits.full()))
        limits.release(peer)
    assert told == [False]


def test_who_is_expected_makes_it_full_and_takes_nobodys_place():
    limits = ConnectionLimits(max_connections=2, max_conns_per_ip=2)
    peer = ("192.0.2.1", 1)
    told = []
    assert limits.admit(peer) is None and not limits.full()
    limits.expect()
    assert limits.full() and limits.open == 1
    assert limits.admit(peer) is None
    limits.expect()
    limits.release(peer)
    limits.when_room(lambda: told.append(limits.full()))
    limits.expect_no_more()
    assert told == [True] and limits.full()  # whoever waits looks again
    limits.expect_no_more()
    assert not limits.full() and limits.open == 1


def test_more_expected_than_there_is_room_for_is_full_all_the_same():
    limits = ConnectionLimits(max_connections=1)
    for _ in range(2):
        limits.expect()
        assert limits.full()
    limits.expect_no_more()
    assert limits.full()
    limits.expect_no_more()
    assert not limits.full()


def test_unix_sockets_are_counted_but_not_by_address():
    limits = ConnectionLimits(max_conns_per_ip=1)
    assert [limits.admit("") for _ in range(3)] == [None] * 3
    for _ in range(3):
        limits.release("")
    assert repr(limits) == "<ConnectionLimits open=0 networks=0>"


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["10.0.0.1", "::1", "2001:db8::1"]))))
def test_nothing_is_left_when_all_admitted_are_released(steps):
    limits = ConnectionLimits(max_connections=5, max_conns_per_ip=2)
    admitted = []
    for arrives, host in steps:
        if arrives and limits.admit((host, 1)) is None:
            admitted.append(host)
        elif not arrives and admitted:
            limits.release((admitted.pop(), 1))
        assert limits.open == len(admitted) <= 5
        assert all(admitted.count(host) <= 2 for host in admitted)
    while admitted:
        limits.release((admitted.pop(), 1))
    assert repr(limits) == "<ConnectionLimits open=0 networks=0>"


@pytest.mark.parametrize("name", ["max_connections", "max_conns_per_ip"])
def test_a_limit_below_one_is_named(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, not 0"):
        ConnectionLimits(**{name: 0})
