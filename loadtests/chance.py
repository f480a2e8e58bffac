"""Chance without a generator: what is drawn for the n-th thing is a pure function of (seed, purpose, n), over arrays.

SplitMix64's finaliser, so the same on every machine, in any order and in pieces of any size; nothing is stored.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Bits: TypeAlias = NDArray[np.uint64]
Numbers: TypeAlias = NDArray[np.int64]
Reals: TypeAlias = NDArray[np.float64]

_GOLDEN = 0x9E3779B97F4A7C15
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_WORD = (1 << 64) - 1
TABLE_BITS = 16


def key(seed: int, purpose: str) -> int:
    """A number of 64 bits that tells the draws of one purpose from those of every other."""
    mixed = seed & _WORD
    for byte in purpose.encode():
        mixed = _mixed((mixed ^ byte) + _GOLDEN)
    return mixed


def _mixed(number: int) -> int:
    number &= _WORD
    number = ((number ^ number >> 30) * _FIRST) & _WORD
    number = ((number ^ number >> 27) * _SECOND) & _WORD
    return number ^ number >> 31


def bits(purpose_key: int, ns: Numbers | Bits) -> Bits:
    """64 bits for each number."""
    mixed = ns.astype(np.uint64)
    mixed *= np.uint64(_GOLDEN)
    mixed += np.uint64(purpose_key)
    return _all_mixed(mixed)


def _all_mixed(mixed: Bits) -> Bits:
    """As `_mixed` does it with one; in place."""
    shifted = mixed >> np.uint64(30)
    for factor, shift in ((_FIRST, 27), (_SECOND, 31)):
        mixed ^= shifted
        mixed *= np.uint64(factor)
        np.right_shift(mixed, np.uint64(shift), out=shifted)
    mixed ^= shifted
    return mixed


def unit(drawn: Bits) -> Reals:
    """Reals of at least 0 and below 1, from the upper 53 bits."""
    return (drawn >> np.uint64(11)).astype(np.float64) * 2.0**-53


def follow(drawn: int) -> tuple[int, float]:
    """Where a sequence of draws goes on from here, and the draw."""
    drawn = (drawn + _GOLDEN) & _WORD
    return drawn, (_mixed(drawn) >> 11) * 2.0**-53


def following(drawn: Bits, count: int) -> tuple[Bits, Reals]:
    """`follow` of many, `count` times each: where each goes on, and its draws in a row, the last of them first."""
    steps = np.arange(count, 0, -1, dtype=np.uint64) * np.uint64(_GOLDEN)
    return drawn + steps[0], unit(_all_mixed(drawn[:, np.newaxis] + steps))


def below(drawn: Bits, bound: int | Numbers) -> Numbers:
    """Whole numbers of at least 0 and below a bound of at most 2^31, from the upper 32 bits."""
    return ((drawn >> np.uint64(32)) * np.asarray(bound, np.uint64) >> np.uint64(32)).astype(np.int64)


def ranks(drawn: Bits, count: int | Numbers) -> Numbers:
    """Ranks from 0 by Zipf's law with the exponent 1: the k-th of `count` comes with ln(1 + 1/k) / ln(count + 1)."""
    found = np.exp(unit(drawn) * np.log(np.asarray(count, np.float64) + 1.0)).astype(np.int64) - 1
    return np.minimum(found, np.asarray(count, np.int64) - 1)


def geometric_table(mean: float, most: int) -> NDArray[np.uint8]:
    """A number from 1 on for each of the 65,536 values of 16 bits: geometric, with this mean, and at most `most`."""
    assert 1 <= mean < most <= 255, f"a mean of {mean} cannot be had from 1 to {most}"
    goes_on = 1.0 - 1.0 / mean
    numbers = np.arange(1, most + 1)
    ends = np.rint((1.0 - goes_on**numbers) * (1 << TABLE_BITS)).astype(np.int64)
    ends[-1] = 1 << TABLE_BITS
    return np.repeat(numbers.astype(np.uint8), np.diff(ends, prepend=0))


def share_table(shares: tuple[float, ...]) -> NDArray[np.uint8]:
    """The index of a share for each of the 65,536 values of 16 bits."""
    ends = np.rint(np.cumsum(shares) / sum(shares) * (1 << TABLE_BITS)).astype(np.int64)
    return np.repeat(np.arange(len(shares), dtype=np.uint8), np.diff(ends, prepend=0))


def sixteen(drawn: Bits, part: int) -> NDArray[np.int64]:
    """One of the four parts of 16 bits: an index into such a table."""
    return (drawn >> np.uint64(TABLE_BITS * part) & np.uint64((1 << TABLE_BITS) - 1)).astype(np.int64)
