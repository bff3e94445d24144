"""The application that is measured: it computes for so long, waits for so long, and says who it is.

``/CPU/WAIT``, in microseconds, is answered with the number of its process; CPU is CPU time and not
the clock's, so that it is the same where processes share a core. Any other path says hello.
"""

import os
from collections.abc import Iterable
from time import thread_time_ns
from wsgiref.types import StartResponse, WSGIEnvironment

import gevent

from bench.application import hello


def compute(microseconds: int) -> None:
    """Use so much of the core."""
    until = thread_time_ns() + microseconds * 1_000
    while thread_time_ns() < until:
        pass


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """See above."""
    cpu, _, wait = environ["PATH_INFO"][1:].partition("/")
    if not wait:
        return hello(environ, start_response)
    if cpu != "0":
        compute(int(cpu))
    if wait != "0":
        gevent.sleep(int(wait) / 1e6)
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
