"""`bench.application`, in a process that seldom looks at all its objects for garbage.

A full collection looks at each of them, and nobody is served meanwhile. By CPython's own settings
there is one whenever a fourth more has come to stay; here it takes a thousand collections of the
younger ones, too. What docs/deployment.md advises is what is measured.
"""

import gc

from bench.application import application

__all__ = ["application"]

gc.set_threshold(*gc.get_threshold()[:2], 1_000)
