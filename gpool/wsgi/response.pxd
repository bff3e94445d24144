cdef class Block:
    cdef public list lines
    cdef public object length, own
    cdef public Py_ssize_t usual_length
    cdef public bytes data

cdef class Dates:
    cdef public bytes _date, _server
    cdef public dict _statuses, prefixes
    cpdef bytes prefix(self, status)
