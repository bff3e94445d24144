r"""The cases through a proxy: what it lets pass is what it meant, whatever it makes of a case.

Servers in front differ in what they refuse, repair and drop, and may do so; what must not differ
is what the proxy takes for a request and what gpool takes for one. So the proxy logs each request
that it has passed on, as it understands it: the client's port, the status that it has ended with,
the method, the target and the body. What gpool's application has seen must be those, in order and
no more, but for those that gpool has refused; a client gets no answer but those; and the next
client, whose request goes out on a connection that the case has used, gets the answer to its own.

Behind each case comes one more request, the last of its connection, so that a proxy that has taken
all before it for requests, and waits for the next, gets one.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from tests.blackbox.client import request
from tests.smuggling.cases import KEEPS
from tests.smuggling.client import Client, ask, forget, seen_by
from tests.smuggling.tables import CASES

__all__ = ["PASSES", "Behind", "Passed", "assert_own", "is_meant"]

END = request("/end", "Connection: close")
#: What an application has answered, and not gpool or the proxy.
SERVED = ("200", "204", "304", "500")
#: What does not show its body, or shows more.
PARTLY = re.compile(
    r"(\w+ (?:https?://[^/]*)?/(?:early|part|204|304|raise|told)/\S+)(?: .*)?", re.DOTALL
)
#: Cases that every proxy passes as they are, so that what the others show is not that none does.
PASSES = [
    case
    for case in CASES
    if case.id
    in {
        "9112-6.2 CL: a request as a body",
        "9112-7.1 TE: a request in a chunk is a body",
        "9112-7.1.1 EXT.TERM: a chunk in quotes",
        "9110-6.5.1 CVE-2023-41419: one",
        "9110-9.3 CL.0: the body of OPTIONS",
        "9112-9.3 CL.0: unread by early",
        "9112-9.3 TE.0: unread by 304",
        "9112-9.3.2 pipeline: three",
    }
]
SAW = re.compile(rb"X-Saw: ([^\r\n]*)", re.IGNORECASE)


@dataclass
class Passed:
    """A request as the proxy has understood it.

    Attributes:
        status: with which it has ended.
        request: method and target.
        has: whether a body is that of the request, as far as the proxy says.
    """

    status: str
    request: str
    has: Callable[[bytes], bool]

    def is_what(self, saw: str) -> bool:
        """Whether this is what the application saw."""
        partly = PARTLY.fullmatch(saw)
        told, body = partly[1] if partly else saw, ""
        if saw.startswith(f"{self.request} "):
            told, body = self.request, saw[len(self.request) + 1 :]
        return told == self.request and bool(partly or self.has(body.encode("latin-1")))


def is_meant(served: list[str], passed: list[Passed]) -> bool:
    """Whether what the application has served is what the proxy has passed, in order.

    The proxy may have passed some that gpool has refused, or that it gave up itself: but none that
    an application is said to have answered.
    """
    left = list(served)
    for one in passed:
        if left and one.is_what(left[0]):
            del left[0]
        elif one.status in SERVED:
            return False
    return not left


class Behind:
    """gpool behind a proxy.

    Args:
        program: the proxy's process.
        front: its address.
        back: gpool's.
        read: what makes a `Passed` of a line's match.
        pattern: of a line of its log, with ``PORT`` for a client's.
        half_close: whether a client may say at once that it sends no more, which ends what would
            be waited for; a proxy may drop requests then that it has not yet looked at.
    """

    def __init__(self, program, front, back, read, pattern, *, half_close):
        self.program, self.front, self.back = program, front, back
        self._read, self._pattern, self._half_close = read, pattern, half_close
        self._number = 0

    def check(self, case):
        """A case, and a client after it; what the application has served of the case."""
        forget(self.back)
        since = len(self.program.lines)
        with Client(self.front) as client:
            port = client.socket.getsockname()[1]
            client.send(case.data + case.later + END)
            if self._half_close and case.then is not KEEPS:
                client.half_close()
            answers = client.rest()
        self.assert_next()
        seen, _ = seen_by(self.back)
        seen.remove(f"GET /next/{self._number}")
        served = [one for one in seen if "!" not in one]
        self.assert_meant(served, port, since)
        assert_own(served, answers)
        return served

    def ports(self):
        """How many connections to gpool ten clients take, one after the other."""
        forget(self.back)
        for _ in range(10):
            self.assert_next()
        seen, peers = seen_by(self.back)
        assert len(seen) == len(peers) == 10
        return len(set(peers))

    def assert_next(self):
        """The next client gets its own answer."""
        self._number += 1
        response = ask(self.front, f"/next/{self._number}")
        assert response.one("X-Saw") == f"GET /next/{self._number}", response

    def assert_meant(self, served, port, since):
        """What the application has served is what the proxy has passed.

        Args:
            served: what it saw.
            port: of the client; a line of the log may come after the answer.
            since: how many lines there were before.
        """
        pattern = self._pattern.replace("PORT", str(port))
        passed, count = [], len(served)
        while not is_meant(served, passed):
            try:
                passed = [self._read(one) for one in self.program.wait(pattern, count, since)]
            except AssertionError:
                raise AssertionError((served, passed)) from None
            count = len(passed) + 1


def assert_own(served, answers):
    """The client has got answers to its requests only, in order; a proxy may have dropped some."""
    told = [unquote(one.decode(), encoding="latin-1") for one in SAW.findall(answers)]
    rest = iter(served)
    assert all(any(saw.startswith(one) for saw in rest) for one in told), (served, told)
