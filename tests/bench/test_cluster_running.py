"""Three processes of gpool behind HAProxy: the short form of `make cluster`."""

from contextlib import ExitStack
from pathlib import Path

import gevent
import pytest
from gevent import socket
from gevent.event import Event

from bench.cluster.balancer import Balancing
from bench.cluster.client import Client, always
from bench.cluster.faults import FAULTS, OK
from bench.cluster.places import place, why_not
from bench.cluster.processes import PORT, until
from bench.cluster.running import balanced, started
from tests.parts import needed

pytestmark = pytest.mark.limit(60)

WORKERS = 4
PROCESSES = 3
FULL = 503
PATIENCE = "1s"  # that HAProxy has with checks: tests run beside others


class Gate(list[socket.socket]):
    """Where requests for /held wait, as connections to a unix socket; it has those that do."""

    def __init__(self, path):
        super().__init__()
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.bind(path)
        self._sock.listen()

    def reached(self):
        """Wait until one more waits here."""
        self.append(self._sock.accept()[0])

    def open(self):
        while self:
            self.pop().close()

    def close(self):
        self.open()
        self._sock.close()


@pytest.fixture(scope="module")
def where():
    needed("haproxy")
    with place(PROCESSES + 2) as one:
        yield one


@pytest.fixture(scope="module")
def starting(where, tmp_path_factory):
    """What starts processes; they end with the module."""
    gates = str(tmp_path_factory.mktemp("gates") / "gate")
    with ExitStack() as stack:

        def start(numbers, workers, *more):
            variables = {"CLUSTER_MEAN": "0.02", "CLUSTER_GATE": gates}
            arguments = ("--max-workers", str(workers), *more)
            return stack.enter_context(
                started(where, numbers, arguments=arguments, variables=variables)
            )

        start.gates = gates
        yield start


@pytest.fixture(scope="module")
def cluster(starting):
    return starting(range(1, PROCESSES + 1), WORKERS)


@pytest.fixture
def gate(starting):
    one = Gate(starting.gates)
    yield one
    one.close()
    Path(starting.gates).unlink()


class Asking(Client):
    """Six clients that ask again and again, from now on."""

    def __init__(self, port):
        super().__init__(port)
        self._told, self._ended = Event(), False
        self._asked = []
        self._greenlet = gevent.spawn(always, self, 6, lambda: self._ended)

    def ask(self, due):
        self._asked.append(due)
        answer = super().ask(due)
        self._asked.remove(due)
        self._told.set()
        return answer

    def next(self, count):
        """Who gives the next answers."""
        wanted = len(self.answers) + count
        while len(self.answers) < wanted:
            self._told.clear()
            self._told.wait()
        return [one.server for one in self.answers[-count:]]

    def meet(self, cluster):
        """Wait until each of them has answered, from now on."""
        missing = {one.name for one in cluster.processes}
        while missing:
            missing -= set(self.next(1))

    def settle(self):
        """Wait until nobody waits for an answer who does so now."""
        now = max(self._asked)
        while min(self._asked, default=now + 1) <= now:
            self.next(1)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self._ended = True
        self._greenlet.join()
        self.close()


@pytest.fixture
def balancer(cluster):
    with balanced(cluster, Balancing(timeout="1s", patience=PATIENCE)) as one:
        yield one


# ---------------------------------------------------------------------- one of them in trouble


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if not fault.leaves])
def test_no_get_fails_and_none_is_left_to_a_process_that_is(name, cluster, balancer, where):
    fault, process = FAULTS[name], cluster.processes[0]
    if fault.cable and not where.can_cut:
        pytest.skip(f"{where.kind} have no cable: {why_not()}")
    with Asking(balancer.port) as clients:
        clients.meet(cluster)
        fault.begin(process, where)
        balancer.wait_until_down(process.name)
        clients.settle()
        assert process.name not in clients.next(60)
        fault.end(process, where)
        balancer.wait_until_up(process.name)
        clients.meet(cluster)
    assert {one.status for one in clients.answers} == {OK}
    assert process.statuses == [] or name != "drained" or process.statuses[-1] == 0


def test_a_process_that_has_become_slow_is_given_less(cluster, balancer, where):
    fault, process = FAULTS["slowed"], cluster.processes[0]
    with Asking(balancer.port) as clients:
        fault.begin(process, where)
        clients.next(30)
        given = clients.next(150).count(process.name)
        fault.end(process, where)
    assert 0 < given < 25, "50 would be its fair share, 5 what it can do of that"
    assert {one.status for one in clients.answers} == {OK}


# ---------------------------------------------------------------------- nearly all workers in use


def hold(client, gate, count):
    """So many requests in the application; each waits at the gate."""
    held = []
    for _ in range(count):
        held.append(gevent.spawn(client.ask, 0.0))
        gate.reached()
    return held


class Direct(Client):
    """A client of one process, past the balancer, whose requests are held."""

    def __init__(self, where, host):
        super().__init__(PORT, "/held")
        self._where, self._host = where, host

    def _connection(self):
        sock = self._where.socket()
        sock.connect((self._host, PORT))
        return sock


def refused(cluster):
    """How many requests full processes have refused, each of them."""
    return [one.stats()["refused"]["full"] for one in cluster.processes]


def test_while_one_worker_of_all_is_free_nobody_is_refused(cluster, gate):
    """Whoever is full says 503, and the balancer finds the one that has room."""
    with balanced(cluster, Balancing("roundrobin", patience=PATIENCE)) as balancer:
        held, client = Client(balancer.port, "/held"), Client(balancer.port)
        before = refused(cluster)
        waiting = hold(held, gate, PROCESSES * WORKERS - 1)
        answers = [client.ask(0.0) for _ in range(6)]
        after = refused(cluster)
        gate.open()
        gevent.joinall(waiting)
        for one in (held, client):
            one.close()
    assert [one.status for one in answers] == [OK] * 6
    assert len({one.server for one in answers}) == 1
    more = [late - early for early, late in zip(before, after, strict=True)]
    assert sum(count > 0 for count in more) == PROCESSES - 1
    assert {one.status for one in held.answers} == {OK}


def test_without_retry_on_503_clients_are_refused_although_there_is_room(cluster, gate):
    with balanced(cluster, Balancing("roundrobin", full=False, patience=PATIENCE)) as balancer:
        client = Client(balancer.port)
        direct = [Direct(cluster.where, one.host) for one in cluster.processes[1:]]
        waiting = [asking for one in direct for asking in hold(one, gate, WORKERS)]
        statuses = {client.ask(0.0).status for _ in range(PROCESSES)}
        gate.open()
        gevent.joinall(waiting)
        for one in (client, *direct):
            one.close()
    assert statuses == {OK, FULL}


def waits(cluster):
    """How many requests wait for a worker, of each process."""
    return sorted(one.stats()["connections"]["queued"] for one in cluster.processes)


def test_with_wait_a_request_stays_behind_others_although_another_has_room(starting, gate):
    cluster = starting((PROCESSES + 1, PROCESSES + 2), 1, "--overflow", "wait")
    with balanced(cluster, Balancing("roundrobin", patience=PATIENCE)) as balancer:
        held, client = Client(balancer.port, "/held"), Client(balancer.port)
        waiting = hold(held, gate, 1)
        asking = [gevent.spawn(client.ask, 0.0) for _ in range(2)]
        first, *_ = gevent.wait(asking, count=1)
        until(lambda: waits(cluster) == [0, 1], "one to wait")
        assert sorted(one.stats()["busy"] for one in cluster.processes) == [0, 1]
        gate.open()
        gevent.joinall([*waiting, *asking])
        held.close()
        client.close()
    assert first.value.status == OK
    assert {one.status for one in held.answers + client.answers} == {OK}
