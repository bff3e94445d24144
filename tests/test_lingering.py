from contextlib import suppress

import gevent
import pytest
from gevent import event, socket
from gevent.hub import get_hub

from gpool.lingering import Lingering
from tests.support import in_hub, read_all, settle


class Closed(list[str]):
    """The owners told of, and an event for the first."""

    def __init__(self) -> None:
        super().__init__()
        self.first = event.Event()

    def __call__(self, owner):
        self.append(owner)
        self.first.set()


@pytest.fixture
def closed():
    return Closed()


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_the_answer_arrives_and_the_socket_is_closed_when_the_peer_closes(closed, pair):
    ours, theirs = pair
    lingering = Lingering(get_hub(), closed, timeout=60)
    theirs.sendall(b"unread")
    in_hub(lingering.close, ours, b"answer", "owner")
    assert read_all(theirs) == b"answer"
    for _ in range(2):  # what comes is thrown away
        settle()
        assert (len(lingering), closed) == (1, [])
        theirs.sendall(b"and more")
    theirs.close()
    settle()
    assert (len(lingering), closed, ours.fileno()) == (0, ["owner"], -1)


def test_a_peer_that_does_not_close_is_closed_after_the_timeout(closed, pair):
    ours, theirs = pair
    lingering = Lingering(get_hub(), closed, timeout=0.001)
    in_hub(lingering.close, ours, b"answer", "owner")
    closed.first.wait()
    assert read_all(theirs) == b"answer"
    assert lingering._sweep is None


def test_a_peer_that_goes_on_sending_is_closed_all_the_same(closed, pair):
    ours, theirs = pair
    lingering = Lingering(get_hub(), closed, timeout=0.01)

    def send():
        while True:
            theirs.sendall(bytes(10_000))

    sender = gevent.spawn(send)
    in_hub(lingering.close, ours, b"", "owner")
    closed.first.wait()
    with pytest.raises(BrokenPipeError):
        sender.get()


def test_each_is_due_in_its_own_time(closed, clock, monkeypatch):
    monkeypatch.setattr("gpool.lingering.monotonic", clock)
    pairs = [socket.socketpair() for _ in range(2)]
    lingering = Lingering(get_hub(), closed, timeout=60)
    for number, (ours, _) in enumerate(pairs):
        in_hub(lingering.close, ours, b"", number)
        clock.advance(1)
    for due, gone in ((57.9, []), (0.1, [0]), (0.9, [0]), (0.1, [0, 1])):
        clock.advance(due)
        timer = lingering._sweep
        in_hub(lingering._sweep_due)
        assert closed == gone and not timer.active
        assert (lingering._sweep is None) is (len(closed) == 2)
    for _, theirs in pairs:
        theirs.close()


def test_a_peer_that_is_gone_is_not_waited_for(closed, pair):
    ours, theirs = pair
    theirs.close()
    in_hub(Lingering(get_hub(), closed).close, ours, b"answer", "owner")
    assert closed == ["owner"]


def test_an_answer_for_which_there_is_no_room_does_not_block_the_hub(closed, pair, no_hub_errors):
    ours, _ = pair
    ours.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            ours.send(bytes(10_000))
    ours.setblocking(True)
    lingering = Lingering(get_hub(), closed)
    in_hub(lingering.close, ours, b"answer", "owner")
    assert (len(lingering), closed) == (0, ["owner"])


def test_a_wake_up_without_data_is_no_end(closed, pair):
    ours, _ = pair
    lingering = Lingering(get_hub(), closed, timeout=60)
    in_hub(lingering.close, ours, b"answer", "owner")
    in_hub(lingering._read, ours)
    assert (len(lingering), closed) == (1, [])
    in_hub(lingering.close_all)


def test_above_the_bound_sockets_are_closed_at_once(closed):
    lingering = Lingering(get_hub(), closed, max_sockets=1)
    pairs = [socket.socketpair() for _ in range(2)]
    for number, (ours, _) in enumerate(pairs):
        in_hub(lingering.close, ours, b"answer", number)
    assert (len(lingering), closed) == (1, [1])
    in_hub(lingering.close_all)
    assert (len(lingering), closed) == (0, [1, 0])
    for _, theirs in pairs:
        assert read_all(theirs) == b"answer"
        theirs.close()
