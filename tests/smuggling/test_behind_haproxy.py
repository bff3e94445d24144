"""Every case through HAProxy, which shares its connections to gpool among all clients."""

import tempfile
from contextlib import ExitStack
from hashlib import sha1
from pathlib import Path

import pytest

from tests.neighbours import programs
from tests.smuggling.behind import PASSES, Behind, Passed
from tests.smuggling.tables import PARAMS

pytestmark = pytest.mark.parts

CONFIGURATION = """
global
    tune.bufsize 400000
frontend www
    bind LISTEN
    no log
    log stderr len 65535 format raw local0 info
    timeout client 300ms
    timeout http-request 300ms
    {option}
    http-request set-var(txn.url) url,hex
    http-request set-var(txn.size) req.body_len
    http-request set-var(txn.body) req.body,sha1,hex
    log-format "SAW %cp <%s %ST> <%HM %[var(txn.url)]> <%[var(txn.size)] %[var(txn.body)]>"
    default_backend app
backend app
    http-reuse always
    # gpool may have to close what HAProxy holds for idle, if a body that nobody has read is too
    # much to be thrown away. What comes over that next is asked again, as in deploy/haproxy.
    retry-on conn-failure empty-response
    http-request disable-l7-retry unless {{ path_beg /next/ }}
    server gpool {address}
"""
LINE = r"^SAW PORT <gpool (\S+)> <(\S*) (\S*)> <(\S*) (\S*)>$"


def read(match, *, bodies):
    """A line of the log; it has the SHA-1 of a body, or of the first part of a large one."""
    asked = f"{match[2]} {bytes.fromhex(match[3]).decode('latin-1')}"
    if not bodies:
        return Passed(match[1], asked, lambda _: True)
    size, digest = int(match[4]), match[5].lower()
    return Passed(
        match[1],
        asked,
        lambda body: size >= min(len(body), 16_000) and sha1(body[:size]).hexdigest() == digest,
    )


@pytest.fixture(scope="module", params=["option http-buffer-request", ""], ids=["read", "streamed"])
def behind(request):
    """HAProxy, with bodies read before they are passed on, or not."""
    with ExitStack() as stack:
        gpool = stack.enter_context(programs.Gpool("tests.smuggling.application:app"))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gpool-")))
        rest = CONFIGURATION.format(address=gpool.address, option=request.param)
        program, port = programs.haproxy(folder, rest)
        stack.enter_context(program)
        yield Behind(
            program,
            ("127.0.0.1", port),
            ("127.0.0.1", gpool.port),
            lambda match: read(match, bodies=bool(request.param)),
            LINE,
            half_close=True,
        )


@pytest.mark.parametrize("case", PARAMS)
def test_what_reaches_the_application_is_what_haproxy_meant(behind, case):
    behind.check(case)


@pytest.mark.parametrize("case", PASSES, ids=lambda case: case.id)
def test_what_is_well_formed_goes_through(behind, case):
    assert behind.check(case) == [*case.reached, "GET /end"]


def test_clients_share_a_connection_to_gpool(behind):
    """Else a request that one smuggles could not meet another's."""
    assert behind.ports() <= 2  # one for each of its threads
