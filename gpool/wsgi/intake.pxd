import cython
from gpool.wsgi.wire cimport Wire
from gpool.wsgi.site cimport Site
from gpool.wsgi.application cimport Exchange

cdef class Intake(Wire):
    cdef public object _pending
    cdef public tuple remote
    cdef public Py_ssize_t _searched
    @cython.locals(buffer=bytes, end=Py_ssize_t, environ=dict, known=dict)
    cpdef next_request(self)
