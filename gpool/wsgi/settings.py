"""The settings of a WSGI server: what there is, in which unit and range, and the defaults."""

from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from math import inf
from typing import Any

from gpool.adaptive import LEAST
from gpool.config import at_least, kind, seconds
from gpool.wsgi.framing import SMALL, Limits

__all__ = ["Settings", "unknown"]

#: The smallest value of a limit where that is not `SMALL`.
SMALLEST = {"max_headers": 1, "max_body_size": 0, "adaptive_min": 1}


@dataclass(frozen=True, slots=True)
class Settings:
    """Times and sizes.

    Attributes:
        header_timeout: seconds from the first byte of a request until its head is there, and
            from the start of a connection until its first byte.
        keepalive_timeout: seconds that a connection may be idle.
        keepalive_min_timeout: seconds that a connection may be idle although the server stops: who
            has just got an answer may be sending the next request.
        body_timeout: seconds without a byte of a request's body.
        write_timeout: seconds in which the client takes nothing of a response.
        request_timeout: seconds that the application has for one request.
        queue_timeout: seconds that a request waits for a worker.
        max_queue: how many requests may do so.
        adaptive_delay: seconds that one may do so with ``overflow="adaptive"``; a twentieth of it
            while there are always some.
        adaptive_min: the fewest requests in flight that it limits them to.
        body_buffer: bytes of a body up to which it is read before a worker is taken.
        write_buffer: bytes of a finished response that may be sent after its worker is free.
        cancel_on_disconnect: whether the application is interrupted when its client goes.
        limits: how much of a request is read.
    """

    header_timeout: float = 10.0
    keepalive_timeout: float = 75.0  # nginx's
    keepalive_min_timeout: float = 1.0  # nginx's idea; a round trip, and some time to turn round
    body_timeout: float = 30.0
    write_timeout: float = 30.0
    request_timeout: float = inf
    queue_timeout: float = 10.0
    max_queue: int = 1_024
    adaptive_delay: float = 0.1  # CoDel's interval, and Facebook's for requests
    adaptive_min: int = LEAST
    body_buffer: int = 65_536
    write_buffer: int = 1 << 20
    cancel_on_disconnect: bool = False
    limits: Limits = field(default_factory=Limits)

    @classmethod
    def checked(cls, values: dict[str, Any]) -> "Settings":
        """Take what belongs here out of `values`.

        Raises:
            TypeError: a value has the wrong type.
            ValueError: it is out of its range.
        """
        limits = {
            one.name: at_least(one.name, values.pop(one.name), SMALLEST.get(one.name, SMALL))
            for one in fields(Limits)
            if one.name in values
        }
        checked: dict[str, Any] = {}
        for one in fields(cls):
            if one.name not in values:
                continue
            value = values.pop(one.name)
            if one.name.endswith("_timeout"):
                zero = one.name == "keepalive_min_timeout"
                checked[one.name] = inf if value is None else seconds(one.name, value, zero=zero)
            elif one.name == "adaptive_delay":
                checked[one.name] = seconds(one.name, value)
            elif one.name == "cancel_on_disconnect":
                checked[one.name] = kind(one.name, value, bool, "True or False")
            else:
                checked[one.name] = at_least(one.name, value, SMALLEST.get(one.name, 0))
        return cls(**checked, limits=Limits(**limits))


#: What pywsgi has and gpool has not, and what to use instead.
INSTEAD = {
    "error_log": "configure the logger 'gpool.wsgi' instead",
    "handler_class": "there is no handler; flask-sock and Flask-SocketIO need none",
    "server_side": "pass ssl_context instead",
    "cert_reqs": "pass ssl_context instead",
    "ca_certs": "pass ssl_context instead",
    "ssl_version": "pass ssl_context instead",
    "suppress_ragged_eofs": "pass ssl_context instead",
    "do_handshake_on_connect": "the handshake is the server's, under header_timeout",
    "ciphers": "pass ssl_context instead",
}


def unknown(settings: dict[str, Any]) -> TypeError:
    """The error for arguments that are not known, with what may have been meant."""
    name = next(iter(settings))
    known = [one.name for one in (*fields(Settings), *fields(Limits)) if one.name != "limits"]
    if name in INSTEAD:
        return TypeError(f"WSGIServer has no argument {name!r}: {INSTEAD[name]}")
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are also {', '.join(known)}"
    return TypeError(f"WSGIServer has no argument {name!r}; {hint}")
