"""Timers that fall due: which `Fire` records the owner should append now. A fact of the owner, not folded state.

Only timers due within `HORIZON_MS` are in memory; the rest stand in the store in order of due time. A `Fire` is
appended again, backing off, until the log says that the timer is gone.
"""

import heapq
from collections.abc import Iterable

from actors.kernel.record import Fire

HORIZON_MS = 60_000
RETRY_MS = 100
RETRY_MS_MAX = 60_000
FIRES_MAX = 1_024


class DueTimers:
    """The timers of one partition that fall due soon, by time."""

    __slots__ = ("_heap", "_live", "horizon_ms")

    def __init__(self) -> None:
        self.horizon_ms = 0
        self._heap: list[tuple[int, str, str, int, int, int]] = []
        self._live: dict[tuple[str, str], int] = {}

    def add(self, entity: str, timer: str, generation: int, due_ms: int) -> None:
        """A timer exists. One that is due beyond the horizon is left to the store."""
        if due_ms < self.horizon_ms:
            self._live[entity, timer] = generation
            heapq.heappush(self._heap, (due_ms, entity, timer, generation, due_ms, RETRY_MS))

    def remove(self, entity: str, timer: str, generation: int) -> None:
        """The log says that this timer is gone."""
        if self._live.get((entity, timer)) == generation:
            del self._live[entity, timer]

    def extend(self, horizon_ms: int, found: Iterable[tuple[str, str, int, int]]) -> None:
        """Move the horizon on; `found` are (entity, timer, generation, due_ms) between the old one and the new."""
        self.horizon_ms = horizon_ms
        for entity, timer, generation, due_ms in found:
            self.add(entity, timer, generation, due_ms)

    def next_due_ms(self) -> int | None:
        """When `due` has something to say next."""
        return self._heap[0][0] if self._heap else None

    def due(self, now_ms: int) -> list[Fire]:
        """The records to append now, at most `FIRES_MAX`; each comes again later unless the timer is removed."""
        fires: list[Fire] = []
        again: list[tuple[int, str, str, int, int, int]] = []
        while self._heap and self._heap[0][0] <= now_ms and len(fires) < FIRES_MAX:
            _, entity, timer, generation, due_ms, retry_ms = heapq.heappop(self._heap)
            if self._live.get((entity, timer)) == generation:
                fires.append(Fire(entity, timer, generation, due_ms))
                next_ms = min(2 * retry_ms, RETRY_MS_MAX)
                again.append((now_ms + retry_ms, entity, timer, generation, due_ms, next_ms))
        for entry in again:
            heapq.heappush(self._heap, entry)
        return fires
