from pathlib import Path

import pytest

from bench import goals
from bench.servers import SERVERS
from bench.workloads import CONNECTIONS, MAX_WORKERS, WORKLOADS

MOST = 18 * 60  # seconds that all of them may be said to take


def able(name):
    return [server for server in WORKLOADS[name].servers if name not in SERVERS[server].lacks]


@pytest.mark.parametrize("name", WORKLOADS)
def test_each_is_for_servers_that_there_are(name):
    servers = WORKLOADS[name].servers
    assert set(servers) <= SERVERS.keys()
    assert len(set(servers)) == len(servers)
    assert "wsgi" in able(name)
    assert WORKLOADS[name].repeat >= 1
    assert WORKLOADS[name].seconds >= 1


def test_no_server_is_left_out_of_all():
    usual = {server for one in WORKLOADS.values() if one.usual for server in one.servers}
    assert usual == SERVERS.keys()


def test_what_servers_lack_is_what_others_have():
    assert {name for server in SERVERS.values() for name in server.lacks} <= WORKLOADS.keys()


def test_titles_tell_them_apart():
    assert len({one.title for one in WORKLOADS.values()}) == len(WORKLOADS)


def test_all_of_them_take_less_than_said():
    usual = [name for name, one in WORKLOADS.items() if one.usual]
    lasts = {
        name: WORKLOADS[name].repeat * WORKLOADS[name].lasts * len(able(name)) for name in usual
    }
    assert min(lasts.values()) > 0
    assert sum(lasts.values()) < MOST


@pytest.mark.parametrize(
    ("axis", "points"), [("connections", CONNECTIONS), ("max_workers", MAX_WORKERS)]
)
def test_a_sweep_has_all_its_points_in_order(axis, points):
    swept = [one for one in WORKLOADS.values() if one.axis == axis]
    assert tuple(one.at for one in swept) == points == tuple(sorted(points))
    assert [one.connections for one in swept] == list(points)
    if axis == "max_workers":
        assert [one.shape.limit for one in swept] == list(points)


@pytest.mark.parametrize("name", ["keep-alive", "idle-10000", "overload", "slow", "half-load"])
def test_those_that_goals_are_about_are_usual(name):
    assert WORKLOADS[name].usual
    assert f'"{name}"' in Path(goals.__file__).read_text() or name == "half-load"


def test_measuring_is_the_shape_s(monkeypatch):
    one = WORKLOADS["keep-alive"]
    monkeypatch.setattr(
        type(one.shape), "measure", lambda _shape, server, seconds: [server, seconds]
    )
    assert one.measure("wsgi", 3) == ["wsgi", 3]
