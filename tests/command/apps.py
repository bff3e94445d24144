"""The application that the command serves: each path tells something of its process."""

import gc
import os
import sys
from pathlib import Path

from gevent import monkey

PATCHED = monkey.is_module_patched("socket")


def app(environ, start_response):
    body = globals()[f"do_{environ['PATH_INFO'].strip('/') or 'hello'}"](environ).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def create(word="nothing"):
    """A factory."""
    return lambda environ, start_response: app(environ | {"word": word}, start_response)


def do_hello(environ):
    return "hello"


def do_word(environ):
    return environ["word"]


def do_echo(environ):
    return environ["wsgi.input"].read().decode()


def do_pid(environ):
    return str(os.getpid())


def do_folder(environ):
    return str(Path.cwd())


def do_patched(environ):
    return str(PATCHED)


def do_umask(environ):
    mask = os.umask(0)
    os.umask(mask)
    return oct(mask)


def do_scheme(environ):
    return environ["wsgi.url_scheme"]


def do_client(environ):
    return environ.get("SSL_CLIENT_VERIFY", "none")


def do_path(environ):
    return repr(sys.path[0])


def do_frozen(environ):
    """How many objects are left out of full collections."""
    return str(gc.get_freeze_count())


def do_block(environ):
    """Block the whole process for longer than any test takes."""
    print("blocking", file=sys.stderr, flush=True)
    monkey.get_original("time", "sleep")(60)
    return "done"


def do_block_a_little(environ):
    monkey.get_original("time", "sleep")(0.3)
    return "done"
