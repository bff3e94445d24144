"""Slow attackers, by slowhttptest: they hold no worker that the application does not need.

What is looked at are the states of their connections and the counters that the admin listener has,
never times. slowhttptest itself asks as a normal client, once a second: of that there may be a few
requests more. The long form, with what a normal client notices, is `python -m bench.attacks`.
"""

import gevent
import pytest

from tests.neighbours.clients import ask
from tests.neighbours.programs import Program
from tests.parts import needed

pytestmark = [pytest.mark.parts, pytest.mark.limit(60)]

COUNT = 500  # attackers
FEW = 20  # of those to whom the kernel and the server have megabytes to send
SLOW_SITE = "tests.neighbours.slow_site:app"
RATE = 500  # that come in a second
WAIT = 30  # seconds for a state that is sure to come


class Attacked:
    """gpool under attack.

    Args:
        process: the running command.
        attack: starts slowhttptest.
    """

    def __init__(self, process, attack):
        admin = process.wait(r"admin on http://127\.0\.0\.1:(\d+)")[0]
        self.port = process.port
        self._admin = int(admin[1])
        self._attack = attack

    def attack(self, *flags, path="/"):
        """Let the attackers come; they stay until the test is over, or they are closed."""
        return self._attack(self.port, path, *flags)

    def stats(self):
        """The server's figures."""
        status, said = ask(self._admin, "/stats")
        assert status == 200
        return said

    def until(self, condition):
        """Wait until the figures are so; these."""
        with gevent.Timeout(WAIT):
            while not condition(seen := self.stats()):
                gevent.sleep(0.02)
        return seen

    def serves(self):
        """Whether a normal client is served; its own worker is free again afterwards."""
        return ask(self.port, "/name") == (200, b"one")


@pytest.fixture
def attack():
    """Start slowhttptest; it ends with the test."""
    program = needed("slowhttptest")
    running = []

    def start(port, path, *flags):
        url = f"http://127.0.0.1:{port}{path}"
        given = ["-c", COUNT, "-r", RATE, "-l", "60", "-i", "1", *flags, "-u", url]
        running.append(Program(program, *given))
        return running[-1]

    yield start
    for one in running:
        one.stop()


@pytest.fixture
def attacked(gpool, attack):
    """Start gpool with an admin listener."""

    def start(*args, **more):
        return Attacked(gpool("--admin", "127.0.0.1:0", *args, **more), attack)

    return start


def all_are(state, count=COUNT):
    """Whether all attackers are in that state."""
    return lambda seen: seen["connections"][state] >= count


def test_slow_heads_hold_no_worker(attacked):
    server = attacked("--max-workers", "1")
    server.attack("-H", "-x", "10")
    seen = server.until(all_are("reading"))
    assert not seen["busy"]
    assert server.serves()
    assert not any(server.stats()["refused"].values())


def test_slow_heads_are_told_and_closed_when_their_time_is_over(attacked):
    server = attacked("--max-workers", "1", "--header-timeout", "2")
    attackers = server.attack("-H", "-x", "10")
    server.until(lambda seen: seen["requests"]["4xx"] == COUNT)
    assert attackers.ended() == 0  # it has no connection left
    server.until(lambda seen: not seen["open"] and not seen["lingering"])
    assert server.serves()


def test_slow_bodies_hold_no_worker(attacked):
    server = attacked("--max-workers", "1")
    server.attack("-B", "-x", "10", "-s", "8192", path="/digest")
    seen = server.until(all_are("reading"))
    assert not seen["busy"]
    assert server.serves()
    assert not any(server.stats()["refused"].values())


def test_slow_bodies_that_the_application_reads_hold_no_more_than_max_workers(attacked):
    """And request_timeout gives the workers back."""
    server = attacked("--max-workers", "50", "--request-timeout", "3", "--overflow-pause", "0.001")
    server.attack("-B", "-x", "10", "-s", "800000", path="/digest")
    seen = server.until(lambda seen: seen["requests"]["5xx"] >= COUNT)
    assert seen["running"] == 50
    assert not seen["requests"]["4xx"]
    server.until(lambda seen: not seen["busy"])
    assert server.serves()


def slow_readers(attacked, interval, *args):
    """A server whose answers are read a few bytes at a time, with a window of some 512 bytes."""
    # Large answers take turns, so that the next request may have to wait for the one worker.
    given = ("--max-workers", "1", "--overflow", "wait", "--write-buffer", "16M")
    server = attacked(*given, *args, app=SLOW_SITE)
    flags = ("-X", "-c", FEW, "-n", interval, "-z", "32", "-w", "512", "-y", "1024")
    server.attack(*flags, path="/large")
    return server


def test_slow_readers_hold_no_worker(attacked):
    server = slow_readers(attacked, 1)
    seen = server.until(all_are("writing", FEW))
    assert not seen["busy"]
    assert server.serves()


def test_slow_readers_are_reset_when_they_take_nothing(attacked):
    server = slow_readers(attacked, 60, "--write-timeout", "1", "--keepalive-timeout", "1")
    server.until(lambda seen: seen["requests"]["2xx"] >= FEW)
    server.until(lambda seen: not seen["open"])
    assert server.serves()


def test_a_range_of_thousands_is_refused_without_a_worker(attacked):
    server = attacked("--max-workers", "1")
    attackers = server.attack("-R")
    server.until(lambda seen: seen["requests"]["4xx"] == COUNT)
    assert attackers.ended() == 0
    assert not any(server.stats()["refused"].values())
    assert server.serves()


def test_one_address_has_no_more_than_its_share(attacked):
    """The normal client is another one."""
    server = attacked("--max-conns-per-ip", "100")
    server.attack("-H", "-x", "10")
    seen = server.until(lambda seen: seen["refused"]["max_conns_per_ip"] == COUNT - 100)
    assert seen["connections"]["reading"] == 100
    assert ask(server.port, "/name", source="127.0.0.2") == (200, b"one")
