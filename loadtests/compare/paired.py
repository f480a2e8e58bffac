"""Pairs of measurements, one of each side, and what may be said of them. Pure."""

import math
import statistics
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

SURE = 0.95
PAIRS_MIN = 6
"""With fewer pairs not even the whole range of ratios is as sure as `SURE`."""

Said: TypeAlias = Literal["better", "worse", "no difference seen"]


class Measure(NamedTuple):
    """Something that is measured on both sides; `more` says which way is better."""

    key: str
    text: str
    unit: str
    more: bool = False


class Compared(NamedTuple):
    """A measure on both sides: medians, and the ratio of this side to the other with the range it surely lies in."""

    measure: Measure
    here: float
    there: float
    ratio: float
    low: float
    high: float

    @property
    def said(self) -> Said:
        """What may be said of it: nothing, as long as a ratio of 1 lies in the range."""
        if self.low <= 1 <= self.high:
            return "no difference seen"
        return "better" if (self.ratio > 1) is self.measure.more else "worse"


def compared(measure: Measure, pairs: Sequence[tuple[float, float]]) -> Compared:
    """The two sides, from pairs of (here, there) that were taken one right after the other."""
    ratios = sorted(here / there for here, there in pairs)
    low, high = spread(ratios)
    here, there = (statistics.median(side) for side in zip(*pairs, strict=True))
    return Compared(measure, here, there, statistics.median(ratios), low, high)


def spread(ratios: Sequence[float]) -> tuple[float, float]:
    """The narrowest range between two of the sorted ratios that holds their true median as surely as `SURE`.

    By order statistics, which supposes nothing of how the noise is distributed. Of too few it is all of them, and
    the value 1 besides, since nothing can be said of them.
    """
    count = len(ratios)
    if count < PAIRS_MIN:
        return min(1.0, *ratios), max(1.0, *ratios)
    cut = 0
    while cut + 1 <= (count - 1) // 2 and _sure(count, cut + 1) >= SURE:
        cut += 1
    return ratios[cut], ratios[count - 1 - cut]


def _sure(count: int, cut: int) -> float:
    """How surely the true median lies between the ratios that are left when so many are cut off at each end."""
    return 1 - 2 * sum(math.comb(count, below) for below in range(cut + 1)) / float(2**count)
