"""Applications for gunicorn's workers."""

import gc
import json
import os
import time

from gevent.monkey import get_original, is_module_patched


def hello(environ, start_response):
    """By its path: who serves, a wait, a block, an error, the environ."""
    path = environ["PATH_INFO"]
    if path == "/slow":
        print("slow: begun", file=environ["wsgi.errors"])
        time.sleep(float(environ["QUERY_STRING"] or 0.5))
    elif path == "/block":
        get_original("time", "sleep")(60)  # what blocks the Hub
    elif path == "/error":
        raise RuntimeError("the application's own")
    elif path == "/environ":
        known = {key: value for key, value in environ.items() if isinstance(value, str | bool)}
        return answer(start_response, json.dumps(known))
    elif path == "/frozen":
        return answer(start_response, str(gc.get_freeze_count()))
    elif path == "/patched":
        return answer(start_response, str(PATCHED))
    return answer(start_response, str(os.getpid()))


def answer(start_response, text):
    body = text.encode()
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    start_response("200 OK", [*headers, ("X-Out", "out")])
    return [body]


PATCHED = is_module_patched("socket")  # at the import
