"""Counting per period, by the log's time: how often something was done in the last one in which it was done at all."""

from msgspec import Struct

MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS
MONTH_MS = 30 * DAY_MS


class Count(Struct, frozen=True):
    """How often it was done in the period of this number, counted from 1970."""

    period: int = 0
    times: int = 0


def counted(count: Count, period_ms: int, at_ms: int) -> Count:
    """The count with one more, of a new period if that has begun."""
    period = at_ms // period_ms
    return Count(period, count.times + 1 if count.period == period else 1)


def left(count: Count, period_ms: int, now_ms: int, times_max: int) -> int:
    """How often it may still be done before the next period begins."""
    return max(times_max - (count.times if count.period == now_ms // period_ms else 0), 0)


def is_full(count: Count, period_ms: int, now_ms: int, times_max: int) -> bool:
    """Whether nothing more is to be done before the next period begins."""
    return count.period == now_ms // period_ms and count.times >= times_max
