"""What callgrind has counted: its format, and the costs of functions.

A function is kept apart by its callers, `strlen'PyUnicode_FromString'main`. Three figures come of
that: what a function takes itself, what it takes with all that it calls, and what it takes with
the helpers that it uses, up to the next function that has an author of its own. The last one is
what one wants to know when gpool shall be faster: `Answer.start_response` with the dictionaries it
looks into, but without the functions of gpool it calls.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.profiling.names import (
    GREENLET,
    INTERPRETED,
    LOOP,
    OTHER,
    SOCKETS,
    Function,
    function,
)

NOBODY = Function("nobody within so many calls", "", OTHER)
PYTHON = Function("Python code, interpreted", "", INTERPRETED)
SWITCH = Function("a switch of greenlets", "greenlet", GREENLET)
EVALUATE = "_PyEval_EvalFrameDefault"


@dataclass(slots=True)
class Cost:
    """What a function took.

    Attributes:
        own: instructions of its own.
        inclusive: those, and those of all that it called.
        owned: its own, and those of the helpers that it used.
        calls: how often it was called.
    """

    own: int = 0
    inclusive: int = 0
    owned: int = 0
    calls: int = 0


@dataclass(slots=True)
class Counted:
    """What so many requests took.

    Attributes:
        requests: how many there were.
        instructions: in all, of the server's process in user space.
        functions: by what they are.
        helpers: what each function's helpers took on its behalf, itself among them.
    """

    requests: int
    instructions: int = 0
    functions: dict[Function, Cost] = field(default_factory=lambda: defaultdict(Cost))
    helpers: dict[Function, Counter[Function]] = field(default_factory=lambda: defaultdict(Counter))

    def parts(self) -> dict[str, float]:
        """Instructions per request of each part of the work, by what the functions are."""
        return self._sums("own")

    def owners(self) -> dict[str, float]:
        """The same by on whose behalf: CPython's functions count for who used them."""
        return self._sums("owned")

    def _sums(self, figure: str) -> dict[str, float]:
        sums: dict[str, float] = defaultdict(float)
        for what, cost in self.functions.items():
            sums[what.part] += getattr(cost, figure) / self.requests
        return dict(sorted(((k, v) for k, v in sums.items() if v), key=lambda pair: -pair[1]))

    def top(self, figure: str, count: int) -> list[tuple[Function, Cost]]:
        """The functions that have most of a figure of `Cost`.

        Those that are always in the stack, from main to the loop, say nothing by what they
        include, and are left out there.
        """
        most = self.instructions * (0.999 if figure == "inclusive" else 1)
        some = [pair for pair in self.functions.items() if 0 < getattr(pair[1], figure) <= most]
        return sorted(some, key=lambda pair: -getattr(pair[1], figure))[:count]


@dataclass(slots=True)
class Reader:
    """Understands callgrind's format, with neither names nor positions compressed.

    Attributes:
        counted: what has been read.
        known: functions by their symbols; callers come without their libraries.
        library: that of the function whose costs are being read.
        called_in: that of the function it calls.
        here: the costs of the first.
        called: those of the second.
        what: the first.
        owner: the function on whose behalf it works.
        outermost: whether it is not among its own callers; if it is, what it calls counts there.
        calling: whether the next line of costs is of a call.
    """

    counted: Counted
    known: dict[str, Function]
    library: str = ""
    called_in: str = ""
    here: Cost = field(default_factory=Cost)
    called: Cost = field(default_factory=Cost)
    what: Function = NOBODY
    owner: Function = NOBODY
    outermost: bool = True
    calling: bool = False

    def read(self, line: str) -> None:
        """Take a line."""
        key, assigned, value = line.partition("=")
        if line[:1].isdigit():
            self._cost(int(line.split()[1]))
        elif line.startswith("summary:"):
            self.counted.instructions = int(line.split()[1])
        elif not assigned:
            return
        elif key == "ob":
            self.library = self.called_in = value
        elif key == "cob":
            self.called_in = value
        elif key == "fn":
            self._begin(value.split("'"))
        elif key == "cfn":
            self.called = self.counted.functions[function(value.split("'")[0], self.called_in)]
        elif key == "calls":
            self.called.calls += int(value.split()[0])
            self.calling = True

    def _begin(self, chain: list[str]) -> None:
        symbol, *callers = chain
        what = function(symbol, self.library)
        self.what, self.here = what, self.counted.functions[what]
        # Without callers, a function that is in the stack the second time is called f'2.
        self.outermost = symbol not in callers and not any(map(str.isdigit, callers))
        by = [what, *(self.known[caller] for caller in callers if caller in self.known)]
        self.owner = owner_of(by)

    def _cost(self, cost: int) -> None:
        if not self.calling:
            self.here.own += cost
            self.counted.functions[self.owner].owned += cost
            self.counted.helpers[self.owner][self.what] += cost
        if self.outermost:
            self.here.inclusive += cost
        if self.calling:
            self.calling, self.called_in = False, self.library


def owner_of(chain: list[Function]) -> Function:
    """On whose behalf a function works: the first that is not a helper, itself or a caller."""
    for what in chain:
        if what.name == EVALUATE:
            return PYTHON
        if what.part == GREENLET:
            return SWITCH
        helper = what.name.startswith("__Pyx_")
        if not helper and (what.part in (LOOP, SOCKETS) or what.part.startswith("gpool.")):
            return what
    return NOBODY


def symbols(text: str) -> Iterator[tuple[str, str]]:
    """All symbols of a dump, and the libraries they are in."""
    library = called_in = ""
    for line in text.splitlines():
        key, _, value = line.partition("=")
        if key == "ob":
            library = called_in = value
        elif key == "cob":
            called_in = value
        elif key in ("fn", "cfn"):
            yield value.split("'")[0], library if key == "fn" else called_in
        elif key == "calls":
            called_in = library


def read(text: str, requests: int) -> Counted:
    """Understand what callgrind has written.

    Args:
        text: a dump, its names not compressed.
        requests: how many there were.
    """
    known = {symbol: function(symbol, library) for symbol, library in symbols(text)}
    reader = Reader(Counted(requests), known)
    for line in text.splitlines():
        reader.read(line)
    return reader.counted
