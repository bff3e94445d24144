"""A snapshot: of one process, through JSON, and put together with others."""

import json
from dataclasses import fields
from types import SimpleNamespace

import gevent
import pytest
from gevent.event import Event

from gpool.admin.snapshot import (
    REASONS,
    STATES,
    SUMS,
    TABLES,
    TIMES,
    Snapshot,
    from_json,
    merged,
    take,
)
from gpool.connection import ConnState
from gpool.hosting import Hosting
from gpool.limits import Refusal
from gpool.wsgi.tally import Tally
from tests.admin.parts import buckets, snapshot
from tests.wsgi_server.clients import Client, request, until

ALL = snapshot(
    title="a:b",
    pids=(3, 4),
    full_for=1.5,
    max_workers=9,
    limit=8,
    running=3,
    ready=1,
    busy=2,
    open=6,
    lingering=1,
    connections={"idle": 4, "active": 2},
    accepted=20,
    created=3,
    reused=15,
    retired=1,
    tainted=1,
    errors=1,
    refused={"full": 2},
    requests={"2xx": 15, "5xx": 1},
    sent=1_000,
    buckets=buckets(_0=10, _3=6),
    seconds=0.25,
    blocked=2,
    longest=1.5,
    last="in here",
)


def test_the_states_and_reasons_are_those_of_the_server():
    assert set(STATES) == {state.name.lower() for state in ConnState} - {"closed"}
    assert set(REASONS) == {reason.name.lower() for reason in Refusal}


def test_every_field_is_merged_by_a_rule():
    others = {"title", "version", "pids", "state", "buckets", "last", *TIMES}
    assert {field.name for field in fields(Snapshot)} == others | set(SUMS) | set(TABLES)


def test_json_gives_back_what_it_was_given():
    assert from_json(json.loads(json.dumps(ALL.as_json()))) == ALL


@pytest.mark.parametrize(
    "change",
    [
        {"more": 1},
        {"busy": "many"},
        {"busy": None},
        {"pids": 3},
        {"taken": None},
        {"state": "ELSEWHERE"},
        {"buckets": [1]},
        {"requests": [1]},
        {"requests": {"2xx": None}},
    ],
    ids=str,
)
def test_json_that_is_no_snapshot_is_refused(change):
    with pytest.raises(ValueError, match="snapshot"):
        from_json(json.loads(json.dumps(ALL.as_json())) | change)


@pytest.mark.parametrize("data", [None, [], {}, "x"], ids=repr)
def test_json_of_another_kind_is_refused(data):
    with pytest.raises(ValueError, match="snapshot"):
        from_json(data)


def test_merging_one_changes_nothing():
    assert merged([ALL]) == ALL


def test_merged_adds_up_what_is_counted_and_what_is_held():
    both = merged(
        [ALL, snapshot(pids=(2,), max_workers=1, limit=1, busy=1, sent=5, requests={"2xx": 1})]
    )
    assert both.pids == (2, 3, 4)
    assert both.limit == 9
    assert (both.max_workers, both.busy, both.sent) == (10, 3, 1_005)
    assert both.requests["2xx"] == 16
    assert both.connections["idle"] == 4
    assert both.buckets == ALL.buckets


def test_merged_times_are_the_oldest_start_and_the_newest_moment():
    both = merged([snapshot(started=5.0, taken=10.0), snapshot(started=3.0, taken=9.0)])
    assert (both.started, both.taken) == (3.0, 10.0)


def test_the_blocked_hub_that_is_told_is_the_longest_and_the_last():
    one = snapshot(longest=3.0, last="first", taken=1.0)
    other = snapshot(longest=2.0, last="then", taken=2.0)
    both = merged([other, one, snapshot(taken=3.0)])
    assert (both.longest, both.last) == (3.0, "then")


@pytest.mark.parametrize(
    ("states", "state"),
    [
        (["DRAINING", "SERVING", "STOPPED"], "SERVING"),
        (["STOPPED", "DRAINING"], "DRAINING"),
        (["STOPPED"], "STOPPED"),
    ],
)
def test_one_process_that_serves_is_enough(states, state):
    assert merged(snapshot(state=each) for each in states).state == state


def test_one_process_with_room_is_enough():
    assert merged([snapshot(full_for=9.0), snapshot(full_for=0.0)]).full_for == 0.0
    assert merged([snapshot(full_for=9.0), snapshot(full_for=7.0)]).full_for == 7.0


def test_an_ended_process_leaves_its_counts_and_holds_nothing():
    both = merged([ALL.ended(), snapshot(pids=(7,), full_for=4.0, started=60.0, busy=1)])
    assert (both.pids, both.state, both.full_for, both.started) == ((7,), "SERVING", 4.0, 60.0)
    assert (both.busy, both.ready, both.running, both.open, both.max_workers) == (1, 0, 0, 0, 0)
    assert not any(both.connections.values())
    assert (both.accepted, both.sent, both.blocked) == (20, 1_000, 2)
    assert both.requests == ALL.requests


def test_a_snapshot_has_the_figures_of_the_servers():
    gate = Event()

    def application(environ, start_response):
        if environ["PATH_INFO"] == "/hold":
            gate.wait()
        start_response("404 Not Found", [])
        return [b"gone"]

    hosting, tally = (
        Hosting([("127.0.0.1", 0)], application, max_workers=1, overflow_pause=0),
        Tally(),
    )
    hosting.observe(tally)
    watch = SimpleNamespace(blocked=2, longest=0.5, last="there")

    def now():
        return take(hosting, tally, watch, title="x", pid=5, started=3.0)

    assert now().state == "STOPPED"
    hosting.start()
    try:
        with Client(hosting.servers[0].address) as idle, Client(hosting.servers[0].address) as held:
            idle.ask()
            held.send(request("/hold"))
            until(lambda: now().busy)
            with Client(hosting.servers[0].address) as refused:
                assert refused.ask().status == 503
            taken = now()
            gate.set()
            held.answer()
    finally:
        hosting.stop(1)
    assert (taken.state, taken.pids, taken.started, taken.title) == ("SERVING", (5,), 3.0, "x")
    assert (taken.running, taken.ready, taken.busy, taken.max_workers) == (1, 0, 1, 1)
    assert taken.limit == 1
    assert (taken.connections["idle"], taken.connections["active"]) == (1, 1)
    assert (taken.accepted, taken.refused["full"]) == (3, 1)
    assert taken.requests | {"4xx": 1, "5xx": 1} == taken.requests
    assert sum(taken.buckets) == 1
    assert (taken.blocked, taken.longest, taken.last) == (2, 0.5, "there")
    assert taken.full_for >= 0


def test_full_for_begins_when_somebody_sees_that_there_is_no_room():
    hosting = Hosting([("127.0.0.1", 0)], lambda *_: gevent.sleep(30), max_workers=1)
    hosting.start()
    try:
        first = take(hosting, Tally(), None, title="", pid=1, started=0.0)
        with Client(hosting.servers[0].address) as client:
            client.send(request())
            until(hosting.pool.full)
            hosting.full_since()
            gevent.sleep(0.001)
            later = take(hosting, Tally(), None, title="", pid=1, started=0.0)
    finally:
        hosting.stop(0)
    assert first.full_for == 0.0
    assert later.full_for > 0.0
