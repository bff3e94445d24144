from gpool.connection cimport Connection
from gpool.wsgi.site cimport Site

cdef class Wire(Connection):
    cdef public bytes buffer
    cdef public object _decoded, _io, _verdict, _wait_error, _waiter, body, peer
    cdef public list _out
    cdef public Py_ssize_t _out_size, _turn, slot
    cdef public double deadline, _request_deadline
    cdef public bint expects
    cdef public Site site
    cpdef join(self, Site site)
    cpdef ready(self)
    cpdef _send(self, data)
    cpdef bint _flush(self)
    cpdef _watch(self, int events)
    cpdef _unwatch(self)
    cpdef finish(self, verdict, data)
