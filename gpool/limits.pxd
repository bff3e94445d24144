cdef class ConnectionLimits:
    cdef public object max_connections, max_conns_per_ip
    cdef public Py_ssize_t expected, open
    cdef public dict _by_network
    cdef public list _waiting
    cpdef admit(self, address)
    cpdef release(self, address)
