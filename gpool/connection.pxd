cdef class Connection:
    cdef object __weakref__
    cdef public object _hijacked, _socket, address, state, worker
    cpdef take(self, socket, address)
    cpdef enter_closed(self)
    cpdef close(self)
