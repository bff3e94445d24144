"""What each call of the serving path can return, and what may come of it.

The errors are those of the man pages (Linux man-pages 6, sections ERRORS; for sockets also tcp(7)
and ip(7), since an ICMP error is told by whatever call comes next) that a descriptor which is open,
and of the right kind, can give. EBADF, EFAULT, ENOTSOCK and the like say that the caller has used
the call wrongly, EEXIST and ENOENT of epoll_ctl(2) that libev's idea of the kernel's set is not the
kernel's: no peer and no kernel out of memory brings them about. What happens then is in `FATAL`, as
far as it ends the server.
"""

import errno

import gevent

from tests.faults.shim import Fault

__all__ = ["END", "FATAL", "LIBUV", "LOST", "SHORT", "TABLE", "UNSEEN", "name_of"]

SHORT, END = -1, -2  # as in shim.c: a byte at most, none
NAMES = {SHORT: "SHORT", END: "END"}

# ip(7) and tcp(7): what the network says of a connection.
NETWORK = ("ECONNRESET", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "ENETDOWN")

TABLE: dict[str, tuple[str, ...]] = {
    # accept(2) passes on errors of the network that are pending on the new socket, too; and
    # "various Linux kernels can return other errors such as ... ETIMEDOUT".
    "accept": (
        *("EAGAIN", "EINTR", "ECONNABORTED", "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EPERM"),
        *("EPROTO", "ENETDOWN", "ENOPROTOOPT", "EHOSTDOWN", "ENONET", "EHOSTUNREACH"),
        *("EOPNOTSUPP", "ENETUNREACH", "ETIMEDOUT"),
    ),
    "recv": ("EAGAIN", "EINTR", "ENOMEM", "ENOTCONN", "SHORT", "END", *NETWORK),
    "send": ("EAGAIN", "EINTR", "ENOBUFS", "ENOMEM", "ENOTCONN", "EPIPE", "SHORT", *NETWORK),
    # read(2) and write(2): what OpenSSL uses.
    "read": ("EAGAIN", "EINTR", "ENOMEM", "EIO", "ENOTCONN", "SHORT", "END", *NETWORK),
    "write": ("EAGAIN", "EINTR", "ENOBUFS", "ENOMEM", "EPIPE", "SHORT", *NETWORK),
    # EINVAL: "mmap-like operations are not available" for the file.
    "sendfile": (
        *("EAGAIN", "EINTR", "EINVAL", "EIO", "ENOMEM", "ENOBUFS", "EPIPE", "SHORT", "END"),
        *NETWORK,
    ),
    # ENOSPC: max_user_watches.
    "epoll_ctl": ("ENOMEM", "ENOSPC"),
    "epoll_wait": ("EINTR",),
    "close": ("EINTR", "EIO", "ENOSPC", "EDQUOT"),
    "setsockopt": ("EINVAL", "ENOBUFS", "ENOMEM", "ENOPROTOOPT", "EPERM"),
    "getsockopt": ("EINVAL", "ENOBUFS", "ENOMEM", "ENOPROTOOPT"),
    "getsockname": ("EINVAL", "ENOBUFS"),
    "getpeername": ("EINVAL", "ENOBUFS", "ENOTCONN"),
    "shutdown": ("EINVAL", "ENOTCONN", "ENOBUFS"),
    "malloc": ("ENOMEM",),
}

#: libuv has an answer of its own to errors of epoll: of epoll_ctl gevent raises some in the Hub
#: (UVFuncallError), with all others libuv calls abort(3).
LIBUV = "libuv" in gevent.config.loop.__module__
if LIBUV:
    del TABLE["epoll_ctl"]

#: Errors that mean that the connection is lost. accept(2): it is off the queue.
LOST = frozenset(
    {
        *("ECONNABORTED", "EPERM", "EPROTO", "ENOPROTOOPT", "EHOSTDOWN", "ENONET", "EOPNOTSUPP"),
        *("EPIPE", "ENOTCONN", *NETWORK),
    }
)

#: Of accept(2) it is one of those of "various Linux kernels", of which nothing more is said.
OTHERWISE_LOST = ("accept", "ETIMEDOUT")

#: Errors after which the call is just made again, or goes on: the client must not notice.
UNSEEN = {
    "accept": ("EAGAIN", "EINTR", "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"),
    "recv": ("EAGAIN", "EINTR", "SHORT"),
    "send": ("EAGAIN", "EINTR", "SHORT"),
    "read": ("EAGAIN", "EINTR", "SHORT"),
    "write": ("EAGAIN", "EINTR", "SHORT"),
    "sendfile": ("EAGAIN", "EINTR", "SHORT"),
    "epoll_wait": ("EINTR",),
    "close": TABLE["close"],
}

#: Errors that no client brings about, and that the server does not outlive, with what is written.
FATAL = {
    ("accept", "EBADF"): "cannot accept any more: ",
    ("accept", "EINVAL"): "cannot accept any more: ",
    ("epoll_wait", "EBADF"): "SystemError: (libev) epoll_wait: Bad file descriptor",
    ("epoll_wait", "EINVAL"): "SystemError: (libev) epoll_wait: Invalid argument",
}


def fault(function: str, index: int, name: str) -> Fault:
    """Call number `index` of `function` fails with the error `name`."""
    number = {"SHORT": SHORT, "END": END}.get(name) or getattr(errno, name)
    return Fault(function, index, number, name in LOST and (function, name) != OTHERWISE_LOST)


def name_of(one: Fault) -> str:
    """How a fault is called in reports."""
    error = NAMES.get(one.error) or errno.errorcode[one.error]
    return f"{one.function}[{one.at}] {error}"
