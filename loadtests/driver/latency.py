"""How long calls took: HDR histograms, filled from many values at a time, merged over seconds, processes and machines.

The buckets are those of HdrHistogram with three digits, so that what is encoded is read by every tool that reads it.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
from hdrh import histogram
from numpy.typing import NDArray

from loadtests.driver.result import Quantiles

Counts: TypeAlias = NDArray[np.int64]

HdrHistogram: Any = histogram.HdrHistogram

DIGITS = 3
LONGEST_US = 600_000_000
"""Ten minutes: whatever took longer counts as that."""
_HALF_BITS = 10
_HALF = 1 << _HALF_BITS
PLACES = (LONGEST_US.bit_length() - _HALF_BITS) * _HALF + _HALF
"""How many buckets there are."""


def no_counts() -> Counts:
    """A histogram of nothing."""
    return np.zeros(PLACES, np.int64)


def places(seconds: Sequence[float]) -> Counts:
    """The bucket of each latency."""
    us = np.clip(np.asarray(seconds, np.float64) * 1e6, 1, LONGEST_US).astype(np.int64)
    bits = np.frexp(us.astype(np.float64))[1] - 1
    bucket = np.maximum(bits - _HALF_BITS, 0)
    found: Counts = bucket * _HALF + (us >> bucket)
    return found


def count(counts: Counts, places: Counts) -> None:
    """Add latencies, by their buckets, to a histogram: of few, no other bucket is looked at."""
    np.add.at(counts, places, 1)


def value_us(place: int) -> int:
    """The least value that is counted in a bucket."""
    bucket = max((place >> _HALF_BITS) - 1, 0)
    return (place - (bucket << _HALF_BITS)) << bucket


def sparse(counts: Counts) -> list[int]:
    """A histogram as bucket, count, bucket, count … of what is not nothing."""
    found = np.flatnonzero(counts)
    pairs: list[int] = np.stack((found, counts[found]), axis=1).ravel().tolist()
    return pairs


def added(counts: Counts, pairs: Sequence[int]) -> None:
    """Add a sparse histogram to one."""
    flat = np.asarray(pairs, np.int64)
    np.add.at(counts, flat[::2], flat[1::2])


def quantile_ms(counts: Counts, quantile: float) -> float:
    """The latency that this part of all did not exceed; 0 of nothing."""
    total = int(counts.sum())
    if not total:
        return 0.0
    place = int(np.searchsorted(np.cumsum(counts), max(1, -(-int(total * quantile * 1e6) // 10**6))))
    return value_us(place) / 1_000


def encoded(counts: Counts) -> str:
    """The histogram as HdrHistogram writes it."""
    hist = HdrHistogram(1, LONGEST_US, DIGITS)
    for place in np.flatnonzero(counts):
        hist.record_value(value_us(int(place)), int(counts[place]))
    text: bytes = hist.encode()
    return text.decode()


def decoded(text: str) -> Counts:
    """A histogram that was encoded, here or elsewhere."""
    hist = HdrHistogram.decode(text)
    counts = no_counts()
    for item in hist.get_recorded_iterator():
        counts[int(places([item.value_iterated_to / 1e6])[0])] += item.count_added_in_this_iter_step
    return counts


def merged(some: Iterable[Counts]) -> Counts:
    """All of these as one."""
    total = no_counts()
    for counts in some:
        total += counts
    return total


def quantiles(counts: Counts) -> Quantiles:
    """What a histogram says."""
    total = int(counts.sum())
    found = np.flatnonzero(counts)
    values = np.asarray([value_us(int(place)) for place in found], np.float64)
    mean = float((values * counts[found]).sum() / total / 1_000) if total else 0.0
    p50, p90, p99, p999 = (quantile_ms(counts, part) for part in (0.5, 0.9, 0.99, 0.999))
    return Quantiles(
        count=total,
        mean_ms=mean,
        p50_ms=p50,
        p90_ms=p90,
        p99_ms=p99,
        p999_ms=p999,
        max_ms=float(values[-1] / 1_000) if total else 0.0,
        hist=encoded(counts),
    )
