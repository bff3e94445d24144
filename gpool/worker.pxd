cdef class WorkerChan:
    cdef object __weakref__
    cdef public object take, channel, worker, state, item
    cdef public double last_use_time
    cpdef hand_off(self, item)
