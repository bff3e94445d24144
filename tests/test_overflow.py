"""The policy at the limit: who waits, who is refused, on a clock of the test."""

import math

import pytest

from gpool.errors import IllegalMove
from gpool.overflow import BATCH, CALM, REFUSING, WAITING, Overflow


class Loop:
    """A loop whose timers fire when a test says so."""

    def __init__(self):
        self.timers = []

    def timer(self, after):
        self.timers.append(Timer(self, after))
        return self.timers[-1]

    def fire(self):
        (timer,) = self.timers
        timer.callback()


class Timer:
    def __init__(self, loop, after):
        self.loop = loop
        self.after = after

    def start(self, callback):
        self.callback = callback

    def close(self):
        self.loop.timers.remove(self)


class Server:
    """What an Overflow knows of its server."""

    def __init__(self, policy="reject", pause=0.1):
        self.loop = Loop()
        self.accepted = 0
        self.backlog = 0
        self.resumed = 0
        self.overflow = Overflow(
            policy,
            pause,
            loop=self.loop,
            accepted=lambda: self.accepted,
            backlog=lambda: self.backlog,
            resume=self.resume,
        )

    def resume(self):
        self.resumed += 1

    def serve(self, count):
        self.accepted += count
        self.backlog -= count

    def refuse(self):
        self.accepted += 1
        self.overflow.refused()

    @property
    def state(self):
        return self.overflow.state


@pytest.fixture
def server():
    return Server()


def test_the_first_refusal_begins_a_pause(server):
    assert server.state is CALM
    server.refuse()
    assert server.state is WAITING
    assert [timer.after for timer in server.loop.timers] == [0.1]


def test_without_a_pause_everybody_is_refused_at_once():
    server = Server(pause=0)
    for _ in range(3):
        server.refuse()
        assert server.state is CALM and not server.loop.timers


def test_an_endless_pause_lets_nobody_be_refused_again():
    server = Server(pause=math.inf)
    server.refuse()
    assert server.state is WAITING and not server.loop.timers
    server.overflow.stop()
    assert server.state is CALM


def test_who_waited_for_all_of_the_pause_is_refused_and_nobody_else(server):
    server.backlog = 3
    server.refuse()
    server.serve(1)
    server.backlog += 5
    server.loop.fire()
    assert server.state is REFUSING and server.resumed == 1
    server.refuse()
    assert server.state is REFUSING
    server.refuse()  # the third of those that were there when the pause began
    assert server.state is WAITING and len(server.loop.timers) == 1


def test_who_came_during_the_pause_waits_for_another(server):
    server.backlog = 3
    server.refuse()
    server.backlog += 2
    server.serve(3)
    server.loop.fire()
    assert server.state is WAITING and len(server.loop.timers) == 1 and not server.resumed
    server.loop.fire()
    assert server.state is REFUSING


def test_when_nobody_waits_after_the_pause_all_is_calm(server):
    server.backlog = 3
    server.refuse()
    server.serve(3)
    server.loop.fire()
    assert server.state is CALM and not server.loop.timers and server.resumed == 1


def test_when_others_have_served_the_backlog_all_is_calm(server):
    server.backlog = 3
    server.refuse()
    server.backlog = 0  # another server has the same listener
    server.loop.fire()
    assert server.state is REFUSING
    server.overflow.backlog_is_empty()
    assert server.state is CALM


def test_an_empty_backlog_changes_nothing_but_that(server):
    server.overflow.backlog_is_empty()
    assert server.state is CALM
    server.refuse()
    server.overflow.backlog_is_empty()
    assert server.state is WAITING


def test_a_backlog_that_cannot_be_measured_is_refused_in_batches(server):
    server.backlog = None
    server.refuse()
    server.loop.fire()
    for _ in range(BATCH):
        assert server.state is REFUSING
        server.refuse()
    assert server.state is WAITING


def test_with_wait_the_backlog_waits_whatever_happens():
    server = Server("wait")
    assert server.state is WAITING
    server.refuse()
    server.overflow.backlog_is_empty()
    server.overflow.stop()
    assert server.state is WAITING and not server.loop.timers


def test_a_closed_server_has_no_timer_and_begins_anew(server):
    server.refuse()
    server.overflow.stop()
    assert server.state is CALM and not server.loop.timers
    server.backlog = 1
    server.refuse()
    server.loop.fire()
    server.overflow.stop()
    server.overflow.stop()
    assert server.state is CALM and not server.loop.timers


def test_an_illegal_move_is_an_error(server):
    with pytest.raises(IllegalMove, match=r"OverflowState.CALM cannot be followed by REFUSING"):
        server.overflow._move(REFUSING)


@pytest.mark.parametrize(
    ("policy", "pause", "text"),
    [
        ("queue", 0.1, "overflow must be one of 'reject', 'wait', not 'queue'"),
        ("reject", -1, "overflow_pause must be 0 or more seconds, not -1"),
    ],
)
def test_a_setting_out_of_range_is_named_with_the_range(policy, pause, text):
    with pytest.raises(ValueError, match=text):
        Server(policy, pause)


def test_repr_says_the_state(server):
    assert repr(server.overflow) == "<Overflow CALM pause=0.1>"
