"""Hub side: heads of the usual kind, in one pass over their bytes; `scanning.py` in C."""

from cpython.dict cimport PyDict_GetItem, PyDict_SetItem
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_DecodeASCII, PyUnicode_DecodeLatin1
from libc.string cimport memchr, memcmp

__all__ = ["is_printable", "scan_fields", "scan_request_line"]

cdef enum:
    LONGEST_NAME = 64  # bytes; arbitrary
    TAB = 9
    CR = 13
    LF = 10
    SPACE = 32
    DELETE = 127
    VERSION = 9  # bytes of " HTTP/1.1"


def is_printable(bytes data):
    """Hub side. Whether all of `data` are printable; see `scanning.py`."""
    cdef const unsigned char *here = data
    cdef const unsigned char *stop = here + len(data)
    while here < stop:
        if here[0] < SPACE or here[0] >= DELETE:
            return False
        here += 1
    return True


def scan_request_line(bytes line, frozenset methods, dict environ):
    """Hub side. Read a request line; see `scanning.py`."""
    cdef Py_ssize_t size = len(line)
    cdef const unsigned char *start = line
    cdef const unsigned char *here = <const unsigned char *>memchr(start, SPACE, size)
    cdef const unsigned char *target
    cdef const unsigned char *query = NULL
    cdef const unsigned char *stop = start + size - VERSION
    if here == NULL or here >= stop or memcmp(stop, b" HTTP/1.1", VERSION) != 0:
        return False
    method = PyUnicode_DecodeLatin1(<const char *>start, here - start, NULL)
    if method not in methods:
        return False
    target = here = here + 1
    if here[0] != c"/":
        return False
    while here < stop:
        if here[0] <= SPACE or here[0] >= DELETE or here[0] == c"#" or here[0] == c"%":
            return False
        if here[0] == c"?" and query == NULL:
            query = here
        here += 1
    whole = PyUnicode_DecodeASCII(<const char *>target, stop - target, NULL)
    environ["REQUEST_METHOD"] = method
    environ["RAW_URI"] = environ["REQUEST_URI"] = environ["PATH_INFO"] = whole
    environ["SERVER_PROTOCOL"] = "HTTP/1.1"
    environ["QUERY_STRING"] = ""
    if query != NULL:
        environ["PATH_INFO"] = PyUnicode_DecodeASCII(<const char *>target, query - target, NULL)
        query += 1
        environ["QUERY_STRING"] = PyUnicode_DecodeASCII(<const char *>query, stop - query, NULL)
    return True


def scan_fields(bytes head, Py_ssize_t end, dict keys, Py_ssize_t most):
    """Hub side. Read header fields; see `scanning.py`."""
    cdef const unsigned char *here = head
    cdef const unsigned char *stop = here + len(head)
    cdef const unsigned char *start
    cdef const unsigned char *last
    cdef PyObject *key
    cdef dict fields = {}
    cdef Py_ssize_t count = 0
    here += end
    while here < stop:
        # A bytes object ends with a NUL, so that one may always look at the byte behind.
        if here[0] != CR or here[1] != LF or most == 0:
            return None
        most -= 1
        start = here + 2
        here = <const unsigned char *>memchr(start, c":", stop - start)
        if here == NULL or here - start > LONGEST_NAME:
            return None
        name = PyUnicode_DecodeLatin1(<const char *>start, here - start, NULL)
        key = PyDict_GetItem(keys, name)
        if key == NULL:
            return None
        here += 1
        while here[0] == SPACE or here[0] == TAB:
            here += 1
        start = here
        while here < stop and (here[0] >= SPACE or here[0] == TAB) and here[0] != DELETE:
            here += 1
        last = here
        while last > start and (last[-1] == SPACE or last[-1] == TAB):
            last -= 1
        if (<object>key):
            value = PyUnicode_DecodeLatin1(<const char *>start, last - start, NULL)
            PyDict_SetItem(fields, <object>key, value)
            count += 1
    return fields if len(fields) == count else None  # or one has come twice
