cpdef framing_of(dict fields, bint http11, limits)
cpdef bint wants_keep_alive(str connection, bint http11)
