import cython
from gpool.wsgi.response cimport Dates
from gpool.wsgi.wire cimport Wire
from gpool.wsgi.site cimport Site

cdef class Answer:
    cdef public object _body_framing, _length, _own, _phase, _verdict, framing, status
    cdef public list _lines
    cdef public bint _enough, _usual
    cdef public Wire conn
    cdef public Py_ssize_t sent
    @cython.locals(size=Py_ssize_t, site=Site, lines=list)
    cpdef _send_list(self, blocks)
