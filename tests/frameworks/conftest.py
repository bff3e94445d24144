"""The sites as the tests see them: a process, a port, clients."""

import os
import subprocess
import sys
from contextlib import closing, suppress
from http.client import HTTPConnection

import pytest
from urllib3 import HTTPConnectionPool, Retry

SERVER = os.environ.get("FRAMEWORKS_SERVER", "gpool")
UNDER_GUNICORN = SERVER == "gunicorn-gpool"
SITES = ["flask", "django", "falcon", "bottle"]


class Site:
    """A site that is served in a process of its own."""

    def __init__(self, name, errors):
        self.name = name
        self._errors = errors
        module = ["under_gunicorn"] if UNDER_GUNICORN else ["serving", SERVER]
        with errors.open("w") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", f"tests.frameworks.{module[0]}", *module[1:], name],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        line = self.process.stdout.readline()
        assert line, self.errors()
        self.port = int(line)

    def errors(self):
        """What it has written to stderr."""
        return self._errors.read_text()

    def clients(self, count=1):
        """A pool of `count` kept connections."""
        return HTTPConnectionPool(
            "127.0.0.1",
            self.port,
            maxsize=count,
            block=True,
            timeout=20,
            retries=Retry(None, connect=0, read=0, status=0, other=0, redirect=3),
        )

    def stop(self):
        """Tell it to, and let it: a site that has to be killed leaves its file."""
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        self.process.kill()
        self.process.communicate()


def gpool_only(reason):
    """Skip what gevent.pywsgi is known not to do."""
    if SERVER == "pywsgi":
        pytest.skip(f"pywsgi {reason}")


@pytest.fixture(scope="session", params=SITES)
def site(request, tmp_path_factory):
    served = Site(request.param, tmp_path_factory.mktemp("site") / "errors")
    yield served
    served.stop()


@pytest.fixture
def client(site):
    """One kept connection to the site."""
    with site.clients() as pool:
        yield pool


@pytest.fixture
def plain(site):
    """The same, of the standard library."""
    with closing(HTTPConnection("127.0.0.1", site.port, timeout=20)) as connection:
        yield connection


@pytest.fixture(params=SITES)
def own_site(request, tmp_path):
    """A site for one test, which may stop it."""
    served = Site(request.param, tmp_path / "errors")
    yield served
    served.stop()
