"""What a symbol is: the function somebody wrote, and the part of the work that it belongs to.

Cython's names have the module and the class in them (`__pyx_f_5gpool_6worker_10WorkerChan_hand_off`
is WorkerChan.hand_off of gpool.worker). CPython's functions are told apart by their prefixes, which
hold for a build without debugging information as well, as long as it is not stripped.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import PurePath

INTERPRETER = "Python interpreter"
INTERPRETED = "Python code, interpreted"
MEMORY = "memory, garbage collection"
OBJECTS = "Python objects (dict, str, bytes, ...)"
SOCKETS = "Python's socket module"
GREENLET = "greenlet switches"
LOOP = "gevent and libev"
LIBC = "C library"
KERNEL_SEND, KERNEL_RECEIVE = "kernel: send", "kernel: receive"
KERNEL_EPOLL, KERNEL_OTHER = "kernel: epoll", "kernel: other"
KERNEL_ACCEPT, KERNEL_CLOSE = "kernel: accept", "kernel: close, shutdown"
OTHER = "other code"

#: Cython's prefixes: a C function, a wrapper for Python, a property, a slot of a type, ...
CYTHON = re.compile(
    r"__pyx_(?:f|pw|pf|fuse\w*|getprop|setprop|tp_[a-z]+|vtab\w*|mp_\w+|sq_\w+)_(.*)"
)
SUFFIX = re.compile(r"(?:\.(?:cold|constprop|isra|part|lto_priv|localalias)(?:\.\d+)*)+$|'\d+$")
MEMORY_NAMES = re.compile(
    r"_?Py(Object|Mem)_(Malloc|Calloc|Realloc|Free|Raw)|_Py_NewReference|pymalloc|_PyObject_(Malloc|"
    r"Free|GC)|PyObject_GC|PyType_GenericAlloc|_PyType_AllocNoTrack|gc_|visit_|deduce_unreachable|"
    r"update_refs|subtract_refs|move_unreachable|delete_garbage|untrack_|\w+_traverse$|"
    r"subtype_dealloc|_PyMem_|address_in_range|arena|_PyObject_New"
)
INTERPRETER_NAMES = re.compile(
    r"_?PyEval|_PyFrame|_?PyObject_(Call|Vectorcall|MakeTpCall|FastCall)|_?PyFunction|_PyStack|"
    r"method_vectorcall|cfunction_|_?PyCFunction|PyVectorcall|_?PyVectorcall|_?PyMethod|slot_tp_|"
    r"_?PyArg_|_Py_Check|trip_signal|drop_gil|take_gil|gen_|_?PyGen|_?PyErr|context_|_?PyContext|"
    r"builtin_|object_vacall|_Py_Specialize|_?PyThreadState|vectorcall_|call_|lookup_maybe|type_call|"
    r"_?PyObject_(Get|Set|Generic|Lookup)|_?PyType_|_PyObject_(Get|Generic|Lookup)|wrapperdescr|"
    r"wrap_|getset_|member_get|property_|classmethod|initialize_locals|_Py_HandlePending"
)
#: The system call is at the bottom of a stack; what it caused on loopback is above it.
KERNEL_NAMES = (
    (KERNEL_SEND, re.compile(r"__x64_sys_(send|write)|__arm64_sys_(send|write)|__sys_send")),
    (KERNEL_RECEIVE, re.compile(r"__(x64|arm64)_sys_(recv|read)|__sys_recv")),
    (KERNEL_EPOLL, re.compile(r"__(x64|arm64)_sys_epoll|do_epoll")),
    (KERNEL_ACCEPT, re.compile(r"__(x64|arm64)_sys_accept|__sys_accept")),
    (KERNEL_CLOSE, re.compile(r"__(x64|arm64)_sys_(close|shutdown)|__fput|task_work_run")),
)


@dataclass(frozen=True, slots=True)
class Function:
    """One that costs something.

    Attributes:
        name: as its author wrote it; with the class, if there is one.
        module: Python's name of an extension module, else the library's file.
        part: of the work, one of this module's constants, or gpool's module.
    """

    name: str
    module: str
    part: str


@cache
def function(symbol: str, library: str) -> Function:
    """What a symbol of a library is.

    Args:
        symbol: as the linker has it.
        library: the path of the file that it is in; empty if nobody knows.
    """
    if symbol.startswith("0x") and library in ("", "???"):
        return Function("jumps between libraries", "", LIBC)  # stubs of the linker's (PLT)
    symbol = SUFFIX.sub("", symbol)
    module = module_of(library)
    found = CYTHON.fullmatch(symbol)
    name = written(found[1], module) if found else symbol
    if symbol.startswith("__pyx_pw_"):
        name += " (def)"  # as Python calls it, with the arguments unpacked
    if symbol.startswith("__pyx_tp_"):  # slots of a type have no name in the source
        name += f".{symbol.split('_')[4]} (type)"
    return Function(name, module, part_of(symbol, module))


def module_of(library: str) -> str:
    """Python's name of an extension module by the path of its file; else the file's name."""
    path = PurePath(library)
    stem = path.name.split(".")[0]
    parts = [*path.parts[:-1], stem]
    for package in ("gpool", "gevent", "greenlet"):
        if package in parts and ".cpython-" in path.name:
            last = len(parts) - 1 - parts[::-1].index(package)
            return ".".join(parts[last:])
    return stem if ".cpython-" in path.name else path.name


def written(mangled: str, module: str) -> str:
    """The name that somebody wrote, out of Cython's: `14HTTPConnection_7ready` -> HTTP....ready."""
    for package in module.split("."):
        mangled = mangled.removeprefix(f"{len(package)}{package}").removeprefix("_")
    found = re.match(r"(\d+)(.*)", mangled)
    if found is None:
        return mangled
    length, rest = int(found[1]), found[2]
    if length < len(rest) and rest[length] == "_":
        method = re.sub(r"^\d+", "", rest[length + 1 :])
        return f"{rest[:length]}.{method}"
    return rest


def part_of(symbol: str, module: str) -> str:
    """Which part of the work a function does."""
    package = module.partition(".")[0]
    by_module = {
        "gpool": module,
        "gevent": LOOP,
        "greenlet": GREENLET,
        "_socket": SOCKETS,
        "_greenlet": GREENLET,
    }
    if package in by_module:
        return by_module[package]
    if module.startswith(("libc.", "libc-", "ld-linux", "libpthread", "libm.", "[vdso]")):
        return MEMORY if re.search("alloc|free", symbol) else LIBC
    if module.startswith(("libpython", "python")):
        return part_of_python(symbol)
    return OTHER


def part_of_python(symbol: str) -> str:
    """The same of CPython's own functions."""
    if MEMORY_NAMES.match(symbol):
        return MEMORY
    return INTERPRETER if INTERPRETER_NAMES.match(symbol) else OBJECTS


def part_of_kernel(stack: list[str]) -> str:
    """For which system call the kernel works, by its functions, from the innermost outwards."""
    for symbol in reversed(stack):
        for part, names in KERNEL_NAMES:
            if names.match(symbol):
                return part
    return KERNEL_OTHER
