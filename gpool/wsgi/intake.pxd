import cython
from gpool.wsgi.wire cimport Wire
from gpool.wsgi.site cimport Site
from gpool.wsgi.application cimport Exchange
from gpool.wsgi.application cimport Exchange

cdef class Intake(Wire):
    cdef public object _pending, facts
    cdef public tuple remote
    cdef public Py_ssize_t _searched
    @cython.locals(exchange=Exchange)
    cpdef Exchange _begin(self, dict environ, framing)
    cpdef settle(self, verdict)
    @cython.locals(buffer=bytes, end=Py_ssize_t, known=tuple)
    cpdef next_request(self)
    cpdef bint _goes_on(self, bytes buffer, bytes data)
