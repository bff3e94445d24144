import gevent
import pytest
from gevent.hub import get_hub

from gpool.waiting import Condition, Waited
from tests.support import settle


class Door:
    """Something with a condition: is it open?"""

    def __init__(self) -> None:
        self.open = False
        self.waited = Waited(get_hub())
        self.opened = Condition(self.waited, lambda: self.open)

    def set(self, open_: bool) -> None:
        self.open = open_
        self.waited.changed()


@pytest.fixture
def door() -> Door:
    return Door()


def test_a_link_is_called_once_in_the_hub_when_the_condition_holds(door):
    calls = []
    door.opened.rawlink(lambda what: calls.append((what, gevent.getcurrent())))
    settle()
    assert not calls
    door.set(True)
    assert not calls  # not by whoever changed it
    settle()
    door.set(True)
    settle()
    assert calls == [(door.opened, get_hub())]


def test_linking_to_what_holds_already_calls_back_on_the_next_turn(door):
    door.open = True
    calls = []
    door.opened.rawlink(calls.append)
    assert not calls
    settle()
    assert calls == [door.opened]


def test_a_link_that_was_taken_back_is_not_called(door):
    calls = []
    door.opened.rawlink(calls.append)
    door.opened.unlink(calls.append)
    door.opened.unlink(print)  # never linked: passed over
    door.set(True)
    settle()
    assert not calls and not door.waited.conditions


def test_one_link_that_takes_what_was_promised_leaves_the_others_waiting(door):
    calls = []

    def shut(condition):
        calls.append("first")
        door.open = False

    door.opened.rawlink(shut)
    door.opened.rawlink(lambda condition: calls.append("second"))
    door.set(True)
    settle()
    assert calls == ["first"]
    door.set(True)
    settle()
    assert calls == ["first", "second"]


def test_a_link_that_links_itself_again_does_not_keep_the_hub(door):
    calls = []

    def again(condition):
        calls.append(condition)
        if len(calls) < 3:
            condition.rawlink(again)

    door.opened.rawlink(again)
    door.set(True)
    settle()
    assert len(calls) == 3


def test_what_is_linked_already_is_not_linked_twice(door):
    calls = []
    for _ in range(3):
        door.opened.rawlink(calls.append)
    door.set(True)
    settle()
    assert calls == [door.opened] and not door.waited.conditions


def test_a_link_that_raises_does_not_cost_the_others_their_call(door, capsys):
    calls = []

    def fail(condition):
        raise RuntimeError("link")

    door.opened.rawlink(fail)
    door.opened.rawlink(calls.append)
    door.set(True)
    settle()
    assert calls == [door.opened]
    assert "RuntimeError: link" in capsys.readouterr().err


def test_wait_answers_whether_the_condition_holds(door):
    assert door.opened.wait(timeout=0.001) is False
    gevent.spawn(door.set, True)
    assert door.opened.wait() is True
    assert door.opened.locked() is False


def test_wait_goes_on_waiting_when_another_was_faster(door):
    gevent.spawn(door.set, True)
    gevent.spawn(door.set, False)
    assert door.opened.wait(timeout=0.01) is False


def test_gevent_waits_for_a_condition(door):
    gevent.spawn(door.set, True)
    assert gevent.wait([door.opened]) == [door.opened]


def test_only_a_callable_can_be_linked(door):
    with pytest.raises(TypeError, match="a callable was expected, not 'x'"):
        door.opened.rawlink("x")


def test_repr_says_whether_it_holds_and_who_waits(door):
    assert repr(door.opened) == "<Condition holds=False waiting=0>"
