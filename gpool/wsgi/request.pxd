import cython

cdef class Heads:
    cdef public dict _blocks, _lines, _template, whole
    cdef public set _hosts, _seen
    cdef public object _limits
    cdef public Py_ssize_t _usual
    @cython.locals(end=Py_ssize_t, line=bytes, block=bytes, environ=dict, fields=dict, known=tuple)
    cpdef tuple read(self, bytes head)
    @cython.locals(environ=dict, fields=dict, target=str)
    cpdef tuple _read_new(self, bytes head, bytes line, bytes block)
    cpdef tuple _read_by_rules(self, bytes head, dict environ)
    cpdef _check_host(self, host, http11)
    cpdef _remember(self, bytes line, bytes block, dict environ, dict fields, framing)
    @cython.locals(seen=set)
    cpdef bint _has_come(self, bytes part)
