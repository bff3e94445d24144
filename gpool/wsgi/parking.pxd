cdef class Deadlines:
    cdef public object _clock, _due, _look, _wheel
    cdef public object _swept
    cdef public double _look_after, _tick, now, usual, usual_time
    cdef public Py_ssize_t usual_slot
