import cython
from gpool.worker cimport WorkerChan

cdef class Workers:
    cdef public object _cleaner, _clock, _context, _hub, _max_idle, _on_error, _on_item_end
    cdef public object _state, _waited, _worker_func
    cdef public list _ready
    cdef public set _retiring, _workers
    cdef public Py_ssize_t _created, _errors, _max_workers, _parked_references, _refused
    cdef public Py_ssize_t _retired, _reused, _tainted
    @cython.locals(chan=WorkerChan, ready=list)
    cpdef serve(self, item)
    @cython.locals(probe=WorkerChan)
    cpdef _count_parked_references(self)
    cpdef _hand_off_claimed(self, WorkerChan chan, item)
    @cython.locals(ready=list)
    cpdef _work(self, WorkerChan chan)
