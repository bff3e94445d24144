"""What runs on the Hub's thread, seen from another one.

Guarantees: no frame and no object of the Hub's side leaves this module, only text and code; none is
asked to do anything, be it to print itself. When to look is left to `gpool.hubwatch`, and all of
this is for its thread.
"""

import os
import sys
from dataclasses import dataclass
from itertools import dropwhile
from traceback import FrameSummary, StackSummary
from types import CodeType, FrameType
from typing import Any

import gevent
from gevent.hub import Hub
from greenlet import greenlet

__all__ = ["Sight", "look_at"]

DEEPEST = 64  # frames of a stack, the innermost ones; arbitrary
OUTERMOST = 16  # frames in which to look for the request: middleware is not nested deeper
OWN = tuple(os.path.dirname(path) + os.sep for path in (gevent.__file__, __file__))  # noqa: PTH120  # a prefix of a code's file name, which is text


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen on the Hub's thread.

    Attributes:
        stack: code and line of what runs there, innermost last; gevent's frames are not among the
            outermost ones, nor are gpool's.
        who: the request or greenlet.
    """

    stack: list[tuple[CodeType, int]]
    who: str

    @property
    def where(self) -> str:
        """The innermost frame."""
        code, line = self.stack[-1]
        return f"{code.co_filename}:{line} in {code.co_name}"

    def format(self) -> str:
        """The stack as a traceback has it, with the lines of the source."""
        summaries = [
            FrameSummary(code.co_filename, line, code.co_name, lookup_line=False)
            for code, line in self.stack[-DEEPEST:]
        ]
        return "".join(StackSummary.from_list(summaries).format())


def look_at(ident: int, hub: Hub) -> Sight | None:
    """Observer's thread. What runs on the thread `ident`, that of `hub`; None if it has ended.

    Only text and code leave this function, no frame: one that the Hub is done with would else be
    let go here, and close sockets in a thread that is not theirs. It takes 15 to 100 us for 45
    frames, and the Hub waits a switch interval (5 ms) before it asks for the GIL back.
    """
    frames: list[FrameType] = []
    frame = sys._current_frames().get(ident)  # noqa: SLF001  # the one way; faulthandler's is in C
    if frame is None:
        return None
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    frames.reverse()
    stack = [(frame.f_code, frame.f_lineno or 0) for frame in frames]
    outside = list(dropwhile(lambda one: one[0].co_filename.startswith(OWN), stack))
    return Sight(outside or stack, who_runs(frames[:OUTERMOST], hub))


def who_runs(frames: list[FrameType], hub: Hub) -> str:
    """Observer's thread. What is known of the request and greenlet that run, without tracing them.

    A greenlet that runs can be told from others, but not be asked for by another thread. So it is
    found among the locals of its `frames`, as is a WSGI environ (with "wsgi.version", PEP 3333).
    """
    known: list[Any] = [hub, hub.parent]
    environ: dict[str, Any] | None = None
    for frame in frames:
        for value in frame.f_locals.values():
            kind = type(value)  # isinstance would ask a proxy what it stands for
            if issubclass(kind, greenlet):
                known.append(value)
            elif environ is None and kind is dict and "wsgi.version" in value:
                environ = value
        if environ is not None:
            break
    running = next((one for one in known if bool(one) and one.gr_frame is None), None)
    if environ is None:
        return name_of(running, hub)
    target = environ.get("RAW_URI") or environ.get("PATH_INFO")
    request = ascii(f"{environ.get('REQUEST_METHOD')} {target}")[1:-1]
    return request if running is None else f"{request} ({name_of(running, hub)})"


def name_of(running: Any, hub: Hub) -> str:
    """Observer's thread. A greenlet's name; its own repr might be the application's code."""
    if running is None:
        return "a greenlet"
    if running is hub:
        return "a callback in the Hub"
    if running is hub.parent:
        return "the main greenlet"
    return object.__repr__(running)
