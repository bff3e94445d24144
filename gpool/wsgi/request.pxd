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

cpdef Py_ssize_t count_controls(bytes data)
@cython.locals(begin=Py_ssize_t, new=bytes, last=Py_ssize_t, size=Py_ssize_t)
cpdef check_beginning(bytes data, Py_ssize_t searched, limits)
@cython.locals(before=Py_ssize_t, lines=list)
cpdef check_lines(bytes data, Py_ssize_t searched, Py_ssize_t last, limits)
@cython.locals(fields=dict, keys=dict, line=str)
cpdef dict read_fields(list lines)
