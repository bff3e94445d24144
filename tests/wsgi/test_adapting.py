"""Requests that wait for room under a limit that adapts, with workers of a real pool."""

from math import inf

import pytest
from gevent.event import Event
from gevent.hub import get_hub

from gpool import WorkerPool
from gpool.adaptive import OLD, STANDING, LimitState
from gpool.wsgi.adapting import AdaptiveQueue, queue_for
from gpool.wsgi.settings import Settings
from tests.support import Clock, in_hub, settle

DELAY = OLD / 4  # seconds of a clock that stands still; what runs meanwhile is not old
TURN_AWAY = "no room"


class Conn:
    """A connection as the queue sees it: what becomes of its request."""

    def __init__(self, site, name):
        self.site = site
        self.name = name

    def expired(self):
        self.site.told.append((self.name, TURN_AWAY))
        assert self.site.queue.drop(self) == f"request of {self.name}"
        self.site.changed.set()


class Site:
    """An application whose calls end when they are told to, and the queue before it."""

    def __init__(self, workers=10, limit=2, delay=DELAY, clock=None, **settings):
        self.clock = clock or Clock()
        self.gates = {}
        self.told = []
        self.changed = Event()
        self.pool = WorkerPool(self.work, max_workers=workers)
        values = {"adaptive_delay": delay, "max_queue": 3, **settings}
        self.queue = AdaptiveQueue(
            self.pool,
            Settings.checked(values),
            self.run,
            self.pool.serve,
            loop=get_hub().loop,
            clock=self.clock,
        )
        self.call = self.queue.counted(self.application)
        self.queue._calls.limit.value = limit

    def application(self, environ, start_response):
        self.gates[environ["name"]] = gate = Event()
        gate.wait()

    def work(self, name):
        self.call({"name": name}, None)

    def run(self, conn, request):
        assert request == f"request of {conn.name}"
        self.told.append((conn.name, "run"))
        assert self.pool.serve(conn.name)

    def come(self, name):
        """A request comes: "runs", "waits", or "no room"; and its connection."""
        conn = Conn(self, name)

        def served():
            if self.queue.serve(name):
                return "runs"
            return "waits" if self.queue.add(conn, f"request of {name}") else TURN_AWAY

        return in_hub(served), conn

    def end(self, name):
        self.gates[name].set()
        settle()

    def close(self):
        self.pool.stop()
        self.pool.kill()


@pytest.fixture
def make():
    sites = []

    def make(*args, **settings):
        sites.append(Site(*args, **settings))
        return sites[-1]

    yield make
    for site in sites:
        site.close()


def test_as_many_run_as_the_limit_says_and_some_wait_though_workers_are_free(make):
    site = make()
    came = [site.come(name)[0] for name in "abcdef"]
    assert came == ["runs", "runs", "waits", "waits", "waits", TURN_AWAY]
    assert site.pool.free_count() == 8 and len(site.queue) == 3
    assert repr(site.queue) == "<AdaptiveQueue 3/3 <Calls 2/2>>"


@pytest.mark.parametrize("bound", [0, 3])
def test_the_limit_is_told_of_who_finds_no_room(make, bound):
    site = make(max_queue=bound)
    for name in "ab":
        site.come(name)
    assert site.queue._calls.limit.state is LimitState.CALM
    site.come("c")
    assert site.queue._calls.limit.state is LimitState.ABOVE


def test_who_came_first_is_served_first(make):
    site = make()
    for name in "abcde":
        site.come(name)
    site.end("b")
    site.end("a")
    assert site.told == [("c", "run"), ("d", "run")]
    assert site.come("f")[0] == "waits"
    site.end("c")
    site.end("d")
    assert site.told[2:] == [("e", "run"), ("f", "run")]


def test_nobody_overtakes_those_who_wait(make):
    site = make()
    for name in "abc":
        site.come(name)
    site.queue._calls.limit.value = 5
    assert site.come("d")[0] == "waits"
    settle()
    assert site.told == [("c", "run"), ("d", "run")]


def test_when_the_limit_falls_nobody_is_let_in_until_there_are_fewer(make):
    site = make(limit=3)
    for name in "abcd":
        site.come(name)
    site.queue._calls.limit.value = 1
    site.end("a")
    site.end("b")
    assert not site.told
    site.end("c")
    assert site.told == [("d", "run")]


def test_workers_are_a_limit_too(make):
    site = make(workers=1, limit=9)
    assert site.queue._calls.limit.value == 9
    assert [site.come(name)[0] for name in "ab"] == ["runs", "waits"]
    settle()
    assert not site.told
    site.end("a")
    assert site.told == [("b", "run")]


def test_without_a_queue_whoever_finds_no_room_is_refused(make):
    site = make(max_queue=0)
    assert [site.come(name)[0] for name in "abc"] == ["runs", "runs", TURN_AWAY]


def test_one_that_is_dropped_is_not_run(make):
    site = make()
    for name in "ab":
        site.come(name)
    _, gone = site.come("c")
    site.come("d")
    assert in_hub(site.queue.drop, gone) == "request of c"
    assert in_hub(site.queue.drop, gone) is None
    site.end("a")
    assert site.told == [("d", "run")]


# ---------------------------------------------------------------------- patience


def test_a_burst_waits_for_the_whole_delay(make):
    site = make()
    for name in "abc":
        site.come(name)
    site.clock.advance(DELAY * 0.99)
    site.end("a")
    assert site.told == [("c", "run")]


def test_after_the_delay_who_has_waited_is_refused_before_anybody_is_served(make):
    site = make()
    for name in "abc":
        site.come(name)
    site.clock.advance(DELAY)
    site.come("d")
    site.end("a")
    assert site.told == [("c", TURN_AWAY), ("d", "run")]


def test_while_there_are_always_some_they_wait_for_a_fraction_of_it(make):
    site = make()
    for name in "abc":
        site.come(name)
    site.clock.advance(DELAY * 0.9)
    site.come("d")
    site.end("a")
    assert site.told == [("c", "run")]
    site.clock.advance(DELAY * 0.1)  # "d" waits for 0.1 of it, the queue stands for all of it
    site.come("e")
    site.clock.advance(DELAY / STANDING * 0.9)
    site.end("b")
    assert site.told[1:] == [("d", TURN_AWAY), ("e", "run")]


def test_a_queue_that_was_empty_in_between_does_not_stand(make):
    site = make()
    for name in "abc":
        site.come(name)
    site.end("a")
    site.clock.advance(DELAY * 2)
    assert site.come("d")[0] == "waits"
    site.clock.advance(DELAY * 0.5)
    site.end("b")
    assert site.told == [("c", "run"), ("d", "run")]


class Running:
    """Time as it is."""

    def __call__(self):
        loop = get_hub().loop
        loop.update_now()
        return loop.now()


def test_who_waits_in_vain_is_told_although_nothing_ends(make):
    site = make(delay=0.01, clock=Running())
    for name in "abcd":
        site.come(name)
    while len(site.told) < 2:
        site.changed.clear()
        assert site.changed.wait(5)
    assert site.told == [("c", TURN_AWAY), ("d", TURN_AWAY)]
    assert len(site.queue) == 0 and site.queue._timer is None


def test_who_came_later_is_told_later_although_nothing_ends(make):
    site = make()
    for name in "abc":
        site.come(name)
    site.clock.advance(DELAY * 0.99)
    site.come("d")
    site.clock.advance(DELAY * 0.01)
    in_hub(site.queue._timer_is_over)
    assert site.told == [("c", TURN_AWAY)]
    assert site.queue._timer is not None
    site.clock.advance(DELAY)
    in_hub(site.queue._timer_is_over)
    assert site.told == [("c", TURN_AWAY), ("d", TURN_AWAY)]
    assert site.queue._timer is None


def test_a_delay_without_end_needs_no_timer(make):
    site = make(delay=inf)
    for name in "abc":
        site.come(name)
    assert site.queue._timer is None
    site.clock.advance(1e9)
    site.end("a")
    assert site.told == [("c", "run")]


@pytest.mark.parametrize("how", ["served", "dropped"])
def test_no_timer_is_left_when_nobody_waits(make, how):
    site = make()
    for name in "ab":
        site.come(name)
    _, conn = site.come("c")
    assert site.queue._timer is not None
    if how == "served":
        site.end("a")
    else:
        in_hub(site.queue.drop, conn)
    assert site.queue._timer is None


# ---------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize("late", [False, True])
def test_one_that_cannot_be_served_or_refused_leaves_the_queue_to_the_others(make, late, caplog):
    site = make()
    for name in "ab":
        site.come(name)
    _, bad = site.come("c")

    def fail(*_):
        raise RuntimeError("a bad one")

    run = site.queue._run
    if late:
        bad.expired = fail
        site.clock.advance(DELAY)
    else:
        site.queue._run = lambda conn, request: fail() if conn is bad else run(conn, request)
    site.come("d")
    site.end("a")
    assert site.told == [("d", "run")]
    assert [record.exc_info[1].args for record in caplog.records] == [("a bad one",)]


def test_a_call_that_raises_makes_room_as_any_other(make):
    site = make(limit=1)

    def failing(environ, start_response):
        raise RuntimeError("application")

    call = site.queue.counted(failing)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            call({"name": "x"}, None)
    assert len(site.queue._calls) == 0


def test_what_the_application_returns_is_what_it_returned(make):
    answer = [b"x"]
    assert make().queue.counted(lambda *_: answer)({}, None) is answer


# ---------------------------------------------------------------------- others


def test_two_that_share_count_together(make):
    one, other = make(limit=2), make(limit=9)
    in_hub(other.queue.share, one.queue)
    assert other.queue.limit == 2
    assert [one.come("a")[0], other.come("b")[0], one.come("c")[0]] == ["runs", "runs", "waits"]


@pytest.mark.parametrize("policy", ["reject", "wait", "adaptive"])
def test_each_policy_has_its_queue(make, policy):
    pool = make(workers=7).pool
    loop = get_hub().loop
    queue = queue_for(policy, pool, Settings(), print, pool.serve, loop=loop)
    assert isinstance(queue, AdaptiveQueue) is (policy == "adaptive")
    assert queue.limit == 7


def test_the_lowest_limit_is_not_above_the_workers(make):
    assert make(workers=3, limit=3, adaptive_min=50).queue._calls.limit._least == 3
