"""Whether memory has grown: a line through what was measured, and how sure that is.

Samples that follow each other are much alike, so that a line through all of them would seem surer
than it is. They are put into `BLOCKS` blocks, whose means are taken for independent; the growth is
that of the line through these, and its bound is Student's, one-sided, at 99 %.

Memory counts as flat if the growth is not significant, that is, if its lower bound is 0 or less;
or if it is no more than `ARENA`, in which Python's allocator takes memory from the system, so that
less is no news.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, linear_regression

__all__ = ["ARENA", "BLOCKS", "Growth", "growth"]

BLOCKS = 10
STUDENT = 2.896  # 99 %, one-sided, of BLOCKS - 2 degrees of freedom
ARENA = 1_024.0  # KiB


@dataclass(frozen=True, slots=True)
class Growth:
    """How much it was, in KiB, over all that was given.

    Attributes:
        growth: of the line.
        margin: what may be chance in it.
    """

    growth: float
    margin: float

    @property
    def flat(self) -> bool:
        """Whether that is none."""
        return self.growth - self.margin <= 0 or self.growth <= ARENA

    @property
    def seen(self) -> float:
        """The least growth that would not count as none."""
        return max(self.margin, ARENA)


def growth(values: Sequence[float]) -> Growth:
    """The growth of what was measured at equal distances.

    Raises:
        ValueError: there are fewer than two for each block.
    """
    if len(values) < 2 * BLOCKS:
        raise ValueError(f"{len(values)} samples are too few, {2 * BLOCKS} are the least")
    ends = [len(values) * block // BLOCKS for block in range(BLOCKS + 1)]
    means = [fmean(values[begin:end]) for begin, end in pairwise(ends)]
    places = [(block + 0.5) / BLOCKS for block in range(BLOCKS)]  # of 1, the whole
    slope, intercept = linear_regression(places, means)
    squares = sum(
        (mean - intercept - slope * at) ** 2 for mean, at in zip(means, places, strict=True)
    )
    spread = sum((at - 0.5) ** 2 for at in places)
    return Growth(slope, STUDENT * (squares / (BLOCKS - 2) / spread) ** 0.5)
