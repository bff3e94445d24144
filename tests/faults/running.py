"""Playing a scenario with a fault, and all that is looked at afterwards.

A fault may cost its client the answer, and nobody else anything. So before it a bystander connects;
the scenario is played; the bystander is served while the fault may still come; a fresh connection
is served after it; and when all are gone, everything in the process is as it was.

What the client of the fault may have got: all that it gets without one, or the beginning of that,
known as such (by its framing, or, where the end of the connection is the end of the body, by a
reset; but when the setsockopt fails that is to make it one, there is none), and perhaps an error
answer in the place of the rest.
"""

import re
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from typing import Any, NamedTuple

from tests.faults.client import Client
from tests.faults.process import Process
from tests.faults.scenarios import ENDS_WITH_THE_CONNECTION, OTHERWISE, SCENARIOS, VARIES, World
from tests.faults.shim import COUNTED, Fault
from tests.faults.table import TABLE, UNSEEN, name_of

__all__ = ["EXPECTED_LINES", "Result", "Runner", "combinations"]

DATE = re.compile(rb"Date: [^\r]*\r\n")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
ERROR = re.compile(rb"HTTP/1\.1 [45]\d\d ")

#: What may be in the log after a fault of a function, or of any ("").
EXPECTED_LINES: dict[str, tuple[str, ...]] = {
    "": (
        r"WARNING refused a connection from .*: all workers are busy \(1\)",
        r"WARNING closed a connection of the proxy .*",
        r"ERROR the application raised, for GET /breaks/.*RuntimeError\('it breaks'\)",
    ),
    "accept": (r"ERROR cannot accept: .*; trying again in .* s",),
    "epoll_ctl": (r"ERROR cannot accept: .*; trying again in .* s",),
    "malloc": (r"HUB MemoryError\(\)", r"ERROR the application raised, for .*MemoryError\(\)"),
    # A file that is on a server in a network has errors of the network.
    "sendfile": (
        r"ERROR the application raised, for GET /file/.*(?:OSError|TimeoutError)\(.*\)",
        r"ERROR the body is shorter than its Content-Length, which was \d+",
    ),
}


#: After these a connection may be left to its deadline: nobody is told of its bytes any more. libev
#: stops a watcher that epoll_ctl(2) refuses, and gevent one whose callback raises.
LEAVES = ("epoll_ctl", "malloc")


class Result(NamedTuple):
    """What a scenario came to.

    Attributes:
        received: what each client got, comparable.
        ended: how.
        counts: the calls.
        fired: whether the fault happened.
        left: whether something was left until its deadline.
        log: what was written.
        state: of the process, when all is over.
    """

    received: list[bytes]
    ended: list[str]
    counts: dict[str, int]
    fired: bool
    left: bool
    log: list[str]
    state: Any


class Runner:
    """Plays scenarios in one process.

    Args:
        process: which.

    Attributes:
        right: what scenarios come to without a fault.
    """

    def __init__(self, process: Process) -> None:
        self.process = process
        self._tokens = count(0x10000000)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        process.trust.configure_trust(self._context)
        self.right: dict[str, Result] = {}

    def learn(self, name: str) -> Result:
        """Play a scenario without a fault, as it is right; twice, since the first one warms up."""
        if name in OTHERWISE:
            self.learn(OTHERWISE[name])
        self.play(name, None)
        result = self.right[name] = self.play(name, None)
        assert not [line for line in result.log if not self._expected(line, "")], result.log
        return result

    def play(self, name: str, fault: Fault | None) -> Result:
        """Play a scenario."""
        process = self.process
        process.ask("gate", False)
        ports = process.ask("begin", 8 if name == "at_once" else 0)
        token = f"{next(self._tokens):08x}"
        world = World(process, ports, self._context, token)
        with closing(world), self.visitor(ports) as bystander:
            process.plan.arm(fault)
            try:
                SCENARIOS[name](world)
                lapsed = world.lapsed or any(client.lapses for client in world.clients)
                if fault is not None and fault.function == "malloc":
                    process.plan.disarm()  # what follows is for the test's own sake
                if not lapsed:
                    self._serves(bystander, 2)
                world.close()
                process.ask("gate", True)
                quiet = process.ask("quiet", 0 if lapsed else 1)
                process.ask("drained")
            finally:
                process.plan.disarm()
            with self.visitor(ports) as fresh:
                assert not fresh.lapses, "a fresh connection had to wait"
        ending = process.ask("quiet", 0)
        return Result(
            [comparable(client.received, token) for client in world.clients],
            [client.ended for client in world.clients],
            process.plan.counts(),
            process.plan.fired,
            quiet["lapsed"] or any(client.lapses for client in world.clients),
            quiet["hub"] + quiet["log"] + ending["hub"] + ending["log"],
            {key: ending[key] for key in ("descriptors", "servers")},
        )

    @contextmanager
    def visitor(self, ports: dict[str, int]) -> Iterator[Client]:
        """A client that is served, as it has to be."""
        with Client(self.process, ("127.0.0.1", ports["main"])) as client:
            self._serves(client.begin(), 1)
            yield client

    def _serves(self, client: Client, requests: int) -> None:
        token = f"{next(self._tokens):08x}"
        client.send(b"GET /plain/%b HTTP/1.1\r\nHost: test\r\n\r\n" % token.encode())
        client.bodies(requests)
        assert client.received.endswith(b"\r\n\r\n%b<end>" % token.encode()), client.received

    # ------------------------------------------------------------------ what must hold

    def check(self, name: str, fault: Fault) -> Result:
        """Play a scenario with a fault, and see that it has cost nobody else anything."""
        if name not in self.right:
            self.learn(name)
        result, right = self.play(name, fault), self.right[name]
        if result.left and fault.function not in LEAVES:
            result = self.play(name, fault)  # a machine that is slow enough can look like it, once
            assert not result.left, "something waits for its deadline"
        assert result.state == right.state, difference(right.state, result.state)
        told = "" if fault.function == "accept" and fault.lost else fault.function
        unexpected = [line for line in result.log if not self._expected(line, told)]
        assert not unexpected, unexpected
        assert not any(result.counts[one] for one in COUNTED[2:])  # the table would lack it
        for at, received in enumerate(result.received):
            may = [self.right[one].received[at] for one in (name, OTHERWISE.get(name, name))]
            if unseen_by_client(fault) and b" 200 OK" in may[0] and name not in VARIES:
                assert received in may, (received[-300:], may[0][-300:])
                assert result.ended[at] == right.ended[at], result.ended[at]
            else:
                assert any(may_be(received, whole) for whole in may), (
                    received[-300:],
                    may[0][-300:],
                )
                short = (
                    may[0].startswith(received) and b"\r\n\r\n" in received and received != may[0]
                )
                if short and name in ENDS_WITH_THE_CONNECTION and fault.function != "setsockopt":
                    assert result.ended[at] == "reset", "a body that is cut off looks whole"
        return result

    def _expected(self, line: str, function: str) -> bool:
        patterns = (*EXPECTED_LINES[""], *EXPECTED_LINES.get(function, ()))
        return any(re.fullmatch(pattern, line) for pattern in patterns)


def comparable(received: bytes, token: str) -> bytes:
    """The same for all that got the same."""
    received = DATE.sub(b"", received).replace(CONTINUE, b"")
    return received.replace(token.encode(), b"(token)")


def may_be(received: bytes, whole: bytes) -> bool:
    """Whether it is the beginning of what is right, or that and an error answer."""
    if whole.startswith(received):
        return True
    at = received.rfind(b"HTTP/1.1 ")
    return at >= 0 and whole.startswith(received[:at]) and bool(ERROR.match(received[at:]))


def unseen_by_client(fault: Fault) -> bool:
    """Whether the call is just made again."""
    names = UNSEEN.get(fault.function, ())
    return name_of(fault).split()[-1] in names


def difference(right: Any, now: Any) -> Any:
    """What has changed."""
    if isinstance(right, dict):
        return {
            key: difference(right[key], now[key]) for key in right if right[key] != now.get(key)
        }
    return f"{right} -> {now}"


def combinations(right: Result) -> list[tuple[str, int, str]]:
    """All that can fail in a scenario: function, index, name of the error."""
    return [
        (function, index, error)
        for function, errors in TABLE.items()
        for index in range(right.counts[function])
        for error in errors
    ]
