"""Looking ahead for a partition's timers: which part of the store to scan, and what of it is due soon. Pure.

The horizon moves on by half before it is reached. A scan sees the store only, so the frames that are applied and not
written yet are laid over what it found.
"""

from collections.abc import Iterable, Sequence

import msgspec

from actors.due import HORIZON_MS, DueTimers
from actors.kernel import layout
from actors.outbox import AppliedFrame
from actors.work import Scan

SCAN_LIMIT = 4_096
SCAN_LIMIT_MAX = SCAN_LIMIT << 10


class Timing:
    """The scans of one partition; one at a time."""

    def __init__(self, number: int) -> None:
        self.timers = DueTimers()
        self._number = number
        self._scanning_to_ms: int | None = None
        self._limit = SCAN_LIMIT

    def look_ahead(self, now_ms: int) -> Scan | None:
        """The scan that is wanted now, if one is."""
        if self._scanning_to_ms is not None or now_ms + HORIZON_MS // 2 <= self.timers.horizon_ms:
            return None
        self._scanning_to_ms = now_ms + HORIZON_MS
        start, end = layout.timer_range(self.timers.horizon_ms, self._scanning_to_ms)
        return Scan(self._number, start, end, self._limit)

    def scanned(self, pairs: Sequence[tuple[bytes, bytes]], unwritten: Iterable[AppliedFrame]) -> None:
        """The store's timers of the next minute, as frames not written yet have changed them. Raises Corrupt."""
        assert self._scanning_to_ms is not None
        full = len(pairs) >= self._limit
        horizon_ms = _timer(self._number, *pairs[-1])[3] if full else self._scanning_to_ms
        # So many timers in one millisecond that a scan did not come past it: the next one takes more.
        stuck = full and horizon_ms <= self.timers.horizon_ms
        self._limit = min(2 * self._limit, SCAN_LIMIT_MAX) if stuck else SCAN_LIMIT
        start, end = layout.timer_range(self.timers.horizon_ms, horizon_ms)
        found = dict(pairs)
        for applied in unwritten:
            found.update((key, value) for key, value in applied.changes.puts.items() if start <= key < end)
            for key in applied.changes.deletes:
                found.pop(key, None)
        self._scanning_to_ms = None
        self.timers.extend(horizon_ms, [_timer(self._number, *pair) for pair in sorted(found.items())])


def _timer(partition: int, key: bytes, value: bytes) -> tuple[str, str, int, int]:
    try:
        due_ms, entity, name = layout.timer_of(key)
        return entity, name, layout.decode_generation(value), due_ms
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise layout.unreadable(partition, key, error) from error
