import pytest
from gevent.hub import get_hub

from gpool.errors import IllegalMove
from gpool.worker import WorkerChan, WorkerState, cut_all, cut_expired


def worker_last_used_at(time):
    chan = WorkerChan(get_hub(), lambda chan: None)
    chan.last_use_time = time
    return chan


@pytest.fixture
def ready():
    return [worker_last_used_at(time) for time in (1.0, 2.0, 2.0, 3.0)]


def times(workers):
    return [chan.last_use_time for chan in workers]


def test_the_last_one_used_is_on_top(ready):
    assert ready.pop().last_use_time == 3.0


@pytest.mark.parametrize(
    ("cutoff", "cut", "left"),
    [
        (0.9, [], [1.0, 2.0, 2.0, 3.0]),
        (1.0, [1.0], [2.0, 2.0, 3.0]),
        (2.0, [1.0, 2.0, 2.0], [3.0]),
        (9.0, [1.0, 2.0, 2.0, 3.0], []),
    ],
)
def test_expiry_cuts_off_the_oldest_and_only_those(ready, cutoff, cut, left):
    assert times(cut_expired(ready, cutoff)) == cut
    assert times(ready) == left


def test_empty_hands_all_of_them_over(ready):
    assert times(cut_all(ready)) == [1.0, 2.0, 2.0, 3.0]
    assert not ready


def test_a_worker_begins_with_an_item_on_its_way():
    assert worker_last_used_at(0.0).state is WorkerState.CLAIMED


def test_an_ended_worker_stays_ended():
    chan = worker_last_used_at(0.0)
    for state in (WorkerState.BUSY, WorkerState.ENDED):
        chan.move(state)
    for state in WorkerState:
        with pytest.raises(IllegalMove):
            chan.move(state)
    assert repr(chan) == "<WorkerChan ENDED>"
