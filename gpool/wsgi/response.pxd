cdef class Dates:
    cdef public bytes _date, _server
    cdef public dict _statuses, prefixes
    cpdef bytes prefix(self, status)
