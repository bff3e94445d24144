import pytest

from gpool import accepting, connection, worker, workers
from gpool.errors import IllegalMove
from gpool.states import State, moved


@pytest.mark.parametrize(
    "moves", [accepting.MOVES, connection.MOVES, worker.MOVES, workers.MOVES], ids=len
)
def test_a_table_has_a_row_for_every_state(moves):
    assert set(moves) == set(type(next(iter(moves))))


def test_an_illegal_move_raises_and_names_both_states():
    class Light(State):
        RED = 1
        GREEN = 2

    moves = {Light.RED: (Light.GREEN,), Light.GREEN: ()}
    assert moved(moves, Light.RED, Light.GREEN) is Light.GREEN
    with pytest.raises(IllegalMove, match=r"Light\.GREEN cannot be followed by RED"):
        moved(moves, Light.GREEN, Light.RED)


def test_an_illegal_move_of_a_connection_changes_nothing():
    conn = connection.Connection(None, ("127.0.0.1", 1))
    with pytest.raises(IllegalMove):
        conn.move(connection.ConnState.IDLE)
    assert conn.state is connection.ConnState.NEW


def test_a_connection_is_closed_once():
    conn = connection.Connection(None, ("127.0.0.1", 1))
    conn.enter_closed()
    with pytest.raises(IllegalMove, match=r"ConnState\.CLOSED cannot be followed by CLOSED"):
        conn.enter_closed()
