cdef class Deadlines:
    cdef public object _clock, _wheel
    cdef public object _swept
    cdef public double _tick, _usual_time, now, usual
    cdef public Py_ssize_t usual_slot
