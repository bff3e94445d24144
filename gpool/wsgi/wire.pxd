from gpool.wsgi.watched cimport Watched
from gpool.wsgi.site cimport Site

cdef class Wire(Watched):
    cdef public bytes buffer
    cdef public object _decoded, _verdict, _wait_error, _waiter, body, peer
    cdef public list _out
    cdef public Py_ssize_t _out_size, _turn, slot
    cdef public double deadline, _request_deadline
    cdef public bint expects
    cpdef join(self, Site site)
    cpdef _send(self, data)
    cpdef bint _flush(self)
    cpdef bint is_slow(self)
    cpdef finish(self, verdict, data)
