"""Room for descriptors: the kernel's own figure of it, in processes whose table is still small."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux tells how large the table is"
)

ALLOWED = 4_096
BEGIN = f"""
import os, resource
from gpool import StreamServer
from gpool.descriptors import make_room

def room():
    with open("/proc/self/status") as status:
        return int(next(line for line in status if line.startswith("FDSize:")).split()[1])

def is_open(descriptor):
    return str(descriptor) in os.listdir("/proc/self/fd")

resource.setrlimit(resource.RLIMIT_NOFILE, ({ALLOWED}, {ALLOWED}))
"""


def said(code):
    """What a new process says."""
    return subprocess.check_output([sys.executable, "-c", BEGIN + code], text=True, timeout=20)


def test_a_server_that_has_started_has_room_for_all_that_are_allowed():
    code = """
before = room()
with StreamServer(("127.0.0.1", 0), lambda sock, address: None):
    print(before < 1_024, room(), is_open(4_095))
"""
    assert said(code).split() == ["True", str(ALLOWED), "False"]


def test_where_the_highest_is_taken_there_is_room():
    code = """
os.dup2(0, 4_095)
make_room(0)
print(room(), is_open(4_095))
"""
    assert said(code).split() == [str(ALLOWED), "True"]


@pytest.mark.parametrize("allowed", ["1_000_000", "resource.RLIM_INFINITY"])
def test_where_very_many_are_allowed_there_is_room_for_some(allowed):
    code = f"""
resource.getrlimit = lambda which: ({allowed}, {allowed})
resource.setrlimit(resource.RLIMIT_NOFILE, (1_024, {ALLOWED}))
import gpool.descriptors
gpool.descriptors.MOST = 1_024
make_room(0)
print(room())
"""
    assert said(code).split() == ["1024"]
