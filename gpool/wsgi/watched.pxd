from gpool.connection cimport Connection
from gpool.wsgi.site cimport Site

cdef class Watched(Connection):
    cdef public object _io
    cdef public Site site
    cpdef ready(self)
    cpdef bint is_slow(self)
    cpdef _watch(self, int events)
    cpdef _unwatch(self)
    cpdef _moved(self, Py_ssize_t count)
