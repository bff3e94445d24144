import cython
from gpool.wsgi.response cimport Block, Dates
from gpool.wsgi.wire cimport Wire
from gpool.wsgi.site cimport Site

cdef class Answer:
    cdef public object _body_framing, _length, _phase, _verdict, framing, status
    cdef public Block _block
    cdef public bytes _prefix
    cdef public bint _enough, _usual
    cdef public Wire conn
    cdef public Py_ssize_t sent
    @cython.locals(size=Py_ssize_t, block=Block, conn=Wire)
    cpdef _send_list(self, blocks)
