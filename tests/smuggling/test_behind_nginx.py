"""Every case through nginx, which keeps its connections to gpool, and reads bodies first or not."""

import re
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.neighbours import programs
from tests.smuggling.behind import PASSES, Behind, Passed
from tests.smuggling.tables import PARAMS

pytestmark = pytest.mark.parts

HTTP = r"""
    log_format saw 'SAW $remote_port <$upstream_status> '
                   '<$request_method $request_uri> <$beginning>';
    map $request_body $beginning {{
        "~(?s)^(?<first>.{{0,1000}})" $first;
    }}
    upstream app {{
        server {address};
        keepalive 16;
    }}
    server {{
        listen LISTEN;
        access_log /dev/stderr saw;
        error_log stderr crit;
        keepalive_timeout 300ms;
        client_header_timeout 300ms;
        client_body_timeout 300ms;
        client_body_buffer_size 1m;
        large_client_header_buffers 16 16k;
        underscores_in_headers on;
        ignore_invalid_headers off;
        location / {{
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_request_buffering {buffering};
        }}
    }}
"""
#: The last of several answers counts: nginx asks again where a kept connection was closed.
LINE = r"^SAW PORT <(?:[-\d]+, )*([-\d]+)> <(.*?)> <(.*)>$"
ESCAPED = re.compile(r"\\x([0-9A-F]{2})")


def unescaped(text):
    """What nginx has logged."""
    return ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)


def read(match, *, bodies):
    """A line of the log; it has the first 1000 bytes of a body that nginx has read."""
    start = b"" if match[3] == "-" else unescaped(match[3]).encode("latin-1")
    return Passed(match[1], unescaped(match[2]), lambda body: not bodies or body[:1_000] == start)


@pytest.fixture(scope="module", params=["on", "off"])
def behind(request):
    """nginx, which passes more to gpool than it does by default."""
    with ExitStack() as stack:
        gpool = stack.enter_context(programs.Gpool("tests.smuggling.application:app"))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gpool-")))
        folder.chmod(0o755)
        http = HTTP.format(address=gpool.address, buffering=request.param)
        program, port = programs.nginx(folder, http)
        stack.enter_context(program)
        yield Behind(
            program,
            ("127.0.0.1", port),
            ("127.0.0.1", gpool.port),
            lambda match: read(match, bodies=request.param == "on"),
            LINE,
            half_close=False,  # it would end the request
        )


@pytest.mark.parametrize("case", PARAMS)
def test_what_reaches_the_application_is_what_nginx_meant(behind, case):
    behind.check(case)


@pytest.mark.parametrize("case", PASSES, ids=lambda case: case.id)
def test_what_is_well_formed_goes_through(behind, case):
    assert behind.check(case) == [*case.reached, "GET /end"]


def test_clients_share_a_connection_to_gpool(behind):
    """Else a request that one smuggles could not meet another's."""
    assert behind.ports() == 1
