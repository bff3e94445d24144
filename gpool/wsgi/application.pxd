import cython
from gpool.wsgi.answer cimport Answer
from gpool.wsgi.wire cimport Wire
from gpool.wsgi.site cimport Site

cdef class Exchange(Answer):
    cdef public object environ
    cpdef begin(self, Wire conn, dict environ, framing)
    @cython.locals(exchange=Exchange, conn=Wire, site=Site, following=Exchange)
    cpdef run(self)
