import cython
from gpool.wsgi.intake cimport Intake
from gpool.wsgi.site cimport Site
from gpool.wsgi.parking cimport Deadlines
from gpool.wsgi.application cimport Exchange

cdef class HTTPConnection(Intake):
    @cython.locals(site=Site, known=tuple)
    cpdef ready(self)
    @cython.locals(exchange=Exchange, buffer=bytes)
    cpdef _receive(self, bytes data)
    cpdef close(self)
    cpdef settle(self, verdict)
    cpdef _give(self, Exchange exchange, serve)
    cpdef next_of_batch(self)
    cpdef bint _ready_otherwise(self)
    @cython.locals(site=Site)
    cpdef _pump(self, Exchange exchange=*, serve=*)
    @cython.locals(sent=Py_ssize_t, deadlines=Deadlines)
    cpdef finish(self, verdict, data)
