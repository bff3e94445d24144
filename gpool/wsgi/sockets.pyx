"""Any side: accepting, and sockets that never block; `sockets.py` in C.

What a request needs, `recv` and `send`, is done here, and on Linux what an IPv4 connection needs.
For all that is rare, a `_socket.socket` is put around the descriptor for as long as it takes.
"""

import _socket
from os import strerror

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_CheckSignals, PyErr_SetFromErrno
from libc.errno cimport EAGAIN, EBADF, EINTR, errno

cdef extern from *:
    """
    #include <arpa/inet.h>
    #include <netinet/in.h>
    #include <sys/ioctl.h>
    #include <sys/socket.h>
    #include <unistd.h>
    #ifndef MSG_NOSIGNAL  /* elsewhere than on Linux, Python ignores SIGPIPE anyway */
    #define MSG_NOSIGNAL 0
    #endif
    #if defined(__linux__) && defined(SOCK_NONBLOCK)
    enum { HAS_ACCEPT4 = 1 };
    #else
    enum { HAS_ACCEPT4 = 0, SOCK_NONBLOCK = 0, SOCK_CLOEXEC = 0 };
    static int accept4(int fd, struct sockaddr *peer, socklen_t *size, int flags) { return -1; }
    #endif
    """
    ctypedef unsigned int socklen_t
    struct sockaddr:
        pass
    struct in_addr:
        unsigned int s_addr
    struct sockaddr_in:
        unsigned short sin_family, sin_port
        in_addr sin_addr
    const char *inet_ntop(int, const void *, char *, socklen_t)
    unsigned short ntohs(unsigned short)
    int accept4(int, sockaddr *, socklen_t *, int)
    int ioctl(int, unsigned long, ...)
    int AF_INET, HAS_ACCEPT4, MSG_NOSIGNAL, SOCK_CLOEXEC, SOCK_NONBLOCK
    unsigned long FIONBIO
    ssize_t c_recv "recv" (int, void *, size_t, int)
    ssize_t c_send "send" (int, const void *, size_t, int)
    int c_close "close" (int)

__all__ = ["Accepted", "Kind", "accept", "accepted"]

Kind = tuple[int, int, int]

# One for all: nothing else runs between the call and the copy. The GIL is kept, since a call that
# never waits is over sooner than others could begin.
cdef enum:
    ROOM = 65536
cdef char room[ROOM]

# Names of addresses: clients come again, and those behind a proxy from one. All share it, too.
cdef dict hosts = {}
cdef enum:
    MOST_HOSTS = 1024  # arbitrary


cdef class NonBlockingSocket:
    """A socket of `_socket`, as far as connections use one.

    Args:
        descriptor: of a stream socket that does not block; it is taken over.
        kind: family, type and protocol.
    """

    cdef int descriptor
    cdef tuple kind

    def __init__(self, int descriptor, tuple kind):
        self.descriptor = descriptor
        self.kind = kind

    def __dealloc__(self):
        if self.descriptor >= 0:
            c_close(self.descriptor)

    def __repr__(self):
        return f"<NonBlockingSocket fd={self.descriptor}>"

    @property
    def family(self):
        return self.kind[0]

    @property
    def type(self):
        return self.kind[1]

    @property
    def proto(self):
        return self.kind[2]

    def fileno(self):
        return self.descriptor

    def recv(self, Py_ssize_t size, int flags=0):
        if size < 0:
            raise ValueError("negative buffersize in recv")
        cdef ssize_t got = c_recv(self.descriptor, room, min(size, ROOM), flags)
        while got < 0 and errno == EINTR:
            PyErr_CheckSignals()
            got = c_recv(self.descriptor, room, min(size, ROOM), flags)
        if got < 0:
            PyErr_SetFromErrno(OSError)
        return PyBytes_FromStringAndSize(room, got)

    def recv_into(self, unsigned char[::1] view):
        if not view.shape[0]:
            return 0
        cdef ssize_t got = c_recv(self.descriptor, &view[0], view.shape[0], 0)
        while got < 0 and errno == EINTR:
            PyErr_CheckSignals()
            got = c_recv(self.descriptor, &view[0], view.shape[0], 0)
        if got < 0:
            PyErr_SetFromErrno(OSError)
        return got

    def send(self, data):
        cdef const unsigned char[::1] view
        cdef const void *start = NULL
        cdef Py_ssize_t size
        if type(data) is bytes:
            start, size = <const char *>(<bytes>data), len(<bytes>data)
        else:
            view = data
            size = view.shape[0]
            if size:
                start = &view[0]
        cdef ssize_t sent = c_send(self.descriptor, start, size, MSG_NOSIGNAL)
        while sent < 0 and errno == EINTR:
            PyErr_CheckSignals()
            sent = c_send(self.descriptor, start, size, MSG_NOSIGNAL)
        if sent < 0:
            PyErr_SetFromErrno(OSError)
        return sent

    def detach(self):
        descriptor, self.descriptor = self.descriptor, -1
        return descriptor

    def close(self):
        cdef int descriptor = self.descriptor
        self.descriptor = -1
        if descriptor >= 0 and c_close(descriptor) < 0:
            PyErr_SetFromErrno(OSError)

    def settimeout(self, timeout):
        if timeout != 0.0:
            raise ValueError(f"it never blocks, timeout must be 0.0, not {timeout!r}")

    def gettimeout(self):
        return 0.0

    def getpeername(self):
        return self._rarely("getpeername")

    def getsockname(self):
        return self._rarely("getsockname")

    def getsockopt(self, *args):
        return self._rarely("getsockopt", *args)

    def setsockopt(self, *args):
        return self._rarely("setsockopt", *args)

    def shutdown(self, how):
        return self._rarely("shutdown", how)

    def _rarely(self, name, *args):
        if self.descriptor < 0:
            raise OSError(EBADF, strerror(EBADF))
        sock = _socket.socket(*self.kind, self.descriptor)
        try:
            return getattr(sock, name)(*args)
        finally:
            sock.detach()


Accepted = NonBlockingSocket


def accept(listener, tuple kind):
    """Hub side. Accept a connection; see `sockets.py`."""
    if HAS_ACCEPT4 and kind[0] == AF_INET:
        return accept_ipv4(listener.fileno(), kind)
    try:
        descriptor, address = listener._accept()
    except BlockingIOError:
        return None
    return accepted(descriptor, kind), address


cdef accept_ipv4(int listener, tuple kind):
    # No second call to make it non-blocking, and an address without detours.
    cdef sockaddr_in peer
    cdef socklen_t size = sizeof(peer)
    cdef char host[16]
    cdef int descriptor = accept4(listener, <sockaddr *>&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC)
    if descriptor < 0:
        if errno == EAGAIN:
            return None
        PyErr_SetFromErrno(OSError)
    sock = NonBlockingSocket(descriptor, kind)
    name = hosts.get(peer.sin_addr.s_addr)
    if name is None:
        inet_ntop(AF_INET, &peer.sin_addr, host, sizeof(host))
        if len(hosts) >= MOST_HOSTS:
            hosts.clear()
        name = hosts[peer.sin_addr.s_addr] = host.decode("ascii")
    return sock, (name, ntohs(peer.sin_port))


def accepted(int descriptor, tuple kind):
    """Hub side. The socket of a connection that was just accepted; see `sockets.py`."""
    cdef int on = 1
    if ioctl(descriptor, FIONBIO, &on) < 0:
        PyErr_SetFromErrno(OSError)
    return NonBlockingSocket(descriptor, kind)
