"""The options that are about the server: those of `gpool.WSGIServer`, and their neighbours."""

from socket import SOMAXCONN

import click

from gpool.command.setting import LIMITS, SETTINGS, Group, Setting, of_server, switch, timeout
from gpool.command.types import (
    HEADERS,
    PEERS,
    BindType,
    CountType,
    ModeType,
    SecondsType,
    SizeType,
)
from gpool.overflow import OVERFLOW_PAUSE
from gpool.pool import MAX_IDLE_WORKER_DURATION
from gpool.wsgi.adapting import POLICIES
from gpool.wsgi.forwarded import BELIEVED
from gpool.wsgi.framing import SMALL
from gpool.wsgi.server import MAX_WORKERS

__all__ = ["BIND", "SERVER_GROUPS"]

BIND = "127.0.0.1:8000"
LOCAL = "127.0.0.1,::1,unix"
INT = (1 << 31) - 1  # the largest that listen(2) takes

SERVER_GROUPS = [
    Group(
        "Listening",
        [
            Setting(
                "bind",
                BindType(),
                (BIND,),
                "Where to listen: host:port, [::1]:8000, :8000 (all interfaces), unix:/path, or "
                "fd://3; may be repeated. The variable PORT stands for :PORT, and systemd's "
                "sockets for what is not given.",
                short="-b",
                multiple=True,
                metavar="ADDRESS",
            ),
            of_server(
                "backlog",
                CountType(1, maximum=INT),
                SOMAXCONN,
                "How many connections the kernel queues.",
            ),
            switch(
                "reuse_port",
                "Set SO_REUSEPORT, so that several programs can listen on the address.",
                server=True,
            ),
            switch(
                "defer_accept",
                "Take a connection only when its first bytes are there (Linux).",
                server=True,
            ),
            Setting(
                "umask",
                ModeType(),
                None,
                "The process's umask; it says who may connect to a unix socket, too.",
                metavar="OCTAL",
            ),
            of_server(
                "forwarded_allow_ips",
                PEERS,
                LOCAL,
                "From whom forwarded-headers are believed: addresses and networks, unix, or *; "
                "empty for nobody.",
            ),
            of_server(
                "forwarded_headers",
                HEADERS,
                BELIEVED,
                "What they are believed; name only what the proxy itself sets or removes.",
            ),
            switch(
                "proxy_protocol",
                "Expect the PROXY protocol, version 1 or 2, from those in proxy-allow-ips.",
                server=True,
            ),
            of_server(
                "proxy_allow_ips",
                PEERS,
                LOCAL,
                "Who speaks the PROXY protocol.",
            ),
        ],
    ),
    Group(
        "How much at once",
        [
            of_server(
                "max_workers",
                CountType(1),
                MAX_WORKERS,
                "The most requests served at once.",
            ),
            of_server(
                "max_idle_worker_duration",
                SecondsType(optional=False),
                MAX_IDLE_WORKER_DURATION,
                "After how long an unused worker ends.",
            ),
            of_server(
                "max_connections", CountType(1, optional=True), None, "The most open connections."
            ),
            of_server(
                "max_conns_per_ip",
                CountType(1, optional=True),
                None,
                "The same from one address (IPv6: from one /64); who has more gets a 429.",
            ),
            of_server(
                "overflow",
                click.Choice(POLICIES),
                "reject",
                "What happens to a request when all workers are busy: a 503, or a wait in a queue; "
                "adaptive: how many of them are used at once is found out.",
            ),
            of_server(
                "overflow_pause",
                SecondsType(zero=True, optional=False),
                OVERFLOW_PAUSE,
                "How long new connections wait in the kernel after such a 503.",
            ),
            of_server(
                "max_queue",
                CountType(0),
                SETTINGS.max_queue,
                "How many requests may wait for a worker (overflow wait, adaptive).",
            ),
            of_server(
                "adaptive_delay",
                SecondsType(optional=False),
                SETTINGS.adaptive_delay,
                "How long one may do so (overflow adaptive); a twentieth of it while there are "
                "always some.",
            ),
            of_server(
                "adaptive_min",
                CountType(1),
                SETTINGS.adaptive_min,
                "The fewest requests in flight that they are limited to (overflow adaptive).",
            ),
        ],
    ),
    Group(
        "How long",
        [
            timeout(
                "header_timeout",
                "For a request's head, and for a new connection's first byte; then a 408.",
            ),
            timeout("keepalive_timeout", "For which a connection may be idle."),
            timeout(
                "keepalive_min_timeout",
                "For which it may be so although the server stops: a request may be on its way.",
                zero=True,
            ),
            timeout("body_timeout", "Without a byte of a request's body."),
            timeout("write_timeout", "In which a client takes nothing of a response."),
            timeout("request_timeout", "For the application, for one request; then a 504."),
            timeout("queue_timeout", "For which a request waits for a worker; then a 503."),
            Setting(
                "graceful_timeout",
                SecondsType(zero=True, optional=False),
                30.0,
                "For what is being served, after SIGTERM; what is left is killed.",
            ),
            switch(
                "cancel_on_disconnect",
                "Interrupt the application when its client goes away.",
                server=True,
            ),
        ],
    ),
    Group(
        "How large",
        [
            of_server(
                "max_request_line",
                SizeType(SMALL),
                LIMITS.max_request_line,
                "Of a request's first line; then a 414.",
            ),
            of_server(
                "max_headers",
                CountType(1),
                LIMITS.max_headers,
                "How many header fields a request may have; then a 431.",
            ),
            of_server(
                "max_header_size",
                SizeType(SMALL),
                LIMITS.max_header_size,
                "Of one header field; then a 431.",
            ),
            of_server(
                "max_head_size",
                SizeType(SMALL),
                LIMITS.max_head_size,
                "Of all of a request's head; then a 431.",
            ),
            of_server(
                "max_body_size",
                SizeType(0),
                LIMITS.max_body_size,
                "Of a request's body; then a 413.",
            ),
            of_server(
                "body_buffer",
                SizeType(0),
                SETTINGS.body_buffer,
                "Of a body up to which it is read before a worker is taken.",
            ),
            of_server(
                "write_buffer",
                SizeType(0),
                SETTINGS.write_buffer,
                "Of a finished response that may be sent after its worker is free.",
            ),
        ],
    ),
]
