"""A server of HTTPS in a process of its own, monkey-patched as in production.

python -m tests.functional.tls_site CERTIFICATE KEY [CLIENT_CA]: serves on a free port of
127.0.0.1 and prints it; clients may show a certificate if there is a CLIENT_CA, and must if it
is preceded by "required". SIGHUP loads the files again, SIGTERM ends.
"""

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402  # after the patch, as in any application
import signal  # noqa: E402
import sys  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402

from gpool import WSGIServer  # noqa: E402
from gpool.certificates import server_context  # noqa: E402

LARGE = bytes(8 << 20)


def app(environ: Any, start_response: Any) -> list[bytes]:
    """What is known of the connection and the body, as JSON; at /large, 8 MiB."""
    start_response("200 OK", [])
    if environ["PATH_INFO"] == "/large":
        return [LARGE]
    told = {name: environ[name] for name in environ if name.startswith("SSL_")}
    told |= {name: environ[name] for name in ("PATH_INFO", "SERVER_PROTOCOL", "wsgi.url_scheme")}
    told["body"] = len(environ["wsgi.input"].read())
    return [json.dumps(told).encode() + b"\n"]


def main(certificate: str, key: str, *clients: str) -> None:
    """Serve until SIGTERM comes."""
    wants: Any = "required" if clients[:1] == ("required",) else "optional" if clients else "none"
    known = clients[-1] if clients else None

    def context() -> Any:
        return server_context(certificate, key, client_ca=known, client_certificate=wants)

    server = WSGIServer(("127.0.0.1", 0), app, ssl_context=context())
    server.start()

    def renew() -> None:
        server.renew_tls(context())
        print("renewed", flush=True)

    gevent.signal_handler(signal.SIGHUP, renew)
    gevent.signal_handler(signal.SIGTERM, server.stop, 1)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
