from gpool.wsgi.parking cimport Deadlines
from gpool.wsgi.request cimport Heads
from gpool.wsgi.response cimport Dates

cdef class Site:
    cdef public object _more, access, application, closed, fresh_context, give, hijacked, lingering
    cdef public object loop, no_worker, parked, pumping, serve, settings, slow
    cdef public dict blocks, whole
    cdef public Dates dates
    cdef public Heads heads
    cdef public Deadlines deadlines
    cdef public Py_ssize_t errors
    cdef public bint keep_alive, sendfile
    cdef public object request_timeout
