"""What is seen of a thread: who runs, where, and nothing of its frames kept.

`tests/test_hubwatch.py` has the thread that looks; here a thread looks at itself.
"""

import gc
import threading
import weakref

import gevent
import pytest
from gevent.hub import get_hub
from greenlet import greenlet

from gpool import WorkerPool, workers
from gpool.hubsight import look_at
from tests.support import in_hub

#: Compiled, the frame of a worker has no locals, so that nobody finds its greenlet.
COMPILED = workers.__file__.endswith(".so")
ENVIRON = {"wsgi.version": (1, 0), "REQUEST_METHOD": "GET", "RAW_URI": "/a?b"}


def look():
    sight = look_at(threading.get_ident(), get_hub())
    assert sight is not None
    return sight


def test_a_sight_says_where_the_innermost_frame_is_and_shows_the_lines():
    sight = look()
    assert sight.where.endswith(" in look_at")  # it is its own thread that is seen
    lines = [line.strip() for line in sight.format().splitlines()]
    assert lines[-3] == "sight = look_at(threading.get_ident(), get_hub())"
    assert lines[-4].startswith(f'File "{__file__}", line ') and lines[-4].endswith(", in look")
    assert lines[-5] == "sight = look()"


def test_a_thread_that_has_ended_is_not_seen():
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
    assert look_at(thread.ident or 0, get_hub()) is None


def test_the_main_greenlet_and_the_hub_are_named():
    assert look().who == "the main greenlet"
    assert in_hub(look).who == "a callback in the Hub"


def test_a_greenlet_is_named_if_it_is_among_the_locals_of_its_frames():
    def known():
        me = gevent.getcurrent()
        return look().who, object.__repr__(me)

    who, name = gevent.spawn(known).get()
    assert who == name
    assert greenlet(look).switch().who == "a greenlet"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "GET /a?b"),
        ({"RAW_URI": "", "PATH_INFO": "/c"}, "GET /c"),
        ({"RAW_URI": "/\n\x1b"}, r"GET /\n\x1b"),
    ],
)
def test_a_request_is_named_by_its_line_and_its_worker(more, said):
    seen = []

    def serve(environ):
        seen.append((look().who, object.__repr__(gevent.getcurrent())))

    pool = WorkerPool(serve)
    in_hub(pool.serve, ENVIRON | more)
    pool.stop()
    ((who, worker),) = seen
    assert who == (said if COMPILED else f"{said} ({worker})")


def test_a_request_whose_greenlet_is_unknown_is_named_alone():
    def serve(environ):
        return look().who

    assert greenlet(serve).switch(dict(ENVIRON)) == "GET /a?b"


def test_no_frame_is_kept_by_a_sight():
    """One that the Hub is done with would be let go in another thread."""

    class Local:
        pass

    def frame():
        local = Local()
        return look(), weakref.ref(local)

    sight, local = frame()
    gc.collect()
    assert local() is None and sight.stack
