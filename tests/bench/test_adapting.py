"""The simulated world of overload control, and what is read from it."""

import pytest

from bench.adapting import __main__ as table
from bench.adapting import picture
from bench.adapting.limits import Fixed, Gradient2, Peak, Vegas
from bench.adapting.scenarios import POLICIES, SCENARIOS, Scenario
from bench.adapting.world import Answer, Backend, Door, World


def test_events_happen_in_the_order_of_their_time_and_then_as_they_were_made():
    world, seen = World(1), []
    for name, after in (("c", 2), ("a", 1), ("b", 1), ("late", 9)):
        world.after(after, lambda name=name: seen.append((name, world.now)))
    world.run(5)
    assert seen == [("a", 1), ("b", 1), ("c", 2)]


def test_a_backend_serves_so_many_at_once_first_come_first_served():
    world, done = World(1), []
    backend = Backend(world, 2, lambda: 1.0)
    for number in range(5):
        backend.ask(lambda number=number: done.append((number, world.now)))
    world.run(9)
    assert done == [(0, 1), (1, 1), (2, 2), (3, 2), (4, 3)]


def test_a_crowd_makes_all_slower():
    world, done = World(1), []
    backend = Backend(world, float("inf"), lambda: 1.0, crowded=1)
    for _ in range(4):
        backend.ask(lambda: done.append(world.now))
    world.run(9)
    assert done == [1, 2**1.5, 3**1.5, 8]


def door_of(limit, bound=0, patience=lambda _: float("inf"), places=1):
    """A door before a backend that serves each for a second; and what clients are told."""
    world = World(1)
    told = []
    door = Door(world, Backend(world, places, lambda: 1.0), limit, bound, patience)
    return world, door, lambda client: door.ask(client, lambda good: told.append((client, good)))


def test_who_finds_no_room_is_refused_or_waits():
    world, door, ask = door_of(Fixed(1), bound=1)
    for client in range(3):
        ask(client)
    world.run(5)
    assert door.answers == [Answer(0, 0, False, 2), Answer(0, 1, True, 0), Answer(0, 2, True, 1)]


def test_who_has_waited_for_too_long_is_refused():
    world, door, ask = door_of(Fixed(1), bound=9, patience=lambda _: 0.5)
    ask(0)
    ask(1)
    world.run(5)
    late, first = door.answers
    assert (late.client, late.good, first.good) == (1, False, True)
    assert late.took == pytest.approx(0.5, abs=0.01)


def test_the_same_seed_gives_the_same_run():
    def answers():
        world = World(3)
        setting = Scenario("short", rate=100.0)
        door = Door(world, setting.backend(world), Fixed(5), 10)
        setting.begin(world, door)
        world.run(3)
        return door.answers

    assert answers() == answers() and len(answers()) > 200


@pytest.mark.parametrize("make", [Vegas, Gradient2])
def test_published_limits_fall_when_the_time_of_a_request_grows(make):
    limit = make(1_000)
    now = 0.0
    for _ in range(4_000):
        now += 0.01 / limit.value
        limit.ended(now - 0.01, now, limit.value)
    before = limit.value
    for _ in range(4_000):
        in_flight = limit.value
        time = 0.1 * max(1, in_flight / 10)
        now += time / in_flight
        limit.ended(now - time, now, in_flight)
    assert limit.value < before


def test_the_peak_times_the_latency_without_load_is_about_what_there_is_room_for():
    limit = Peak(1_000)
    now = 0.0
    for _ in range(20_000):
        time = 0.01 * max(1, limit.value / 10)
        now += time / limit.value
        limit.ended(now - time, now, limit.value)
    assert 8 <= limit.value <= 52  # it begins at 40, which is then its latency without load


def test_each_policy_and_scenario_can_be_begun():
    for scenario in SCENARIOS.values():
        for policy in POLICIES.values():
            world = World(1)
            door = Door(
                world, scenario.backend(world), policy.limit(), policy.queue, policy.patience
            )
            scenario.begin(world, door)
            world.run(0.3)
            assert any(answer.good for answer in door.answers)


# ---------------------------------------------------------------------- what is read from a run


def played(policy=lambda second: (0.01, True)):
    """A door that one request a tenth of a second has come to."""
    _, door, _ = door_of(Fixed(1))
    for tenth in range(800):
        took, good = policy(tenth / 10)
        door.answers.append(Answer(tenth / 10, took, good, tenth % 4))
    return door


def test_a_row_says_what_it_was_like_in_trouble():
    in_trouble = played(lambda at: (2.0, at % 1 < 0.5) if 20 <= at < 50 else (0.01, True))
    cells = table.row("x", in_trouble)
    assert cells[:5] == ("x", "0", "2000", "2000", "50.0%")
    assert cells[5:7] == ("0 s", "0.0%")


def test_it_is_told_when_all_is_well_again():
    assert table.well_after(played()) == 0
    assert table.well_after(played(lambda at: (0.01, at > 53))) == 4
    assert table.well_after(played(lambda at: (0.7, True))) is None


def test_fairness_is_one_if_all_got_as_many_and_less_if_not():
    assert table.fairness(played().answers) == 1
    assert table.fairness([Answer(0, 0, client == 0, client) for client in range(4)]) == 0.25


def test_the_picture_is_drawn_of_all_that_is_shown(tmp_path):
    door = played()
    doors = {(scenario, policy): door for scenario in SCENARIOS for policy in POLICIES}
    picture.draw(doors, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"adapting.svg", "adapting.png"}
    assert picture.in_time(door)[1][:3] == [10.0] * 3
    assert picture.p99(door)[1][:3] == [10.0] * 3
