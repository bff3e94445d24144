"""What a proxy says of its client: Forwarded (RFC 7239) and X-Forwarded-*.

WSGI middleware that the server puts around the application only if somebody is trusted, so that
nothing else pays. The rule of what is believed:

1. Only the peer is asked first: if REMOTE_ADDR is not trusted, the request stays as it is.
2. Only the headers that are named are read, since what a proxy does not set or remove, it passes on
   as the client sent it. Unless told otherwise these are X-Forwarded-For and -Proto, as with
   uvicorn and Werkzeug's ProxyFix (gunicorn: -Proto). A header that is named and not set by the
   proxy lets any client choose its address, its Host, or (-Prefix) the path that the application
   sees.
3. If the request has Forwarded, and that is named, X-Forwarded-* are not looked at.
4. The client is found from the right, where the nearest proxy has added what it saw: past trusted
   addresses, up to the first that is not. If all are trusted it is the leftmost, as with uvicorn.
   At what is no address ("unknown", "_hidden", garbage) the walk ends: the client is not known.
5. Scheme, host, port and prefix are taken from the element beside the client's, counted from the
   right, since the same proxy wrote it; of a shorter list, the leftmost. X-Forwarded-Ssl counts
   only without X-Forwarded-Proto, and X-Forwarded-Port goes over the port of X-Forwarded-Host.

A comma ends an element, within quotes too: no address and no host has one, and a quote that a
client leaves open cannot swallow what the proxy adds.

Guarantees: what is malformed or cannot be is passed over, header by header, and never an error; the
peer's own address stays in ``gpool.peer``; whoever is not trusted changes nothing.

The answers that the server gives without the application (408, 503, ...) are logged with the
peer's address.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

from gpool.config import kind
from gpool.trusted import Trusted, plain
from gpool.wsgi.framing import Application, Environ
from gpool.wsgi.request import HOST

__all__ = ["BELIEVED", "HEADERS", "Forwarded", "believing", "names"]

BELIEVED = "x-forwarded-for,x-forwarded-proto"  # unless told otherwise
FORWARDED, FOR, PROTO, SSL, HOSTS, PORTS, PREFIX = (
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-ssl",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
)
#: The headers that can be believed, and their keys in an environ.
HEADERS = {
    name: "HTTP_" + name.upper().replace("-", "_")
    for name in (FORWARDED, FOR, PROTO, SSL, HOSTS, PORTS, PREFIX)
}

DEFAULT_PORTS = {"http": "80", "https": "443"}
MAX_PORT = 65_535
MAX_NODE = 64  # characters of a client; an IPv6 address with its port has 49, quotes and all
MAX_REMEMBERED = 1_024  # clients whose text has been read; arbitrary
#: An address, and a port: ``192.0.2.1:80``, ``[2001:db8::1]:80``; an IPv6 address also without [].
NODE = re.compile(r"\[([^\]]*)\](?::([^:]*))?|([^:]*)(?::([^:]*))?", re.ASCII)
SEGMENTS = re.compile(r"(?:/[\w\-.~!$&'()*+;=:@%]+)+", re.ASCII)  # RFC 3986 section 3.3
DOTS = re.compile(r"/\.\.?(?:/|\Z)")


class Forwarded:
    """The application, seen from the client's side of the proxies.

    It sets REMOTE_ADDR and REMOTE_PORT (empty if it is not known), ``wsgi.url_scheme`` and HTTPS,
    HTTP_HOST, SERVER_NAME and SERVER_PORT, SCRIPT_NAME and PATH_INFO, and ``gpool.peer``, which is
    REMOTE_ADDR and REMOTE_PORT as they were; nothing of it if none of the headers is there.

    Args:
        application: PEP 3333's.
        trusted: the proxies.
        headers: the names of those that the proxies set or remove, whatever a client sends;
            between commas, of `HEADERS`.

    Raises:
        TypeError: `headers` is no text.
        ValueError: there is another name in it.
    """

    def __init__(
        self,
        application: Application,
        trusted: Trusted,
        headers: str = BELIEVED,
    ) -> None:
        self.application = application
        self._trusted = trusted
        self._believed = names(headers)
        self._keys = tuple(self._believed.values())

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Worker side. PEP 3333's."""
        for key in self._keys:  # nearly always there is none: 0.1 us
            if key in environ:
                self._apply(environ)
                break
        return self.application(environ, start_response)

    def _apply(self, environ: Environ) -> None:
        peer = environ["REMOTE_ADDR"]
        if not self._trusted.host(peer):
            return
        environ["gpool.peer"] = (peer, environ["REMOTE_PORT"])
        headers = {name: environ[key] for name, key in self._believed.items() if key in environ}
        words = of_forwarded(headers[FORWARDED]) if FORWARDED in headers else of_others(headers)
        depth, client = self._client(words.pop(FOR, []))
        if client is not None:
            environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = client
        for name, apply in SETTERS:
            elements = words.get(name)
            if elements:
                apply(environ, elements[min(depth, len(elements) - 1)])

    def _client(self, clients: list[str]) -> tuple[int, tuple[str, str] | None]:
        # How far from the right it is, and its address and port.
        found = None
        depth = 0
        for depth, text in enumerate(clients):  # noqa: B007  # where it ends is the answer
            found = node(text) if len(text) <= MAX_NODE else None
            if found is None or not self._trusted.host(found[0]):
                break
        return depth, found


def believing(application: Application, allow_ips: str, headers: str) -> Application:
    """Any side. Put `Forwarded` around an application, if there is anybody to believe.

    Raises:
        TypeError: a setting is no text.
        ValueError: there is something in it that is not known.
    """
    trusted = Trusted(allow_ips, "forwarded_allow_ips")
    forwarded = Forwarded(application, trusted, headers)
    return forwarded if trusted else application


def names(headers: str) -> dict[str, str]:
    """The headers that are named in a setting, and their keys in an environ."""
    kind("forwarded_headers", headers, str, "a text of headers' names, between commas")
    asked = {name.strip().lower() for name in headers.split(",")} - {""}
    for name in sorted(asked - HEADERS.keys()):
        allowed = ", ".join(HEADERS)
        raise ValueError(f"forwarded_headers must have names out of {allowed}, not {name!r}")
    return {name: HEADERS[name] for name in asked}


# ---------------------------------------------------------------------- reading


def split(text: str) -> list[str]:
    """The elements of a list, from the right; empty ones do not count (RFC 9110 section 5.6.1)."""
    elements = [element.strip(" \t") for element in reversed(text.split(","))]
    return [element for element in elements if element]


def of_others(headers: dict[str, str]) -> dict[str, list[str]]:
    """What X-Forwarded-* say, each from the right; the nearest proxy's word comes first."""
    words = {name: split(text) for name, text in headers.items()}
    if PROTO not in words and headers.get(SSL, "").lower() == "on":
        words[PROTO] = ["https"]
    return words


def of_forwarded(text: str) -> dict[str, list[str]]:
    """What Forwarded says, under the names of the others."""
    elements = [pairs(element) for element in split(text)]
    parameters = ((FOR, "for"), (PROTO, "proto"), (HOSTS, "host"))
    return {name: [element.get(key, "") for element in elements] for name, key in parameters}


def pairs(text: str) -> dict[str, str]:
    """One element of Forwarded (RFC 7239 section 4), empty if it is malformed."""
    found: dict[str, str] = {}
    for pair in text.split(";"):
        name, equals, value = pair.strip(" \t").lower().partition("=")
        if not pair.strip(" \t"):
            continue
        if len(value) > 1 and value[0] == value[-1] == '"':
            value = value[1:-1]
        if not equals or '"' in value or name in found:
            return {}
        found[name] = value
    return found


@lru_cache(MAX_REMEMBERED)
def node(text: str) -> tuple[str, str] | None:
    """The address and the port (empty if it has none) of who has sent a request to a proxy.

    RFC 7239 section 6, and what X-Forwarded-For has: an IPv6 address need not be in brackets.
    """
    address = plain(text)
    if address is not None:
        return str(address), ""
    match = NODE.fullmatch(text.strip('"'))
    if match is None:
        return None
    inner, inner_port, outer, outer_port = match.groups()
    address = plain(outer if inner is None else inner)
    port = inner_port or outer_port or ""
    if address is None or (port and not (port[0] == "_" or is_port(port))):
        return None
    return str(address), "" if port[:1] == "_" else port


def is_port(text: str) -> bool:
    """Whether a text is the number of a port."""
    return text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) <= MAX_PORT  # noqa: PLR2004


# ---------------------------------------------------------------------- writing


def set_scheme(environ: Environ, scheme: str) -> None:
    """Set what says whether the client has used TLS."""
    scheme = scheme.lower()
    if scheme not in DEFAULT_PORTS:
        return
    environ["wsgi.url_scheme"] = scheme
    if scheme == "https":
        environ["HTTPS"] = "on"
    else:
        environ.pop("HTTPS", None)


def set_host(environ: Environ, host: str) -> None:
    """Set what the client has called the server."""
    name, port = name_and_port(host)
    if not name or not HOST.fullmatch(host) or (port and not is_port(port)):
        return
    environ["HTTP_HOST"] = host
    environ["SERVER_NAME"] = name
    environ["SERVER_PORT"] = port or usual_port(environ) or environ["SERVER_PORT"]


def set_port(environ: Environ, port: str) -> None:
    """Set the port that the client has connected to, in Host too."""
    if not is_port(port):
        return
    environ["SERVER_PORT"] = port
    host, _ = name_and_port(environ.get("HTTP_HOST", ""))
    if host:
        environ["HTTP_HOST"] = host if port == usual_port(environ) else f"{host}:{port}"


def usual_port(environ: Environ) -> str:
    """The port that a URL of the request's scheme need not have."""
    return DEFAULT_PORTS.get(environ["wsgi.url_scheme"], "")


def name_and_port(host: str) -> tuple[str, str]:
    """The parts of a Host (RFC 3986 section 3.2), an IPv6 address with its brackets."""
    name, bracket, rest = host.rpartition("]")
    start, _, port = rest.partition(":")
    return name + bracket + start, port


def set_prefix(environ: Environ, prefix: str) -> None:
    """Set the path that the application is at; it does not see that in PATH_INFO.

    A proxy may have removed it already.
    """
    prefix = prefix.removesuffix("/")
    path = unquote_to_bytes(prefix).decode("latin-1")
    if not SEGMENTS.fullmatch(prefix) or DOTS.search(path):
        return
    environ["SCRIPT_NAME"] = path
    if f"{environ['PATH_INFO']}/".startswith(f"{path}/"):
        environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix(path)


#: In this order: a port depends on the scheme, and goes over the host's.
SETTERS = ((PROTO, set_scheme), (HOSTS, set_host), (PORTS, set_port), (PREFIX, set_prefix))
